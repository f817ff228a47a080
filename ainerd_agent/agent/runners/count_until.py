"""Exposures that end when enough is known: for anyone, without an agent."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
from bluesky.utils import RunEngineControlException

from ainerd_agent.agent.runners.closing import close_failed
from ainerd_agent.agent.runners.exposure_report import ExposureReport
from ainerd_agent.agent.runners.live_verdicts import Verdicts
from ainerd_agent.agent.runners.threads import Plan, in_thread
from ainerd_agent.agent.runners.ways_to_end import AnyWay, Taken, way_for
from ainerd_agent.agent.verdicts.until import Until
from ainerd_agent.records.exposure_events import (
    BEGUN_STREAM,
    ENDED_STREAM,
    EXPOSURES,
    START,
    WAYS_TO_END,
    ExposureBegun,
    ExposureEnded,
)
from ainerd_agent.records.verdict import Verdict

_log = logging.getLogger(__name__)

STOPPED = "stopped"


def count_until(
    detectors: Sequence[Any],
    verdicts: Verdicts | None,
    *,
    frames: int,
    num: int = 1,
    until: Until | None = None,
    axes: Sequence[Any] = (),
    way: AnyWay | None = None,
    monitors: Sequence[Any] = (),
    md: Mapping[str, Any] | None = None,
) -> Plan[str]:
    """Expose until enough is known, or the planned frames are there.

    An exposure ends early on a verdict of the analysis alone: where none comes, it goes on to its planned count. The
    plan computes nothing; it asks twenty times a second, on another thread. It can be paused; the exposure that is
    under way goes on meanwhile. Where it is stopped or aborted, what came is kept as an exposure that was stopped.

    Parameters
    ----------
    detectors : sequence of devices
        The first one exposes; the others are read after each exposure.
    verdicts : Verdicts or None
        As `LiveVerdicts("http://127.0.0.1:8765")`; None for full counts.
    frames : int
        Planned for each exposure.
    num : int
        Exposures.
    until : Until, optional
        When an exposure may end; by default it never does because it has converged, and damage is a warning.
    axes : sequence of devices
        Read with each exposure: where the sample is.
    way : optional
        How the detector is ended: `Flying`, `Aborting`, `Bursts` or `Whole` of
        `ainerd_agent.agent.runners.ways_to_end`; by default what the detector offers.
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
    ValueError
        No detector, or nothing to count; before anything happens.

    Examples
    --------
    >>> RE(count_until([detector], LiveVerdicts("http://127.0.0.1:8765"), frames=5000,
    ...                until=Until(tau=0.05)))  # doctest: +SKIP
    """
    exposures = Exposures(detectors, Counting(frames, verdicts, until or Until(), way), axes)
    if num < 1:
        raise ValueError(f"{num} exposures are none: count one at least")
    metadata = {
        "plan_name": "count_until",
        "detectors": [detector.name for detector in detectors],
        "num_points": num,
        **exposures.metadata,
        **(md or {}),
    }

    def expose() -> Plan[None]:
        yield from exposures.prepare()
        for _ in range(num):
            yield from bps.checkpoint()
            yield from exposures.expose()

    def run() -> Plan[str]:
        exposures.run = yield from bps.open_run(metadata)
        yield from bpp.contingency_wrapper(expose(), except_plan=close_failed, else_plan=bps.close_run)
        return exposures.run

    uid: str = yield from bpp.stage_wrapper(bpp.monitor_during_wrapper(run(), list(monitors)), list(detectors))
    return uid


@dataclass(frozen=True, slots=True, eq=False)
class Counting:
    """How exposures are counted.

    Parameters
    ----------
    frames : int
        Planned for each exposure.
    verdicts : Verdicts or None
        As for `count_until`.
    until : Until
    way : optional
        As for `count_until`.
    frame_time : float, optional
        Seconds from one frame to the next: for exposures that are asked for in seconds.
    """

    frames: int
    verdicts: Verdicts | None = None
    until: Until = field(default_factory=Until)
    way: AnyWay | None = None
    frame_time: float | None = None


class Exposures:
    """The exposures of one run, each with an event when it begins and one when it has ended.

    Parameters
    ----------
    detectors : sequence of devices
        As for `count_until`.
    counting : Counting
    axes : sequence of devices
        As for `count_until`.

    Attributes
    ----------
    run : str
        Uid of the run, to be set once it is open.
    number : int
        Of the latest exposure, from 1.
    """

    def __init__(self, detectors: Sequence[Any], counting: Counting, axes: Sequence[Any] = ()) -> None:
        if not detectors:
            raise ValueError("there is no detector to count with")
        self.counting = counting
        self.run = ""
        self.number = 0
        self._detectors, self._axes = detectors, axes
        self._exposing = counting.way or way_for(detectors[0])
        self._check(counting.frames)
        self._begun = ExposureReport(ExposureBegun(number=0, planned=counting.frames), name="exposure_begun")
        nothing = ExposureEnded(number=0, planned=counting.frames, first=1, last=0)
        self._ended = ExposureReport(nothing, name="exposure_ended")
        self._rows = 0
        self._look = 0

    @property
    def metadata(self) -> dict[str, Any]:
        """For the start document: which streams there are, and what an exposure may end by."""
        return {EXPOSURES: {**START, "until": self.counting.until.as_plain()}}

    @property
    def next_row(self) -> int:
        """Number that the first row of the next exposure will have in the stream of rows."""
        return self._rows + 1

    def prepare(self) -> Plan[None]:
        """Once, in the open run."""
        yield from self._exposing.prepare(self.counting.frames)

    def expose(self, frames: int | None = None) -> Plan[ExposureEnded]:
        """One exposure, of `frames` where they are other than usual."""
        planned = self.counting.frames if frames is None else frames
        self._check(planned)
        self.number += 1
        self._look = 0
        # A pause does not rewind: the exposure goes on meanwhile, and nothing is exposed twice.
        ended: ExposureEnded = yield from bpp.rewindable_wrapper(self._one(planned), False)
        return ended

    def _check(self, planned: int) -> None:
        if planned < 1:
            raise ValueError(f"{planned} frames are planned: an exposure needs one at least")
        self._exposing.check(planned)

    def _one(self, planned: int) -> Plan[ExposureEnded]:
        self._begun.put(ExposureBegun(number=self.number, planned=planned))
        yield from self._event(BEGUN_STREAM, self._begun, self._axes)
        verdict: list[Verdict] = []
        self._exposing.broken_off = None
        try:
            taken = yield from self._exposing.expose(planned, partial(self._enough, verdict))
        except RunEngineControlException:
            yield from self._has_ended(planned, self._exposing.broken_off or Taken(rows=0), STOPPED, 0)
            raise
        if not verdict:
            return (yield from self._has_ended(planned, taken, "planned", 0))
        why, look = verdict[0].ended, verdict[0].look
        _log.info("Exposure %d ends at look %d: %s", self.number, look, verdict[0].reason)
        return (yield from self._has_ended(planned, taken, why if why in WAYS_TO_END else STOPPED, look))

    def _has_ended(self, planned: int, taken: Taken, ended: Any, look: int) -> Plan[ExposureEnded]:
        first = self._rows + 1
        self._rows += taken.rows
        record = ExposureEnded(
            number=self.number,
            planned=planned,
            first=first,
            last=self._rows,
            frames=taken.frames,
            ended=ended,
            look=look,
        )
        self._ended.put(record)
        yield from self._event(ENDED_STREAM, self._ended, (*self._axes, *self._detectors[1:]))
        return record

    def _event(self, stream: str, report: ExposureReport, others: Sequence[Any]) -> Plan[None]:
        yield from bps.create(stream)
        yield from bps.read(report)
        for each in others:
            yield from bps.read(each)
        yield from bps.save()

    def _enough(self, verdict: list[Verdict]) -> Plan[bool]:
        """Ask for a verdict; it counts where it is one on this exposure, of a later look than the one before."""
        if self.counting.verdicts is None:
            return False
        asked = partial(self.counting.verdicts.latest, self.run, self.number, self._look)
        try:
            found = yield from in_thread(asked)
        except RunEngineControlException:
            raise
        except Exception as error:
            _log.error("No verdict can be had (%s: %s). The exposure goes on.", type(error).__name__, error)
            return False
        if found is None or (found.raw_uid, found.exposure) != (self.run, self.number) or found.look <= self._look:
            return False
        self._look = found.look
        for warning in found.warnings:
            _log.warning("Exposure %d, look %d: %s", self.number, found.look, warning)
        if found.stop:
            verdict.append(found)
        return found.stop
