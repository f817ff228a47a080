"""The inner loops of the multi-tau correlator, compiled by numba.

The counts of a pixel stand side by side in time, so that a sum of products over time is a plain loop over contiguous
memory. They run without the GIL on threads of our own, as those in `kernels`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.scattering._numba import njit
from ainerd_agent.scattering.correlation._engine.kernels import without_dead_time

Array = NDArray[Any]

TILE, RUN = 64, 16
"""Pixels and frames that are taken together: then lines of the cache are used whole, where they are read (pixels side
by side) and where they are written (frames side by side)."""

U = np.uint64
"""Addresses are used without sign, as in `kernels`."""

PRODUCT, EARLIER, LATER = 0, 1, 2
"""What is added up at each lag: I(t) I(t + lag), I(t) and I(t + lag), over the pairs whose frames are both good."""

_compiled = njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})


@_compiled
def take_frames(
    frames: Array,
    good: Array,
    pixels: Array,
    rows: Array,
    factor: Array,
    column: int,
    check: bool,
    dead: float,
    ceiling: float,
    series: Array,
) -> Any:
    """Write pixels of each frame into columns of `series`, from `column` on; bad frames as 0.

    Parameters
    ----------
    frames : ndarray, shape (t, H * W)
    good : ndarray of bool, shape (t,)
    pixels : ndarray of int, shape (n,)
        Their addresses, rising.
    rows : ndarray of int, shape (n,)
        Their rows in `series`.
    factor : ndarray, shape (N,) or (0,)
        Of each row.
    check : bool
        Look for readings that are negative or not finite.
    dead : float
        Dead time in units of the frame time.
    series : ndarray, shape (N, n_columns)

    Returns
    -------
    wrong : int
        The first frame that holds such a reading, or one beyond the dead time; the number of frames if there is none.
    saturated : int
        Readings at the ceiling.
    """
    n_frames = frames.shape[0]
    wrong = n_frames
    saturated = 0
    for start in range(0, len(pixels), TILE):
        stop = min(start + TILE, len(pixels))
        for begin in range(0, n_frames, RUN):
            for t in range(begin, min(begin + RUN, n_frames)):
                frame = frames[t]
                if good[t]:
                    for p in range(start, stop):
                        series[U(rows[p]), U(column + t)] = frame[U(pixels[p])]
                else:
                    for p in range(start, stop):
                        series[U(rows[p]), U(column + t)] = 0
        for p in range(start, stop):
            taken = series[rows[p], column : column + n_frames]
            if check:
                for t in range(n_frames):
                    if not (taken[t] >= 0 and taken[t] < np.inf):
                        wrong = min(wrong, t)
            if ceiling < np.inf:
                for t in range(n_frames):
                    saturated += taken[t] >= ceiling
            if dead > 0:
                for t in range(n_frames):
                    if dead * taken[t] >= 1:
                        wrong = min(wrong, t)
                    taken[t] = without_dead_time(taken[t], dead)
            if len(factor) > 0:
                for t in range(n_frames):
                    taken[t] *= factor[rows[p]]
    return wrong, saturated


@_compiled
def take_events(
    frame: Array, pixel: Array, count: Array, place: Array, good: Array, factor: Array, column: int, series: Array
) -> None:
    """Add photon events, in order and in range, to columns of `series`, from `column` on, but for those of bad frames.

    Parameters
    ----------
    frame : ndarray of int, shape (n,)
        Counted from the frame of that column.
    place : ndarray of int, shape (H * W,)
        Row of each pixel in `series`, or -1.
    good : ndarray of bool, shape (t,)
    """
    for e in range(len(frame)):
        t = frame[e]
        p = place[pixel[e]]
        if p >= 0 and good[t]:
            value = series.dtype.type(count[e])
            if len(factor) > 0:
                value *= factor[p]
            series[p, column + t] += value


@_compiled
def correlate(
    series: Array,
    n_new: int,
    first: int,
    last: int,
    cell_of: Array,
    scale: Array,
    scale_of_cell: Array,
    n_before: Array,
    weight: Array,
    even: Array,
    history: Array,
    sums: Array,
) -> None:
    """Correlate the new frames of the pixels `first` to `last` with those before them, at every level.

    Level l holds sums over 2**l frames. Its lags are n_channels / 2 to n_channels - 1 of its own steps, at level 0
    from 1 on (K. Schaetzel, Quantum Opt. 2, 287, 1990).

    Parameters
    ----------
    series : ndarray, shape (N, n_channels + n)
        `n_channels` frames from before, then the new ones. Bad frames are 0. On return the last ones stand in front.
    scale : ndarray, shape (n_bins, n_new) or (0, 0)
        What each new frame is multiplied by, in the bin `scale_of_cell`.
    n_before : ndarray of int, shape (n_levels,)
        Samples of each level before these frames.
    weight : ndarray, shape (n_levels, n_channels + n)
        Good frames in each sample: `n_channels` old ones, then the new ones.
    even : ndarray of bool, shape (n_levels,)
        Whether all these weights are the same.
    history : ndarray, shape (n_levels, N, n_channels)
        The last samples of each level above 0.
    sums : ndarray, shape (n_cells, n_lags, 3)
        Added to.
    """
    n_levels, _, channels = history.shape
    half = channels // 2
    # Room for levels whose number of samples halves each time, with their old ones before them.
    work = np.empty((n_levels, channels + n_new), series.dtype)
    for p in range(first, last):
        cell = cell_of[p]
        x = series[p]
        if len(scale) > 0:
            factor = scale[scale_of_cell[cell]]
            for t in range(n_new):
                x[channels + t] *= factor[t]
        n = n_new
        lag = 0
        for level in range(n_levels):
            s = x if level == 0 else work[level]
            w = weight[level]
            new = s[channels : channels + n]
            total = series.dtype.type(0)
            for t in range(n):
                total += new[t]
            earlier = np.float64(total)
            for t in range(1, half if level > 0 else 1):
                earlier += np.float64(s[channels - t]) - np.float64(s[channels + n - t])
            for k in range(half if level > 0 else 1, channels):
                old = s[channels - k : channels - k + n]
                product = series.dtype.type(0)
                for t in range(n):
                    product += new[t] * old[t]
                sums[cell, lag, PRODUCT] += product
                earlier += np.float64(s[channels - k]) - np.float64(s[channels + n - k])
                if even[level]:
                    sums[cell, lag, EARLIER] += earlier * w[0]
                    sums[cell, lag, LATER] += np.float64(total) * w[0]
                else:
                    a, b = w[channels : channels + n], w[channels - k : channels - k + n]
                    before, after = np.float64(0), np.float64(0)
                    for t in range(n):
                        before += old[t] * a[t]
                        after += new[t] * b[t]
                    sums[cell, lag, EARLIER] += before
                    sums[cell, lag, LATER] += after
                lag += 1
            odd = n_before[level] % 2
            n_next = (n + odd) // 2
            if level + 1 < n_levels and n_next > 0:
                # Samples are paired by their number; where that of the first new one is odd, it joins the last old one.
                above = work[level + 1]
                above[:channels] = history[level + 1, p]
                pairs = s[channels - odd :]
                into = above[channels : channels + n_next]
                for t in range(n_next):
                    into[t] = pairs[U(2) * U(t)] + pairs[U(2) * U(t) + U(1)]
            if level == 0:
                for t in range(channels):
                    x[t] = x[n + t]
            else:
                for t in range(channels):
                    history[level, p, t] = s[n + t]
            n = n_next
            if n == 0:
                break
