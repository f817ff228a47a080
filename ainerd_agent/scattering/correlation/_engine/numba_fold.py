"""The two-time fold on the processor."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records import FloatArray, PhotonEvents
from ainerd_agent.records.arrays import IntArray
from ainerd_agent.scattering.correlation._engine import event_kernels, gram_kernels, kernels
from ainerd_agent.scattering.correlation._engine.age_lag_fold import AgeLagFold, InParts
from ainerd_agent.scattering.correlation._engine.age_lag_sums import AgeLagSums
from ainerd_agent.scattering.correlation._engine.corrections import Corrections
from ainerd_agent.scattering.correlation._engine.frame_validation import only_read
from ainerd_agent.scattering.correlation._engine.layout import Addresses, PixelLayout
from ainerd_agent.scattering.correlation._engine.pixel_watch import UNWATCHED, PixelWatch
from ainerd_agent.scattering.correlation.resampling import Band

T = TypeVar("T")

SMALL = 500_000
"""Readings up to which one thread is faster than handing out the work."""

NOISY = 10.0
"""Variance of the fluctuations above which a product is taken in double precision: shot noise of sparse counts, which
is subtracted from the product in the end."""

PRODUCT = 1024
"""Pixels whose fluctuations are made and multiplied at once."""

NO_FRAME = -3
"""Number of the frame before the first one."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameSums:
    """What is known of each frame of a block beside what it was folded into.

    Attributes
    ----------
    sums : ndarray, shape (n, 3, n_cells)
        Sum, sum of squares, and product with the frame before, over the pixels of each cell.
    invalid, saturated : ndarray of int, shape (n,)
        Readings that are not finite or negative, and readings at the ceiling.
    """

    sums: FloatArray
    invalid: NDArray[np.int64]
    saturated: NDArray[np.int64]


def n_threads(given: int | None = None) -> int:
    """Threads to use: as many as this process may run on, unless it is given."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return available if given is None else max(1, given)


class NumbaFold:
    """Sums of frames, weighted by the resize matrix, of shape (size, N).

    Parameters
    ----------
    layout : PixelLayout
    size : int
        Rows of the map.
    width : int
        Rows that one frame has weight in.
    corrections : Corrections
    dtype : type
        Of the sums: float32, or float64 where sums must be exact in more digits.
    threads : int
    watch : PixelWatch
        Pixels that count for nothing, and whether the others are watched.
    ages : AgeLagFold, optional
        Frames are correlated over age and lag as well.
    """

    def __init__(
        self,
        layout: PixelLayout,
        size: int,
        width: int,
        corrections: Corrections,
        *,
        dtype: Any = np.float32,
        threads: int = 1,
        watch: PixelWatch = UNWATCHED,
        ages: AgeLagFold | None = None,
    ) -> None:
        self.layout = layout
        self.dtype = np.dtype(dtype)
        self.folded: NDArray[Any] = np.zeros((size, len(layout)), dtype=self.dtype)
        self._normalisation = corrections.normalisation
        self._factor = corrections.factor.astype(self.dtype)
        self._threads = threads
        self._slab_bin = layout.cell_bin[layout.slab_cells[:-1]]
        self._last = np.zeros(len(layout), dtype=self.dtype)
        self._events: _EventState | None = None
        self._width = width
        self._silent = watch.silent
        self._moments = np.zeros((2, len(layout) if watch.watched else 0))
        self._ages = ages

    def add_frames(
        self, frames: NDArray[Any], addresses: Addresses, band: Band, scale: FloatArray, numbers: IntArray
    ) -> FrameSums:
        """Fold the frames `numbers` (n, n_frame) in; `scale` (n, n_bins) or (0, 0) multiplies bins of frames."""
        layout, normalisation = self.layout, self._normalisation
        frames, n = only_read(frames), len(frames)
        sums = np.empty((n, 3, len(layout.cell_bin)))
        counted = np.empty((n, 2, len(self._slab_bin)), dtype=np.int64)
        check = not np.issubdtype(frames.dtype, np.unsignedinteger)

        where = (
            layout.slabs, layout.cells, layout.slab_cells, addresses.pixels, addresses.runs, addresses.slab_runs,
            addresses.lines, addresses.slab_lines, band.weights, band.first_row, normalisation.ceiling(frames.dtype),
            check, normalisation.dead_time, self._factor, scale, self._slab_bin, self._silent, self.folded, self._last,
            sums, counted, self._moments,
        )  # fmt: skip

        def work(first: int, last: int) -> None:
            kernels.fold_frames(frames, first, last, *where)

        on_threads = self._on_threads(n * len(layout))
        on_threads(work, layout.slabs)
        if self._ages is not None:
            self._ages.add_frames(frames, addresses, scale, numbers, sums[:, kernels.SUM], on_threads)
        return FrameSums(sums, counted[:, kernels.INVALID].sum(axis=1), counted[:, kernels.SATURATED].sum(axis=1))

    def age_lag(self) -> AgeLagSums:
        """The sums of an age-lag map, of the frames so far."""
        if self._ages is None:
            raise ValueError("frames were not correlated over age and lag")
        return self._ages.completed(self._on_threads(SMALL + 1))

    def add_events(
        self, events: PhotonEvents, begin: int, keep: NDArray[np.int64], band: Band, scale: FloatArray
    ) -> FrameSums:
        """Fold the events of the frames from `begin` on in; see `event_kernels.fold_events` for `keep`."""
        layout = self.layout
        if self._events is None:
            self._events = _EventState.of(layout, self._width, self.dtype, self._silent)
        state, n = self._events, len(keep)
        sums = np.zeros((n, 3, len(layout.cell_bin)))

        def work(first: int, last: int) -> int:
            row, _ = event_kernels.fold_events(
                events.frame,
                events.pixel,
                events.count,
                state.place,
                int(layout.slabs[first]),
                int(layout.slabs[last]),
                state.cell_of,
                layout.cell_bin,
                self._factor,
                begin,
                keep,
                band.weights,
                band.first_row,
                scale,
                state.window,
                state.row,
                self.folded,
                sums,
            )
            return int(row)

        state.row = max(in_parts(work, layout.slabs, self._threads if len(events.frame) > SMALL else 1))
        if self._ages is not None:
            self._ages.add_events(
                events, begin, keep, state.place, self._factor, scale, sums[:, kernels.SUM],
                self._on_threads(len(events.frame)),
            )  # fmt: skip
        if self._moments.size:
            self._moments += state.window[:, -2:].T
        state.window[:, -2:] = 0
        none = np.zeros(len(keep), dtype=np.int64)
        return FrameSums(sums, none, none)

    def _on_threads(self, n_readings: int) -> InParts:
        """What runs work on so many readings."""
        return partial(in_parts, threads=self._threads if n_readings > SMALL else 1)

    def moments(self) -> FloatArray:
        """Sums of the raw counts of each pixel and of their squares, shape (2, N), where they are watched."""
        return self._moments

    def silence(self, positions: IntArray) -> FloatArray:
        """Take what was folded of some pixels out, as if they had counted nothing; give what it was in all rows."""
        taken = self.folded[:, positions].sum(axis=0, dtype=np.float64)
        self.folded[:, positions] = 0
        if self._events is not None:
            rows = slice(0, self._events.width)
            taken += self._events.window[positions, rows].sum(axis=1, dtype=np.float64)
            self._events.window[positions, rows] = 0
        return np.asarray(taken)

    def gram(self, pixels: slice, rows: NDArray[np.int64], weight: FloatArray, mean: FloatArray) -> FloatArray:
        """<D D> over the pixels of a bin with D = folded / (weight * mean) - 1, shape (n_rows, n_rows).

        Parameters
        ----------
        pixels : slice
            The bin.
        rows : ndarray, shape (n_rows,)
        weight : ndarray, shape (n_rows,)
            Total weight of the frames in each row.
        mean : ndarray, shape (n_pixels,)
            <I> of each pixel.
        """
        part, start = self.folded, pixels.start
        state = self._events
        if state is None and len(rows) and rows[-1] - rows[0] == len(rows) - 1:
            part = part[rows[0] : rows[-1] + 1]
        elif state is not None or len(rows) < len(part):
            part, start = part[rows, pixels], 0
        if state is not None:  # rows that events may still be added to
            inside = np.flatnonzero((rows >= state.row) & (rows < state.row + state.width))
            part[inside] += state.window[pixels][:, rows[inside] % state.width].T
        product = _gram(part, start, weight, mean, self.dtype)
        if self.dtype == np.float32 and product.diagonal().max() > NOISY:
            product = _gram(part, start, weight, mean, np.dtype(np.float64))
        return product.astype(np.float64)


def _gram(part: NDArray[Any], start: int, weight: FloatArray, mean: FloatArray, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The product, from some pixels after the others: the fluctuations of a whole bin would double the memory."""
    product = np.zeros((len(weight), len(weight)), dtype=dtype)
    weight, mean = weight.astype(dtype), mean.astype(dtype)
    n_parts = -(-len(mean) // PRODUCT)
    edges = np.linspace(0, len(mean), n_parts + 1).astype(int)
    for first, stop in pairwise(edges.tolist()):
        fluctuation = np.empty((len(weight), stop - first), dtype=dtype)
        gram_kernels.normalise(part, start + first, weight, mean[first:stop], fluctuation)
        product += fluctuation @ fluctuation.T
    product /= len(mean)
    return product


def in_parts(work: Callable[[int, int], T], edges: NDArray[np.int64], threads: int) -> list[T]:
    """Run `work(first, last)` on threads, which share the slabs between `edges` evenly by pixels."""
    n_slabs = len(edges) - 1
    if threads == 1 or n_slabs == 1:
        return [work(0, n_slabs)]
    shares = np.linspace(0, edges[-1], min(threads, n_slabs) + 1)
    cuts = np.unique(np.searchsorted(edges, shares[1:-1]))
    bounds = [0, *cuts.tolist(), n_slabs]
    with ThreadPoolExecutor(len(bounds) - 1) as pool:
        return list(pool.map(work, bounds[:-1], bounds[1:]))


@dataclass(slots=True, eq=False)
class _EventState:
    """The window of rows that events are added to (see `event_kernels.fold_events`)."""

    place: NDArray[np.int32]
    cell_of: NDArray[np.int32]
    window: NDArray[Any]
    row: int = 0

    @property
    def width(self) -> int:
        """Rows of the window."""
        return int(self.window.shape[1]) - event_kernels.BESIDE

    @classmethod
    def of(cls, layout: PixelLayout, width: int, dtype: np.dtype[Any], silent: IntArray) -> _EventState:
        lanes = event_kernels.LANES * -(-width // event_kernels.LANES)
        window = np.zeros((len(layout), lanes + event_kernels.BESIDE), dtype=dtype)
        window[:, [lanes, lanes + 2]] = NO_FRAME
        place = place_of(layout)
        place[layout.pixels[silent]] = -1
        return cls(place, cell_of(layout), window)


def place_of(layout: PixelLayout) -> NDArray[np.int32]:
    """Position in the layout of each pixel of the detector, -1 where it is not used; shape (H * W,)."""
    place = np.full(layout.shape[0] * layout.shape[1], -1, dtype=np.int32)
    place[layout.pixels] = np.arange(len(layout), dtype=np.int32)
    return place


def cell_of(layout: PixelLayout) -> NDArray[np.int32]:
    """Cell of each pixel of the layout, shape (N,)."""
    return np.repeat(np.arange(len(layout.cell_bin), dtype=np.int32), layout.cell_size)
