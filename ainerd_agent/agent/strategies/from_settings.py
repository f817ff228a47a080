"""The agent and the limits that the table [agent] of the settings asks for."""

from __future__ import annotations

import math

from ainerd_agent.agent.decision.acquisition import BeamtimeCost
from ainerd_agent.agent.limits import Disc, Limits, Rectangle
from ainerd_agent.agent.strategies.novelty import NoveltyAgent
from ainerd_agent.settings import AgentSettings, ForbiddenDisc


def limits_from_settings(given: AgentSettings) -> Limits:
    """Where the beam may go."""
    forbidden = (
        Disc(each.x, each.y, each.radius) if isinstance(each, ForbiddenDisc) else Rectangle(each.x, each.y)
        for each in given.forbidden
    )
    return Limits({"x": given.x, "y": given.y}, tuple(forbidden), given.exclusion)


def agent_from_settings(
    given: AgentSettings, *, model: str, repeatability: float, seed: int = 0, name: str = ""
) -> NoveltyAgent:
    """A new agent; `model` and `repeatability` are those of the encoder, for the rest see `NoveltyAgent`."""
    return NoveltyAgent(
        limits_from_settings(given),
        BeamtimeCost(given.speed, given.counting),
        goal=given.goal,
        n_start=given.n_start,
        repeatability=repeatability,
        time_budget=math.inf if given.time_budget is None else given.time_budget,
        dose_budget=math.inf if given.dose_budget is None else given.dose_budget,
        stop_below=given.stop_below,
        model=model,
        seed=seed,
        name=name,
    )
