"""The inner loops of the age-lag map, compiled by numba: products of frames at lags spaced evenly in their logarithm.

Time is divided into *windows* of `WINDOW` samples. While the frames of a window are in the cache, they are multiplied
with each other and with those of the window before; then sums of two frames are the samples of the next level, where
lags are twice as long. A frame that is missing is a row of zeros, without weight.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ainerd_agent.scattering.correlation._engine.kernels import (
    INVALID,
    PRODUCT,
    RUN,
    SATURATED,
    SQUARE,
    SUM,
    Array,
    add_raw_moments,
    add_rows,
    add_sums,
    compiled,
    correct,
    gather,
    hand_on,
)

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

STEPS_IN_SINGLE = 4
"""Windows whose sums of each pixel are in the precision of the fold, before they go into those in double."""


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
def add_pair(now: Array, before: Array, edges: Array, sums: Array) -> None:
    """Add up one frame over each cell, and its product with another: `sums` (3, n_cells)."""
    for cell in range(len(edges) - 1):
        start, stop = edges[cell] - edges[0], edges[cell + 1] - edges[0]
        x, y = now[start:stop], before[start:stop]
        total = now.dtype.type(0)
        square, product = total, total
        for j in range(len(x)):
            total += x[j]
            square += x[j] * x[j]
            product += x[j] * y[j]
        sums[SUM, cell], sums[SQUARE, cell], sums[PRODUCT, cell] = total, square, product


@compiled
def add_moments_of(counts: Array, total: Array, squares: Array) -> None:
    """Add up one frame, and its squares, of each pixel."""
    for j in range(len(total)):
        total[j] += counts[j]
        squares[j] += counts[j] * counts[j]


@compiled
def fold_windows(
    frames: Array,
    numbers: Array,
    begin: int,
    end: int,
    last_number: int,
    first_slab: int,
    last_slab: int,
    slabs: Array,
    cells: Array,
    slab_cells: Array,
    pixels: Array,
    runs: Array,
    slab_runs: Array,
    lines: Array,
    slab_lines: Array,
    band: Array,
    first_row: Array,
    ceiling: float,
    check: bool,
    dead: float,
    flat: Array,
    scale: Array,
    slab_bin: Array,
    silent: Array,
    folded: Array,
    last: Array,
    sums: Array,
    counted: Array,
    moments: Array,
    shifts: Array,
    history: Array,
    products: Array,
) -> Any:
    """Fold frames into some of the slabs, as `kernels.fold_frames` does, and correlate them over age and lag.

    Parameters
    ----------
    numbers : ndarray of int, shape (t,)
        Of the frames, rising, from `begin` to below `end`; those between are missing.
    begin, end : int
        Frames before `begin` were taken before; those before `end` are taken now, or never will be.
    last_number : int
        Of the frame `last`.
    shifts : ndarray of int, shape (n_levels,)
    history, products : ndarray
        As for `climb`. The rows of the first level in `history` are those of the window of `begin`.

    The others are those of `kernels.fold_frames`.
    """
    n_frames = len(numbers)
    width = band.shape[1]
    touched = frames.dtype.type(0)
    no_flat = flat[:0]
    watched = moments.shape[1] > 0
    corrected = dead > 0 or len(flat) > 0 or len(scale) > 0
    for slab in range(first_slab, last_slab):
        start, stop = slabs[slab], slabs[slab + 1]
        n = stop - start
        first_cell, last_cell = slab_cells[slab], slab_cells[slab + 1]
        edges = cells[first_cell : last_cell + 1]
        raw = np.empty(n + RUN, frames.dtype)
        # the last sample is once more before the first one, so that each window follows on the one before
        x = np.empty((1 + 2 * WINDOW, n), folded.dtype)
        for row in range(2 * WINDOW):
            x[1 + row] = history[0, row, start:stop]
        x[0] = x[2 * WINDOW]
        before, previous = last[start:stop].copy(), last_number
        step_sums = np.empty((WINDOW, 3, len(edges) - 1))
        few = np.zeros((2, n if watched and not corrected else 0), folded.dtype)
        first_silent, last_silent = np.searchsorted(silent, start), np.searchsorted(silent, stop)
        f = 0
        for window in range(begin // WINDOW, (end + WINDOW - 1) // WINDOW):
            f0 = f
            base = 1 + WINDOW * (window % 2)
            free = base if window * WINDOW >= begin else base + begin - window * WINDOW
            while f < n_frames and numbers[f] < (window + 1) * WINDOW:
                touched += gather(
                    frames[f],
                    pixels[start:stop],
                    runs[slab_runs[slab] : slab_runs[slab + 1]],
                    lines[slab_lines[slab] : slab_lines[slab + 1]],
                    raw,
                )
                for s in range(first_silent, last_silent):
                    raw[silent[s] - start] = 0
                if watched and corrected:
                    add_raw_moments(raw, moments[0, start:stop], moments[1, start:stop])
                factor = scale[f, slab_bin[slab]] if len(scale) > 0 else 1.0
                row = base + numbers[f] - window * WINDOW
                for missing in range(free, row):
                    x[missing] = 0
                free = row + 1
                told = correct(
                    x[row], raw, ceiling, check, dead, flat[start:stop] if len(flat) > 0 else no_flat, factor
                )
                counted[f, INVALID, slab], counted[f, SATURATED, slab] = told
                f += 1
            for missing in range(free, base + WINDOW):
                x[missing] = 0
            n_new = f - f0
            if n_new == WINDOW and previous == numbers[f0] - 1:
                add_sums(x[base - 1 : base + WINDOW], edges, step_sums)
            else:
                for k in range(n_new):
                    row = base + numbers[f0 + k] - window * WINDOW
                    add_pair(x[row], before, edges, step_sums[k])
                    before[:] = x[row]
            if n_new > 0:
                sums[f0:f, :, first_cell:last_cell] = step_sums[:n_new]
                row = first_row[f0]
                n_rows = first_row[f - 1] + width - row
                weights = np.zeros((n_rows, WINDOW), folded.dtype)
                for k in range(f0, f):
                    column = numbers[k] - window * WINDOW
                    for r in range(width):
                        weights[first_row[k] - row + r, column] = band[k, r]
                fresh = window * WINDOW >= begin
                add_rows(folded, row, start, stop, weights, x[base : base + WINDOW], few if fresh else few[:, :0])
                for k in range(f0, f if few.shape[1] > 0 and not fresh else f0):
                    add_moments_of(x[base + numbers[k] - window * WINDOW], few[0], few[1])
                previous = numbers[f - 1]
                before[:] = x[base + previous - window * WINDOW]
            if window % STEPS_IN_SINGLE == STEPS_IN_SINGLE - 1:
                hand_on(few, moments[:, start:stop])
            if (window + 1) * WINDOW <= end:
                climb(x, 1, start, stop, cells, first_cell, last_cell, window, shifts, history, products)
                x[0] = x[2 * WINDOW]
        hand_on(few, moments[:, start:stop])
        for row in range(2 * WINDOW):
            history[0, row, start:stop] = x[1 + row]
        last[start:stop] = before
    return touched


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


@compiled
def add_cell_sums(
    numbers: Array,
    begin: int,
    end: int,
    values: Array,
    shifts: Array,
    sums: Array,
    weights: Array,
    linear: Array,
    pairs: Array,
    totals: Array,
    good: Array,
) -> None:
    """Take the sums over cells of frames, `values` (t, n_cells); see `fold_windows` for which, `climb_sums` for where.

    Parameters
    ----------
    totals : ndarray, shape (n_units, n_cells)
    good : ndarray, shape (n_units,)
        Sums, and frames, in units of the first level.
    """
    f = 0
    for window in range(begin // WINDOW, (end + WINDOW - 1) // WINDOW):
        while f < len(numbers) and numbers[f] < (window + 1) * WINDOW:
            row, unit = WINDOW + numbers[f] - window * WINDOW, (numbers[f] // UNIT) >> shifts[0]
            weights[0, row] = 1
            good[unit] += 1
            for c in range(values.shape[1]):
                sums[0, row, c] = values[f, c]
                totals[unit, c] += values[f, c]
            f += 1
        if (window + 1) * WINDOW <= end:
            climb_sums(window, shifts, sums, weights, linear, pairs)


@compiled
def finish_sums(n_frames: int, shifts: Array, sums: Array, weights: Array, linear: Array, pairs: Array) -> None:
    """What `finish` does, for sums over cells."""
    window = n_frames // WINDOW
    for level in range(len(sums)):
        low, lag = (1, 0) if level == 0 else (HALF, WINDOW - 1 + (level - 1) * HALF)
        correlate_sums(sums[level], weights[level], low, lag, window, shifts[level], linear, pairs)
        if level + 1 < len(sums):
            add_up_sums(level, window, sums, weights)
        window //= 2


@compiled
def add_up_sums(level: int, window: int, sums: Array, weights: Array) -> None:
    """What `add_up_pairs` does, for sums over cells."""
    for pair in range(HALF):
        row, above = WINDOW + 2 * pair, WINDOW + HALF * (window % 2) + pair
        weights[level + 1, above] = weights[level, row] + weights[level, row + 1]
        for c in range(sums.shape[2]):
            sums[level + 1, above, c] = sums[level, row, c] + sums[level, row + 1, c]


@compiled
def climb_sums(window: int, shifts: Array, sums: Array, weights: Array, linear: Array, pairs: Array) -> None:
    """What `climb` does, for sums over cells and for the good frames in each sample.

    Parameters
    ----------
    sums : ndarray, shape (n_levels, 2 * `WINDOW`, n_cells)
    weights : ndarray, shape (n_levels, 2 * `WINDOW`)
    linear : ndarray, shape (n_units, n_lags, n_cells)
        The sums of both samples of each pair, each times the weight of the other, are added to.
    pairs : ndarray, shape (n_units, n_lags)
        The products of the weights are added to.
    """
    for level in range(len(sums)):
        low, lag = (1, 0) if level == 0 else (HALF, WINDOW - 1 + (level - 1) * HALF)
        correlate_sums(sums[level], weights[level], low, lag, window, shifts[level], linear, pairs)
        if level + 1 < len(sums):
            add_up_sums(level, window, sums, weights)
        sums[level, :WINDOW], weights[level, :WINDOW] = sums[level, WINDOW:], weights[level, WINDOW:]
        sums[level, WINDOW:], weights[level, WINDOW:] = 0, 0
        if window % 2 == 0:
            return
        window //= 2


@compiled
def correlate_sums(
    sums: Array, weights: Array, low: int, lag: int, window: int, shift: int, linear: Array, pairs: Array
) -> None:
    """The same for one level."""
    n_cells = sums.shape[1]
    even = True
    for i in range(len(weights)):
        even &= weights[i] == weights[0]
    if weights[WINDOW:].sum() == 0:
        return
    up_to = np.zeros((2 * WINDOW + 1, n_cells))
    for i in range(2 * WINDOW):
        for c in range(n_cells):
            up_to[i + 1, c] = up_to[i, c] + sums[i, c]
    for block in range(WINDOW // UNIT):
        new, unit = WINDOW + UNIT * block, (window * (WINDOW // UNIT) + block) >> shift
        for k in range(low, WINDOW):
            target = linear[unit, lag + k - low]
            if even:
                weight = weights[0]
                pairs[unit, lag + k - low] += UNIT * weight * weight
                a, b, d, e = up_to[new], up_to[new + UNIT], up_to[new - k], up_to[new + UNIT - k]
                for c in range(n_cells):
                    target[c] += weight * ((b[c] - a[c]) + (e[c] - d[c]))
                continue
            for i in range(new, new + UNIT):
                own, other = weights[i], weights[i - k]
                pairs[unit, lag + k - low] += own * other
                if own > 0 or other > 0:
                    for c in range(n_cells):
                        target[c] += other * sums[i, c] + own * sums[i - k, c]
