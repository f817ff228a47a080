"""What people decide about suggestions that wait: for the command line and the dashboard."""

from __future__ import annotations

from collections.abc import Mapping

from ainerd_agent.agent.limits import Limits
from ainerd_agent.catalog import ModelResults
from ainerd_agent.records import Suggestion


def approve(results: ModelResults, suggestion_id: str, *, note: str = "") -> Suggestion:
    """Let a suggestion be measured.

    Parameters
    ----------
    results : ModelResults
        Of the latent model of the agent.
    suggestion_id : str
        Or its beginning.
    note : str
        Who approves and why.

    Raises
    ------
    CatalogError
        There is no such suggestion, or it was decided already.
    """
    return results.decide(suggestion_id, "approved", note=note)


def reject(results: ModelResults, suggestion_id: str, *, note: str = "") -> Suggestion:
    """Refuse a suggestion; its spot is not suggested again. As `approve`."""
    return results.decide(suggestion_id, "rejected", note=note)


def edit(results: ModelResults, suggestion_id: str, position: Mapping[str, float], *, note: str = "") -> Suggestion:
    """Let it be measured at another position instead. As `approve`.

    Parameters
    ----------
    position : mapping of str to float
        Values of axes, in their units. The axes that are not named stay where they were suggested.

    Raises
    ------
    LimitError
        That is outside of the agent's limits, or forbidden. Nothing has changed then.
    """
    suggestion, _ = results.suggestion(suggestion_id)
    there = {**suggestion.position, **position}
    Limits.from_settings(suggestion.settings["limits"]).check(there)
    return results.decide(suggestion.id, "edited", position=there, note=note)
