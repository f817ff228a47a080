"""Opening a catalog by the folder of a session or by the address of a server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ainerd_agent.errors import CatalogError, SessionError


@contextmanager
def open_catalog(where: str, *, create: bool = False) -> Iterator[Any]:
    """The root of a catalog: of a server by its address, or of a folder, which is served meanwhile.

    Parameters
    ----------
    create : bool
        Make a new one where there is none.

    Raises
    ------
    SessionError
        A folder without a catalog, or one that is being served: then give the address.
    CatalogError
        See `ainerd_agent.catalog.connect`.
    """
    from ainerd_agent.catalog import TiledServer, connect

    if re.match(r"\w+://", where):
        root = connect(where, create=create)
        try:
            yield root
        finally:
            root.context.http_client.close()
        return
    folder = Path(where)
    if not create and not (folder / "catalog.db").is_file():
        raise SessionError(f"{folder} holds no session (it has no catalog.db): give the folder of one, or an address")
    with TiledServer(folder) as server:
        root = connect(server.uri, create=create)
        try:
            yield root
        finally:
            root.context.http_client.close()


def model_named(root: Any, name: str | None) -> Any:
    """The container of a model; without a name, of the only one there is."""
    from ainerd_agent.catalog import model_names, model_of

    if name is None:
        names = model_names(root)
        if len(names) != 1:
            raise CatalogError(
                f"The catalog holds results of {len(names)} models ({', '.join(names) or 'none'}): "
                + ("choose one with --model." if names else "analyse something first.")
            )
        (name,) = names
    return model_of(root, name)
