"""How far a C2 map can be trusted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records import BadPixels, FloatArray, MapStack, Quality
from ainerd_agent.scattering.correlation.age_lag import age_average
from ainerd_agent.scattering.correlation.two_time_maps import TwoTime

MIN_SNR = 2.0
"""Contrast, in standard deviations of a point of the map, below which a map shows hardly anything."""

MAX_BAD = 0.2
"""Share of frames left out above which a map is hardly the measurement's."""

MAX_DRIFT = 0.3
"""Relative change of the intensity over a movie above which it may be taken for dynamics."""

FAR = 5.0
"""Standard errors beyond which a result is impossible."""

LEAST = 0.01
"""By which it is impossible at least: division by the mean of each frame alone shifts a contrast by 1 / pixels."""

FEW_PIXELS = 1000.0
"""Pixels that a map is taken to be made of where that is not known."""

RISE = 0.2
"""Share of the correlation at short lags by which one at long lags may be larger."""

SHIFT = 4
"""Points of the map over which noise is independent: the anti-aliasing correlates next neighbours."""


def assess(result: TwoTime, *, n_missing: int = 0) -> Quality:
    """Judge the maps of a movie.

    Parameters
    ----------
    result : TwoTime
    n_missing : int
        Frames that were announced and never came, at the end.
    """
    bad_share = len(result.bad_frames) / result.n_frames
    good = np.ones(result.n_frames, dtype=bool)
    good[result.bad_frames] = False
    drift = intensity_drift(np.where(good, result.intensity, np.nan))
    common = []
    if bad_share > MAX_BAD:
        common.append(f"{bad_share:.0%} of the frames are bad")
    if result.filled.any():
        common.append(f"{result.filled.mean():.0%} of the times are interpolated")
    if abs(drift) > MAX_DRIFT:
        common.append(f"the intensity drifts by {drift:+.0%}")
    if n_missing:
        common.append(f"{n_missing} frames at the end are missing")
    if result.resampled:
        common.append("the exposure ended early, and its frames could not be read again: the maps are resampled")
    bad = [_left_out(result.bad_pixels.in_bin(label + 1)) for label in range(len(result.c2))]
    return _judged(result.c2, result.contrast, bad_share, drift, common, bad, result.n_pixels)


def map_quality(maps: MapStack, contrast: FloatArray) -> Quality:
    """Judge maps of which nothing but the maps is known, shape (n, size, size), with their contrast, shape (n,)."""
    return _judged(maps, contrast, float("nan"), float("nan"), [], [[] for _ in maps])


def _judged(
    maps: MapStack,
    contrast: FloatArray,
    bad_share: float,
    drift: float,
    common: list[str],
    own: list[list[str]],
    n_pixels: FloatArray | None = None,
) -> Quality:
    noise = map_noise(maps)
    with np.errstate(divide="ignore", invalid="ignore"):
        snr = np.asarray(contrast / noise, dtype=np.float64)
    impossible = _impossible(maps, contrast, noise, FEW_PIXELS if n_pixels is None else n_pixels)
    problems = tuple(
        "; ".join([*([] if ratio >= MIN_SNR else [f"signal to noise {ratio:.1f}"]), *wrong, *pixels, *common])
        for ratio, wrong, pixels in zip(snr, impossible, own, strict=True)
    )
    return Quality(snr=snr, bad_share=bad_share, drift=drift, problems=problems)


def _left_out(bad: BadPixels) -> list[str]:
    """What is said of the bad pixels of a bin."""
    if len(bad) == 0:
        return []
    said = [bad.words()]
    if n := int(bad.in_part.sum()):
        said.append(
            f"{n} of them only in part, as the frames could not be read again: the contrast and the shortest lags are "
            "interpolated"
        )
    return said


def _impossible(
    maps: MapStack, contrast: FloatArray, noise: FloatArray, n_pixels: FloatArray | float
) -> list[list[str]]:
    """What no speckle can be, of each map."""
    size = maps.shape[-1]
    # Of a mean along the diagonal, over which so many points are independent
    error = np.nan_to_num(noise / np.sqrt(max(1.0, size / SHIFT)))
    # Speckle that stands still is a sample of n_pixels intensities: so far is its contrast from 1 where it should be 1
    sample = np.broadcast_to(np.sqrt(8 / n_pixels), contrast.shape)
    curves = np.asarray(age_average(maps), dtype=np.float64)
    first, lowest, last = 1, max(2, size // 16), max(3, size // 2)
    found: list[list[str]] = []
    for value, wrong, few, curve in zip(contrast, error, sample, curves, strict=True):
        said = []
        if value > 1 + FAR * float(np.hypot(wrong, few)) + LEAST:
            said.append(f"the contrast {value:.3g} is above 1, which no speckle has")
        if value < -(FAR * wrong + LEAST):
            said.append(f"the contrast {value:.2g} is negative")
        start = curve[first:lowest].mean() if size > 2 * lowest else np.nan
        later = curve[lowest:last]
        at = int(np.argmax(later)) if later.size and np.isfinite(later).all() else -1
        if at >= 0 and later[at] > start + 2 * FAR * wrong + max(LEAST, RISE * abs(start)):
            said.append(f"the correlation does not decay from the diagonal: {start:.2g} there, {later[at]:.2g} later")
        found.append(said)
    return found


def map_noise(maps: MapStack) -> FloatArray:
    """Standard deviation of the noise of a single point of each map, shape (n,).

    From the differences between a point and the mean of two points at the same lag, a little earlier and later: what
    dynamics change within such a step is small beside noise. Robust, by the median.
    """
    n, size, _ = maps.shape
    shift = max(1, min(SHIFT, size // 8))
    rows, columns = np.triu_indices(size - 2 * shift, k=1)
    middle = maps[:, rows + shift, columns + shift]
    beside = (maps[:, rows, columns] + maps[:, rows + 2 * shift, columns + 2 * shift]) / 2
    deviation = np.median(np.abs(middle - beside), axis=1) if rows.size else np.full(n, np.nan)
    return np.asarray(1.4826 * deviation / np.sqrt(1.5), dtype=np.float64)


def intensity_drift(intensity: FloatArray) -> float:
    """Relative change over the movie, by a straight line through the counts of the frames; NaN where there are none."""
    known: NDArray[np.int64] = np.flatnonzero(np.isfinite(intensity))
    if len(known) < 2:
        return float("nan")
    slope = np.polyfit(known / len(intensity), intensity[known], 1)[0]
    mean = intensity[known].mean()
    return float(slope / mean) if mean > 0 else float("nan")
