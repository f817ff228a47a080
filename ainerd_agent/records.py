"""The records that flow through a session, each made once and handed on.

    Measurement ─▶ Fingerprints ─▶ Analysis ─▶ Suggestion

`Run` and `Origin` say where data comes from; every later record carries them instead of reaching back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
MapStack = NDArray[np.float32]
"""C2 maps, shape (n_bins, size, size)."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Bins:
    """The azimuthal bins that C2 maps belong to, each array of shape (n_bins,).

    Attributes
    ----------
    q : ndarray
        Mean momentum transfer, 1/nm; NaN where it is not known.
    azimuth : ndarray
        Centre, degrees in [0, 360), from the detector's +x (columns rising) towards +y (rows rising); NaN where the
        pixels have no direction in common.
    n_pixels : ndarray of int
        Pixels that were used.
    """

    q: FloatArray
    azimuth: FloatArray
    n_pixels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.q)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How far the C2 maps of a measurement can be trusted.

    Attributes
    ----------
    snr : ndarray, shape (n_bins,)
        Contrast in standard deviations of the noise of a single point of the map.
    bad_share : float
        Share of the frames that were left out; NaN where it is not known.
    drift : float
        Relative change of the intensity over the movie; NaN where it is not known.
    problems : tuple of str, shape (n_bins,)
        What makes a map too poor to trust, in words; empty for a good one.
    """

    snr: FloatArray
    bad_share: float
    drift: float
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxations:
    """Fits of baseline + contrast * exp(-2 (t / tau)**exponent) to g2, each array of shape (n_bins,).

    NaN where a fit cannot be trusted. Errors are standard uncertainties, NaN also where the value holds and its
    uncertainty is not known.

    Attributes
    ----------
    tau, tau_error : ndarray
        Relaxation time of the field, g1, in seconds.
    exponent, exponent_error : ndarray
        Below 1 stretched, above 1 compressed.
    contrast, contrast_error : ndarray
        At lag 0.
    baseline, baseline_error : ndarray
        1 where nothing correlates.
    problems : tuple of str, shape (n_bins,)
        Why the fit or its errors cannot be trusted, in words; empty for a good one.
    """

    tau: FloatArray
    tau_error: FloatArray
    exponent: FloatArray
    exponent_error: FloatArray
    contrast: FloatArray
    contrast_error: FloatArray
    baseline: FloatArray
    baseline_error: FloatArray
    problems: tuple[str, ...]

    @classmethod
    def unknown(cls, n_bins: int, problem: str = "not fitted") -> Relaxations:
        """No fits, for one reason."""
        nothing: FloatArray = np.full(n_bins, np.nan)
        names = [f"{name}{suffix}" for name in ("tau", "exponent", "contrast", "baseline") for suffix in ("", "_error")]
        return cls(**dict.fromkeys(names, nothing), problems=(problem,) * n_bins)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprints:
    """The C2 maps of one measurement and what else its frames say, per bin.

    Attributes
    ----------
    c2 : ndarray of float32, shape (n_bins, size, size)
        <D(t1) D(t2)>, neither rescaled nor offset: baseline 0, contrast on the diagonal. Ingested maps have their
        baseline subtracted before they come here.
    duration : float
        Seconds that a side of the map spans; NaN where it is not known.
    mean_counts : ndarray, shape (n_bins,)
        Counts per pixel and frame.
    contrast : ndarray, shape (n_bins,)
        C2 at the shortest lag.
    tau : ndarray, shape (n_bins,)
        Seconds until C2, averaged over age, has fallen to 1/e of the contrast; NaN where it does not.
    quality : Quality
    g2 : ndarray of float32, shape (n_bins, n_lags)
        The intensity correlation at `lags`.
    lags : ndarray, shape (n_lags,)
        Seconds.
    relaxations : Relaxations or None
        Fits of g2; None where none were made.
    """

    origin: Origin
    c2: MapStack
    bins: Bins
    duration: float
    mean_counts: FloatArray
    contrast: FloatArray
    tau: FloatArray
    quality: Quality
    g2: NDArray[np.float32]
    lags: FloatArray
    relaxations: Relaxations | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What the latent model says of one measurement, per bin.

    Attributes
    ----------
    latents : ndarray of float32, shape (n_bins, 64)
    cluster : ndarray of int, shape (n_bins,)
        0 is the slowest.
    centre_distance : ndarray, shape (n_bins,)
        Euclidean distance to the cluster's centre.
    novelty : ndarray, shape (n_bins,)
        Distance to the nearest latent seen before, in units of the repeatability of a measurement; NaN for the first
        measurement of a session, which has nothing to be compared with.
    reconstruction_error : ndarray, shape (n_bins,)
        Mean squared difference between the scaled map and its reconstruction.
    unlike : ndarray of bool, shape (n_bins,), or None
        Which maps are unlike those that the model was trained on: their other values cannot be trusted. None where the
        model does not tell.
    """

    origin: Origin
    latents: NDArray[np.float32]
    cluster: NDArray[np.int64]
    centre_distance: FloatArray
    novelty: FloatArray
    reconstruction_error: FloatArray
    stress: ShearStress
    unlike: NDArray[np.bool_] | None = None

    @property
    def dominant_cluster(self) -> int:
        """The cluster that most bins belong to (the slower one of a tie)."""
        return int(np.bincount(self.cluster).argmax())


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A position that the agent proposes, and why.

    Attributes
    ----------
    position : mapping
        By axis ("x", "y"), millimetres.
    expected_novelty, uncertainty : float
        Mean and standard deviation of the novelty that the surrogate predicts; NaN in the space-filling start.
    cost : float
        Seconds of travel, waiting and counting.
    score : float
        What was maximised.
    reason : str
        One sentence for people.
    inputs : tuple of str
        The measurements it was inferred from, as "uid/seq_num".
    model, seed
        The latent model, and the seed of this choice.
    agent : str
        Whose suggestion it is.
    counting : float
        Seconds of exposure; NaN where the plan's usual one is meant.
    wait : float
        Seconds to let pass before the exposure.
    predicted : ndarray of float32, shape (n_bins, n_latents), or None
        The latents that the surrogate expects there; None where nothing is known yet.
    predicted_std : float
        Standard deviation of a measurement's distance from `predicted`, as the surrogate expects it.
    terms : mapping
        What the score was made of: numbers by name.
    alternatives : tuple of mapping
        The best positions that were not taken: "x", "y", "score", "cost", and "expected_novelty" where it is known.
    settings : mapping
        How the agent was made, so that another process can make it again.
    """

    id: str
    position: Mapping[str, float]
    reason: str
    expected_novelty: float = float("nan")
    uncertainty: float = float("nan")
    cost: float = 0.0
    score: float = float("nan")
    inputs: tuple[str, ...] = ()
    model: str = ""
    seed: int = 0
    agent: str = ""
    counting: float = float("nan")
    wait: float = 0.0
    predicted: NDArray[np.float32] | None = field(default=None, compare=False)
    predicted_std: float = float("nan")
    terms: Mapping[str, float] = field(default_factory=dict)
    alternatives: tuple[Mapping[str, float], ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
