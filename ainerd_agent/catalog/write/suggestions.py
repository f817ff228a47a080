"""The table of suggestions of a model, as a writer fills it."""

from __future__ import annotations

import pyarrow as pa

from ainerd_agent.catalog.codec.columns import column_metadata
from ainerd_agent.catalog.codec.suggestions import SUGGESTIONS_SCHEMA, normalised
from ainerd_agent.catalog.codec.upgraded import upgraded_suggestions
from ainerd_agent.catalog.layout import UNFINISHED, child, root_of, version_of
from ainerd_agent.catalog.schema import ANALYSES, REQUESTS, SUGGESTIONS, SUGGESTIONS_SPEC
from ainerd_agent.catalog.tiled_types import Container, Table
from ainerd_agent.catalog.write.containers import upgrade_first
from ainerd_agent.catalog.write.lock import Turns
from ainerd_agent.catalog.write.rebuilding import finish, rebuild


class SuggestionsStore:
    """`/ainerd/<model>/suggestions`: events of suggestions, in order of time, for all runs.

    A table that was begun before a column came is written anew with it; its events so far have nothing there.

    Parameters
    ----------
    parent : Container
        `/ainerd/<model>`.

    Raises
    ------
    CatalogError
        The table is one of version 0.1.
    """

    _KEY = ("suggestion_id", "event", "raw_uid", "stream", "seq_num", "last_seq_num")

    def __init__(self, parent: Container) -> None:
        table: Table | None = child(parent, SUGGESTIONS)
        if table is None or not _is_whole(table):
            # In turn: another process that finds it so must not begin it, too, or add to what is to be replaced.
            with Turns(root_of(parent)).at(f"{SUGGESTIONS}-{parent.item['id']}"):
                table = _begun(parent)
        self._table = table
        rows = table.read(columns=list(self._KEY))
        self._known = set(rows[list(self._KEY)].itertuples(index=False, name=None))

    def append(self, row: pa.Table) -> None:
        """Add an event, unless it is there already; a request may be made again."""
        key = tuple(row[name][0].as_py() for name in self._KEY)
        if key not in self._known or key[1] in REQUESTS:
            self._table.append_partition(0, row)
            self._known.add(key)


def _is_whole(table: Table) -> bool:
    """Whether all its rows are there, and it has all columns."""
    there = table.structure().arrow_schema_decoded.names
    return not table.metadata.get(UNFINISHED) and {*SUGGESTIONS_SCHEMA.names} <= {*there}


def _begun(parent: Container) -> Table:
    """The table, made where there is none, and written anew where it is not whole."""
    from tiled.structures.core import Spec

    options = {"specs": [Spec(*SUGGESTIONS_SPEC)]}
    finish(parent, SUGGESTIONS, options)
    table: Table | None = child(parent, SUGGESTIONS)
    if table is None:
        made: Table = parent.create_appendable_table(
            SUGGESTIONS_SCHEMA, key=SUGGESTIONS, metadata=column_metadata(SUGGESTIONS_SCHEMA), **options
        )
        return made
    if (version := version_of(table, SUGGESTIONS_SPEC[0])) != SUGGESTIONS_SPEC[1]:
        raise upgrade_first(f"/{ANALYSES}/{parent.item['id']}/{SUGGESTIONS}", version)
    if _is_whole(table):
        return table
    return rebuild(parent, SUGGESTIONS, upgraded_suggestions(normalised(table.read())), options)
