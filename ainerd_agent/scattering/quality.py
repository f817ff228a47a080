"""How far a C2 map can be trusted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records import FloatArray, MapStack, Quality
from ainerd_agent.scattering.correlation.two_time_maps import TwoTime

MIN_SNR = 2.0
"""Contrast, in standard deviations of a point of the map, below which a map shows hardly anything."""

MAX_BAD = 0.2
"""Share of frames left out above which a map is hardly the measurement's."""

MAX_DRIFT = 0.3
"""Relative change of the intensity over a movie above which it may be taken for dynamics."""

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
    return _judged(result.c2, result.contrast, bad_share, drift, common)


def map_quality(maps: MapStack, contrast: FloatArray) -> Quality:
    """Judge maps of which nothing but the maps is known, shape (n, size, size), with their contrast, shape (n,)."""
    return _judged(maps, contrast, float("nan"), float("nan"), [])


def _judged(maps: MapStack, contrast: FloatArray, bad_share: float, drift: float, common: list[str]) -> Quality:
    with np.errstate(divide="ignore", invalid="ignore"):
        snr = np.asarray(contrast / map_noise(maps), dtype=np.float64)
    problems = tuple(
        "; ".join([*([] if ratio >= MIN_SNR else [f"signal to noise {ratio:.1f}"]), *common]) for ratio in snr
    )
    return Quality(snr=snr, bad_share=bad_share, drift=drift, problems=problems)


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
