"""What agents proposed, what people decided about it, and what they ask of a running agent."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ainerd_agent.catalog.codec.suggestions import suggestion_of, suggestion_table
from ainerd_agent.catalog.layout import address_of, child
from ainerd_agent.catalog.schema import ANALYSES, REQUESTS, SUGGESTION_EVENTS, SUGGESTIONS, SUGGESTIONS_SPEC
from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.catalog.write.suggestions import SuggestionsStore
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Suggestion

if TYPE_CHECKING:
    import pandas as pd


class UnknownAgentError(CatalogError):
    """The catalog holds nothing of an agent."""


DECISIONS = ("approved", "edited", "rejected")


@dataclass(frozen=True, slots=True)
class SuggestionEvent:
    """One event in the life of a suggestion, or a request to its agent.

    Attributes
    ----------
    position : mapping
        Where to measure as of this event.
    novelty : float
        What was found, for "measured".
    """

    time: float
    suggestion_id: str
    event: str
    position: Mapping[str, float]
    raw_uid: str
    seq_num: int
    novelty: float
    note: str


def read_suggestions(
    root: Any, model: str, *, agent: str | None = None, columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """Give the table of suggestions, in order of time.

    Parameters
    ----------
    root : tiled Container
    model : str
    agent : str, optional
        Of this agent only.
    columns : sequence of str, optional
        By default all; the reasons are long. "time" is one of them, and "agent" where one is given.

    Raises
    ------
    UnknownAgentError
        There are no suggestions by this model, or none of this agent.
    CatalogError
        The table is older than agents have names.
    """
    with server_errors(address_of(root)):
        table = _table(root, model)
        if agent is not None and "agent" not in table.columns:
            raise CatalogError(
                f"The suggestions by {model} were begun before they named their agents (version "
                f"{SUGGESTIONS_SPEC[1]}): go on under another name of the model."
            )
        rows: pd.DataFrame = table.read(None if columns is None else list(columns))
    rows = rows.sort_values("time", kind="stable", ignore_index=True)
    if agent is not None:
        rows = rows[rows["agent"] == agent].reset_index(drop=True)
        if rows.empty:
            raise UnknownAgentError(f"The catalog has no suggestion of an agent {agent!r} by {model}.")
    return rows


def life_of(root: Any, model: str, suggestion_id: str) -> tuple[Suggestion, list[SuggestionEvent]]:
    """Give a suggestion, by its identifier or the beginning of it, and what became of it.

    Raises
    ------
    CatalogError
        None or several begin so, or it is older than reasons are.
    """
    rows = read_suggestions(root, model)
    proposed = rows[rows["event"] == "proposed"]
    found = proposed[proposed["suggestion_id"] == suggestion_id]
    if found.empty:
        found = proposed[proposed["suggestion_id"].str.startswith(suggestion_id)]
    if len(found) != 1:
        some = ", ".join((found if len(found) else proposed)["suggestion_id"].tail(5))
        raise CatalogError(
            f"{len(found)} suggestions by {model} are called {suggestion_id!r}; give one of the column suggestion_id, "
            f"such as {some or 'there are none yet'}."
        )
    suggestion = suggestion_of(found.iloc[0].to_dict())
    return suggestion, list(events_of(rows[rows["suggestion_id"] == suggestion.id]))


def events_of(rows: pd.DataFrame) -> Iterator[SuggestionEvent]:
    """The rows as events, in their order."""
    for row in rows.to_dict("records"):
        yield SuggestionEvent(
            time=float(row["time"]),
            suggestion_id=str(row["suggestion_id"]),
            event=str(row["event"]),
            position={axis: float(row[axis]) for axis in ("x", "y")},
            raw_uid=str(row["raw_uid"]),
            seq_num=int(row["seq_num"]),
            novelty=float(row["novelty"]),
            note=str(row.get("note") or ""),
        )


def decide(
    root: Any,
    model: str,
    suggestion_id: str,
    decision: str,
    *,
    position: Mapping[str, float] | None = None,
    note: str = "",
) -> Suggestion:
    """Approve, edit or reject a suggestion that waits; gives it as it was decided.

    Parameters
    ----------
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
    suggestion, events = life_of(root, model, suggestion_id)
    if done := [each.event for each in events if each.event != "proposed"]:
        raise CatalogError(f"Suggestion {suggestion.id} was decided already: it is {done[-1]}.")
    if position is not None:
        suggestion = replace(suggestion, position=dict(position))
    _append(root, model, suggestion, decision, note)
    return suggestion


def request(root: Any, model: str, agent: str, what: str, *, note: str = "") -> None:
    """Ask a running agent for something, which it does within a moment.

    Parameters
    ----------
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
    read_suggestions(root, model, agent=agent)
    _append(root, model, Suggestion(id=agent, position={}, reason="", model=model, agent=agent), what, note)


def waiting(rows: pd.DataFrame) -> pd.DataFrame:
    """Those "proposed" rows that nobody has decided about and nothing came of."""
    settled = set(rows["suggestion_id"][~rows["event"].isin(("proposed",))])
    return rows[(rows["event"] == "proposed") & ~rows["suggestion_id"].isin(settled)]


def _append(root: Any, model: str, suggestion: Suggestion, event: str, note: str) -> None:
    with server_errors(address_of(root)):
        store = SuggestionsStore(child(root, f"{ANALYSES}/{model}"))
        store.append(suggestion_table(suggestion, event, time=time.time(), note=note))


def _table(root: Any, model: str) -> Any:
    table = child(root, f"{ANALYSES}/{model}/{SUGGESTIONS}")
    if table is None:
        raise UnknownAgentError(f"The catalog holds no suggestions by {model}: no agent has worked with it yet.")
    return table


__all__ = [
    "DECISIONS",
    "SUGGESTION_EVENTS",
    "SuggestionEvent",
    "decide",
    "events_of",
    "life_of",
    "read_suggestions",
    "request",
    "waiting",
]
