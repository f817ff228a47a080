"""What replaces the diagonal of the T x T matrix, without the matrix.

C(t, t) holds the shot noise. It is replaced by the mean of C(t, t') over the frames t' next to t. The change is a
diagonal matrix, needs sums over the pixels of single frames alone, and passes through the same resize matrix R.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records import FloatArray
from ainerd_agent.scattering.correlation._engine import diagonal_kernels, kernels
from ainerd_agent.scattering.correlation.resampling import Band

Diagonal = Literal["neighbours", "keep"]


def is_replaced(diagonal: Diagonal) -> bool:
    """Whether the diagonal does not stay as it is."""
    if diagonal not in ("neighbours", "keep"):
        raise ValueError(f'diagonal must be "neighbours" or "keep", not {diagonal!r}')
    return diagonal == "neighbours"


class DiagonalSums:
    """Sums over frames that the correction of the diagonal and the contrast are made of.

    Memory does not depend on the number of frames: 2 x size x width x n_cells numbers.
    """

    def __init__(self, size: int, width: int, n_cells: int) -> None:
        self._squares = np.zeros((size, width, n_cells))
        self._lines = np.zeros((size, width, n_cells))
        self.total = np.zeros(n_cells)
        self.n_frames = 0
        self._link_product = np.zeros(n_cells)
        self._link_sum = np.zeros(n_cells)
        self._n_links = 0
        # The last frame waits for the one after it. Number and sums of the frame before that one, too.
        self._waiting: tuple[int, FloatArray, Band] | None = None
        self._before: tuple[int, FloatArray] = (-1, np.zeros(n_cells))

    @property
    def last(self) -> int:
        """Number of the last frame, -1 where there is none."""
        return -1 if self._waiting is None else self._waiting[0]

    def add(self, numbers: NDArray[np.int64], sums: FloatArray, band: Band) -> None:
        """Add consecutive kept frames.

        Parameters
        ----------
        numbers : ndarray, shape (n,)
        sums : ndarray, shape (n, 3, n_cells)
            As `FrameSums.sums`.
        band : Band
            Of these frames.
        """
        if len(numbers) == 0:
            return
        self.total += sums[:, kernels.SUM].sum(axis=0)
        self.n_frames += len(numbers)
        if self._waiting is not None:
            number, waiting, own = self._waiting
            numbers = np.concatenate([[number], numbers])
            sums = np.concatenate([waiting[None], sums])
            band = Band(np.concatenate([own.weights, band.weights]), np.concatenate([own.first_row, band.first_row]))
        beside = np.flatnonzero(np.diff(numbers) == 1) + 1
        self._link_product += sums[beside, kernels.PRODUCT].sum(axis=0)
        self._link_sum += (sums[beside, kernels.SUM] + sums[beside - 1, kernels.SUM]).sum(axis=0)
        self._n_links += len(beside)
        before, before_sum = self._before
        diagonal_kernels.settle(
            numbers, sums, before_sum, before, band.weights, band.first_row, self._squares, self._lines
        )
        if len(numbers) > 1:
            self._before = int(numbers[-2]), sums[-2, kernels.SUM].copy()
        self._waiting = int(numbers[-1]), sums[-1].copy(), band[-1:]

    def contrast(self, mean: FloatArray, cell_size: NDArray[np.int64]) -> FloatArray:
        """Sum over the pixels of each cell of <C(t, t + 1)>, averaged over pairs of frames; shape (n_cells,).

        Parameters
        ----------
        mean : ndarray, shape (n_cells,)
            <I>.
        """
        if self._n_links == 0:
            return np.full(len(mean), np.nan)
        per_pair = self._link_product / mean**2 - self._link_sum / mean
        return per_pair / self._n_links + cell_size

    def correction(self, mean: FloatArray, cells: slice, n_rows: int) -> FloatArray:
        """What is to be added to R C R^T of a bin before it is divided by row weights and pixels.

        Parameters
        ----------
        mean : ndarray, shape (n_cells,)
            <I>.
        cells : slice
            Of the bin.
        n_rows : int
            Rows of the map that are wanted.

        Returns
        -------
        ndarray, shape (n_rows, width)
            At (i, d): the entry (i, i + d), and (i + d, i) too.
        """
        found = np.empty((n_rows, self._squares.shape[1]))
        diagonal_kernels.correct_bin(self._squares, self._lines, mean, cells.start, cells.stop, found)
        if self._waiting is not None and self._before[0] >= 0:  # the last frame has a neighbour on one side only
            _, own, band = self._waiting
            inverse = 1 / mean[cells]
            square = own[kernels.PRODUCT, cells] - own[kernels.SQUARE, cells]
            line = self._before[1][cells] - own[kernels.SUM, cells]
            value = ((square * inverse - line) * inverse).sum()
            row, weights = int(band.first_row[0]), band.weights[0]
            for i in range(min(len(weights), n_rows - row)):
                found[row + i, : len(weights) - i] += weights[i] * weights[i:] * value
        return found
