"""One movie at one place and time."""

from __future__ import annotations

from dataclasses import dataclass, field

from ainerd_agent.records.frames import FrameSource
from ainerd_agent.records.rheometry import RheometerSamples
from ainerd_agent.records.run import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One burst of frames at one place and time: an event of a run, or several in a row.

    Attributes
    ----------
    frames : FrameSource
        The movie, not yet read.
    frame_time : float
        Seconds from one frame to the next.
    saturation : float or None
        The count at which a detector pixel is full, None where the detector does not say.
    rheometer : RheometerSamples
        The readings of the exposure and of a moment around it.
    problems : tuple of str
        What is doubtful about it by its documents, in words.
    retake : bool
        Its events came again, after a pause: it replaces what was measured before.
    """

    origin: Origin
    frames: FrameSource
    frame_time: float
    saturation: float | None = None
    rheometer: RheometerSamples = field(default_factory=RheometerSamples.empty)
    problems: tuple[str, ...] = ()
    retake: bool = False
