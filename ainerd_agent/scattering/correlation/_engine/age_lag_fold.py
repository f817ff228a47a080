"""Products of frames over age and lag, on the processor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records import FloatArray, PhotonEvents
from ainerd_agent.records.arrays import IntArray
from ainerd_agent.scattering.correlation._engine import age_lag_event_kernels, age_lag_kernels
from ainerd_agent.scattering.correlation._engine.age_lag_cells import AgeLagCells
from ainerd_agent.scattering.correlation._engine.age_lag_event_kernels import NONE
from ainerd_agent.scattering.correlation._engine.age_lag_kernels import WINDOW
from ainerd_agent.scattering.correlation._engine.age_lag_sums import AgeLagSums
from ainerd_agent.scattering.correlation._engine.layout import Addresses, PixelLayout

InParts = Callable[[Callable[[int, int], None], IntArray], object]
"""Calls a function for parts of what lies between edges: the first of them, and the one after the last."""

LINE = 64
"""Bytes that a line of the cache has."""


class AgeLagFold:
    """Products of frames over age and lag, of a movie whose length is known.

    Parameters
    ----------
    layout : PixelLayout
    cells : AgeLagCells
    n_frames : int
        Of the movie.
    dtype : numpy.dtype
        Of the samples.
    factor : ndarray, shape (N,) or (0,)
        What counts are multiplied by, in the order of the layout.
    dead_time : float
        In units of the frame time.
    silent : ndarray of int
        Positions in the layout of pixels that count for nothing.

    Attributes
    ----------
    sums : AgeLagSums
    n_frames : int
        Frames that have come, or never will.
    """

    def __init__(
        self,
        layout: PixelLayout,
        cells: AgeLagCells,
        n_frames: int,
        dtype: np.dtype[Any],
        *,
        factor: NDArray[Any],
        dead_time: float,
        silent: IntArray,
    ) -> None:
        self.sums = AgeLagSums.empty(len(cells), len(layout.cell_bin), n_frames)
        self.n_frames = 0
        self._planned, self._finished = n_frames, False
        self._layout, self._cells, self._dtype = layout, cells, dtype
        self._factor = factor[cells.order] if len(factor) else factor
        self._dead_time = dead_time
        self._silent = np.flatnonzero(np.isin(cells.order, silent))
        self._addresses: dict[int, tuple[Addresses, Addresses]] = {}
        # Memory that is only set aside until it is written to: events need none.
        self._samples = _aligned((self.sums.n_levels, 2 * WINDOW * int(cells.places[-1])), dtype)
        self._sparse: tuple[NDArray[Any], ...] | None = None

    def add_frames(
        self,
        frames: NDArray[Any],
        addresses: Addresses,
        scale: FloatArray,
        numbers: IntArray,
        ring_sums: FloatArray,
        in_parts: InParts,
    ) -> None:
        """Take frames (n, n_frame).

        Parameters
        ----------
        addresses : Addresses
            Where the pixels of the layout are in a frame.
        scale : ndarray, shape (n, n_bins) or (0, 0)
        numbers : ndarray of int, shape (n,)
        ring_sums : ndarray, shape (n, n_rings)
            Sums over the cells of the layout.
        in_parts : callable
        """
        cells, end = self._cells, int(numbers[-1]) + 1
        own = self._own(addresses, frames)
        sums = np.empty((len(frames), len(cells)))

        def work(first: int, last: int) -> None:
            age_lag_kernels.correlate_frames(
                frames, numbers, self.n_frames, end, first, last, cells.slabs, cells.starts, cells.places, own.pixels,
                own.runs, own.slab_runs, own.lines, own.slab_lines, self._dead_time, self._factor, scale, cells.bins,
                self._silent, self.sums.shifts, self._samples, self.sums.products, sums,
            )  # fmt: skip

        in_parts(work, cells.edges)
        self.sums.add_sums(numbers, self.n_frames, end, sums, ring_sums)
        self.n_frames = end

    def add_events(
        self,
        events: PhotonEvents,
        begin: int,
        keep: NDArray[np.int64],
        place: NDArray[np.int32],
        flat: NDArray[Any],
        scale: FloatArray,
        ring_sums: FloatArray,
        in_parts: InParts,
    ) -> None:
        """Take the events of a block; see `event_kernels.fold_events` for what is given, and `add_frames`."""
        layout, cells, n = self._layout, self._cells, len(events.frame)
        start = np.empty(len(layout) + 1, dtype=np.int64)
        frames, counts = np.empty(n, dtype=np.int32), np.empty(n, dtype=self._dtype)
        age_lag_event_kernels.by_pixel(
            events.frame, events.pixel, events.count, place, begin, keep, flat, scale,
            np.repeat(layout.cell_bin, layout.cell_size), start, frames, counts,
        )  # fmt: skip
        index, kept, n_kept, pending, amount = self._sparse_samples()

        def work(first: int, last: int) -> None:
            age_lag_event_kernels.correlate_events(
                frames, counts, start, int(layout.slabs[first]), int(layout.slabs[last]), cells.of_pixel,
                self.sums.shifts, index, kept, n_kept, pending, amount, self.sums.products,
            )  # fmt: skip

        in_parts(work, layout.slabs)
        there = np.flatnonzero(keep != -2)
        if len(there) == 0:
            return
        used = int(start[-1])
        cell = np.repeat(cells.of_pixel, np.diff(start))
        at = (frames[:used] - begin) * np.int64(len(cells)) + cell
        sums = np.asarray(np.bincount(at, counts[:used], len(keep) * len(cells)), dtype=np.float64)
        sums = sums.reshape(len(keep), len(cells))
        numbers, end = begin + there, begin + int(there[-1]) + 1
        self.sums.add_sums(numbers, self.n_frames, end, sums[there], ring_sums[there])
        self.n_frames = end

    def completed(self, in_parts: InParts) -> AgeLagSums:
        """The sums of the frames so far, as if no more came."""
        if self._finished:
            return self.sums
        self._finished = self.n_frames == self._planned
        layout, cells = self._layout, self._cells
        done = self.sums.completed(self.n_frames, in_place=self._finished)

        def of_events(first: int, last: int) -> None:
            index, kept, n_kept, pending, amount = self._sparse_samples()
            age_lag_event_kernels.finish_events(
                int(layout.slabs[first]), int(layout.slabs[last]), cells.of_pixel, done.shifts, index, kept, n_kept,
                pending, amount, done.products,
            )  # fmt: skip

        def of_frames(first: int, last: int) -> None:
            age_lag_kernels.finish(
                self.n_frames, int(cells.slabs[first]), int(cells.slabs[last]), cells.places, done.shifts,
                self._samples, done.products,
            )  # fmt: skip

        if self._sparse is None:
            in_parts(of_frames, cells.edges)
        else:
            in_parts(of_events, layout.slabs)
        return done

    def _sparse_samples(self) -> tuple[NDArray[Any], ...]:
        """What is kept of each pixel of events; see `age_lag_event_kernels.emit`."""
        if self._sparse is None:
            shape = len(self._layout), self.sums.n_levels
            self._sparse = (
                np.zeros((*shape, WINDOW), dtype=np.int32),
                np.zeros((*shape, WINDOW), dtype=self._dtype),
                np.zeros(shape, dtype=np.int32),
                np.full(shape, NONE, dtype=np.int32),
                np.zeros(shape, dtype=self._dtype),
            )
        return self._sparse

    def _own(self, addresses: Addresses, frames: NDArray[Any]) -> Addresses:
        """Where pixels are in a frame, in the order of the cells."""
        # What is kept with its own holds on to it, or another could get its id.
        known = self._addresses.get(id(addresses))
        if known is None:
            pixels = addresses.pixels[self._cells.order]
            own = Addresses.of(pixels, self._cells.edges, frames.shape[1], frames.itemsize)
            known = self._addresses[id(addresses)] = addresses, own
        return known[1]


def _aligned(shape: tuple[int, int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Zeros that begin with a line of the cache."""
    n = shape[0] * shape[1]
    room = np.zeros(n + LINE // dtype.itemsize, dtype=dtype)
    start = -room.ctypes.data % LINE // dtype.itemsize
    return room[start : start + n].reshape(shape)
