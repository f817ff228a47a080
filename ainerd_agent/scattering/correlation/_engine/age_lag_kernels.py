"""The inner loops of the age-lag map, compiled by numba: products of frames at lags spaced evenly in their logarithm.

Time is divided into *windows* of `WINDOW` samples. While the frames of a window are in the cache, they are multiplied
with each other and with those of the window before; then sums of two frames are the samples of the next level, where
lags are twice as long. A frame that is missing is a row of zeros, without weight.

The samples of a level are a flat array: cell after cell (see `AgeLagCells`), in each cell the rows of two windows, in
each row its pixels and zeros up to the next place. Sample s is in row s % (2 * `WINDOW`). So what is multiplied lies
close together, and each row begins with a register.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ainerd_agent.scattering.correlation._engine.kernels import RUN, Array, compiled, convert, gather

WINDOW = 16
"""Samples of a window; lags are below it, in samples."""

HALF = WINDOW // 2
"""The shortest lag of each level but the first, in samples: half of it is the longest lag of the level before."""

ROWS = 4
"""Samples that are multiplied at a time."""

LAST = 2 * WINDOW - 1
"""The highest row of two windows; as a mask it gives the row of any sample."""

WIDE = 3
"""Lags that they are multiplied at, at a time: twelve sums stay in the registers."""


@compiled
def multiply(x: Array, new: int, step: int, old: Any, out: Array) -> None:
    """Products of four samples of one cell with those before them at three lags: `out` (4, 3), shortest lag first.

    The samples begin at `new` in `x`, with `step` from one to the next; `old` is where six begin that follow on each
    other in time: the first is the one before the first new one at the longest lag.
    """
    a0, a1 = x[new : new + step], x[new + step : new + 2 * step]
    a2, a3 = x[new + 2 * step : new + 3 * step], x[new + 3 * step : new + 4 * step]
    b0, b1, b2 = x[old[0] : old[0] + step], x[old[1] : old[1] + step], x[old[2] : old[2] + step]
    b3, b4, b5 = x[old[3] : old[3] + step], x[old[4] : old[4] + step], x[old[5] : old[5] + step]
    zero = x.dtype.type(0)
    s00, s01, s02 = zero, zero, zero
    s10, s11, s12 = zero, zero, zero
    s20, s21, s22 = zero, zero, zero
    s30, s31, s32 = zero, zero, zero
    for p in range(len(a0)):
        v0, v1, v2 = b0[p], b1[p], b2[p]
        u = a0[p]
        s02 += u * v0
        s01 += u * v1
        s00 += u * v2
        v0 = b3[p]
        u = a1[p]
        s12 += u * v1
        s11 += u * v2
        s10 += u * v0
        v1 = b4[p]
        u = a2[p]
        s22 += u * v2
        s21 += u * v0
        s20 += u * v1
        v2 = b5[p]
        u = a3[p]
        s32 += u * v0
        s31 += u * v1
        s30 += u * v2
    out[0, 0], out[0, 1], out[0, 2] = s00, s01, s02
    out[1, 0], out[1, 1], out[1, 2] = s10, s11, s12
    out[2, 0], out[2, 1], out[2, 2] = s20, s21, s22
    out[3, 0], out[3, 1], out[3, 2] = s30, s31, s32


@compiled
def correlate_window(
    x: Array, places: Array, first_cell: int, last_cell: int, level: int, window: int, begin: int, n_new: int,
    shift: int, products: Array,
) -> None:  # fmt: skip
    """Add the products of one window at one level.

    Parameters
    ----------
    x : ndarray
        The samples of the level.
    places : ndarray of int, shape (n_cells + 1,)
        See `AgeLagCells`.
    begin : int
        Number of its first sample, which tells to which unit it belongs.
    n_new : int
        Samples of the window that have come; the others are zeros.
    shift : int
        Products of 2**`shift` samples are kept together.
    products : ndarray, shape (n_cells, n_units, n_lags)
    """
    low, lag = (1, 0) if level == 0 else (HALF, WINDOW - 1 + (level - 1) * HALF)
    base = WINDOW * (window % 2)
    out = np.empty((ROWS, WIDE))
    for cell in range(first_cell, last_cell):
        cell_at, step = 2 * WINDOW * places[cell], places[cell + 1] - places[cell]
        for first in range(0, n_new, ROWS):
            new, sample = base + first, begin + first
            for k in range(low, WINDOW, WIDE):
                old = new - k - WIDE + 1
                rows = (
                    cell_at + (old & LAST) * step,
                    cell_at + (old + 1 & LAST) * step,
                    cell_at + (old + 2 & LAST) * step,
                    cell_at + (old + 3 & LAST) * step,
                    cell_at + (old + 4 & LAST) * step,
                    cell_at + (old + 5 & LAST) * step,
                )
                multiply(x, cell_at + new * step, step, rows, out)
                # The longest lag is also the shortest of the level above, which has it from longer samples.
                for j in range(min(WIDE, WINDOW - k)):
                    at = lag + k - low + j
                    for i in range(ROWS):
                        products[cell, (sample + i) >> shift, at] += out[i, j]


@compiled
def add_up_pairs(
    x: Array, places: Array, first_cell: int, last_cell: int, window: int, n_pairs: int, above: Array
) -> None:
    """Put the sums of the first pairs of samples of a window into rows of the next level."""
    base, target = WINDOW * (window % 2), (window * HALF) & LAST
    for cell in range(first_cell, last_cell):
        begin, step = 2 * WINDOW * places[cell], places[cell + 1] - places[cell]
        for pair in range(n_pairs):
            u = begin + (base + 2 * pair) * step
            a, b = x[u : u + step], x[u + step : u + 2 * step]
            v = begin + (target + pair) * step
            into = above[v : v + step]
            for p in range(len(into)):
                into[p] = a[p] + b[p]


@compiled
def clear(x: Array, row: int, places: Array, first_cell: int, last_cell: int) -> None:
    """Empty a row of each cell: its frame is missing."""
    for cell in range(first_cell, last_cell):
        step = places[cell + 1] - places[cell]
        at = 2 * WINDOW * places[cell] + row * step
        for p in range(at, at + step):
            x[p] = 0


@compiled
def climb(
    places: Array,
    first_cell: int,
    last_cell: int,
    level: int,
    window: int,
    shifts: Array,
    samples: Array,
    products: Array,
) -> None:
    """Correlate a complete window of a level, and those of the higher levels that it completes.

    `samples` (n_levels, n) are those of all levels.
    """
    for each in range(level, len(samples)):
        correlate_window(
            samples[each], places, first_cell, last_cell, each, window, window * WINDOW, WINDOW, shifts[each], products
        )
        if each + 1 < len(samples):
            add_up_pairs(samples[each], places, first_cell, last_cell, window, HALF, samples[each + 1])
        if window % 2 == 0:
            return
        window //= 2


@compiled
def finish(
    n_frames: int,
    first_cell: int,
    last_cell: int,
    level: int,
    places: Array,
    shifts: Array,
    samples: Array,
    products: Array,
    apart: bool,
) -> None:
    """Correlate windows that are not complete, of a level and all higher ones, as if no more frames came.

    More may come: what this puts into `samples` is put there anew when its window is complete. With `apart`, `products`
    are none but those of these windows, whose units are counted from the first of each (see `AgeLagTail`).
    """
    window = n_frames // (WINDOW << level)
    filled = (n_frames - window * (WINDOW << level) + (1 << level) - 1) >> level
    for each in range(level, len(samples)):
        own = samples[each]
        if window == 0 and filled <= (1 if each == 0 else HALF):
            return  # no two samples are so far apart yet, here and above
        # Nothing is multiplied beyond the last four samples of which one has come.
        n_new = (filled + ROWS - 1) // ROWS * ROWS
        for row in range(filled, n_new):
            clear(own, WINDOW * (window % 2) + row, places, first_cell, last_cell)
        begin = window * WINDOW
        if apart:
            begin &= (1 << shifts[each]) - 1
        correlate_window(own, places, first_cell, last_cell, each, window, begin, n_new, shifts[each], products)
        if each + 1 < len(samples):
            add_up_pairs(own, places, first_cell, last_cell, window, (filled + 1) // 2, samples[each + 1])
        filled = HALF * (window % 2) + (filled + 1) // 2
        window //= 2


@compiled
def place(
    raw: Array, x: Array, row: int, starts: Array, places: Array, first_cell: int, last_cell: int, dead: float,
    flat: Array, factor: float, sums: Array,
) -> None:  # fmt: skip
    """Correct the counts of one frame, put them into a row of each cell, and add them up: `sums` (n_cells)."""
    first = starts[first_cell]
    plain = dead == 0 and len(flat) == 0 and factor == 1
    for cell in range(first_cell, last_cell):
        start, stop = starts[cell], starts[cell + 1]
        at = 2 * WINDOW * places[cell] + row * (places[cell + 1] - places[cell])
        into, counts = x[at : at + stop - start], raw[start - first : stop - first]
        total = x.dtype.type(0)
        if plain:
            for p in range(len(into)):
                value = x.dtype.type(counts[p])
                into[p] = value
                total += value
        else:
            convert(into, counts, dead, flat[start:stop] if len(flat) > 0 else flat, factor)
            for p in range(len(into)):
                total += into[p]
        sums[cell] = total


@compiled
def correlate_frames(
    frames: Array,
    numbers: Array,
    begin: int,
    end: int,
    first_slab: int,
    last_slab: int,
    slabs: Array,
    starts: Array,
    places: Array,
    pixels: Array,
    runs: Array,
    slab_runs: Array,
    lines: Array,
    slab_lines: Array,
    dead: float,
    flat: Array,
    scale: Array,
    bins: Array,
    silent: Array,
    shifts: Array,
    samples: Array,
    products: Array,
    sums: Array,
) -> Any:
    """Correlate frames over age and lag, in some of the slabs.

    Parameters
    ----------
    frames : ndarray, shape (t, n_frame)
    numbers : ndarray of int, shape (t,)
        Of the frames, rising, from `begin` to below `end`; those between are missing.
    begin, end : int
        Frames before `begin` were taken before; those before `end` are taken now, or never will be.
    slabs, starts, places, bins : ndarray
        See `AgeLagCells`; pixels are in its order, also in `flat` and `silent`.
    pixels, runs, slab_runs, lines, slab_lines : ndarray
        See `Addresses`.
    flat : ndarray, shape (N,) or (0,)
    scale : ndarray, shape (t, n_bins) or (0, 0)
        Factors of each frame in each bin.
    silent : ndarray of int
        Pixels that count for nothing, rising.
    shifts : ndarray of int, shape (n_levels,)
    samples : ndarray, shape (n_levels, n)
    products : ndarray, shape (n_cells, n_units, n_lags)
        Added to.
    sums : ndarray, shape (t, n_cells)
        Filled with the counts of each frame.
    """
    touched = frames.dtype.type(0)
    x = samples[0]
    for slab in range(first_slab, last_slab):
        first_cell, last_cell = slabs[slab], slabs[slab + 1]
        start, stop = starts[first_cell], starts[last_cell]
        raw = np.empty(stop - start + RUN, frames.dtype)
        first_silent, last_silent = np.searchsorted(silent, start), np.searchsorted(silent, stop)
        f = 0
        for window in range(begin // WINDOW, (end + WINDOW - 1) // WINDOW):
            base = WINDOW * (window % 2)
            free = max(begin - window * WINDOW, 0)
            while f < len(numbers) and numbers[f] < (window + 1) * WINDOW:
                touched += gather(
                    frames[f], pixels[start:stop], runs[slab_runs[slab] : slab_runs[slab + 1]],
                    lines[slab_lines[slab] : slab_lines[slab + 1]], raw,
                )  # fmt: skip
                for s in range(first_silent, last_silent):
                    raw[silent[s] - start] = 0
                row = numbers[f] - window * WINDOW
                for missing in range(free, row):
                    clear(x, base + missing, places, first_cell, last_cell)
                free = row + 1
                factor = scale[f, bins[first_cell]] if len(scale) > 0 else 1.0
                place(raw, x, base + row, starts, places, first_cell, last_cell, dead, flat, factor, sums[f])
                f += 1
            for missing in range(free, WINDOW):
                clear(x, base + missing, places, first_cell, last_cell)
            if (window + 1) * WINDOW <= end:
                climb(places, first_cell, last_cell, 0, window, shifts, samples, products)
    return touched
