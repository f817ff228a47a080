"""What became of an agent's suggestions, and what people asked of it, as the catalog holds it."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from ainerd_agent.catalog import ModelResults
from ainerd_agent.catalog.codec.suggestions import events_of, request_of
from ainerd_agent.catalog.read.suggestions import UnknownAgentError
from ainerd_agent.catalog.schema import SUGGESTION_EVENTS
from ainerd_agent.catalog.write.decisions import QUEUED, DecidedAlreadyError, settle, take_back
from ainerd_agent.catalog.write.requests import DECISIONS, record_decision
from ainerd_agent.records import AgentRequest, Decision, Suggestion
from ainerd_agent.records.life import Life, life_of

COLUMNS = (
    "time", "suggestion_id", "event", "position", "raw_uid", "stream", "seq_num", "last_seq_num", "novelty", "agent",
    "note", "by", "verified",
)  # fmt: skip
"""Of the table of suggestions: all but the reasons, which are long."""


class Decisions:
    """The events of one agent's suggestions, read again and again; requests are given once.

    Parameters
    ----------
    results : ModelResults
        Of the latent model of the agent.
    agent : str
        Its name.
    heeded : sequence of (float, str)
        Requests that an earlier process heeded: when they were made, and for what.
    """

    def __init__(self, results: ModelResults, agent: str, heeded: tuple[tuple[float, str], ...] = ()) -> None:
        self._results, self._agent = results, agent
        self._heeded = dict.fromkeys(heeded)
        self._rows = pd.DataFrame({name: [] for name in COLUMNS})
        self.read()

    @property
    def heeded(self) -> tuple[tuple[float, str], ...]:
        """Requests that were given, here and by earlier processes."""
        return tuple(self._heeded)

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
        """What was asked of the agent and not given before, in order of time."""
        for row in self._rows[~self._rows["event"].isin(SUGGESTION_EVENTS)].to_dict("records"):
            asked = request_of(row)
            if (asked.time, asked.what) not in self._heeded:
                self._heeded[asked.time, asked.what] = None
                yield asked

    def life(self, suggestion_id: str) -> Life:
        """What the rows say of a suggestion, decisions apart: which of those holds, `held` says."""
        found = self._rows[(self._rows["suggestion_id"] == suggestion_id) & ~self._rows["event"].isin(DECISIONS)]
        return life_of(events_of(found))

    def held(self, suggestion: Suggestion) -> Decision | None:
        """The decision about a suggestion that holds; its row is written where it is missing. None without one.

        Raises
        ------
        CatalogError
            The catalog cannot be asked.
        """
        found = self._results.decision(suggestion.id)
        if found is not None and found.decision in DECISIONS:
            rows = self._rows[self._rows["suggestion_id"] == suggestion.id]
            if found.decision not in set(rows["event"]):
                record_decision(self._results.container, suggestion, found)
        return found

    def settle_queued(self, suggestion_id: str) -> Decision | None:
        """Let no decision come after this.

        Returns
        -------
        Decision or None
            The agent's own; None where people decided before it.

        Raises
        ------
        CatalogError
            The catalog cannot be asked.
        """
        try:
            return settle(self._results.container, suggestion_id, QUEUED, by=self._agent)
        except DecidedAlreadyError as error:
            # By an earlier process, which ended before the item was in the queue, or by an earlier attempt.
            return error.held if error.held.decision == QUEUED else None

    def take_back(self, decision: Decision) -> None:
        """Let people decide again about what the agent settled. As `settle_queued`."""
        take_back(self._results.container, decision)
