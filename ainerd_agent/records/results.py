"""What is found out: maps, what the latent model says of them, and where to measure next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records.sources import FloatArray, Origin, ShearStress

MapStack = NDArray[np.float32]
"""C2 maps, shape (n_bins, size, size)."""


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
