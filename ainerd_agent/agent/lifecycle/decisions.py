"""What people decided about an agent's suggestions, and what they asked of it, as the catalog holds it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from ainerd_agent.catalog.read.suggestions import UnknownAgentError, events_of, read_suggestions
from ainerd_agent.catalog.schema import SUGGESTION_EVENTS
from ainerd_agent.catalog.write.requests import DECISIONS
from ainerd_agent.records.suggestion import SuggestionEvent

COLUMNS = ("time", "suggestion_id", "event", "x", "y", "raw_uid", "seq_num", "novelty", "agent", "note")
"""Of the table of suggestions: all but the reasons, which are long."""


class Decisions:
    """The events of one agent's suggestions, read again and again; requests are given once.

    What was asked before this was made was asked of an earlier process.

    Parameters
    ----------
    root : tiled Container
    model, agent : str
        Name of the latent model, and of the agent.
    """

    def __init__(self, root: Any, model: str, agent: str) -> None:
        self._root, self._model, self._agent = root, model, agent
        self._seen: set[tuple[float, str]] = set()
        self._rows = pd.DataFrame({name: [] for name in COLUMNS})
        self.read()
        for _ in self.new_requests():
            pass

    def read(self) -> None:
        """Look what the catalog holds now.

        Raises
        ------
        CatalogError
            It cannot be read.
        """
        try:
            self._rows = read_suggestions(self._root, self._model, agent=self._agent, columns=COLUMNS)
        except UnknownAgentError:
            self._rows = pd.DataFrame({name: [] for name in COLUMNS})

    def new_requests(self) -> Iterator[SuggestionEvent]:
        """What was asked of the agent and not given here before."""
        for asked in events_of(self._rows[~self._rows["event"].isin(SUGGESTION_EVENTS)]):
            if (asked.time, asked.event) not in self._seen:
                self._seen.add((asked.time, asked.event))
                yield asked

    def of(self, suggestion_id: str) -> SuggestionEvent | None:
        """The last decision about a suggestion; None where there is none."""
        return self._last(suggestion_id, DECISIONS)

    def item_of(self, suggestion_id: str) -> str:
        """Its item in the queue; empty where it never was there."""
        queued = self._last(suggestion_id, ("queued",))
        return "" if queued is None else queued.note

    def _last(self, suggestion_id: str, events: tuple[str, ...]) -> SuggestionEvent | None:
        found = self._rows[(self._rows["suggestion_id"] == suggestion_id) & self._rows["event"].isin(events)]
        return next(iter(events_of(found.tail(1))), None)
