"""What people decide about suggestions, and what they ask of a running agent."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from ainerd_agent.catalog.codec.suggestions import suggestion_table
from ainerd_agent.catalog.layout import address_of
from ainerd_agent.catalog.read.suggestions import life_of, read_suggestions
from ainerd_agent.catalog.schema import REQUESTS
from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.catalog.tiled_types import Container
from ainerd_agent.catalog.write.suggestions import SuggestionsStore
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Suggestion

DECISIONS = ("approved", "edited", "rejected")


def decide(
    model: Container,
    suggestion_id: str,
    decision: str,
    *,
    position: Mapping[str, float] | None = None,
    note: str = "",
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
        "x" and "y" in mm, for "edited": to be measured there. The agent checks its limits.
    note : str
        Who decided and why.

    Raises
    ------
    CatalogError
        There is no such suggestion, it was decided already, or a position is missing.
    """
    if decision not in DECISIONS:
        raise CatalogError(f"A suggestion can be {', '.join(DECISIONS)}; not {decision!r}.")
    if (decision == "edited") != (position is not None):
        raise CatalogError("Give the new x and y with a suggestion that is edited, and only then.")
    suggestion, events = life_of(model, suggestion_id)
    if done := [each.event for each in events if each.event != "proposed"]:
        raise CatalogError(f"Suggestion {suggestion.id} was decided already: it is {done[-1]}.")
    if position is not None:
        suggestion = replace(suggestion, position=dict(position))
    _append(model, suggestion, decision, note)
    return suggestion


def request(model: Container, agent: str, what: str, *, note: str = "") -> None:
    """Ask a running agent for something, which it does within a moment.

    Parameters
    ----------
    model : Container
        `/ainerd/<model>`.
    agent : str
        Its name.
    what : str
        "pause", "resume" or "stop"; or the mode "suggest", "ask" or "automatic".

    Raises
    ------
    CatalogError
        The agent is not known, or this may not be asked.
    """
    if what not in REQUESTS:
        raise CatalogError(f"An agent can be asked to {', '.join(REQUESTS)}; not to {what!r}.")
    read_suggestions(model, agent=agent)
    asked = Suggestion(id=agent, position={}, reason="", model=model.item["id"], agent=agent)
    _append(model, asked, what, note)


def _append(model: Container, suggestion: Suggestion, event: str, note: str) -> None:
    with server_errors(address_of(model)):
        SuggestionsStore(model).append(suggestion_table(suggestion, event, time=time.time(), note=note))
