"""Products of photon events over age and lag, compiled by numba.

Most samples are 0, and take part in no product. So each pixel keeps its last samples that are not, at each level, and
the one to which photons may still be added. Events are sorted by pixel first: what belongs to a pixel is then read once
a block.
"""

from __future__ import annotations

from ainerd_agent.scattering.correlation._engine.age_lag_kernels import HALF, UNIT, WINDOW
from ainerd_agent.scattering.correlation._engine.kernels import Array, compiled

NONE = -1
"""Number of a sample that is not there."""


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
    start[:] = 0
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
def emit(
    sample: int,
    value: float,
    level: int,
    unit_shift: Array,
    index: Array,
    kept: Array,
    n_kept: Array,
    pending: Array,
    amount: Array,
    products: Array,
) -> None:
    """Multiply a complete sample with those before it, and add it to one of the next level; that may complete another.

    Parameters
    ----------
    index, kept : ndarray, shape (n_levels, `WINDOW`)
        Number and counts of the last samples of the pixel that are not 0, `n_kept` of them.
    pending, amount : ndarray, shape (n_levels,)
        Number, or `NONE`, and counts of the sample that is not complete.
    products : ndarray, shape (n_units, n_lags)
    """
    while True:
        low, lag = (1, 0) if level == 0 else (HALF, WINDOW - 1 + (level - 1) * HALF)
        target = products[(sample // UNIT) >> unit_shift[level]]
        old = 0
        for j in range(n_kept[level]):
            k = sample - index[level, j]
            if k >= WINDOW:
                old = j + 1
            elif k >= low:
                target[lag + k - low] += value * kept[level, j]
        n = n_kept[level] - old
        for j in range(n):
            index[level, j], kept[level, j] = index[level, j + old], kept[level, j + old]
        index[level, n], kept[level, n] = sample, value
        n_kept[level] = n + 1
        level += 1
        if level == len(pending):
            return
        above = sample // 2
        if pending[level] == above:
            amount[level] += value
            return
        sample, pending[level] = pending[level], above
        value, amount[level] = amount[level], value
        if sample == NONE:
            return


@compiled
def correlate_events(
    frames: Array,
    counts: Array,
    start: Array,
    first: int,
    last: int,
    cell_of: Array,
    shifts: Array,
    index: Array,
    kept: Array,
    n_kept: Array,
    pending: Array,
    amount: Array,
    products: Array,
) -> None:
    """Correlate the events of the positions from `first` to before `last`, sorted by `by_pixel`.

    The state of each position is as for `emit`, with one axis more before; `products` are (n_cells, n_units, n_lags).
    """
    for position in range(first, last):
        for e in range(start[position], start[position + 1]):
            if pending[position, 0] == frames[e]:
                amount[position, 0] += counts[e]
                continue
            sample, value = pending[position, 0], amount[position, 0]
            pending[position, 0], amount[position, 0] = frames[e], counts[e]
            if sample != NONE:
                emit(
                    sample, value, 0, shifts, index[position], kept[position], n_kept[position], pending[position],
                    amount[position], products[cell_of[position]],
                )  # fmt: skip


@compiled
def finish_events(
    first: int,
    last: int,
    cell_of: Array,
    shifts: Array,
    index: Array,
    kept: Array,
    n_kept: Array,
    pending: Array,
    amount: Array,
    products: Array,
) -> None:
    """Correlate samples that are not complete, as if no more events came. The state stays as it is."""
    for position in range(first, last):
        i, v, n = index[position].copy(), kept[position].copy(), n_kept[position].copy()
        p, a = pending[position].copy(), amount[position].copy()
        for level in range(len(p)):
            if p[level] != NONE:
                emit(p[level], a[level], level, shifts, i, v, n, p, a, products[cell_of[position]])
                p[level] = NONE
