"""The table of suggestions of a model, as a writer fills it."""

from __future__ import annotations

import pyarrow as pa

from ainerd_agent.catalog.codec.columns import column_metadata
from ainerd_agent.catalog.codec.suggestions import SUGGESTIONS_SCHEMA
from ainerd_agent.catalog.layout import child, version_of
from ainerd_agent.catalog.schema import ANALYSES, REQUESTS, SUGGESTIONS, SUGGESTIONS_SPEC
from ainerd_agent.catalog.tiled_types import Container, Table
from ainerd_agent.catalog.write.containers import upgrade_first


class SuggestionsStore:
    """`/ainerd/<model>/suggestions`: events of suggestions, in order of time, for all runs.

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
        from tiled.structures.core import Spec

        table: Table | None = child(parent, SUGGESTIONS)
        if table is None:
            table = parent.create_appendable_table(
                SUGGESTIONS_SCHEMA,
                key=SUGGESTIONS,
                metadata=column_metadata(SUGGESTIONS_SCHEMA),
                specs=[Spec(*SUGGESTIONS_SPEC)],
            )
        elif (version := version_of(table, SUGGESTIONS_SPEC[0])) != SUGGESTIONS_SPEC[1]:
            raise upgrade_first(f"/{ANALYSES}/{parent.item['id']}/{SUGGESTIONS}", version)
        self._table = table
        rows = table.read(columns=list(self._KEY))
        self._known = set(rows[list(self._KEY)].itertuples(index=False, name=None))

    def append(self, row: pa.Table) -> None:
        """Add an event, unless it is there already; a request may be made again."""
        key = tuple(row[name][0].as_py() for name in self._KEY)
        if key not in self._known or key[1] in REQUESTS:
            self._table.append_partition(0, row)
            self._known.add(key)
