"""The age-lag map on a GPU, or on any other device of torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ainerd_agent.records import FloatArray
from ainerd_agent.records.arrays import IntArray
from ainerd_agent.scattering.correlation._engine.age_lag_kernels import HALF, WINDOW
from ainerd_agent.scattering.correlation._engine.age_lag_sums import AgeLagSums, lags_at


class TorchAgeLag:
    """Products of frames over age and lag on a device; see `AgeLagFold`, which does the same on the processor.

    Parameters
    ----------
    n_frames : int
        Of the movie.
    cell : tensor of int, shape (N,)
        Cell of each pixel, see `AgeLagCells`.
    n_cells, n_rings : int
        Of those, and of the cells of the layout.
    dtype : torch.dtype
        Of the samples. Sums over pixels are taken in double precision.
    """

    def __init__(self, n_frames: int, cell: torch.Tensor, n_cells: int, n_rings: int, dtype: torch.dtype) -> None:
        self.sums = AgeLagSums.empty(n_cells, n_rings, n_frames)
        self.n_frames = 0
        self._cell = cell
        shape = (self.sums.n_levels, 2 * WINDOW, len(cell))
        self._history = torch.zeros(shape, dtype=dtype, device=cell.device)

    def add(self, counts: torch.Tensor, numbers: IntArray, ring_sums: FloatArray) -> None:
        """Take the corrected counts (n, N) of the frames `numbers`; `ring_sums` (n, n_rings) are those of rings."""
        end = int(numbers[-1]) + 1
        done = 0
        for window in range(self.n_frames // WINDOW, -(-end // WINDOW)):
            base = WINDOW * (window % 2)
            if window * WINDOW >= self.n_frames:
                self._history[0, base : base + WINDOW] = 0
            stop = int(np.searchsorted(numbers, (window + 1) * WINDOW))
            rows = torch.from_numpy(numbers[done:stop] - window * WINDOW + base).to(counts.device)
            self._history[0, rows] = counts[done:stop]
            done = stop
            if (window + 1) * WINDOW <= end:
                self._climb(window)
        sums = torch.zeros((len(counts), len(self.sums.products)), dtype=torch.float64, device=counts.device)
        sums.index_add_(1, self._cell, counts.double())
        self.sums.add_sums(numbers, self.n_frames, end, sums.cpu().numpy(), ring_sums)
        self.n_frames = end

    def completed(self) -> AgeLagSums:
        """The sums of the frames so far, as if no more came."""
        done = self.sums.completed(self.n_frames)
        window, filled = self.n_frames // WINDOW, self.n_frames % WINDOW
        for level, samples in enumerate(self._history):
            base = WINDOW * (window % 2)
            samples[base + filled : base + WINDOW] = 0
            self._correlate(level, window, done.products)
            self._add_up(level, window)
            filled = HALF * (window % 2) + (filled + 1) // 2
            window //= 2
        return done

    def _climb(self, window: int) -> None:
        """Correlate a complete window of frames, and those of the higher levels that it completes."""
        for level in range(self.sums.n_levels):
            self._correlate(level, window, self.sums.products)
            self._add_up(level, window)
            if window % 2 == 0:
                return
            window //= 2

    def _correlate(self, level: int, window: int, products: FloatArray) -> None:
        base = WINDOW * (window % 2)
        # the window before, then this one
        samples = torch.roll(self._history[level], -base - WINDOW, dims=0)
        low, lag = (1 if level == 0 else HALF), lags_at(level).start
        units = (window * WINDOW + np.arange(WINDOW)) >> self.sums.shifts[level]
        for k in range(low, WINDOW):
            product = samples[WINDOW:].double() * samples[WINDOW - k : 2 * WINDOW - k].double()
            of_cells = torch.zeros((WINDOW, len(products)), dtype=torch.float64, device=product.device)
            of_cells.index_add_(1, self._cell, product)
            for unit, values in zip(units.tolist(), of_cells.cpu().numpy(), strict=True):
                products[:, unit, lag + k - low] += values

    def _add_up(self, level: int, window: int) -> None:
        """Put the sums of pairs of samples of a window into the next level."""
        if level + 1 == self.sums.n_levels:
            return
        base, above = WINDOW * (window % 2), WINDOW * (window // 2 % 2) + HALF * (window % 2)
        own: Any = self._history[level, base : base + WINDOW]
        self._history[level + 1, above : above + HALF] = own[::2] + own[1::2]
