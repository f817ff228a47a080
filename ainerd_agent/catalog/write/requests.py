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
from ainerd_agent.catalog.write.suggestions import SuggestionsStore
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import AgentRequest, Suggestion, SuggestionEvent

DECISIONS = ("approved", "edited", "rejected")


def decide(
    model: Container,
    suggestion_id: str,
    decision: str,
    *,
    position: Mapping[str, float] | None = None,
    note: str = "",
    by: str = "",
    verified: bool = False,
) -> Suggestion:
    """Approve, edit or reject a suggestion that waits; gives it as it was decided.

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
        Who decided.
    verified : bool
        The server vouches for that.

    Raises
    ------
    CatalogError
        There is no such suggestion, it was decided already, or a position is missing.
    """
    if decision not in DECISIONS:
        raise CatalogError(f"A suggestion can be {', '.join(DECISIONS)}; not {decision!r}.")
    if (decision == "edited") != (position is not None):
        raise CatalogError("Give the new position with a suggestion that is edited, and only then.")
    suggestion, events = life_of(model, suggestion_id)
    if done := [each.event for each in events if each.event != "proposed"]:
        raise CatalogError(f"Suggestion {suggestion.id} was decided already: it is {done[-1]}.")
    if position is not None:
        suggestion = replace(suggestion, position=dict(position))
    happened = SuggestionEvent(
        time=time.time(),
        suggestion_id=suggestion.id,
        event=decision,
        position=suggestion.position,
        note=note,
        by=by,
        verified=None if not by else verified,
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
