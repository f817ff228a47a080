"""Which pixels are added up when frames are correlated over age and lag.

A *cell* is a part of one group of one bin whose pixels are much alike in mean intensity: one ring of the static image
where a bin has few of them, else a band of neighbouring ones. Products of frames are added up over a cell, so cells
must be few, and large enough that adding up is cheap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records.arrays import IntArray
from ainerd_agent.scattering.correlation._engine.age_lag_kernels import WINDOW
from ainerd_agent.scattering.correlation._engine.kernels import RUN
from ainerd_agent.scattering.correlation._engine.layout import SLAB, PixelLayout

BANDS = 3
"""Parts that the rings of a bin are joined to, at most: the intensity within one changes little."""

MOST = 1024
"""Pixels of a cell, at most: so many are added up in single precision."""


@dataclass(frozen=True, slots=True, eq=False)
class AgeLagCells:
    """The cells of a layout, and an order of its pixels in which each cell is contiguous.

    Attributes
    ----------
    of_pixel : ndarray of int32, shape (N,)
        Cell of the pixel at each position of the layout.
    bins, groups : ndarray, shape (n_cells,)
        Bin of each cell, and its group of pixels within the bin, from 0. Cells are sorted by both.
    n_groups : int
    order : ndarray of int, shape (N,)
        Positions in the layout, cell after cell, and by address within.
    starts : ndarray, shape (n_cells + 1,)
        Where each cell begins in `order`, and N.
    places : ndarray, shape (n_cells + 1,)
        The same with room to spare after each cell: what is added to 0 there fills whole registers, and rows of a cell
        do not compete for the same lines of the cache.
    slabs : ndarray, shape (n_slabs + 1,)
        The first cell of each slab, and n_cells: what is in it fits the cache of a core.
    """

    of_pixel: NDArray[np.int32]
    bins: IntArray
    groups: IntArray
    n_groups: int
    order: IntArray
    starts: IntArray
    places: IntArray
    slabs: IntArray

    @classmethod
    def of(cls, layout: PixelLayout, groups: NDArray[np.int64]) -> AgeLagCells:
        """Divide the pixels; `groups` (H, W) are counted from 0 in each bin."""
        group = groups.ravel()[layout.pixels]
        label = np.repeat(layout.cell_bin, layout.cell_size)
        band = np.repeat(_bands(layout), layout.cell_size)
        order = np.lexsort((layout.pixels, band, group, label))
        joined = np.stack([label, group, band])[:, order]
        changes = np.flatnonzero((np.diff(joined, prepend=-1) != 0).any(axis=0))
        starts: list[int] = []
        for first, stop in zip(changes, [*changes[1:], len(order)], strict=True):
            n_parts = -(-(stop - first) // MOST)
            starts.extend(np.linspace(first, stop, n_parts + 1).astype(int)[:-1].tolist())
        sizes = np.diff([*starts, len(order)])
        room = -(-sizes // RUN) * RUN
        room += np.where(room // RUN % 2 == 0, RUN, 0)
        of_pixel = np.empty(len(order), dtype=np.int32)
        of_pixel[order] = np.repeat(np.arange(len(starts)), sizes)
        return cls(
            of_pixel=of_pixel,
            bins=label[order][starts],
            groups=group[order][starts],
            n_groups=int(group.max()) + 1,
            order=order,
            starts=np.array([*starts, len(order)]),
            places=np.concatenate([[0], np.cumsum(room)]),
            slabs=_slabs(label[order][starts], sizes),
        )

    def __len__(self) -> int:
        return len(self.bins)

    @property
    def spots(self) -> IntArray:
        """Where the first sample of each pixel of the layout is among the samples of a level, shape (N,)."""
        sizes = np.diff(self.starts)
        spots = np.empty(len(self.order), dtype=np.int64)
        within = np.arange(len(self.order)) - np.repeat(self.starts[:-1], sizes)
        spots[self.order] = np.repeat(2 * WINDOW * self.places[:-1], sizes) + within
        return spots

    @property
    def edges(self) -> IntArray:
        """Where each slab begins in `order`, and N."""
        return np.asarray(self.starts[self.slabs], dtype=np.int64)

    def in_groups_of(self, positions: IntArray) -> NDArray[np.bool_]:
        """Which pixels of the layout belong to a group with a pixel at one of some positions, shape (N,)."""
        group = (self.bins * self.n_groups + self.groups)[self.of_pixel]
        return np.isin(group, group[positions])


def _bands(layout: PixelLayout) -> IntArray:
    """Band of each cell of the layout within its bin: equally many pixels in each, where there are many rings."""
    band = np.zeros(len(layout.cell_bin), dtype=np.int64)
    for number in range(layout.n_bins):
        cells = np.flatnonzero(layout.cell_bin == number)
        rings, which = np.unique(layout.cell_ring[cells], return_inverse=True)
        if len(rings) <= BANDS:
            band[cells] = which
            continue
        pixels = np.bincount(which, weights=layout.cell_size[cells])
        middle = np.cumsum(pixels) - pixels / 2
        band[cells] = (middle / pixels.sum() * BANDS).astype(np.int64)[which]
    return band


def _slabs(bins: IntArray, sizes: IntArray) -> IntArray:
    """Cut cells into slabs of `SLAB` pixels at most, each of one bin."""
    slabs, filled = [0], 0
    for cell, size in enumerate(sizes):
        if cell > slabs[-1] and (filled + size > SLAB or bins[cell] != bins[cell - 1]):
            slabs.append(cell)
            filled = 0
        filled += size
    return np.array([*slabs, len(sizes)])
