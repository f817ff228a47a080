"""An exposure that goes on, correlated while its frames are written, and looked at."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Thread

from ainerd_agent.errors import AinerdError, FrameTimeoutError
from ainerd_agent.records import Measurement
from ainerd_agent.records.look import FEWEST_FRAMES, SHARES, Look, look_frames
from ainerd_agent.scattering.correlation.age_lag_correlation import AgeLagCorrelation
from ainerd_agent.scattering.correlation.looks import live_look
from ainerd_agent.scattering.correlation.two_time_stream import TwoTimeStream
from ainerd_agent.scattering.fingerprint import TwoTimeOptions
from ainerd_agent.scattering.geometry.partition import Partition

logger = logging.getLogger(__name__)

RUNNING = 0.35
"""Seconds between two running maps where no look is due; they cost a fifth of the time of one core."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A look at an exposure that goes on.

    Attributes
    ----------
    exposure : int
        Number of the exposure in its run.
    look : Look
        Its number is that of the last look that was due, or of the next one while none is.
    correlation : AgeLagCorrelation or None
        Of the frames so far, in seconds.
    due : bool
        Whether a verdict is wanted; otherwise these are running maps only.
    over : str
        Why the exposure has ended, for the last look at it; empty before.
    """

    exposure: int
    look: Look
    correlation: AgeLagCorrelation | None
    due: bool
    over: str = ""


@dataclass(slots=True, eq=False)
class ExposureFollower:
    """Follows one exposure on a thread of its own.

    Parameters
    ----------
    exposure : int
        Number of the exposure in its run.
    measurement : callable
        Given `threading.Event.is_set` of an event that is set when the exposure has ended: gives the measurement of all
        planned frames, which come while it is followed, and no longer than that.
    planned : int
        Frames.
    partition : callable
        Gives the bins for a detector shape (H, W).
    options : TwoTimeOptions
    on_seen : callable
        Given each `Seen`, on that thread. What it raises is logged; the following goes on.
    shares : sequence of float
        Of the planned frames, at which the exposure is looked at.
    """

    exposure: int
    measurement: Callable[[Callable[[], bool]], Measurement]
    planned: int
    partition: Callable[[tuple[int, int]], Partition]
    options: TwoTimeOptions
    on_seen: Callable[[Seen], object]
    shares: tuple[float, ...] = SHARES
    _ended: str = field(default="", init=False)
    _over: Event = field(default_factory=Event, init=False)
    _cancelled: Event = field(default_factory=Event, init=False)
    _measurement: Measurement = field(init=False)
    _due: list[int] = field(default_factory=list, init=False)
    _number: int = field(default=0, init=False)
    _shown: float = field(default=0.0, init=False)
    _done: Event = field(default_factory=Event, init=False)

    def start(self) -> None:
        """Begin."""
        self._due = list(look_frames(self.planned, self.shares))
        Thread(target=self._follow, name=f"looking at exposure {self.exposure}", daemon=True).start()

    def end(self, why: str) -> None:
        """The exposure has ended, as `why` says: what came is looked at, and no more frames are waited for."""
        self._ended = why
        self._over.set()

    def cancel(self) -> None:
        """Stop following at the next frames: nothing more is wanted of it."""
        self._cancelled.set()
        self._over.set()

    def join(self, timeout: float) -> bool:
        """Wait until all that came was looked at; False where that takes longer (seconds)."""
        return self._done.wait(timeout)

    def _follow(self) -> None:
        try:
            measurement = self._measurement = self.measurement(self._over.is_set)
            partition = self.partition(measurement.frames.shape[1:])
            stream = self.options.stream(partition, self.planned, measurement.saturation)
            # It may end early, or its detector fall silent: what came is looked at.
            try:
                stream.read(measurement.frames, lambda stream: self._watch(stream, partition))
            except FrameTimeoutError as error:
                logger.debug("exposure %d: %s", self.exposure, error)
            if not self._cancelled.is_set():
                due = bool(self._due) and stream.n_added >= self._due[0]
                self._look(stream, partition, due=due, over=self._ended or "planned")
        except AinerdError as error:
            logger.warning("exposure %d cannot be looked at, and counts to its end: %s", self.exposure, error)
        except _CancelledError:
            pass
        except Exception:
            # Whatever it is, it must not cost the exposure.
            logger.exception("exposure %d cannot be looked at, and counts to its end", self.exposure)
        finally:
            self._done.set()

    def _watch(self, stream: TwoTimeStream, partition: Partition) -> None:
        if self._cancelled.is_set():
            raise _CancelledError
        due = bool(self._due) and stream.n_added >= self._due[0]
        if due or (stream.n_added >= FEWEST_FRAMES and time.monotonic() - self._shown >= RUNNING):
            self._look(stream, partition, due=due)

    def _look(self, stream: TwoTimeStream, partition: Partition, *, due: bool, over: str = "") -> None:
        if due:
            # Frames may come in larger portions than looks: the latest of those that are due counts.
            while self._due and stream.n_added >= self._due[0]:
                del self._due[0]
                self._number += 1
        try:
            maps = stream.look()
        except AinerdError as error:
            logger.info("look %d at exposure %d: %s", self._number, self.exposure, error)
            return
        look = live_look(maps, self._measurement, partition.bins, max(1, self._number))
        aged = None if maps.age_lag is None else maps.age_lag.in_seconds(self._measurement.frame_time)
        self._shown = time.monotonic()
        try:
            self.on_seen(Seen(self.exposure, look, aged, due, over))
        except Exception:
            logger.exception("look %d at exposure %d could not be handed on", self._number, self.exposure)


class _CancelledError(Exception):
    """Nothing more is wanted of an exposure."""
