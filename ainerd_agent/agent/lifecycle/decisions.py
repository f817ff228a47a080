"""What people decided about an agent's suggestions, and what they asked of it, as the catalog holds it."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from ainerd_agent.catalog import ModelResults
from ainerd_agent.catalog.codec.suggestions import events_of, request_of
from ainerd_agent.catalog.read.suggestions import UnknownAgentError
from ainerd_agent.catalog.schema import SUGGESTION_EVENTS
from ainerd_agent.catalog.write.requests import DECISIONS
from ainerd_agent.records import AgentRequest, SuggestionEvent

COLUMNS = (
    "time", "suggestion_id", "event", "position", "raw_uid", "stream", "seq_num", "last_seq_num", "novelty", "agent",
    "note", "by", "verified",
)  # fmt: skip
"""Of the table of suggestions: all but the reasons, which are long."""


class Decisions:
    """The events of one agent's suggestions, read again and again; requests are given once.

    What was asked before this was made was asked of an earlier process.

    Parameters
    ----------
    results : ModelResults
        Of the latent model of the agent.
    agent : str
        Its name.
    """

    def __init__(self, results: ModelResults, agent: str) -> None:
        self._results, self._agent = results, agent
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
            self._rows = self._results.suggestions(agent=self._agent, columns=COLUMNS)
        except UnknownAgentError:
            self._rows = pd.DataFrame({name: [] for name in COLUMNS})

    def new_requests(self) -> Iterator[AgentRequest]:
        """What was asked of the agent and not given here before."""
        for row in self._rows[~self._rows["event"].isin(SUGGESTION_EVENTS)].to_dict("records"):
            asked = request_of(row)
            if (asked.time, asked.what) not in self._seen:
                self._seen.add((asked.time, asked.what))
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
