"""How a detector exposes, and how its exposure is ended early.

There are four ways, because detectors differ. One that flies is stopped; one that is triggered has its acquisition
aborted, and its file keeps what came; bursts follow one another until there are enough; and what can do none of these
counts to the end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import bluesky.plan_stubs as bps
from bluesky.utils import RunEngineControlException, short_uid

from ainerd_agent.agent.runners.threads import Plan
from ainerd_agent.records.exposure_events import ROWS_STREAM

_log = logging.getLogger(__name__)

PERIOD = 0.05
"""Seconds between two questions for a verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What an exposure left in the stream of its rows.

    Attributes
    ----------
    rows : int
        Rows, each an event or a flown row.
    frames : int
        Frames, where they are fewer than its rows usually have; 0 where rows are whole.
    """

    rows: int
    frames: int = 0


Enough = Callable[[], Plan[bool]]
"""A plan that asks whether the exposure may end now."""


class Way(Protocol):
    """A way to expose `planned` frames, or fewer where `enough` says so."""

    def check(self, planned: int) -> None:
        """Refuse a number of frames that it cannot expose, with a ValueError."""
        ...

    def prepare(self, planned: int) -> Plan[None]:
        """Once in a run, after it was opened, for exposures of so many frames at first."""
        ...

    def expose(self, planned: int, enough: Enough) -> Plan[Taken]:
        """One exposure. Where somebody breaks it off, what came is still named, and the error goes on."""
        ...


@dataclass(slots=True, eq=False)
class Flying:
    """A detector that is prepared, kicked off and collected from while it counts, as those of ophyd-async.

    Parameters
    ----------
    detector : device
        With `prepare`, `kickoff`, `complete`, `collect_asset_docs`, `get_index` and `stop`.
    info : callable, optional
        Gives what `prepare` is called with, for a number of frames; by default ophyd-async's `TriggerInfo`.
    """

    detector: Any
    info: Callable[[int], Any] | None = None
    broken_off: Taken | None = field(default=None, init=False)
    _index: int = field(default=0, init=False)

    def check(self, planned: int) -> None:
        """Any number will do."""

    def prepare(self, planned: int) -> Plan[None]:
        """Describe the stream of rows, as they are when it flies."""
        yield from bps.prepare(self.detector, (self.info or _trigger_info)(planned), wait=True)
        self._index = yield from self._rows()
        yield from bps.declare_stream(self.detector, name=ROWS_STREAM, collect=True)

    def expose(self, planned: int, enough: Enough) -> Plan[Taken]:
        """Count, collect what comes, and stop where it is enough."""
        info = (self.info or _trigger_info)(planned)
        yield from bps.prepare(self.detector, info, wait=True)
        group = short_uid("exposure")
        try:
            yield from bps.kickoff(self.detector, wait=True)
            completed = yield from bps.complete(self.detector, group=group)
            while not completed.done:
                yield from bps.sleep(PERIOD)
                yield from bps.collect(self.detector, name=ROWS_STREAM, return_payload=False)
                if not completed.done and (yield from enough()):
                    yield from bps.stop(self.detector)
                    break
            yield from _until_done(completed, group)
        except RunEngineControlException:
            yield from bps.stop(self.detector)
            self.broken_off = yield from self._taken()
            raise
        return (yield from self._taken())

    def _taken(self) -> Plan[Taken]:
        yield from bps.collect(self.detector, name=ROWS_STREAM, return_payload=False)
        before, self._index = self._index, (yield from self._rows())
        return Taken(rows=self._index - before)

    def _rows(self) -> Plan[int]:
        asked = None
        while not asked:  # a pause ends the waiting without an answer
            asked = yield from bps.wait_for([self.detector.get_index])
        return int(asked[0].result())


@dataclass(slots=True, eq=False)
class Aborting:
    """A detector that is triggered, and whose acquisition can be aborted: a classic area detector.

    Parameters
    ----------
    detector : device
    acquire : signal
        0 ends the acquisition; the trigger's status is done then (areaDetector: `cam.acquire`).
    frames : signal, optional
        Frames of the exposure that are in the file (areaDetector: `hdf5.num_captured`). Without it they are counted in
        the file.
    read : sequence of devices
        Read with it.
    """

    detector: Any
    acquire: Any
    frames: Any = None
    read: Sequence[Any] = ()
    broken_off: Taken | None = field(default=None, init=False)

    def check(self, planned: int) -> None:
        """Any number will do."""

    def prepare(self, planned: int) -> Plan[None]:
        """Nothing."""
        yield from bps.null()

    def expose(self, planned: int, enough: Enough) -> Plan[Taken]:
        """Trigger, and abort where it is enough; one event."""
        group = short_uid("exposure")
        triggered = yield from bps.trigger(self.detector, group=group)
        stopped = False
        try:
            while not triggered.done:
                yield from bps.sleep(PERIOD)
                if not triggered.done and (yield from enough()):
                    stopped = True
                    break
        except RunEngineControlException:
            self.broken_off = yield from self._taken(triggered, group, planned, stop=True)
            raise
        return (yield from self._taken(triggered, group, planned, stop=stopped))

    def _taken(self, triggered: Any, group: str, planned: int, *, stop: bool) -> Plan[Taken]:
        if stop:
            yield from bps.abs_set(self.acquire, 0)
        yield from _until_done(triggered, group)
        yield from bps.create(ROWS_STREAM)
        for each in (self.detector, *self.read):
            yield from bps.read(each)
        yield from bps.save()
        if not stop or self.frames is None:
            return Taken(rows=1)
        return Taken(rows=1, frames=min(int((yield from bps.rd(self.frames))), planned))


@dataclass(slots=True, eq=False)
class Bursts:
    """Contiguous bursts without a restart: any detector that is triggered; an event for each burst.

    Parameters
    ----------
    detector : device
    frames : int
        Of a burst.
    read : sequence of devices
        Read with it.
    """

    detector: Any
    frames: int
    read: Sequence[Any] = ()
    broken_off: Taken | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise ValueError(f"a burst has one frame at least, not {self.frames}")

    def check(self, planned: int) -> None:
        """Refuse what is no whole number of bursts."""
        if planned % self.frames:
            raise ValueError(f"{planned} frames are no whole number of bursts of {self.frames} frames")

    def prepare(self, planned: int) -> Plan[None]:
        """Nothing."""
        yield from bps.null()

    def expose(self, planned: int, enough: Enough) -> Plan[Taken]:
        """Bursts until the planned frames are there, or it is enough."""
        rows, n = 0, planned // self.frames
        try:
            while rows < n:
                yield from _one_event(self.detector, self.read)
                rows += 1
                if rows < n and (yield from enough()):
                    break
        except RunEngineControlException:
            self.broken_off = Taken(rows=rows)
            raise
        return Taken(rows=rows)


@dataclass(slots=True, eq=False)
class Whole:
    """A detector that cannot be ended: it counts to the end, one event.

    Parameters
    ----------
    detector : device
    read : sequence of devices
        Read with it.
    """

    detector: Any
    read: Sequence[Any] = ()
    broken_off: Taken | None = field(default=None, init=False)

    def check(self, planned: int) -> None:
        """Any number will do."""

    def prepare(self, planned: int) -> Plan[None]:
        """Say that exposures count to the end."""
        _log.warning(
            "%s can be neither stopped nor aborted: its exposures count to the end. Give count_until a way: Aborting "
            "with the signal that ends it, or Bursts.",
            self.detector.name,
        )
        yield from bps.null()

    def expose(self, planned: int, enough: Enough) -> Plan[Taken]:
        """Count to the end; nobody is asked."""
        yield from _one_event(self.detector, self.read)
        return Taken(rows=1)


AnyWay = Flying | Aborting | Bursts | Whole


def way_for(detector: Any, read: Sequence[Any] = ()) -> AnyWay:
    """The way that a detector offers by itself: flying, an areaDetector's `cam.acquire`, or none."""
    flies = all(hasattr(detector, name) for name in ("prepare", "kickoff", "complete", "get_index", "stop"))
    if flies and not read:
        return Flying(detector)
    acquire = getattr(getattr(detector, "cam", None), "acquire", None)
    if acquire is not None:
        captured = getattr(getattr(detector, "hdf5", getattr(detector, "hdf1", None)), "num_captured", None)
        return Aborting(detector, acquire, captured, read)
    return Whole(detector, read)


def _trigger_info(frames: int) -> Any:
    from ophyd_async.core import TriggerInfo

    return TriggerInfo(number_of_events=frames)


def _one_event(detector: Any, read: Sequence[Any]) -> Plan[None]:
    """`bps.trigger_and_read` that a pause does not upset: the trigger is waited for, however often it was paused."""
    group = short_uid("exposure")
    triggered = yield from bps.trigger(detector, group=group)
    yield from _until_done(triggered, group)
    yield from bps.create(ROWS_STREAM)
    for each in (detector, *read):
        yield from bps.read(each)
    yield from bps.save()


def _until_done(status: Any, group: str) -> Plan[None]:
    """Wait for a status. A pause ends a wait of the RunEngine, which then knows of nothing more to wait for."""
    while not status.done:
        yield from bps.wait(group)
        if not status.done:
            yield from bps.sleep(PERIOD)
    if status.exception() is not None:
        raise status.exception()
