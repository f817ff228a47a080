"""Which pixels of a detector belong to which bin, laid out for fast folding.

Pixels are sorted by bin, then by ring of the static image, then by address. Consecutive pixels form *slabs* (parts of
one bin, small enough for the cache of a core) and, within a slab, *cells*: one bin, one ring, one mean intensity.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records.arrays import IntArray
from ainerd_agent.scattering.correlation._engine.kernels import RUN

SLAB = 4096
"""Most pixels of a slab: with the frames of one step in single precision it fills a quarter of a megabyte."""

CACHE_LINE = 64
"""Bytes that the processor fetches at once."""


@dataclass(frozen=True, slots=True, eq=False)
class PixelLayout:
    """The used pixels in their order, N in all.

    Attributes
    ----------
    shape : tuple of int
        (H, W) of the detector.
    pixels : ndarray of int32, shape (N,)
        Address row * W + column.
    slabs : ndarray, shape (n_slabs + 1,)
        Where each slab begins, and N.
    cells : ndarray, shape (n_cells + 1,)
        Where each cell begins, and N.
    slab_cells : ndarray, shape (n_slabs + 1,)
        The first cell of each slab, and n_cells.
    cell_bin, cell_ring : ndarray, shape (n_cells,)
        Bin of each cell, from 0, and its ring.
    bin_numbers : ndarray, shape (n_bins,)
        The labels of the bins, for people.
    """

    shape: tuple[int, int]
    pixels: NDArray[np.int32]
    slabs: IntArray
    cells: IntArray
    slab_cells: IntArray
    cell_bin: IntArray
    cell_ring: IntArray
    bin_numbers: IntArray

    @classmethod
    def of(cls, labels: NDArray[np.int64], rings: NDArray[np.int64]) -> PixelLayout:
        """Lay out the pixels of `labels` (H, W), whose static image is constant in `rings` (H, W)."""
        used = np.flatnonzero(labels)
        label, ring = labels.ravel()[used], rings.ravel()[used]
        order = np.lexsort((used, ring, label))
        pixels, label, ring = used[order], label[order], ring[order]

        starts = np.flatnonzero(np.diff(label, prepend=-1))
        slabs: list[int] = []
        for start, stop in zip(starts, [*starts[1:], len(pixels)], strict=True):
            n_parts = -(-(stop - start) // SLAB)
            slabs.extend(np.linspace(start, stop, n_parts + 1).astype(int)[:-1].tolist())
        cells = np.union1d(np.flatnonzero(np.diff(ring, prepend=-1)), np.array(slabs))
        return cls(
            shape=(labels.shape[0], labels.shape[1]),
            pixels=pixels.astype(np.int32),
            slabs=np.array([*slabs, len(pixels)]),
            cells=np.append(cells, len(pixels)),
            slab_cells=np.append(np.searchsorted(cells, slabs), len(cells)),
            cell_bin=label[cells] - 1,
            cell_ring=ring[cells],
            bin_numbers=np.arange(1, label[-1] + 1),
        )

    def only(self, bin_index: int) -> PixelLayout:
        """The layout of a single bin, counted from 0."""
        first, stop = np.searchsorted(self.cell_bin, [bin_index, bin_index + 1])
        start, end = self.cells[first], self.cells[stop]
        slabs = self.slabs[(self.slabs >= start) & (self.slabs <= end)]
        chosen = np.searchsorted(self.slabs, slabs)
        return PixelLayout(
            shape=self.shape,
            pixels=self.pixels[start:end],
            slabs=slabs - start,
            cells=self.cells[first : stop + 1] - start,
            slab_cells=self.slab_cells[chosen] - first,
            cell_bin=np.zeros(stop - first, dtype=np.int64),
            cell_ring=self.cell_ring[first:stop],
            bin_numbers=self.bin_numbers[bin_index : bin_index + 1],
        )

    @property
    def separable(self) -> bool:
        """Whether no ring passes through several bins."""
        pairs = np.unique(np.stack([self.cell_ring, self.cell_bin]), axis=1)
        return bool(len(np.unique(pairs[0])) == pairs.shape[1])

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def n_bins(self) -> int:
        """Number of bins."""
        return int(self.cell_bin[-1]) + 1

    @property
    def cell_size(self) -> IntArray:
        """Pixels of each cell, shape (n_cells,)."""
        return np.diff(self.cells)

    @property
    def bin_size(self) -> IntArray:
        """Pixels of each bin, shape (n_bins,)."""
        return np.bincount(self.cell_bin, weights=self.cell_size).astype(np.int64)

    @property
    def bin_edges(self) -> IntArray:
        """Where each bin begins, and N; shape (n_bins + 1,)."""
        return np.concatenate([[0], np.cumsum(self.bin_size)])

    def sum_cells(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Add up over the cells of each bin, shape (..., n_cells) to (..., n_bins)."""
        starts = np.searchsorted(self.cell_bin, np.arange(self.n_bins))
        return np.asarray(np.add.reduceat(values, starts, axis=-1), dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Addresses:
    """How to fetch the pixels of each slab from a flat frame.

    Attributes
    ----------
    pixels : ndarray of int32, shape (N,)
    runs : ndarray of int32, shape (n_runs, 2)
        Source address, and destination counted from the start of the slab; slab after slab.
    slab_runs : ndarray, shape (n_slabs + 1,)
        The first run of each slab; none where its pixels are too scattered.
    lines : ndarray of int32, shape (n_lines,)
        Pixels of every cache line that is read; slab after slab.
    slab_lines : ndarray, shape (n_slabs + 1,)
    """

    pixels: NDArray[np.int32]
    runs: NDArray[np.int32]
    slab_runs: IntArray
    lines: NDArray[np.int32]
    slab_lines: IntArray

    @classmethod
    def of(cls, pixels: NDArray[np.int32], slabs: IntArray, n_frame: int, itemsize: int) -> Addresses:
        """Plan the reading of frames with `n_frame` numbers of `itemsize` bytes each."""
        runs, lines = [], []
        for start, stop in pairwise(slabs):
            part = pixels[start:stop]
            runs.append(_runs(part, n_frame))
            lines.append(_lines(part, runs[-1], itemsize))
        return cls(
            pixels=pixels,
            runs=np.concatenate(runs),
            slab_runs=np.cumsum([0, *map(len, runs)]),
            lines=np.concatenate(lines),
            slab_lines=np.cumsum([0, *map(len, lines)]),
        )


def _runs(part: NDArray[np.int32], n_frame: int) -> NDArray[np.int32]:
    """Cut consecutive addresses of a slab into runs of `RUN`; none where that would copy mostly what is not used."""
    starts = np.flatnonzero(np.diff(part, prepend=-2) != 1)
    lengths = np.diff(np.append(starts, len(part)))
    pieces = -(-lengths // RUN)
    within = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    destination = np.repeat(starts, pieces) + within * RUN
    runs = np.stack([part[destination], destination], axis=1).astype(np.int32)
    scattered = len(runs) > len(part) / 4
    beyond = bool((runs[:, 0] + RUN > n_frame).any())
    return np.empty((0, 2), dtype=np.int32) if scattered or beyond else runs


def _lines(part: NDArray[np.int32], runs: NDArray[np.int32], itemsize: int) -> NDArray[np.int32]:
    """Two pixels of each cache line that is read.

    Two, the first and the last one, because an array need not begin with a cache line.
    """
    if len(runs):  # a run spans two lines at the most, which its ends are in
        read = np.concatenate([runs[:, 0], runs[:, 0] + RUN - 1])
    else:
        line = np.sort(part) * itemsize // CACHE_LINE
        changes = np.diff(line) != 0
        read = np.sort(part)[np.concatenate([[True], changes]) | np.concatenate([changes, [True]])]
    return np.sort(read).astype(np.int32)
