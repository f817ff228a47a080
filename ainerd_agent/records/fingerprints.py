"""What is seen in the frames of one measurement, per bin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records.arrays import FloatArray, MapStack
from ainerd_agent.records.bad_pixels import BadPixels
from ainerd_agent.records.run import Origin


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
        What is doubtful about a map, and what was left out or corrected, in words; empty where nothing is.
    """

    snr: FloatArray
    bad_share: float
    drift: float
    problems: tuple[str, ...]

    def with_problems(self, problems: Sequence[str]) -> Quality:
        """The same, with problems that concern all maps of the measurement."""
        if not problems:
            return self
        return replace(self, problems=tuple("; ".join(filter(None, (each, *problems))) for each in self.problems))


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
class AgeLagMap:
    """The correlation over age and lag, on lags from one frame to the whole exposure.

    Attributes
    ----------
    values, errors : ndarray of float32, shape (n_bins, n_ages, n_lags)
        <D(t) D(t + lag)> over the pairs whose middle lies in a section of age, and its standard uncertainty.
    ages : ndarray, shape (n_ages,)
        Middle of each section, seconds from the start of the exposure.
    lags : ndarray, shape (n_lags,)
        Seconds.
    """

    values: NDArray[np.float32]
    errors: NDArray[np.float32]
    ages: FloatArray
    lags: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Ageing:
    """How the relaxation time of the sections of an age-lag map changes with age, each array of shape (n_bins,).

    NaN where fewer than three ages could be fitted.

    Attributes
    ----------
    rate, rate_error : ndarray
        d(ln tau) / d(age), 1/s, and its standard uncertainty: positive where the dynamics slow down.
    one_tau : ndarray
        Probability of relaxation times that scatter so much over age, or more, if there is only one: small where one
        relaxation time is not enough.
    """

    rate: FloatArray
    rate_error: FloatArray
    one_tau: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Scattering:
    """What the detector saw.

    Attributes
    ----------
    mean_image : ndarray of float32, shape (H, W)
        Counts per frame.
    ring_q : ndarray, shape (n_rings,)
        Momentum transfer of fine rings, 1/nm.
    intensity_q : ndarray of float32, shape (n_rings,)
        I(q): counts per pixel and frame in each ring.
    intensity_t : ndarray of float32, shape (n_bins, n_times)
        I(t): counts per pixel and frame of each bin, in equal sections of the exposure.
    """

    mean_image: NDArray[np.float32]
    ring_q: FloatArray
    intensity_q: NDArray[np.float32]
    intensity_t: NDArray[np.float32]


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
    age_lag : AgeLagMap or None
        None where none was made, and in fingerprints that are read from a catalog (its `age_lag` has it).
    ageing : Ageing or None
        From fits of the age-lag map; None where none were made, or no bin could be fitted.
    scattering : Scattering or None
        None where it was not kept.
    bad_pixels : BadPixels or None
        Pixels that were found bad and left out; None where it is not known, as in fingerprints that are read from a
        catalog (its `bad_pixels` has them). How many they are is said in `quality.problems`.
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
    age_lag: AgeLagMap | None = None
    ageing: Ageing | None = None
    scattering: Scattering | None = None
    bad_pixels: BadPixels | None = None
