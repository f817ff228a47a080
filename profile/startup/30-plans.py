"""Plans. Try `RE(explore(8))`, then `catalog.points()`.

Whatever puts them into a queue, they check limits, dose and approval themselves: `guard`.
"""

import math

import bluesky.plan_stubs as bps

from ainerd_agent.agent import BeamtimeCost, Limits, LiveVerdicts, NoveltyAgent, Until, count_until
from ainerd_agent.agent.runners.guard import ExposureLedger, PlanGuard
from ainerd_agent.agent.runners.plans import measure_at, novelty_scan
from ainerd_agent.agent.strategies.from_settings import agent_from_settings, limits_from_settings

shear = [rheometer.shear_stress, rheometer.shear_rate, rheometer.viscosity]
stage_axes = {"x": stage.x, "y": stage.y}
limits = Limits(experiment.sample.limits) if settings.agent is None else limits_from_settings(settings.agent)
given = settings.agent
guard = PlanGuard(
    limits,
    ExposureLedger(session_folder / "exposures.jsonl"),
    lambda: catalog.model(live.encoder.name),
    dose_budget=math.inf if given is None or given.dose_budget is None else given.dose_budget,
    exclusion=given is not None,
    approval=given is not None and given.approval,
)


def measure(x: float, y: float, counting: float = 0.0, md: dict = {}):  # noqa: B006 (the queue server knows no None)
    """Measure at one position, in mm, for `counting` seconds (0: the usual time); what an agent puts into the queue."""
    frames = round(counting / FRAME_TIME) if counting else n_frames
    yield from guard.admit({"x": x, "y": y}, frames * FRAME_TIME, sample=str(RE.md.get("sample", "")), md=md)
    yield from bps.mv(detector.n_frames, frames)
    return (yield from measure_at([detector], stage_axes, {"x": x, "y": y}, limits=limits, monitors=shear, md=md))


verdicts = LiveVerdicts(channel.address)


def measure_until(
    x: float,
    y: float,
    frames: int = 0,
    tau_error: float = 0.05,
    share: float = 0.9,
    md: dict = {},  # noqa: B006
):
    """Measure at one position until tau is known to `tau_error` of itself in a share of the bins, or all is counted.

    `frames` are planned (0: the usual number).
    """
    planned = frames or n_frames
    yield from guard.admit({"x": x, "y": y}, planned * FRAME_TIME, sample=str(RE.md.get("sample", "")), md=md)
    yield from bps.mv(stage.x, x, stage.y, y)
    until, axes = Until(tau=tau_error, share=share), [stage.x, stage.y]
    return (yield from count_until([detector], verdicts, frames=planned, until=until, axes=axes, monitors=shear, md=md))


result_of = live.result
"""The analysis of a measurement, None where it failed; for plans that ask an agent."""


def explore(n_measurements: int = 8, seed: int = 0):
    """Measure where the agent expects new dynamics: the one of [agent] in ainerd.toml, where that is there."""
    guard.check_scan()
    encoder = {"repeatability": live.encoder.repeatability, "model": live.encoder.name}
    if settings.agent is None:
        agent = NoveltyAgent(limits, BeamtimeCost(speed=10.0, counting=1.0), seed=seed, **encoder)
    else:
        agent = agent_from_settings(settings.agent, seed=seed, **encoder)

    return (
        yield from novelty_scan(
            [detector],
            stage_axes,
            agent,
            live.result,
            n_measurements=n_measurements,
            monitors=shear,
            record=guard.noting(
                live.writer.record_suggestion, n_frames * FRAME_TIME, sample=str(RE.md.get("sample", ""))
            ),
        )
    )
