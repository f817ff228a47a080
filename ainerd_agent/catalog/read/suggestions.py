"""What agents proposed, what people decided about it, and what they ask of a running agent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ainerd_agent.catalog.codec.suggestions import suggestion_of
from ainerd_agent.catalog.layout import address_of, child
from ainerd_agent.catalog.schema import SUGGESTIONS, SUGGESTIONS_SPEC
from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.catalog.tiled_types import Container, Table
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Suggestion
from ainerd_agent.records.suggestion import SuggestionEvent

if TYPE_CHECKING:
    import pandas as pd


class UnknownAgentError(CatalogError):
    """The catalog holds nothing of an agent."""


def read_suggestions(
    model: Container, *, agent: str | None = None, columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """Give the table of suggestions, in order of time.

    Parameters
    ----------
    model : Container
        `/ainerd/<model>`.
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
    with server_errors(address_of(model)):
        table = _table(model)
        if agent is not None and "agent" not in table.columns:
            raise CatalogError(
                f"The suggestions by {model.item['id']} were begun before they named their agents (version "
                f"{SUGGESTIONS_SPEC[1]}): go on under another name of the model."
            )
        rows: pd.DataFrame = table.read(None if columns is None else list(columns))
    rows = rows.sort_values("time", kind="stable", ignore_index=True)
    if agent is not None:
        rows = rows[rows["agent"] == agent].reset_index(drop=True)
        if rows.empty:
            raise UnknownAgentError(f"The catalog has no suggestion of an agent {agent!r} by {model.item['id']}.")
    return rows


def life_of(model: Container, suggestion_id: str) -> tuple[Suggestion, list[SuggestionEvent]]:
    """Give a suggestion, by its identifier or the beginning of it, and what became of it.

    Raises
    ------
    CatalogError
        None or several begin so, or it is older than reasons are.
    """
    rows = read_suggestions(model)
    proposed = rows[rows["event"] == "proposed"]
    found = proposed[proposed["suggestion_id"] == suggestion_id]
    if found.empty:
        found = proposed[proposed["suggestion_id"].str.startswith(suggestion_id)]
    if len(found) != 1:
        some = ", ".join((found if len(found) else proposed)["suggestion_id"].tail(5))
        raise CatalogError(
            f"{len(found)} suggestions by {model.item['id']} are called {suggestion_id!r}; give one of the column "
            f"suggestion_id, such as {some or 'there are none yet'}."
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


def waiting(rows: pd.DataFrame) -> pd.DataFrame:
    """Those "proposed" rows that nobody has decided about and nothing came of."""
    settled = set(rows["suggestion_id"][~rows["event"].isin(("proposed",))])
    return rows[(rows["event"] == "proposed") & ~rows["suggestion_id"].isin(settled)]


def _table(model: Container) -> Table:
    table: Table | None = child(model, SUGGESTIONS)
    if table is None:
        raise UnknownAgentError(
            f"The catalog holds no suggestions by {model.item['id']}: no agent has worked with it yet."
        )
    return table
