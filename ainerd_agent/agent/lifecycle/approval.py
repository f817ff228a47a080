"""What people decide about suggestions that wait: for the command line and the dashboard."""

from __future__ import annotations

import getpass
from collections.abc import Mapping

from ainerd_agent.agent.limits import Limits
from ainerd_agent.catalog import ModelResults
from ainerd_agent.records import Suggestion


def approve(results: ModelResults, suggestion_id: str, *, note: str = "", by: str = "") -> Suggestion:
    """Let a suggestion be measured.

    Parameters
    ----------
    results : ModelResults
        Of the latent model of the agent.
    suggestion_id : str
        Or its beginning.
    note : str
        Why.
    by : str
        Who approves; by default the name of the account. Where our server knows who it is, by AINERD_PERSON_KEY, that
        counts; otherwise the decision says "not verified".

    Raises
    ------
    DecidedAlreadyError
        Another decision holds.
    CatalogError
        There is no such suggestion, it was decided already, or the server does not let this person decide.
    """
    return results.decide(suggestion_id, "approved", note=note, by=by or account())


def reject(results: ModelResults, suggestion_id: str, *, note: str = "", by: str = "") -> Suggestion:
    """Refuse a suggestion; its spot is not suggested again. As `approve`."""
    return results.decide(suggestion_id, "rejected", note=note, by=by or account())


def edit(
    results: ModelResults, suggestion_id: str, position: Mapping[str, float], *, note: str = "", by: str = ""
) -> Suggestion:
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
    return results.decide(suggestion.id, "edited", position=there, note=note, by=by or account())


def account() -> str:
    """The name of the account on this machine; empty where it has none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container without a user, or a number without a name
        return ""
