"""Products of frames over age and lag, on the processor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records import FloatArray, PhotonEvents
from ainerd_agent.records.arrays import IntArray
from ainerd_agent.scattering.correlation._engine import age_lag_event_kernels, age_lag_kernels
from ainerd_agent.scattering.correlation._engine.age_lag_cells import AgeLagCells
from ainerd_agent.scattering.correlation._engine.age_lag_kernels import WINDOW
from ainerd_agent.scattering.correlation._engine.age_lag_sums import AgeLagSums
from ainerd_agent.scattering.correlation._engine.layout import Addresses, PixelLayout

InParts = Callable[[Callable[[int, int], None], IntArray], object]
"""Calls a function for parts of what lies between edges: the first of them, and the one after the last."""

LINE = 64
"""Bytes that a line of the cache has."""

PAIR, SAMPLE = 5.0, 1.0
"""Nanoseconds that a pair of events takes, and a sample of a pixel with all that is above it: measured, not exactly."""


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
        Frames up to the last good one.
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
        self.n_frames = self._end = 0
        self._planned, self._finished = n_frames, False
        self._layout, self._cells, self._dtype = layout, cells, dtype
        self._factor = factor[cells.order] if len(factor) else factor
        self._dead_time = dead_time
        self._silent = np.flatnonzero(np.isin(cells.order, silent))
        self._addresses: dict[int, tuple[Addresses, Addresses]] = {}
        # Memory that is only set aside until it is written to: events need none.
        self._samples = _aligned((self.sums.n_levels, 2 * WINDOW * int(cells.places[-1])), dtype)
        self._sparse: _Sparse | None = None

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
        self.n_frames = self._end = end

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
        if self._sparse is None:
            level = dense_level(np.diff(start), len(keep), self.sums.n_levels)
            self._sparse = _Sparse.empty(level, cells.spots, self._dtype)
        since = self._end
        sparse, sums = self._sparse, np.zeros((len(keep), len(cells)))

        def work(first: int, last: int) -> None:
            first_cell, last_cell = int(cells.slabs[first]), int(cells.slabs[last])
            if sparse.level > 0:
                age_lag_event_kernels.correlate_pairs(
                    first_cell, last_cell, cells.order, cells.starts, sparse.start, sparse.frames, sparse.counts,
                    start, frames, counts, sparse.level, self.sums.shifts, self.sums.products,
                )  # fmt: skip
            age_lag_event_kernels.add_up_events(
                events.frame, events.pixel, events.count, place, since, begin, keep, flat, scale, first_cell, last_cell,
                cells.of_pixel, sparse.spots, cells.bins, cells.places, sparse.level, self.sums.shifts, self._samples,
                self.sums.products, sums,
            )  # fmt: skip

        in_parts(work, cells.edges)
        self._end = begin + len(keep)
        sparse.keep(start, frames[: start[-1]], counts[: start[-1]], self._end)
        there = np.flatnonzero(keep != -2)
        if len(there) == 0:
            return
        numbers, end = begin + there, begin + int(there[-1]) + 1
        self.sums.add_sums(numbers, self.n_frames, end, sums[there], ring_sums[there])
        self.n_frames = end

    def completed(self, in_parts: InParts) -> AgeLagSums:
        """The sums of the frames so far, as if no more came."""
        if self._finished:
            return self.sums
        self._finished = self.n_frames == self._planned
        cells = self._cells
        sums, end = self.sums, self._end
        finished = self._finished
        done = sums.completed(self.n_frames, in_place=True) if finished else sums.with_tail(self.n_frames, end)
        products = done.products if done.tail is None else done.tail.products

        level = 0 if self._sparse is None else self._sparse.level

        def finish(first: int, last: int) -> None:
            age_lag_kernels.finish(
                end, int(cells.slabs[first]), int(cells.slabs[last]), level, cells.places, done.shifts,
                self._samples, products, done.tail is not None,
            )  # fmt: skip

        in_parts(finish, cells.edges)
        return done

    def _own(self, addresses: Addresses, frames: NDArray[Any]) -> Addresses:
        """Where pixels are in a frame, in the order of the cells."""
        # What is kept with its own holds on to it, or another could get its id.
        known = self._addresses.get(id(addresses))
        if known is None:
            pixels = addresses.pixels[self._cells.order]
            own = Addresses.of(pixels, self._cells.edges, frames.shape[1], frames.itemsize)
            known = self._addresses[id(addresses)] = addresses, own
        return known[1]


@dataclass(slots=True, eq=False)
class _Sparse:
    """What is known of photon events.

    Attributes
    ----------
    level : int
        The lowest level whose samples are dense; below it, pairs of events are correlated.
    spots : ndarray
        See `AgeLagCells.spots`.
    start : ndarray, shape (N + 1,)
    frames, counts : ndarray, shape (n_events,)
        Events that may still be paired, by position: those of each begin at `start`.
    """

    level: int
    spots: IntArray
    start: IntArray
    frames: NDArray[np.int32]
    counts: NDArray[Any]

    @classmethod
    def empty(cls, level: int, spots: IntArray, dtype: np.dtype[Any]) -> _Sparse:
        """Without events."""
        start = np.zeros(len(spots) + 1, dtype=np.int64)
        return cls(level, spots, start, np.empty(0, dtype=np.int32), np.empty(0, dtype=dtype))

    def keep(self, start: IntArray, frames: NDArray[np.int32], counts: NDArray[Any], end: int) -> None:
        """Keep what pairs with events from the frame `end` on."""
        if self.level == 0:
            return
        since = end - (WINDOW << (self.level - 1))
        self.start, self.frames, self.counts = age_lag_event_kernels.keep_latest(
            since, self.start, self.frames, self.counts, start, frames, counts
        )


def dense_level(per_pixel: IntArray, n_frames: int, n_levels: int) -> int:
    """The level from which on samples are best taken as dense, for so many events of each pixel in so many frames."""
    level = np.arange(n_levels)
    reach = np.where(level > 0, WINDOW << np.maximum(level - 1, 0), 0)
    pairs = (per_pixel.astype(np.float64) ** 2).sum() * np.minimum(reach / n_frames, 1)
    samples = len(per_pixel) * n_frames / 2.0**level
    return int(np.argmin(PAIR * pairs + SAMPLE * samples))


def _aligned(shape: tuple[int, int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Zeros that begin with a line of the cache."""
    n = shape[0] * shape[1]
    room = np.zeros(n + LINE // dtype.itemsize, dtype=dtype)
    start = -room.ctypes.data % LINE // dtype.itemsize
    return room[start : start + n].reshape(shape)
