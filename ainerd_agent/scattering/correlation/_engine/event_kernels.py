"""The inner loops of folding photon events, compiled by numba; see `kernels` for how."""

from __future__ import annotations

from typing import Any

import numpy as np

from ainerd_agent.scattering.correlation._engine.kernels import PRODUCT, SQUARE, SUM, Array, U, compiled

LANES = 4
"""The window of events is a multiple of so many rows wide."""

BESIDE = 6
"""Columns of the window that are no rows."""


@compiled
def fold_events(
    frame: Array,
    pixel: Array,
    count: Array,
    place: Array,
    first: int,
    last: int,
    cell_of: Array,
    bin_of_cell: Array,
    flat: Array,
    begin: int,
    keep: Array,
    band: Array,
    first_row: Array,
    scale: Array,
    window: Array,
    row: int,
    folded: Array,
    sums: Array,
) -> Any:
    """Fold photon events of consecutive frames, in order and in range, into the positions `first` to `last`.

    Events do not touch the rows of `folded`, which lie far apart. Each pixel has a `window` of a few rows, which one
    event changes at once; row r stands in column r % width. A row moves to `folded` when no frame reaches it any more.
    Beside it, on the same line of the cache, stands what the pixel counted last.

    Parameters
    ----------
    place : ndarray of int32, shape (H * W,)
        Position of each pixel in the layout; -1 where it is not used.
    begin : int
        The first frame of the block.
    keep : ndarray of int64, shape (n,)
        For each frame of the block the number of the kept frame before it, or -2 where the frame is left out itself.
    window : ndarray, shape (N, width + 6)
        The rows; then frame and counts of the last event, and of the last one in an earlier frame; then the sum of raw
        counts, and of their squares.
    row : int
        The lowest row in the window.
    sums : ndarray, shape (n, 3, n_cells)
        Filled, in the cells of these positions, for frames with events.

    Returns
    -------
    int
        The lowest row in the window afterwards.
    """
    width = window.shape[1] - BESIDE
    weights = np.zeros(width, window.dtype)
    held = np.zeros((sums.shape[2], 4))
    first_cell, last_cell = cell_of[first], cell_of[last - 1] + 1
    spots, values = np.empty(0, np.int32), np.empty(0, window.dtype)
    start = 0
    touched = window.dtype.type(0)
    while start < len(frame):
        t = int(frame[start]) - begin
        stop = start
        while stop < len(frame) and frame[stop] == frame[start]:
            stop += 1
        if keep[t] != -2:
            while row < first_row[t]:
                column = row % width
                for j in range(first, last):
                    folded[row, j] += window[j, column]
                    window[j, column] = 0
                row += 1
            weights[:] = 0
            for r in range(band.shape[1]):
                weights[(first_row[t] + r) % width] = band[t, r]
            if stop - start > len(spots):
                spots, values = np.empty(stop - start, np.int32), np.empty(stop - start, window.dtype)
            n = 0
            for e in range(U(start), U(stop)):
                position = place[U(pixel[e])]
                spots[n], values[n] = position, count[e]
                n += (position >= first) & (position < last)
            # A look at every line first, with nothing else to do, fetches many of them at once.
            for k in range(n):
                touched += window[U(spots[k]), U(0)]
            add_events(
                spots, values, n, cell_of, bin_of_cell, flat, scale, t, weights, begin + t, keep[t], window, held
            )
            for cell in range(first_cell, last_cell):
                for kind in range(3):
                    sums[t, kind, cell] = held[cell, kind]
                    held[cell, kind] = 0
        start = stop
    return row, touched


@compiled
def add_events(
    spots: Array,
    values: Array,
    n: int,
    cell_of: Array,
    bin_of_cell: Array,
    flat: Array,
    scale: Array,
    t: int,
    weights: Array,
    number: int,
    number_before: int,
    window: Array,
    held: Array,
) -> None:
    """Add `n` events at the positions `spots`, of frame `number`, to the window and to the sums of the cells.

    Everything is indexed in place, as a view for each event would have to be counted. `held` (n_cells, 4) keeps the
    three sums of a cell side by side, so that they are added to at once; neighbours in memory often change the cell.
    """
    kind = window.dtype.type
    width = len(weights)
    now, here, then, there = U(width), U(width + 1), U(width + 2), U(width + 3)
    total, squares = U(width + 4), U(width + 5)
    this, before = kind(number), kind(number_before)
    for e in range(U(n)):
        p = U(spots[e])
        cell = U(cell_of[p])
        value = values[e]
        raw, factor = value, kind(1)
        if len(flat) > 0:
            factor *= flat[p]
        if len(scale) > 0:
            factor *= kind(scale[U(t), bin_of_cell[cell]])
        value *= factor
        if width == LANES:
            window[p, U(0)] += weights[U(0)] * value
            window[p, U(1)] += weights[U(1)] * value
            window[p, U(2)] += weights[U(2)] * value
            window[p, U(3)] += weights[U(3)] * value
        else:
            for j in range(width):
                window[p, j] += weights[j] * value
        exact = float(value)
        square = exact * exact
        window[p, total] += raw
        window[p, squares] += raw * raw
        if window[p, now] == this:  # another photon in the same pixel and frame
            square += 2 * exact * window[p, here]
            if factor > 0:
                window[p, squares] += 2 * raw * (window[p, here] / factor)
            window[p, here] += value
        else:
            window[p, then], window[p, there] = window[p, now], window[p, here]
            window[p, now], window[p, here] = this, value
        partner = float(window[p, there])
        product = exact * (partner if window[p, then] == before else 0.0)
        held[cell, U(SUM)] += exact
        held[cell, U(SQUARE)] += square
        held[cell, U(PRODUCT)] += product


@compiled
def first_wrong(frame: Array, pixel: Array, count: Array, begin: int, n_frames: int, n_pixels: int) -> int:
    """The first event that is out of order, out of range or negative; -1 where there is none."""
    n_wrong = 0
    last = np.int64(begin)
    for e in range(len(frame)):
        n_wrong += (frame[e] < last) | (frame[e] >= begin + n_frames) | (count[e] < 0)
        n_wrong += (pixel[e] < 0) | (pixel[e] >= n_pixels)
        last = np.int64(frame[e])
    if n_wrong == 0:
        return -1
    last = np.int64(begin)
    for e in range(len(frame)):
        if frame[e] < last or frame[e] >= begin + n_frames or pixel[e] < 0 or pixel[e] >= n_pixels or count[e] < 0:
            return e
        last = np.int64(frame[e])
    return -1


@compiled
def total_events(
    frame: Array,
    pixel: Array,
    count: Array,
    place: Array,
    cell_of: Array,
    bin_of_cell: Array,
    flat: Array,
    begin: int,
    raw: Array,
    corrected: Array,
) -> None:
    """Add up the events of each frame in each bin, as `total_frames` does. What is out of range is passed over."""
    for e in range(len(frame)):
        t = frame[e] - begin
        if 0 <= t < len(raw) and 0 <= pixel[e] < len(place):
            p = place[U(pixel[e])]
            if p >= 0:
                b = bin_of_cell[cell_of[p]]
                raw[t, b] += count[e]
                if len(corrected) > 0:
                    corrected[t, b] += count[e] * (flat[p] if len(flat) > 0 else 1.0)
