"""The agent and the limits that the table [agent] of the settings asks for."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ainerd_agent.agent.decision.acquisition import BeamtimeCost
from ainerd_agent.agent.limits import Limits
from ainerd_agent.agent.regions import Ball, Box, Disc, Rectangle, Region
from ainerd_agent.agent.samples import Sample
from ainerd_agent.agent.space import Axis
from ainerd_agent.agent.strategies.novelty import NoveltyAgent
from ainerd_agent.settings import AgentSettings, Forbidden, ForbiddenBall, ForbiddenBox, ForbiddenDisc


def limits_from_settings(given: AgentSettings) -> Limits:
    """What may be measured.

    Raises
    ------
    ValueError
        Axes, samples, wells or regions do not go together; see `Limits`.
    """
    axes: dict[str, Axis | tuple[float, float]] = {
        name: pair for name, pair in (("x", given.x), ("y", given.y)) if pair is not None
    }
    for name, axis in given.axes.items():
        axes[name] = Axis(axis.low, axis.high, axis.unit, axis.scale, axis.speed, axis.settle, axis.one_way)
    samples = tuple(
        Sample(
            name=name,
            axes=sample.axes,
            wells=sample.wells,
            forbidden=_regions(sample.forbidden),
            measurements=sample.measurements,
            seconds=sample.seconds,
        )
        for name, sample in given.samples.items()
    )
    return Limits(axes, _regions(given.forbidden), given.exclusion, wells=given.wells, samples=samples)


def _regions(forbidden: Sequence[Forbidden]) -> tuple[Region, ...]:
    return tuple(_region(each) for each in forbidden)


def _region(given: Forbidden) -> Region:
    match given:
        case ForbiddenDisc():
            return Disc(given.x, given.y, given.radius)
        case ForbiddenBox():
            return Box(given.axes)
        case ForbiddenBall():
            return Ball(given.centre, given.radius)
        case _:
            return Rectangle(given.x, given.y)


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
