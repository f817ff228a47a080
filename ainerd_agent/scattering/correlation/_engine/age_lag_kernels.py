"""The inner loops of the age-lag map, compiled by numba: products of frames at lags spaced evenly in their logarithm.

Time is divided into *windows* of `WINDOW` samples. While the frames of a window are in the cache, they are multiplied
with each other and with those of the window before; then sums of two frames are the samples of the next level, where
lags are twice as long. A frame that is missing is a row of zeros, without weight.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ainerd_agent.scattering.correlation._engine.kernels import Array, compiled

WINDOW = 16
"""Samples of a window; lags are below it, in samples."""

HALF = WINDOW // 2
"""The shortest lag of each level but the first, in samples: half of it is the longest lag of the level before."""

UNIT = 4
"""Samples whose products are kept together, at least."""

LAST = 2 * WINDOW - 1
"""The highest row of two windows; as a mask it gives the row of any sample."""

WIDE = 3
"""Older samples that the four of a unit are multiplied with at a time: twelve sums stay in the registers."""

PIXELS = 1024
"""Pixels that are added up in single precision, at most."""


@compiled
def multiply(x: Array, new: int, old: Any, start: int, stop: int, out: Array) -> None:
    """Products of rows `new` to `new` + 3 of `x` with three rows `old`, over some pixels: `out` (4, 3)."""
    a0, a1, a2, a3 = x[new, start:stop], x[new + 1, start:stop], x[new + 2, start:stop], x[new + 3, start:stop]
    b0, b1, b2 = x[old[0], start:stop], x[old[1], start:stop], x[old[2], start:stop]
    zero = x.dtype.type(0)
    s00, s01, s02 = zero, zero, zero
    s10, s11, s12 = zero, zero, zero
    s20, s21, s22 = zero, zero, zero
    s30, s31, s32 = zero, zero, zero
    for p in range(len(a0)):
        v0, v1, v2 = b0[p], b1[p], b2[p]
        u = a0[p]
        s00 += u * v0
        s01 += u * v1
        s02 += u * v2
        u = a1[p]
        s10 += u * v0
        s11 += u * v1
        s12 += u * v2
        u = a2[p]
        s20 += u * v0
        s21 += u * v1
        s22 += u * v2
        u = a3[p]
        s30 += u * v0
        s31 += u * v1
        s32 += u * v2
    out[0, 0] = s00
    out[0, 1] = s01
    out[0, 2] = s02
    out[1, 0] = s10
    out[1, 1] = s11
    out[1, 2] = s12
    out[2, 0] = s20
    out[2, 1] = s21
    out[2, 2] = s22
    out[3, 0] = s30
    out[3, 1] = s31
    out[3, 2] = s32


@compiled
def correlate_window(
    x: Array,
    top: int,
    first: int,
    cells: Array,
    first_cell: int,
    last_cell: int,
    level: int,
    window: int,
    shift: int,
    products: Array,
) -> None:
    """Add the products of one window at one level.

    Parameters
    ----------
    x : ndarray
        Sample s is in row `top` + s % (2 * `WINDOW`): those of this window, and of the one before. Column 0 is the
        pixel at position `first`.
    cells : ndarray
        Where each cell begins.
    shift : int
        Units that are kept together are 2**`shift`.
    products : ndarray, shape (n_cells, n_units, n_lags)
    """
    low, lag = (1, 0) if level == 0 else (HALF, WINDOW - 1 + (level - 1) * HALF)
    unit = window * (WINDOW // UNIT)
    base = WINDOW * (window % 2)
    out = np.empty((UNIT, WIDE))
    by_lag = np.empty((WINDOW // UNIT, UNIT + WINDOW + WIDE))
    for cell in range(first_cell, last_cell):
        begin, end = cells[cell] - first, cells[cell + 1] - first
        n_parts = (end - begin + PIXELS - 1) // PIXELS
        by_lag[:] = 0
        for part in range(n_parts):
            start, stop = begin + (end - begin) * part // n_parts, begin + (end - begin) * (part + 1) // n_parts
            for block in range(WINDOW // UNIT):
                new = base + UNIT * block
                old = new - WINDOW + 1
                while old <= new + UNIT - 1 - low:
                    rows = (top + (old & LAST), top + (old + 1 & LAST), top + (old + 2 & LAST))
                    multiply(x, top + new, rows, start, stop, out)
                    for i in range(UNIT):
                        for j in range(WIDE):
                            by_lag[block, new + i - old - j + WIDE] += out[i, j]
                    old += WIDE
        for block in range(WINDOW // UNIT):
            target = products[cell, (unit + block) >> shift]
            for k in range(low, WINDOW):
                target[lag + k - low] += by_lag[block, k + WIDE]


@compiled
def add_up_pairs(x: Array, top: int, first: int, start: int, stop: int, window: int, above: Array) -> None:
    """Put the sums of the pairs of samples of a window into rows of the next level: `above` (2 * `WINDOW`, N)."""
    for pair in range(HALF):
        sample = WINDOW * (window % 2) + 2 * pair
        u = x[top + sample, start - first : stop - first]
        v = x[top + sample + 1, start - first : stop - first]
        target = above[(window * HALF + pair) & LAST, start:stop]
        for p in range(len(target)):
            target[p] = u[p] + v[p]


@compiled
def climb(
    x: Array,
    top: int,
    start: int,
    stop: int,
    cells: Array,
    first_cell: int,
    last_cell: int,
    window: int,
    shifts: Array,
    history: Array,
    products: Array,
) -> None:
    """Correlate a complete window of frames, and those of the higher levels that it completes.

    `x` is as for `correlate_window`, with the pixels from `start` to `stop`; `history` (n_levels, 2 * `WINDOW`, N)
    holds the samples of all levels, and of the first one nothing that is used here.
    """
    correlate_window(x, top, start, cells, first_cell, last_cell, 0, window, shifts[0], products)
    if len(history) > 1:
        add_up_pairs(x, top, start, start, stop, window, history[1])
    for level in range(1, len(history)):
        if window % 2 == 0:
            return
        window //= 2
        own = history[level]
        correlate_window(own, 0, 0, cells, first_cell, last_cell, level, window, shifts[level], products)
        if level + 1 < len(history):
            add_up_pairs(own, 0, 0, start, stop, window, history[level + 1])


@compiled
def finish(
    n_frames: int,
    start: int,
    stop: int,
    cells: Array,
    first_cell: int,
    last_cell: int,
    shifts: Array,
    history: Array,
    products: Array,
) -> None:
    """Correlate windows that are not complete, of all levels, as if no more frames came.

    More may come: what this puts into `history` is put there anew when its window is complete.
    """
    window = n_frames // WINDOW
    filled = n_frames % WINDOW
    for level in range(len(history)):
        own = history[level]
        for sample in range(filled, WINDOW):
            own[WINDOW * (window % 2) + sample, start:stop] = 0
        correlate_window(own, 0, 0, cells, first_cell, last_cell, level, window, shifts[level], products)
        if level + 1 < len(history):
            add_up_pairs(own, 0, 0, start, stop, window, history[level + 1])
        filled = HALF * (window % 2) + (filled + 1) // 2
        window //= 2


@compiled
def finish_slabs(
    n_frames: int,
    first_slab: int,
    last_slab: int,
    slabs: Array,
    cells: Array,
    slab_cells: Array,
    shifts: Array,
    history: Array,
    products: Array,
) -> None:
    """The same for some of the slabs."""
    for slab in range(first_slab, last_slab):
        finish(
            n_frames, slabs[slab], slabs[slab + 1], cells, slab_cells[slab], slab_cells[slab + 1], shifts, history,
            products,
        )  # fmt: skip
