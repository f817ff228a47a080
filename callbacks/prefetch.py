"""Correlating an exposure while it goes on, before its event tells of it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from threading import Event, Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import AinerdError
from ainerd_agent.records import Exposure, Fingerprints, Measurement, NumberedFrames
from ainerd_agent.scattering.frames.growing import Following
from ainerd_agent.scattering.frames.hdf5_frames import HDF5Frames

logger = logging.getLogger(__name__)

GRACE = 0.5
"""Seconds after an event in which the first of its frames has to be seen, or they are read anew."""

Correlate = Callable[[Measurement], Fingerprints]


class Ahead:
    """Follows the exposure that comes next, on a thread of its own.

    A detector appends one movie after the other to its file. So once a measurement is known, it is known where the next
    one will stand, and its frames can be correlated as they are written; when the event comes, the maps are there.

    What was followed counts only if the event names just these frames, with the frame time and saturation of those
    before, and if the first of them was not exposed before the exposure that the event tells of: after a pause a
    detector may write over what it began. Otherwise the frames are read again.

    Parameters
    ----------
    correlate : callable
        Gives the maps of a measurement, or raises.
    """

    def __init__(self, correlate: Correlate) -> None:
        self._correlate = correlate
        self._pursuit: _Pursuit | None = None

    def expect(self, measurement: Measurement) -> None:
        """Follow what comes after this measurement."""
        self.forget()
        frames = measurement.frames
        if isinstance(frames, HDF5Frames) and frames.stop is not None and frames.event is None:
            self._pursuit = _Pursuit(measurement, frames)
            self._pursuit.start(self._correlate)

    def take(self, measurement: Measurement) -> Fingerprints:
        """The maps of a measurement whose event came: those that were made ahead where they hold, else made now."""
        pursuit, self._pursuit = self._pursuit, None
        if pursuit is not None:
            try:
                ahead = pursuit.result(measurement)
            except AinerdError as error:
                logger.info("what was followed does not hold, so the frames are read again: %s", error)
            else:
                return _told_of(ahead, measurement)
        return self._correlate(measurement)

    def forget(self) -> None:
        """Stop following: no further exposure is expected."""
        pursuit, self._pursuit = self._pursuit, None
        if pursuit is not None:
            pursuit.cancel()


class _OtherFramesError(AinerdError):
    """The event names frames that were not followed."""


def _told_of(ahead: Fingerprints, measurement: Measurement) -> Fingerprints:
    """Maps that were made before their event came, with what only the event tells; how long was counted, they know."""
    told, found = measurement.origin.exposure, ahead.origin.exposure
    exposure = replace(found, planned=told.planned, ended=told.ended or found.ended, look=told.look)
    return replace(
        ahead,
        origin=replace(measurement.origin, exposure=exposure),
        quality=ahead.quality.with_problems(measurement.problems),
    )


@dataclass(slots=True, eq=False)
class _Pursuit:
    """The frames after those of one measurement, as they come."""

    before: Measurement
    known: HDF5Frames
    following: Following = field(default_factory=lambda: Following(timeout=math.inf))
    outcome: Future[Fingerprints] = field(default_factory=Future)
    source: _Timed | None = None

    def start(self, correlate: Correlate) -> None:
        stop = self.known.stop
        if stop is None:
            raise ValueError("frames without an end have none after them")
        frames = replace(self.known, start=stop, stop=2 * stop - self.known.start, following=self.following)
        self.source = _Timed(frames)
        # Why the exposure before ended says nothing of this one.
        planned = Exposure(planned=self.before.origin.exposure.planned)
        expected = replace(
            self.before, frames=self.source, problems=(), origin=replace(self.before.origin, exposure=planned)
        )

        def work() -> None:
            try:
                self.outcome.set_result(correlate(expected))
            except BaseException as error:  # whatever it is, whoever asks for the result gets it
                self.outcome.set_exception(error)

        Thread(target=work, name="following an exposure", daemon=True).start()

    def cancel(self) -> None:
        self.following.cancel()

    def result(self, measurement: Measurement) -> Fingerprints:
        """The maps, if they are those of this measurement.

        Raises
        ------
        AinerdError
        """
        named, source = measurement.frames, self.source
        if source is None or named != source.frames:
            self.cancel()
            raise _OtherFramesError("the event names other frames than those that were expected")
        before = self.before
        if (measurement.frame_time, measurement.saturation) != (before.frame_time, before.saturation):
            self.cancel()
            raise _OtherFramesError("the event has another frame time or saturation than the one before")
        # The event came, so all frames are in the file, or will be in a moment.
        if not source.begun.wait(GRACE):
            self.cancel()
            raise _OtherFramesError("none of them was seen")
        timeout = named.following.timeout if isinstance(named, HDF5Frames) and named.following else 10.0
        try:
            found = self.outcome.result(timeout)
        except TimeoutError as error:
            self.cancel()
            raise _OtherFramesError(f"they were not complete {timeout:g} s after the event") from error
        except AinerdError:
            raise
        except Exception as error:
            raise _OtherFramesError(f"{type(error).__name__}: {error}") from error
        if source.first_time is not None and source.first_time < measurement.origin.start - measurement.frame_time / 2:
            raise _OtherFramesError("they were of an exposure that was begun before, and dropped")
        return found


@dataclass(slots=True, eq=False)
class _Timed:
    """A source that notes that it gives frames, and when the first of them was taken."""

    frames: HDF5Frames
    first_time: float | None = None
    begun: Event = field(default_factory=Event)

    @property
    def shape(self) -> tuple[int | None, int, int]:
        return self.frames.shape

    def blocks(self, needed: NDArray[np.bool_] | None = None) -> Iterator[NDArray[Any] | NumberedFrames]:
        for block in self.frames.blocks(needed):
            if self.first_time is None and isinstance(block, NumberedFrames) and block.times is not None:
                self.first_time = float(block.times[0])
            self.begun.set()
            yield block
