"""The table of suggestions of a model, as a writer fills it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from ainerd_agent.catalog.layout import child
from ainerd_agent.catalog.schema import REQUESTS, SUGGESTIONS, SUGGESTIONS_SCHEMA, SUGGESTIONS_SPEC, column_metadata
from ainerd_agent.catalog.tiled_types import Container


class SuggestionsStore:
    """`/ainerd/<model>/suggestions`: events of suggestions, in order of time, for all runs.

    Parameters
    ----------
    parent : tiled Container
        `/ainerd/<model>`.
    """

    _KEY = ("suggestion_id", "event", "raw_uid", "seq_num")

    def __init__(self, parent: Container) -> None:
        from tiled.structures.core import Spec

        self._table: Any = child(parent, SUGGESTIONS)
        if self._table is None:
            self._table = parent.create_appendable_table(
                SUGGESTIONS_SCHEMA,
                key=SUGGESTIONS,
                metadata=column_metadata(SUGGESTIONS_SCHEMA),
                specs=[Spec(*SUGGESTIONS_SPEC)],
            )
        self._columns = self._table.structure().arrow_schema_decoded.names
        rows = self._table.read(columns=list(self._KEY))
        self._known = set(rows[list(self._KEY)].itertuples(index=False, name=None))

    def append(self, row: pa.Table) -> None:
        """Add an event, unless it is there already; a request may be made again."""
        key = tuple(row[name][0].as_py() for name in self._KEY)
        if key not in self._known or key[1] in REQUESTS:
            # A table that was begun before there were reasons goes on without them.
            self._table.append_partition(0, row.select(self._columns))
            self._known.add(key)
