"""The fold of frames into a map and into products over age and lag, in one pass, compiled by numba."""

from __future__ import annotations

from typing import Any

import numpy as np

from ainerd_agent.scattering.correlation._engine.age_lag_kernels import WINDOW, climb
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

STEPS_IN_SINGLE = 4
"""Windows whose sums of each pixel are in the precision of the fold, before they go into those in double."""


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
