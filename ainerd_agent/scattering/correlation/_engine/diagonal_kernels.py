"""The inner loop of what replaces the diagonal, compiled by numba; see `diagonal`."""

from __future__ import annotations

import numpy as np

from ainerd_agent.scattering.correlation._engine.kernels import PRODUCT, SQUARE, SUM, Array, compiled


@compiled
def settle(
    numbers: Array,
    sums: Array,
    before: Array,
    n_before: int,
    band: Array,
    first_row: Array,
    squares: Array,
    lines: Array,
) -> None:
    """Add what replaces the diagonal of the T x T matrix, of all frames but the last one.

    With P the product of a frame with its neighbour, Q its own and S its sum, C(t, t') - C(t, t) is the sum over cells
    of (P - Q) / <I>^2 - (S(t') - S(t)) / <I>; <I> is known only in the end, so both are kept apart.

    Parameters
    ----------
    numbers : ndarray of int, shape (n,)
        Frame numbers, rising.
    sums : ndarray, shape (n, 3, n_cells)
        PRODUCT is that with the frame before, which has the number `n_before` (-1: there is none) and the sums `before`
        of shape (n_cells,).
    band, first_row : ndarray
        Of the frames `numbers`.
    squares, lines : ndarray, shape (size, width, n_cells)
        Added to at (row, distance of the other row): the terms in 1 / <I>^2 and in 1 / <I>.
    """
    n_cells = sums.shape[2]
    width = band.shape[1]
    square, line = np.empty(n_cells), np.empty(n_cells)
    for k in range(len(numbers) - 1):
        previous = n_before if k == 0 else numbers[k - 1]
        # The neighbours next to the frame count alike; one that is further away, because frames between them were
        # left out, counts only where none is next to it.
        back = 0.0 if previous < 0 else 0.5
        if back > 0:
            near, next_near = numbers[k] - previous == 1, numbers[k + 1] - numbers[k] == 1
            if near != next_near:
                back = 1.0 if near else 0.0
        for c in range(n_cells):
            product = sums[k + 1, PRODUCT, c]
            total = sums[k + 1, SUM, c]
            if back > 0:
                other = before[c] if k == 0 else sums[k - 1, SUM, c]
                product = (1 - back) * product + back * sums[k, PRODUCT, c]
                total = (1 - back) * total + back * other
            square[c] = product - sums[k, SQUARE, c]
            line[c] = total - sums[k, SUM, c]
        for i in range(width):
            for j in range(i, width):
                weight = band[k, i] * band[k, j]
                if weight != 0:
                    for c in range(n_cells):
                        squares[first_row[k] + i, j - i, c] += weight * square[c]
                        lines[first_row[k] + i, j - i, c] += weight * line[c]


@compiled
def correct_bin(squares: Array, lines: Array, mean: Array, first_cell: int, last_cell: int, out: Array) -> None:
    """Put what replaces the diagonal of one bin into `out` (rows, width): its cells, divided by their <I>.

    Parameters
    ----------
    squares, lines : ndarray, shape (size, width, n_cells)
        See `settle`; `out` has the first rows of them.
    mean : ndarray, shape (n_cells,)
    """
    inverse = 1 / mean[first_cell:last_cell]
    for row in range(out.shape[0]):
        for distance in range(out.shape[1]):
            square, line = squares[row, distance, first_cell:last_cell], lines[row, distance, first_cell:last_cell]
            total = 0.0
            for c in range(len(inverse)):
                total += (square[c] * inverse[c] - line[c]) * inverse[c]
            out[row, distance] = total
