"""What people decide about suggestions, and what they ask of a running agent."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

import pyarrow as pa

from ainerd_agent.catalog.codec.suggestions import request_table, suggestion_table
from ainerd_agent.catalog.layout import address_of
from ainerd_agent.catalog.read.suggestions import life_of, read_suggestions
from ainerd_agent.catalog.schema import REQUESTS
from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.catalog.tiled_types import Container
from ainerd_agent.catalog.write.decisions import settle
from ainerd_agent.catalog.write.suggestions import SuggestionsStore
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import AgentRequest, Decision, Suggestion, SuggestionEvent
from ainerd_agent.records import life as lives
from ainerd_agent.records.life import TO_MEASURE, UNDECIDED, State

DECISIONS = ("approved", "edited", "rejected")

_OPEN = frozenset({*UNDECIDED, *TO_MEASURE, State.REJECTED})
"""States of the rows in which the decision that holds is asked for; in all others it is too late."""


def decide(
    model: Container,
    suggestion_id: str,
    decision: str,
    *,
    position: Mapping[str, float] | None = None,
    note: str = "",
    by: str = "",
) -> Suggestion:
    """Approve, edit or reject a suggestion that waits; gives it as it was decided.

    Of two contrary decisions at the same moment one holds, and the caller of the other one learns which.

    Parameters
    ----------
    model : Container
        `/ainerd/<model>`.
    suggestion_id : str
        Or its beginning.
    decision : str
        "approved", "edited" or "rejected".
    position : mapping, optional
        By axis, for "edited": to be measured there. The agent checks its limits.
    note : str
        Why.
    by : str
        Who decides. Our server puts in its place whom it knows by AINERD_PERSON_KEY; otherwise it is not verified.

    Raises
    ------
    DecidedAlreadyError
        Another decision holds.
    CatalogError
        There is no such suggestion, it is in the queue, measured or withdrawn already, a position is missing, or the
        server does not let this person decide.
    """
    if decision not in DECISIONS:
        raise CatalogError(f"A suggestion can be {', '.join(DECISIONS)}; not {decision!r}.")
    if (decision == "edited") != (position is not None):
        raise CatalogError("Give the new position with a suggestion that is edited, and only then.")
    suggestion, events = life_of(model, suggestion_id)
    state = lives.life_of(events).state
    if state not in _OPEN:
        raise CatalogError(f"Suggestion {suggestion.id} was decided already: it is {state}.")
    holds = settle(model, suggestion.id, decision, position=position, note=note, by=by)
    return record_decision(model, suggestion, holds)


def record_decision(model: Container, suggestion: Suggestion, decision: Decision) -> Suggestion:
    """Write a decision that holds as a row, where none says so yet; gives the suggestion as it was decided.

    Who decided does that, and the agent where their process ended first.
    """
    if decision.position:
        suggestion = replace(suggestion, position=dict(decision.position))
    happened = SuggestionEvent(
        time=decision.time,
        suggestion_id=suggestion.id,
        event=decision.decision,
        position=suggestion.position,
        note=decision.note,
        by=decision.by,
        verified=decision.verified,
    )
    _append(model, suggestion_table(suggestion, happened))
    return suggestion


def request(model: Container, agent: str, what: str, *, note: str = "", by: str = "", verified: bool = False) -> None:
    """Ask a running agent for something, which it does within a moment.

    Parameters
    ----------
    model : Container
        `/ainerd/<model>`.
    agent : str
        Its name.
    what : str
        "pause", "resume" or "stop"; or the mode "suggest", "ask" or "automatic".
    note, by, verified
        As for `decide`.

    Raises
    ------
    CatalogError
        The agent is not known, or this may not be asked.
    """
    if what not in REQUESTS:
        raise CatalogError(f"An agent can be asked to {', '.join(REQUESTS)}; not to {what!r}.")
    read_suggestions(model, agent=agent)
    asked = AgentRequest(
        time=time.time(), agent=agent, what=what, note=note, by=by, verified=None if not by else verified
    )
    _append(model, request_table(asked, model.item["id"]))


def _append(model: Container, row: pa.Table) -> None:
    with server_errors(address_of(model)):
        SuggestionsStore(model).append(row)
