"""Bluesky plans that ask the agent where to go."""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
from bluesky.utils import RunEngineControlException

from ainerd_agent.agent.limits import Limits
from ainerd_agent.agent.protocol import NoSuggestionError, Record, ResultOf, Suggests
from ainerd_agent.agent.runners.closing import close_failed
from ainerd_agent.agent.runners.count_until import Counting, Exposures
from ainerd_agent.agent.runners.threads import Plan, in_thread
from ainerd_agent.records import Suggestion
from ainerd_agent.units import Conversion, UnitError, conversion

T = TypeVar("T")
_log = logging.getLogger(__name__)


def _or_else(otherwise: T, trouble: str, work: Callable[[], T]) -> T:
    """Give the result of `work`; where it fails, log the trouble and give `otherwise`: a scan goes on."""
    try:
        return work()
    except RunEngineControlException:  # somebody's way to end the scan
        raise
    except Exception as error:
        _log.error("%s (%s: %s). The scan goes on.", trouble, type(error).__name__, error)
        return otherwise


def novelty_scan(
    detectors: Sequence[Any],
    axes: Mapping[str, Any],
    agent: Suggests,
    result_of: ResultOf,
    *,
    n_measurements: int,
    counting: Counting | None = None,
    limits: Limits | None = None,
    monitors: Sequence[Any] = (),
    record: Record | None = None,
    md: Mapping[str, Any] | None = None,
) -> Plan[str]:
    """Measure where the agent says, until the budget is spent, it says why to stop, or has nothing more to suggest.

    Whatever the agent is, no position that `limits` or the limits of the agent refuse is driven to: the run fails
    before anything moves.

    What fails beside the measuring does not stop it: a result that cannot be had counts as a failed measurement, and
    what the agent cannot learn or `record` not keep is missing there; the log says so. An agent that itself fails to
    suggest, or to say whether it is time to stop, ends the scan: what was measured is still learnt and recorded, and
    the run fails with its error.

    The scan waits for the analysis only before a suggestion that depends on it: after the space-filling start. It can
    be paused before and after every measurement.

    Parameters
    ----------
    detectors : sequence of devices
        Triggered and read at each position, together with the axes; staged for the run.
    axes : mapping of str to movable device
        What is driven, by the names of the agent's axes. All of them move at once.
    agent : Suggests
    result_of : callable
        Blocks until the measurement (run uid, seq_num) is analysed, and gives None where it failed.
    n_measurements : int
        The budget.
    counting : Counting, optional
        Exposures may end early, as those of `count_until`; by default each is one trigger of the detectors.
    limits : Limits, optional
        In addition to those of the agent. Their exclusion holds between the positions of this scan; leave them out for
        an agent that measures one spot again.
    monitors : sequence of signals
        Monitored during the run: the rheometer's.
    record : Record, optional
        Keeps each suggestion and its outcome (`SpooledWriter.record_suggestion`).
    md : mapping, optional
        Metadata of the run.

    Returns
    -------
    str
        Uid of the run.

    Raises
    ------
    ValueError
        An axis of the limits has no device, a device no axis, or both have other units; or samples of `limits` have
        budgets that the agent does not keep. Nothing has moved then.
    """
    _budgets_are_kept(agent, limits)
    for known in (getattr(agent, "limits", None), limits):
        if known is not None:
            yield from _match(axes, known)
    exposures = None if counting is None else Exposures(detectors, counting, list(axes.values()))
    metadata = {
        "plan_name": "novelty_scan",
        "detectors": [detector.name for detector in detectors],
        "motors": [device.name for device in axes.values()],
        "num_points": n_measurements,
        **({} if exposures is None else exposures.metadata),
        **(md or {}),
    }
    under_way = _Scan(agent, result_of, detectors, axes, limits, record, exposures)

    def run() -> Plan[str]:
        uid: str = yield from bps.open_run(metadata)
        if exposures is not None:
            exposures.run = uid
            yield from exposures.prepare()
        measured = under_way.measurements(uid, n_measurements)
        failed = partial(under_way.close_failed, uid)
        yield from bpp.contingency_wrapper(measured, except_plan=failed, else_plan=bps.close_run)
        return uid

    uid: str = yield from bpp.stage_wrapper(bpp.monitor_during_wrapper(run(), list(monitors)), list(detectors))
    return uid


def measure_at(
    detectors: Sequence[Any],
    axes: Mapping[str, Any],
    position: Mapping[str, float],
    *,
    limits: Limits | None = None,
    monitors: Sequence[Any] = (),
    md: Mapping[str, Any] | None = None,
) -> Plan[str]:
    """Measure one position in a run of its own, with one event: what a queue server runs for a suggestion.

    Parameters
    ----------
    detectors : sequence of devices
    axes : mapping of str to movable device
        What is driven, by name. All of them move at once.
    position : mapping of str to float
        Where to: a value for each axis, in its unit.
    limits : Limits, optional
        The plan fails before anything moves where the position is outside of them or forbidden. Their exclusion is the
        agent's to keep, and so are the budgets of samples: a single measurement knows of no other one.
    monitors : sequence of signals
        Monitored during the run: the rheometer's.
    md : mapping, optional
        Metadata of the run.

    Returns
    -------
    str
        Uid of the run.

    Raises
    ------
    LimitError
        The position is outside of the limits, or forbidden.
    ValueError
        An axis has no device, a device no axis, or both have other units. Nothing has moved then.
    """
    if limits is not None:
        limits.check(position)
        yield from _match(axes, limits)
    moves = _moves(axes, position)
    metadata = {
        "plan_name": "measure_at",
        "detectors": [detector.name for detector in detectors],
        "motors": [device.name for device in axes.values()],
        "num_points": 1,
        **(md or {}),
    }

    def expose() -> Plan[None]:
        yield from bps.mv(*moves)
        yield from bps.trigger_and_read([*detectors, *axes.values()])

    watched = bpp.monitor_during_wrapper(bpp.run_wrapper(expose(), md=metadata), list(monitors))
    uid: str = yield from bpp.stage_wrapper(watched, list(detectors))
    return uid


def _moves(axes: Mapping[str, Any], position: Mapping[str, float]) -> list[Any]:
    """Devices and where each goes, one after the other, as `bps.mv` takes them.

    Raises
    ------
    ValueError
        They are not on the same axes.
    """
    if axes.keys() != position.keys():
        raise ValueError(
            f"there are devices for {', '.join(axes) or 'no axis'}, and the position {dict(position)} is on "
            f"{', '.join(position) or 'no axis'}: give one device for each axis of the position"
        )
    return [part for name, device in axes.items() for part in (device, position[name])]


def _match(axes: Mapping[str, Any], limits: Limits) -> Plan[None]:
    """Refuse devices that are not those of the axes of the limits, or count in other units."""
    names = limits.space.names
    if missing := [name for name in names if name not in axes]:
        raise ValueError(f"no device moves {', '.join(missing)}: the axes of the limits are {', '.join(names)}")
    if unknown := [name for name in axes if name not in names]:
        raise ValueError(
            f"there is a device for {', '.join(unknown)}, and the axes of the limits are {', '.join(names)}: leave it "
            "out, or let the plan around this one hold it"
        )
    told: dict[str, str] = {}
    problems: list[Exception] = []

    async def ask() -> None:
        try:
            for name, device in axes.items():
                described = await asyncio.to_thread(device.describe)
                keys: Mapping[str, Any] = await described if inspect.isawaitable(described) else described
                told[name] = str(keys.get(device.name, next(iter(keys.values()), {})).get("units") or "")
        except Exception as error:  # the RunEngine would not pass it on
            problems.append(error)

    yield from bps.wait_for([ask])
    if problems:
        raise problems[0]
    for name, unit in told.items():
        wanted = limits.space.units[name]
        if unit and not _same(unit, wanted):
            raise ValueError(
                f"the limits of {name} are in {wanted or 'no unit'}, and its device {axes[name].name} counts in "
                f"{unit}: give them in {unit}, as Axis(low, high, unit={unit!r})"
            )


def _budgets_are_kept(agent: Suggests, limits: Limits | None) -> None:
    """Refuse budgets of samples in the plan's own limits that are not the agent's too: only an agent counts."""
    asked = [] if limits is None else [part.sample for part in limits.parts if part.sample is not None]
    budgets = [each for each in asked if each.measurements is not None or each.seconds is not None]
    own: Limits | None = getattr(agent, "limits", None)
    kept = [] if own is None else [part.sample for part in own.parts]
    if missing := [each.name for each in budgets if each not in kept]:
        raise ValueError(
            f"the limits of the plan have budgets of {', '.join(missing)}, which only an agent keeps: make the agent "
            "with these samples, or leave the budgets out of the limits"
        )


def _same(unit: str, wanted: str) -> bool:
    try:
        return unit == wanted or conversion(unit, wanted) == Conversion()
    except UnitError:
        return False


@dataclass(slots=True, eq=False)
class _Scan:
    """A scan under way: where it was, and which results it has not learnt from."""

    agent: Suggests
    result_of: ResultOf
    detectors: Sequence[Any]
    axes: Mapping[str, Any]
    limits: Limits | None
    record: Record | None
    exposures: Exposures | None = None
    visited: list[Mapping[str, float]] = field(default_factory=list)
    unlearnt: list[tuple[Suggestion, int]] = field(default_factory=list)

    def measurements(self, uid: str, n: int) -> Plan[None]:
        """Measure `n` times, or until the agent ends it, and learn from all of it."""
        for seq_num in range(1, n + 1):
            if self.agent.needs_results:
                yield from self.learn(uid)
            suggestion = yield from self.ask(seq_num)
            if suggestion is None:
                break
            moves = self.checked(suggestion)
            first = seq_num if self.exposures is None else self.exposures.next_row
            yield from self.keep(suggestion, "proposed", uid, first)
            yield from bps.checkpoint()
            if suggestion.wait > 0:
                yield from bps.sleep(suggestion.wait)
            yield from bps.mv(*moves)
            if self.exposures is None:
                yield from bps.trigger_and_read([*self.detectors, *self.axes.values()])
            else:
                yield from self.exposures.expose(self.frames_for(suggestion))
            self.unlearnt.append((suggestion, first))
            yield from bps.checkpoint()
        yield from self.learn(uid)

    def ask(self, seq_num: int) -> Plan[Suggestion | None]:
        """What the agent suggests, None where it is time to end."""
        reason = self.agent.should_stop()
        if not reason:
            try:
                return (yield from in_thread(self.agent.suggest))
            except NoSuggestionError as error:
                reason = str(error)
        _log.info("The scan ends after %d measurements: %s.", seq_num - 1, reason)
        return None

    def checked(self, suggestion: Suggestion) -> list[Any]:
        """The moves to a suggestion, if that may be measured."""
        if not math.isnan(suggestion.counting) and self.frames_for(suggestion) is None:
            raise ValueError(
                f"suggestion {suggestion.id} asks for {suggestion.counting:g} s of exposure, but those of this scan "
                "are alike: give `counting` with a frame time, or measure it in a run of its own (measure_at, or a "
                "queue server)"
            )
        moves = _moves(self.axes, suggestion.position)
        own: Limits | None = getattr(self.agent, "limits", None)
        if own is not None:
            own.check(suggestion.position)
        if self.limits is not None:
            self.limits.check(suggestion.position, self.limits.space.arrays(self.visited))
            self.visited.append(suggestion.position)
        return moves

    def frames_for(self, suggestion: Suggestion) -> int | None:
        """Frames that a suggestion asks for; None where it asks for none, or it is not known how long one takes."""
        frame_time = None if self.exposures is None else self.exposures.counting.frame_time
        if frame_time is None or math.isnan(suggestion.counting):
            return None
        return max(1, round(suggestion.counting / frame_time))

    def learn(self, uid: str) -> Plan[None]:
        """Wait for the results that were not learnt from, and hand them to the agent."""
        while self.unlearnt:
            suggestion, seq_num = self.unlearnt.pop(0)
            result, ingest = partial(self.result_of, uid, seq_num), partial(self.agent.ingest, suggestion)
            trouble = f"The result of measurement {seq_num} cannot be had, which counts as failed"
            analysis = yield from in_thread(partial(_or_else, None, trouble, result))
            trouble = f"The agent does not learn what became of suggestion {suggestion.id}"
            novelty = yield from in_thread(partial(_or_else, math.nan, trouble, partial(ingest, analysis)))
            yield from self.keep(suggestion, "failed" if analysis is None else "measured", uid, seq_num, novelty)

    def keep(self, suggestion: Suggestion, event: str, uid: str, seq_num: int, novelty: float = math.nan) -> Plan[None]:
        """Record what became of a suggestion."""
        if self.record is not None:
            work = partial(self.record, suggestion, event, raw_uid=uid, seq_num=seq_num, novelty=novelty)
            trouble = f"The event {event!r} of suggestion {suggestion.id} is not recorded"
            yield from in_thread(partial(_or_else, None, trouble, work))

    def close_failed(self, uid: str, error: Exception) -> Plan[None]:
        """Learn from what was measured, where nobody stopped the scan, and close the run."""
        if not isinstance(error, RunEngineControlException):
            yield from self.learn(uid)
        yield from close_failed(error)
