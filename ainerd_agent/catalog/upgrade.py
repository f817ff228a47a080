"""Catalogs of version 0.1 as this version writes them, so that runs and agents of it can go on.

Arrays stay as they are. A table is written anew beside the old one, and takes its place once it is complete (see
`write.rebuilding`); a container is marked as new last of all. So whatever interrupts this, all rows are there, and the
next attempt goes on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from ainerd_agent.catalog.catalog import Catalog
from ainerd_agent.catalog.codec.maps_index import maps_index, maps_metadata
from ainerd_agent.catalog.codec.metadata import SUMMARY_COLUMNS, Summary, failures_of, run_metadata, run_of
from ainerd_agent.catalog.codec.own_keys import of_maps
from ainerd_agent.catalog.codec.suggestions import normalised
from ainerd_agent.catalog.codec.upgraded import upgraded_points, upgraded_suggestions
from ainerd_agent.catalog.layout import STAGED, child, version_of
from ainerd_agent.catalog.opening import open_catalog
from ainerd_agent.catalog.read.points import layout_of, stored_points
from ainerd_agent.catalog.schema import (
    ANALYSES,
    ANALYSIS_SPEC,
    MAPS,
    MAPS_SPEC,
    MODEL_SPEC,
    POINTS,
    SUGGESTIONS,
    SUGGESTIONS_SPEC,
)
from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.catalog.tiled_types import Container, Node, Table
from ainerd_agent.catalog.write.containers import access_of, set_metadata
from ainerd_agent.catalog.write.rebuilding import finish, rebuild
from ainerd_agent.errors import CatalogError, SessionError
from ainerd_agent.records import Events
from ainerd_agent.records.analysis import ModelIdentity

BACKUP = "before-2.0"
"""Folder within that of a session, with its databases as they were."""

DATABASES = ("catalog.db", "tables.db")


def back_up(folder: Path) -> Path:
    """Copy the databases of a session, unless that was done before; gives the folder with the copies.

    Arrays are not copied: an upgrade leaves them alone.

    Raises
    ------
    SessionError
        They cannot be copied.
    """
    backup, unfinished = folder / BACKUP, folder / f"{BACKUP}.unfinished"
    if backup.is_dir():
        return backup
    try:
        unfinished.mkdir(exist_ok=True)
        for name in DATABASES:
            (unfinished / name).unlink(missing_ok=True)
            with closing(sqlite3.connect(folder / name)) as source, closing(sqlite3.connect(unfinished / name)) as copy:
                source.backup(copy)
        unfinished.rename(backup)
    except (OSError, sqlite3.Error) as error:
        raise SessionError(f"The catalog in {folder} cannot be copied ({error}): nothing was changed.") from error
    return backup


def restore_backup(folder: Path) -> None:
    """Put the databases of a session back as they were before an upgrade. No server may be running on the folder.

    Raises
    ------
    SessionError
        There is no copy, or it cannot be put back.
    """
    backup = folder / BACKUP
    if not backup.is_dir():
        raise SessionError(f"{folder} holds no copy of an earlier catalog ({BACKUP}): it was not upgraded here.")
    try:
        for name in DATABASES:
            for left in (f"{name}-wal", f"{name}-shm", f"{name}-journal"):
                (folder / left).unlink(missing_ok=True)
            with closing(sqlite3.connect(backup / name)) as source, closing(sqlite3.connect(folder / name)) as target:
                source.backup(target)
        for name in DATABASES:
            (backup / name).unlink()
        backup.rmdir()
    except (OSError, sqlite3.Error) as error:
        raise SessionError(f"The copy in {backup} cannot be put back ({error}).") from error


def upgrade_folder(where: str) -> Iterator[str]:
    """Upgrade the catalog in the folder of a session, after a copy was made of it; as `upgrade`.

    Raises
    ------
    CatalogError
        It is the address of a server, whose databases cannot be copied from here.
    SessionError
        The folder holds no catalog, is being served, or cannot be copied.
    """
    if "://" in where:
        raise CatalogError(
            "An upgrade begins with a copy of the databases: give the folder of the catalog, not its address. Of a "
            "catalog in PostgreSQL, copy the database yourself, and call ainerd_agent.catalog.upgrade.upgrade."
        )
    with open_catalog(where) as catalog:
        if outdated(catalog):
            back_up(Path(where))
            yield from upgrade(catalog)


def outdated(catalog: Catalog) -> list[str]:
    """Paths of what version 0.1 wrote, in the order in which it would be upgraded."""
    with server_errors(catalog.address):
        return [path for path, _ in _steps(catalog.tiled)]


def upgrade(catalog: Catalog) -> Iterator[str]:
    """Upgrade what version 0.1 wrote. Nothing else may write meanwhile.

    Yields
    ------
    str
        The path of each container or table, once it is done.

    Raises
    ------
    CatalogError
        The server refuses or does not answer: begin again later.
    """
    with server_errors(catalog.address):
        for path, step in _steps(catalog.tiled):
            step()
            yield path


def _steps(root: Container) -> Iterator[tuple[str, Callable[[], None]]]:
    for uid, maps in root[MAPS].items():
        if _is_old(maps, MAPS_SPEC):
            yield f"/{MAPS}/{uid}", partial(_upgrade_maps, maps)
    for name, model in root[ANALYSES].items():
        path = f"/{ANALYSES}/{name}"
        for uid, run in model.items():
            if _is_old(run, ANALYSIS_SPEC):
                yield f"{path}/{uid}", partial(_upgrade_run, root, model, run)
        table: Table | None = child(model, SUGGESTIONS)
        unfinished = child(model, SUGGESTIONS + STAGED) is not None
        if unfinished or (table is not None and _is_old(table, SUGGESTIONS_SPEC)):
            yield f"{path}/{SUGGESTIONS}", partial(_upgrade_suggestions, model)
        if _is_old(model, MODEL_SPEC):
            yield path, partial(_mark, model, MODEL_SPEC)


def _upgrade_maps(maps: Container) -> None:
    metadata = maps.metadata_copy()[0]
    index = maps_index(metadata)
    told = maps_metadata(run_of(metadata, of_maps), index)
    set_metadata(maps, {key: value for key, value in told.items() if key not in metadata})
    _mark(maps, MAPS_SPEC)


def _upgrade_run(root: Container, model: Container, run: Container) -> None:
    metadata = run.metadata_copy()[0]
    maps: Container | None = child(root, f"{MAPS}/{metadata['raw_uid']}")
    durations: dict[Events, float] = {}
    if maps is not None:
        index = maps_index(maps.metadata_copy()[0])
        durations = dict(zip(index.events, index.duration, strict=True))

    def made(table: Table) -> pa.Table:
        schema = table.structure().arrow_schema_decoded
        kinds = {column.name: column.type for column in schema}
        layout = layout_of(run, table)
        return upgraded_points(stored_points(table, layout), layout, kinds, durations)

    _rebuild(run, POINTS, made, lambda table: "axes" in table.metadata, access_of(run_of(metadata)))
    set_metadata(run, _told_anew(model, run, metadata))
    _mark(run, ANALYSIS_SPEC)


def _told_anew(model: Container, run: Container, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata of a run from its rows; who analysed it, and when, stays."""
    derived = metadata["derived_from"]
    about = model.metadata
    identity = ModelIdentity(
        name=about["model"],
        weights_sha256=about["weights_sha256"],
        n_clusters=about["n_clusters"],
        parameters=derived["parameters"],
        geometry=derived.get("geometry") or {},
    )
    table: Table | None = child(run, POINTS)
    if table is None:
        return {}
    layout = layout_of(run, table)
    axes = layout.units_of_axes()
    rows = stored_points(table, layout, [*SUMMARY_COLUMNS, *axes])
    summary = Summary(
        points={name: rows[name].to_numpy() for name in map(str, rows)},
        status=metadata["status"],
        axes=axes,
        failures=failures_of(metadata),
        made=derived.get("made", ()),
    )
    told = run_metadata(run_of(metadata), identity, summary)
    told["derived_from"]["software"] = derived["software"]
    return {key: value for key, value in told.items() if key not in metadata or key in ("failed", "derived_from")}


def _upgrade_suggestions(model: Container) -> None:
    from tiled.structures.core import Spec

    def made(table: Table) -> pa.Table:
        return upgraded_suggestions(normalised(table.read()))

    options = {"specs": [Spec(*SUGGESTIONS_SPEC)]}
    _rebuild(model, SUGGESTIONS, made, lambda table: not _is_old(table, SUGGESTIONS_SPEC), options)


def _rebuild(
    container: Container,
    key: str,
    made: Callable[[Table], pa.Table],
    is_new: Callable[[Table], bool],
    options: Mapping[str, Any],
) -> None:
    finish(container, key, options)
    old: Table | None = child(container, key)
    if old is not None and not is_new(old):
        rebuild(container, key, made(old), options)


def _mark(node: Node, spec: tuple[str, str]) -> None:
    """Say that a node conforms to the version of today; other specs of it stay."""
    from tiled.structures.core import Spec
    from tiled.utils import patch_mimetypes

    others = [each for each in node.metadata_copy()[1] if each.name != spec[0]]
    node.patch_metadata(
        {}, specs_patch=[Spec(*spec), *others], content_type=patch_mimetypes.MERGE_PATCH, drop_revision=True
    )


def _is_old(node: Node, spec: tuple[str, str]) -> bool:
    version = version_of(node, spec[0])
    return bool(version) and version != spec[1]
