"""Products of photon events over age and lag, compiled by numba.

Most samples of the lower levels are 0, and take part in no product: there pairs of events are looked for, pixel by
pixel, for which events are sorted by pixel. Most samples of the higher levels are not: there events are added to dense
ones, which `age_lag_kernels` correlates. Where one takes over makes no difference but to the time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ainerd_agent.scattering.correlation._engine.age_lag_kernels import HALF, LAST, WINDOW, clear, climb
from ainerd_agent.scattering.correlation._engine.kernels import Array, compiled


@compiled
def by_pixel(
    frame: Array,
    pixel: Array,
    count: Array,
    place: Array,
    begin: int,
    keep: Array,
    flat: Array,
    scale: Array,
    bin_of: Array,
    start: Array,
    frames: Array,
    counts: Array,
) -> None:
    """Sort the events of a block by position, and by frame within.

    Parameters
    ----------
    place, begin, keep, flat, scale
        As for `event_kernels.fold_events`.
    bin_of : ndarray of int, shape (N,)
    start : ndarray of int, shape (N + 1,)
        Filled with where the events of each position begin.
    frames, counts : ndarray, shape (n_events,)
        Filled with numbers of frames and corrected counts.
    """
    for position in range(len(start)):
        start[position] = 0
    for e in range(len(pixel)):
        position = place[pixel[e]]
        if position >= 0 and keep[frame[e] - begin] != -2:
            start[position + 1] += 1
    for position in range(len(start) - 1):
        start[position + 1] += start[position]
    # from the last event to the first, each goes before those of its position that are placed already
    stop = start[1:].copy()
    for e in range(len(pixel) - 1, -1, -1):
        position, t = place[pixel[e]], frame[e] - begin
        if position < 0 or keep[t] == -2:
            continue
        stop[position] -= 1
        value = count[e] * (flat[position] if len(flat) > 0 else 1.0)
        if len(scale) > 0:
            value *= scale[t, bin_of[position]]
        frames[stop[position]], counts[stop[position]] = frame[e], value


@compiled
def correlate_pairs(
    first_cell: int,
    last_cell: int,
    order: Array,
    starts: Array,
    before: Array,
    frames_before: Array,
    counts_before: Array,
    start: Array,
    frames: Array,
    counts: Array,
    n_levels: int,
    shifts: Array,
    products: Array,
) -> None:
    """Correlate the events of a block with each other and with those before, at the lags of the lowest levels.

    Parameters
    ----------
    order, starts : ndarray of int
        See `AgeLagCells`.
    before, frames_before, counts_before : ndarray
        Events before the block that are near enough, as `start`, `frames` and `counts`, which `by_pixel` fills.
    n_levels : int
        The lowest levels, at least one.
    products : ndarray, shape (n_cells, n_units, n_lags)
    """
    reach = WINDOW << (n_levels - 1)
    for cell in range(first_cell, last_cell):
        target = products[cell]
        for position in order[starts[cell] : starts[cell + 1]]:
            first, stop = start[position], start[position + 1]
            for e in range(first, stop):
                t, count = frames[e], counts[e]
                near = e - 1
                while near >= first and t - frames[near] < reach:
                    add_pair(t, frames[near], count * counts[near], n_levels, shifts, target)
                    near -= 1
                if near >= first:
                    continue
                near = before[position + 1] - 1
                while near >= before[position] and t - frames_before[near] < reach:
                    add_pair(t, frames_before[near], count * counts_before[near], n_levels, shifts, target)
                    near -= 1


@compiled
def add_pair(later: int, earlier: int, product: float, n_levels: int, shifts: Array, products: Array) -> None:
    """Add the product of two events to the lags that their samples have; `products` (n_units, n_lags).

    Samples are a lag of a level apart at one level, or at two of them.
    """
    apart = later - earlier
    level = 0
    while apart >> level >= WINDOW:
        level += 1
    for each in range(level, min(level + 2, n_levels)):
        sample = later >> each
        k = sample - (earlier >> each)
        low, lag = (1, 0) if each == 0 else (HALF, WINDOW - 1 + (each - 1) * HALF)
        if low <= k < WINDOW:
            products[sample >> shifts[each], lag + k - low] += product


@compiled
def keep_latest(
    since: int,
    before: Array,
    frames_before: Array,
    counts_before: Array,
    start: Array,
    frames: Array,
    counts: Array,
) -> Any:
    """The events after frame `since`, of those before a block and of the block, as `correlate_pairs` takes them."""
    kept = np.zeros_like(start)
    for position in range(len(start) - 1):
        first, last = before[position + 1], start[position + 1]
        while first > before[position] and frames_before[first - 1] > since:
            first -= 1
        while last > start[position] and frames[last - 1] > since:
            last -= 1
        kept[position + 1] = kept[position] + (before[position + 1] - first) + (start[position + 1] - last)
    its_frames, its_counts = np.empty(kept[-1], frames.dtype), np.empty(kept[-1], counts.dtype)
    for position in range(len(start) - 1):
        at = kept[position + 1]
        for e in range(start[position + 1] - 1, start[position] - 1, -1):
            if at == kept[position] or frames[e] <= since:
                break
            at -= 1
            its_frames[at], its_counts[at] = frames[e], counts[e]
        e = before[position + 1] - 1
        while at > kept[position]:
            at -= 1
            its_frames[at], its_counts[at] = frames_before[e], counts_before[e]
            e -= 1
    return kept, its_frames, its_counts


@compiled
def add_up_events(
    frame: Array,
    pixel: Array,
    count: Array,
    place: Array,
    since: int,
    begin: int,
    keep: Array,
    flat: Array,
    scale: Array,
    first_cell: int,
    last_cell: int,
    of_pixel: Array,
    spots: Array,
    bins: Array,
    places: Array,
    level: int,
    shifts: Array,
    samples: Array,
    products: Array,
    sums: Array,
) -> None:
    """Add the events of a block to the samples of a level, and correlate it and the higher ones.

    Parameters
    ----------
    frame, pixel, count, place, begin, keep, flat, scale
        As for `event_kernels.fold_events`.
    since : int
        Frames before it were taken before; those between it and `begin` never come.
    of_pixel, bins, places : ndarray
        See `AgeLagCells`.
    spots : ndarray of int, shape (N,)
        Where the first sample of each pixel is among the samples of a level.
    sums : ndarray, shape (n, n_cells)
        The counts of each frame are added to.
    """
    x, end, e = samples[level], begin + len(keep), 0
    length = WINDOW << level
    for window in range(since // length, (end + length - 1) // length):
        if since <= window * length:
            for row in range(WINDOW):
                clear(x, WINDOW * (window % 2) + row, places, first_cell, last_cell)
        while e < len(frame) and frame[e] < (window + 1) * length:
            t, position = frame[e] - begin, place[pixel[e]]
            if position >= 0 and keep[t] != -2:
                cell = of_pixel[position]
                if first_cell <= cell < last_cell:
                    value = count[e] * (flat[position] if len(flat) > 0 else 1.0)
                    if len(scale) > 0:
                        value *= scale[t, bins[cell]]
                    sums[t, cell] += value
                    x[spots[position] + (frame[e] >> level & LAST) * (places[cell + 1] - places[cell])] += value
            e += 1
        if (window + 1) * length <= end:
            climb(places, first_cell, last_cell, level, window, shifts, samples, products)
