"""What people decide about suggestions that wait: for the command line and the dashboard."""

from __future__ import annotations

from typing import Any

from ainerd_agent.agent.limits import Limits
from ainerd_agent.catalog.read.suggestions import life_of
from ainerd_agent.catalog.write.requests import decide
from ainerd_agent.records import Suggestion


def approve(root: Any, model: str, suggestion_id: str, *, note: str = "") -> Suggestion:
    """Let a suggestion be measured.

    Parameters
    ----------
    root : tiled Container
        From `catalog.connect`.
    model : str
        Latent model of the agent.
    suggestion_id : str
        Or its beginning.
    note : str
        Who approves and why.

    Raises
    ------
    CatalogError
        There is no such suggestion, or it was decided already.
    """
    return decide(root, model, suggestion_id, "approved", note=note)


def reject(root: Any, model: str, suggestion_id: str, *, note: str = "") -> Suggestion:
    """Refuse a suggestion; its spot is not suggested again. As `approve`."""
    return decide(root, model, suggestion_id, "rejected", note=note)


def edit(root: Any, model: str, suggestion_id: str, x: float, y: float, *, note: str = "") -> Suggestion:
    """Let it be measured at (x, y), in mm, instead. As `approve`.

    Raises
    ------
    LimitError
        That is outside of the agent's limits, or forbidden. Nothing has changed then.
    """
    suggestion, _ = life_of(root, model, suggestion_id)
    Limits.from_settings(suggestion.settings["limits"]).check(x, y)
    return decide(root, model, suggestion.id, "edited", position={"x": x, "y": y}, note=note)
