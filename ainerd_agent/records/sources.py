"""Where data comes from: runs, measurements, frames and rheometer readings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One Bluesky run, or one ingested file: what all its measurements have in common.

    Attributes
    ----------
    uid : str
        The key of the run in `/raw`, `/xpcs` and `/ainerd/<model>`.
    time : float
        Start of the run, seconds since the epoch.
    source : str
        "bluesky", or "ingest" for maps that came from a file.
    access : mapping
        `data_session`, `data_groups` and access tags, copied from the start document.
    metadata : mapping
        Further flat, searchable metadata (for ingested maps: the file and how it was scaled).
    """

    uid: str
    time: float
    source: str = "bluesky"
    scan_id: int | None = None
    plan_name: str = ""
    sample: str = ""
    access: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where and when one measurement was made.

    Attributes
    ----------
    seq_num : int
        Number of the event in its stream, from 1.
    start, stop : float
        First and last moment of the exposure, seconds since the epoch.
    elapsed : float
        Seconds from the start of the run to `start`.
    position : mapping
        Stage position by axis ("x", "y"), in millimetres.
    extra : mapping
        Further scalars of this measurement (ingested maps: their columns of the file).
    """

    raw_uid: str
    seq_num: int
    start: float
    stop: float
    stream: str = "primary"
    elapsed: float = 0.0
    position: Mapping[str, float] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RheometerSamples:
    """Rheometer readings, each array of shape (n,) and in order of time.

    Attributes
    ----------
    time : ndarray
        Seconds since the epoch.
    shear_stress : ndarray
        Pa.
    shear_rate : ndarray
        1/s.
    viscosity : ndarray
        Pa s.
    """

    time: FloatArray
    shear_stress: FloatArray
    shear_rate: FloatArray
    viscosity: FloatArray

    @classmethod
    def empty(cls) -> RheometerSamples:
        """No readings: a run without a rheometer."""
        nothing = np.empty(0)
        return cls(nothing, nothing, nothing, nothing)


@dataclass(frozen=True, slots=True)
class ShearStress:
    """The rheometer over one exposure; NaN where there was no reading.

    Attributes
    ----------
    mean, std : float
        Shear stress, Pa.
    shear_rate : float
        Mean, 1/s.
    viscosity : float
        Mean, Pa s.
    n_samples : int
        Readings inside the exposure; 0 means the nearest reading was used, or there was none at all.
    """

    mean: float = float("nan")
    std: float = float("nan")
    shear_rate: float = float("nan")
    viscosity: float = float("nan")
    n_samples: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class PhotonEvents:
    """Consecutive frames of which only the pixels with counts are told; the sparse form of a block of frames.

    Attributes
    ----------
    frame : ndarray of int, shape (n,)
        Frame of each event, counted from the first frame of the movie; never decreasing.
    pixel : ndarray of int, shape (n,)
        Row * W + column. The same pixel may come several times in a frame: its counts add up.
    count : ndarray of int, shape (n,)
        Photons.
    stop : int
        The block is complete up to this frame, which is not part of it. Frames without events are dark frames.
    """

    frame: NDArray[Any]
    pixel: NDArray[Any]
    count: NDArray[Any]
    stop: int


@dataclass(frozen=True, slots=True, eq=False)
class NumberedFrames:
    """A block of frames with their places in the movie; what lies between was dropped by the detector.

    Attributes
    ----------
    frames : ndarray, shape (t, H, W)
    numbers : ndarray of int64, shape (t,)
        Place of each frame in the movie, from 0, rising.
    times : ndarray, shape (t,), or None
        Of each frame, as the detector wrote it (areaDetector: seconds), rising.
    """

    frames: NDArray[Any]
    numbers: NDArray[np.int64]
    times: FloatArray | None


class FrameSource(Protocol):
    """Frames that are read when they are needed, block by block."""

    @property
    def shape(self) -> tuple[int | None, int, int]:
        """(T, H, W); T is None where nobody knows how long the movie will be before it ends."""
        ...

    def blocks(self, needed: NDArray[np.bool_] | None = None) -> Iterator[NDArray[Any] | NumberedFrames | PhotonEvents]:
        """Consecutive blocks of frames, each of shape (t, H, W), with numbers, or as photon events.

        `needed` (H, W) tells which pixels will be looked at; the others may be anything, if that is faster.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One burst of frames at one place and time: one event of a run.

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
    """

    origin: Origin
    frames: FrameSource
    frame_time: float
    saturation: float | None = None
    rheometer: RheometerSamples = field(default_factory=RheometerSamples.empty)
