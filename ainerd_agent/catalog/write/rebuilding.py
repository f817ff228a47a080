"""Tables that are written anew, for Tiled can add rows to a table, but neither change nor remove any.

A table is written beside the old one, under another key, and takes its place once it is complete. So whatever
interrupts this, all rows are there, readers find them (`layout.table_of`), and the next attempt goes on.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from ainerd_agent.catalog.codec.columns import column_metadata
from ainerd_agent.catalog.codec.upgraded import as_table
from ainerd_agent.catalog.layout import COMPLETE, STAGED, UNFINISHED, child
from ainerd_agent.catalog.tiled_types import Container, Table
from ainerd_agent.catalog.write.containers import set_metadata

_REBUILT = "rebuilt"
"""In the metadata of a table that was written anew: by which attempt."""


def rebuild(container: Container, key: str, rows: pa.Table, options: Mapping[str, Any]) -> Table:
    """Put rows in the place of those of a table, or of no table.

    Parameters
    ----------
    container : Container
        In which the table is.
    key : str
    rows : pyarrow.Table
        With the units, descriptions and roles of its columns.
    options : mapping
        Of `Container.create_appendable_table`.
    """
    if child(container, key + STAGED) is not None:  # of an attempt that was interrupted before it was complete
        _delete(container, key + STAGED)
    about = {**column_metadata(rows.schema), _REBUILT: uuid.uuid4().hex}
    staged = _write(container, key + STAGED, rows, about, options)
    set_metadata(staged, {COMPLETE: True})
    return _put_in_place(container, key, staged, options)


def finish(container: Container, key: str, options: Mapping[str, Any]) -> None:
    """Go on where `rebuild` was interrupted, if it was: with the new rows if all were there, else with the old ones."""
    staged: Table | None = child(container, key + STAGED)
    if staged is None:
        return
    if staged.metadata.get(COMPLETE):
        _put_in_place(container, key, staged, options)
    else:
        _delete(container, key + STAGED)


def _put_in_place(container: Container, key: str, staged: Table, options: Mapping[str, Any]) -> Table:
    table: Table | None = child(container, key)
    if table is not None and (table.metadata.get(UNFINISHED) or table.metadata.get(_REBUILT) != _attempt(staged)):
        _delete(container, key)
        table = None
    if table is None:
        about = {name: value for name, value in staged.metadata_copy()[0].items() if name != COMPLETE}
        rows = as_table(staged.read(), staged.structure().arrow_schema_decoded)
        table = _write(container, key, rows, {**about, UNFINISHED: True}, options)
        set_metadata(table, {UNFINISHED: False})
    _delete(container, key + STAGED)
    return table


def _attempt(staged: Table) -> Any:
    return staged.metadata.get(_REBUILT)


def _write(
    container: Container, key: str, rows: pa.Table, metadata: dict[str, Any], options: Mapping[str, Any]
) -> Table:
    table = container.create_appendable_table(rows.schema, key=key, metadata=metadata, **options)
    if len(rows):
        table.append_partition(0, rows)
    return table


def _delete(container: Container, key: str) -> None:
    container.delete_contents(key, recursive=True, external_only=False)
