"""A session in another folder than before: moved, copied, or mounted elsewhere.

Tiled keeps where each file lies as an absolute address. So the database says which folder it was last served from, and
when that is another one now, the addresses below it are rewritten, all in one transaction: an interruption leaves it as
it was. Only the server's modules import this, after the folder was locked.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

from tiled.utils import ensure_uri

TABLES = "tables.db"

_FILE = "file://localhost"


def tables_uri(folder: Path) -> str:
    """The address of the database of tables of a session."""
    return str(ensure_uri(f"sqlite:///{folder / TABLES}"))


def follow_move(database: Path) -> int:
    """Make the addresses in a catalog those of the folder that it lies in.

    Parameters
    ----------
    database : Path
        The catalog, absolute. No server may be using it.

    Returns
    -------
    int
        How many addresses were rewritten: those below the former folder; others stay as they are.
    """
    here = database.parent
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        former = _served_from(connection)
        if former == {here}:
            return 0
        connection.execute("BEGIN IMMEDIATE")
        try:
            n_rewritten = sum(_rewrite(connection, folder, here) for folder in former - {here})
            connection.execute("CREATE TABLE IF NOT EXISTS ainerd_session (folder TEXT NOT NULL)")
            connection.execute("DELETE FROM ainerd_session")
            connection.execute("INSERT INTO ainerd_session VALUES (?)", (str(here),))
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
    return n_rewritten


def _served_from(connection: sqlite3.Connection) -> set[Path]:
    """The folder that a catalog was last served from; version 0.1 did not write it down, but where its tables are."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'ainerd_session'").fetchone():
        return {Path(folder) for (folder,) in connection.execute("SELECT folder FROM ainerd_session")}
    found = connection.execute("SELECT data_uri FROM assets WHERE data_uri LIKE 'sqlite:%'").fetchall()
    places = [_place(uri) for (uri,) in found]
    return {place.parent for place in places if place is not None and place.name == TABLES}


def _rewrite(connection: sqlite3.Connection, former: Path, here: Path) -> int:
    n_rewritten = 0
    for number, uri in connection.execute("SELECT id, data_uri FROM assets").fetchall():
        place = _place(uri)
        if place is None or former not in place.parents:
            continue
        moved = here / place.relative_to(former)
        new = tables_uri(here) if uri.startswith("sqlite:") else f"{_FILE}{moved}"
        there = connection.execute("SELECT id FROM assets WHERE data_uri = ?", (new,)).fetchone()
        if there is None:
            connection.execute("UPDATE assets SET data_uri = ? WHERE id = ?", (new, number))
        else:  # an earlier version went on with it here, and registered the same file again
            connection.execute(
                "UPDATE data_source_asset_association SET asset_id = ? WHERE asset_id = ?", (there[0], number)
            )
            connection.execute("DELETE FROM assets WHERE id = ?", (number,))
        n_rewritten += 1
    return n_rewritten


def _place(uri: str) -> Path | None:
    """The absolute path of an address as it stands in a catalog; None where it is of another kind."""
    scheme, _, rest = uri.partition("://")
    named = rest.removeprefix("localhost")
    if scheme == "sqlite":
        # The path begins after the third slash.
        return Path(named[1:]) if named.startswith("//") else None
    if scheme != "file" or not named.startswith("/"):
        return None
    path = Path(named)
    return path if "%" not in named or path.exists() else Path(unquote(named))
