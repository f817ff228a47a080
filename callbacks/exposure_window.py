"""Whether frames were taken when their event says, by the detector's own time stamps."""

from __future__ import annotations

from ainerd_agent.errors import FrameError
from ainerd_agent.records import Measurement
from ainerd_agent.scattering.frames.joined import times_of
from ainerd_agent.settings import ClockSettings

EPICS_EPOCH = 631_152_000.0
"""Seconds from 1970 to 1990, from which areaDetector counts."""


def refuse_other_frames(measurement: Measurement, clocks: ClockSettings) -> None:
    """Make sure that the frames belong to the event: those of an earlier exposure may stand where they should be.

    Raises
    ------
    FrameError
        The detector's time stamps are outside of the exposure that the event tells of.
    """
    found = times_of(measurement.frames)
    if found is None:
        return
    origin = measurement.origin
    slack = clocks.tolerance + 0.1 * (origin.stop - origin.start)
    first, last = (time - (clocks.detector or 0.0) for time in found)
    outside = min(max(origin.start - first - epoch, last + epoch - origin.stop) for epoch in (0.0, EPICS_EPOCH))
    if outside > slack:
        raise FrameError(
            f"the frames were taken up to {outside:.3g} s outside of the exposure of their event, by the detector's "
            "time stamps: they may be those of another exposure. If the detector's clock is off, set clocks.detector"
        )
