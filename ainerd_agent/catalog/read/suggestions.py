"""What agents proposed, what people decided about it, and what they ask of a running agent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ainerd_agent.catalog.codec.suggestions import events_of, normalised, stored_columns, suggestion_of
from ainerd_agent.catalog.layout import address_of, table_of
from ainerd_agent.catalog.schema import SUGGESTIONS
from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.catalog.tiled_types import Container, Table
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Suggestion, SuggestionEvent
from ainerd_agent.records.life import UNDECIDED

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
        By default all, with one for each axis of the positions; the reasons are long. "agent" is one of them where one
        is given.

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
                f"The suggestions by {model.item['id']} were begun before they named their agents (version 1.1): go on "
                "under another name of the model."
            )
        rows = normalised(table.read(stored_columns(columns, table.columns)), columns)
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


def waiting(rows: pd.DataFrame) -> pd.DataFrame:
    """Those "proposed" rows that nobody has decided about and nothing came of."""
    settled = set(rows["suggestion_id"][~rows["event"].isin(UNDECIDED)])
    return rows[(rows["event"] == "proposed") & ~rows["suggestion_id"].isin(settled)]


def _table(model: Container) -> Table:
    table: Table | None = table_of(model, SUGGESTIONS)
    if table is None:
        raise UnknownAgentError(
            f"The catalog holds no suggestions by {model.item['id']}: no agent has worked with it yet."
        )
    return table
