"""Stored C2 maps over age and lag, and their means over age."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import MapError
from ainerd_agent.records import AgeLagMap, FloatArray, MapStack
from ainerd_agent.records.arrays import IntArray
from ainerd_agent.scattering.correlation.age_lag_noise import Noise, noise_of
from ainerd_agent.scattering.correlation.g2 import smoothing_of

N_AGES = 16
"""Sections of age, as of `Ages`."""

RESOLVED = 2.5
"""Shortest lag of a smoothed map, in standard deviations of the lags that its pixels average over: at shorter ones,
more than a few per cent of what is seen belongs to lag 0."""

USUAL_SMOOTHING = 0.5
"""Standard deviation of the smoothing of a map of many frames along each axis, in pixels (scikit-image's default)."""


def age_lag_of_maps(
    maps: NDArray[np.floating],
    duration: float,
    *,
    n_frames: int | None = None,
    sigma: float | None = None,
    n_ages: int = N_AGES,
    start: float = 0.0,
) -> AgeLagMap:
    """Bring C2 maps to age and lag, on the axes that frames are correlated on (`TwoTimeStream(..., ages=Ages())`).

    A value is the mean over the pixels whose middle, (t1 + t2) / 2, lies in the section of age. Over lag it is a mean
    with the weights of a triangle, of the half-width that frames are added up over at that lag, at least one pixel:
    between two diagonals that is a straight line.

    Parameters
    ----------
    maps : ndarray, shape (n_bins, size, size) or (size, size)
        C2, full or reduced, baseline 0; symmetric, only t2 > t1 is read. NaN is left out.
    duration : float
        Seconds that a side of the map spans.
    n_frames : int, optional
        Frames that the map was made of; `size` for a map at full resolution. Where it is not known, lags count pixels
        of the map, not frames, and the map is taken to be smoothed as those of many frames are.
    sigma : float, optional
        Of the anti-aliasing, as for `two_time`.
    n_ages : int
        Sections of equal length.
    start : float
        Age of the beginning of the map, seconds.

    Returns
    -------
    AgeLagMap
        NaN at lags below those that the map resolves, two pixels of a reduced one, and where it has no pair of times.
        Errors come from the scatter along the diagonals, see `age_lag_noise`; NaN where it does not tell them.

    Raises
    ------
    MapError
        Maps that are not square, a duration that is not known, or fewer than one section or two frames.
    """
    stack = _square(maps)
    size = stack.shape[1]
    if not (np.isfinite(duration) and duration > 0):
        raise MapError(f"the duration of the maps must be known and positive, not {duration:g} s: give it in seconds")
    if n_ages < 1 or (n_frames is not None and n_frames < 2):
        raise MapError(f"an age-lag map needs a section of age and two frames, not {n_ages} and {n_frames}")
    # In pixels: what a frame takes, and how far the map was smoothed.
    frame = size / n_frames if n_frames else 1.0
    smoothing = smoothing_of(n_frames, size, frame, sigma) if n_frames else USUAL_SMOOTHING
    frames, summed = _lags(n_frames or size)
    lags = frames * frame
    # To the precision of a float: a lag of exactly one pixel is one.
    resolved = lags * (1 + 1e-9) >= max(1.0, RESOLVED * np.sqrt(2) * smoothing)
    values = np.full((len(stack), n_ages, len(lags)), np.nan)
    errors = values.copy()
    section = np.arange(size) * n_ages // size
    noise = noise_of(stack, smoothing, -(-size // n_ages))
    for number in np.flatnonzero(resolved):
        series = _along_age(stack, float(lags[number]), max(1.0, float(summed[number]) * frame))
        values[..., number], errors[..., number] = _in_sections(series, section, n_ages, noise)
    there = np.flatnonzero(np.isfinite(values).any(axis=(0, 1)))
    kept = slice(0, int(there[-1]) + 1 if len(there) else None)
    return AgeLagMap(
        values=values[..., kept].astype(np.float32),
        errors=errors[..., kept].astype(np.float32),
        ages=start + (np.arange(n_ages) + 0.5) * duration / n_ages,
        lags=np.asarray(frames[kept] * duration / (n_frames or size), dtype=np.float64),
    )


def _square(maps: NDArray[np.floating]) -> NDArray[np.floating]:
    stack = np.asarray(maps)
    if stack.ndim == 2:
        stack = stack[None]
    if stack.ndim != 3 or stack.shape[1] != stack.shape[2] or stack.shape[1] < 2:
        raise MapError(f"C2 maps have the shape (n, size, size), got {np.shape(maps)}")
    return stack


def _lags(n_frames: int) -> tuple[IntArray, IntArray]:
    """Lags of a movie, and how many frames are added up there."""
    from ainerd_agent.scattering.correlation._engine.age_lag_sums import lags_of, n_levels_of

    lags, level = lags_of(n_levels_of(n_frames))
    there = lags < n_frames
    return lags[there], np.left_shift(1, level[there])


def _along_age(stack: NDArray[np.floating], lag: float, reach: float) -> FloatArray:
    """C2 at a lag over age, a value in each pixel of age, shape (n_bins, size); lags in pixels."""
    n_bins, size, _ = stack.shape
    series, total = np.zeros((n_bins, size)), 0.0
    for diagonal in range(int(np.floor(lag - reach)) + 1, int(np.ceil(lag + reach))):
        weight = 1 - abs(diagonal - lag) / reach
        if weight < 1e-9:
            continue
        placed = np.full((n_bins, size), np.nan)
        if diagonal < size:
            # The middle of the pixel (i, i + diagonal) lies in the pixel of age i + diagonal / 2, or at its beginning.
            first = (diagonal + 1) // 2
            placed[:, first : first + size - diagonal] = np.diagonal(stack, diagonal, axis1=1, axis2=2)
        series += weight * placed
        total += weight
    return series / total


def _in_sections(series: FloatArray, section: IntArray, n_ages: int, noise: Noise) -> tuple[FloatArray, FloatArray]:
    """Mean of each section and its error, each of shape (n_bins, n_ages)."""
    known = np.isfinite(series)
    inside = (section == np.arange(n_ages)[:, None]).astype(np.float64)
    count = known @ inside.T
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(known, series, 0) @ inside.T / count
    return means, noise.error(series, count.astype(np.int64))


def age_average(maps: MapStack) -> MapStack:
    """Mean of C2 over age at each lag (its diagonals), shape (n, size, size) to (n, size).

    The last lags rest on few points each and are noisy.
    """
    n, size, _ = maps.shape
    # With every row i rolled left by i, column k holds C2(i, i + k) for i + k < size: the lags stand in columns.
    age, lag = np.indices((size, size))
    rolled = maps[:, age, (age + lag) % size]
    upper = age + lag < size
    return np.asarray((rolled * upper).sum(axis=1) / upper.sum(axis=0), dtype=np.float32).reshape(n, size)


def relaxation_time(correlation: MapStack, lags: FloatArray) -> FloatArray:
    """Lag at which the correlation has fallen to 1/e of its first value, shape (n_bins,).

    Linear between lags; NaN where it does not fall that far in the first three quarters of the window (later lags are
    too noisy to tell) and where there is no correlation to begin with.

    Parameters
    ----------
    correlation : ndarray, shape (n_bins, n_lags)
        g2 - 1.
    lags : ndarray, shape (n_lags,)
    """
    reach = max(2, 3 * len(lags) // 4)
    tau = np.full(len(correlation), np.nan)
    for number, curve in enumerate(np.asarray(correlation[:, :reach], dtype=np.float64)):
        target = curve[0] / np.e
        below = np.flatnonzero(curve < target)
        if curve[0] > 0 and below.size:
            after = int(below[0])
            share = (curve[after - 1] - target) / (curve[after - 1] - curve[after])
            tau[number] = lags[after - 1] + share * (lags[after] - lags[after - 1])
    return tau
