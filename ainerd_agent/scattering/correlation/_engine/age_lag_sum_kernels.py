"""What an age-lag map needs beside products: sums over cells and good frames of samples, compiled by numba."""

from __future__ import annotations

import numpy as np

from ainerd_agent.scattering.correlation._engine.age_lag_kernels import HALF, ROWS, WINDOW
from ainerd_agent.scattering.correlation._engine.kernels import Array, compiled


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
) -> None:
    """Take the sums over cells of frames, `values` (t, n_cells).

    See `age_lag_kernels.correlate_frames` for which frames, `climb_sums` for where they go.
    """
    f = 0
    for window in range(begin // WINDOW, (end + WINDOW - 1) // WINDOW):
        while f < len(numbers) and numbers[f] < (window + 1) * WINDOW:
            row = WINDOW + numbers[f] - window * WINDOW
            weights[0, row] = 1
            for c in range(values.shape[1]):
                sums[0, row, c] = values[f, c]
            f += 1
        if (window + 1) * WINDOW <= end:
            climb_sums(window, shifts, sums, weights, linear, pairs)


@compiled
def finish_sums(
    n_frames: int, shifts: Array, sums: Array, weights: Array, linear: Array, pairs: Array, apart: bool
) -> None:
    """What `finish` does, for sums over cells."""
    window = n_frames // WINDOW
    for level in range(len(sums)):
        low, lag = (1, 0) if level == 0 else (HALF, WINDOW - 1 + (level - 1) * HALF)
        begin = window * WINDOW
        if apart:
            begin &= (1 << shifts[level]) - 1
        correlate_sums(sums[level], weights[level], low, lag, begin, shifts[level], linear, pairs)
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
        correlate_sums(sums[level], weights[level], low, lag, window * WINDOW, shifts[level], linear, pairs)
        if level + 1 < len(sums):
            add_up_sums(level, window, sums, weights)
        for row in range(WINDOW):
            weights[level, row], weights[level, WINDOW + row] = weights[level, WINDOW + row], 0
            for c in range(sums.shape[2]):
                sums[level, row, c], sums[level, WINDOW + row, c] = sums[level, WINDOW + row, c], 0
        if window % 2 == 0:
            return
        window //= 2


@compiled
def correlate_sums(
    sums: Array, weights: Array, low: int, lag: int, begin: int, shift: int, linear: Array, pairs: Array
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
    together = ROWS if even and 1 << shift >= ROWS else 1
    for new in range(WINDOW, 2 * WINDOW, together):
        unit = (begin + new - WINDOW) >> shift
        for k in range(low, WINDOW):
            target = linear[unit, lag + k - low]
            if even:
                weight = weights[0]
                pairs[unit, lag + k - low] += together * weight * weight
                a, b, d, e = up_to[new], up_to[new + together], up_to[new - k], up_to[new + together - k]
                for c in range(n_cells):
                    target[c] += weight * ((b[c] - a[c]) + (e[c] - d[c]))
                continue
            own, other = weights[new], weights[new - k]
            pairs[unit, lag + k - low] += own * other
            if own > 0 or other > 0:
                for c in range(n_cells):
                    target[c] += other * sums[new, c] + own * sums[new - k, c]


@compiled
def add_up_products(section: Array, first_cell: int, last_cell: int, products: Array, out: Array) -> None:
    """Add up the products of units over sections of age, for some of the cells.

    Parameters
    ----------
    section : ndarray of int, shape (n_units, n_lags)
        To which a unit belongs at each lag; there is a section more, for those that belong to none.
    products : ndarray, shape (n_cells, n_units or more, n_lags)
    out : ndarray, shape (n_cells, n_sections, n_lags)
        Added to.
    """
    n_units, n_lags = section.shape
    for cell in range(first_cell, last_cell):
        source, target = products[cell], out[cell]
        for unit in range(n_units):
            for lag in range(n_lags):
                target[section[unit, lag], lag] += source[unit, lag]


@compiled
def add_up_linear(section: Array, first_lag: int, last_lag: int, linear: Array, out: Array) -> None:
    """The same for sums over cells, `linear` (n_units, n_lags, n_cells), for some of the lags."""
    for unit in range(len(section)):
        for lag in range(first_lag, last_lag):
            source, target = linear[unit, lag], out[section[unit, lag], lag]
            for c in range(len(source)):
                target[c] += source[c]


@compiled
def add_up_cells(
    group: Array, norm: Array, share: Array, second: Array, products: Array, linear: Array, pairs: Array,
    first_age: int, last_age: int, total: Array,
) -> None:  # fmt: skip
    """Add the correlations of cells up over groups, in some of the sections of age; see `age_lag_sections`.

    Parameters
    ----------
    group : ndarray of int, shape (n_cells,)
    norm, share, second : ndarray, shape (n_cells,)
    products : ndarray, shape (n_cells, n_ages or more, n_lags)
    linear : ndarray, shape (n_ages or more, n_lags, n_cells)
    pairs : ndarray, shape (n_ages, n_lags)
    total : ndarray, shape (n_groups, n_ages, n_lags)
        Added to.
    """
    n_lags = pairs.shape[1]
    for age in range(first_age, last_age):
        for cell in range(len(group)):
            target, product = total[group[cell], age], products[cell, age]
            a, b, d = norm[cell], norm[cell] * share[cell], norm[cell] * second[cell]
            for lag in range(n_lags):
                target[lag] += a * product[lag] - b * linear[age, lag, cell] + d * pairs[age, lag]
