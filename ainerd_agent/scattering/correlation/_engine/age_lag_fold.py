"""The age-lag map on the processor: what is kept of each pixel, of dense frames or of photon events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records import FloatArray, PhotonEvents
from ainerd_agent.records.arrays import IntArray
from ainerd_agent.scattering.correlation._engine import age_lag_event_kernels, age_lag_kernels
from ainerd_agent.scattering.correlation._engine.age_lag_event_kernels import NONE
from ainerd_agent.scattering.correlation._engine.age_lag_kernels import WINDOW
from ainerd_agent.scattering.correlation._engine.age_lag_sums import AgeLagSums
from ainerd_agent.scattering.correlation._engine.layout import PixelLayout

OnSlabs = Callable[[Callable[[int, int], None]], object]
"""Calls a function for parts of the slabs, the first one and the one after the last."""


class AgeLagFold:
    """Products of frames over age and lag, of a movie whose length is known.

    Attributes
    ----------
    sums : AgeLagSums
    history : ndarray, shape (n_levels, 2 * WINDOW, N)
        The last samples of each pixel of dense frames.
    n_frames : int
        Frames that have come, or never will.
    last : int
        Number of the last frame that came; -1 where there is none.
    """

    def __init__(self, layout: PixelLayout, n_frames: int, dtype: np.dtype[Any]) -> None:
        self.sums = AgeLagSums.empty(len(layout.cell_bin), n_frames)
        self.n_frames = 0
        self.last = -1
        self._layout = layout
        self._dtype = dtype
        # Memory that is only set aside until it is written to: events need none.
        self.history = np.zeros((self.sums.n_levels, 2 * WINDOW, len(layout)), dtype=dtype)
        self._samples: tuple[NDArray[Any], ...] | None = None

    @property
    def samples(self) -> tuple[NDArray[Any], ...]:
        """What is kept of each pixel of events; see `age_lag_event_kernels.emit`."""
        if self._samples is None:
            shape = len(self._layout), self.sums.n_levels
            self._samples = (
                np.zeros((*shape, WINDOW), dtype=np.int32),
                np.zeros((*shape, WINDOW), dtype=self._dtype),
                np.zeros(shape, dtype=np.int32),
                np.full(shape, NONE, dtype=np.int32),
                np.zeros(shape, dtype=self._dtype),
            )
        return self._samples

    def note(self, numbers: IntArray, sums: FloatArray) -> None:
        """Take the sums over cells (n, n_cells) of frames whose products are in."""
        if len(numbers) == 0:
            return
        end = int(numbers[-1]) + 1
        self.sums.add_sums(numbers, self.n_frames, end, sums)
        self.n_frames, self.last = end, end - 1

    def add_events(
        self,
        events: PhotonEvents,
        begin: int,
        keep: NDArray[np.int64],
        place: NDArray[np.int32],
        flat: NDArray[Any],
        scale: FloatArray,
        on_slabs: OnSlabs,
    ) -> None:
        """Take the products of the events of a block; see `event_kernels.fold_events` for what is given."""
        layout, n = self._layout, len(events.frame)
        start = np.empty(len(layout) + 1, dtype=np.int64)
        frames, counts = np.empty(n, dtype=np.int32), np.empty(n, dtype=self._dtype)
        age_lag_event_kernels.by_pixel(
            events.frame, events.pixel, events.count, place, begin, keep, flat, scale,
            np.repeat(layout.cell_bin, layout.cell_size), start, frames, counts,
        )  # fmt: skip
        cell_of = self._cell_of()
        index, kept, n_kept, pending, amount = self.samples

        def work(first: int, last: int) -> None:
            age_lag_event_kernels.correlate_events(
                frames, counts, start, int(layout.slabs[first]), int(layout.slabs[last]), cell_of, self.sums.shifts,
                index, kept, n_kept, pending, amount, self.sums.products,
            )  # fmt: skip

        on_slabs(work)

    def completed(self, on_slabs: OnSlabs) -> AgeLagSums:
        """The sums of the frames so far, as if no more came."""
        layout, done = self._layout, self.sums.completed(self.n_frames)

        # made by one thread, before several need it
        index, kept, n_kept, pending, amount = self.samples if self._samples is not None else [np.empty(0)] * 5

        def of_events(first: int, last: int) -> None:
            age_lag_event_kernels.finish_events(
                int(layout.slabs[first]), int(layout.slabs[last]), self._cell_of(), done.shifts, index, kept, n_kept,
                pending, amount, done.products,
            )  # fmt: skip

        def of_frames(first: int, last: int) -> None:
            age_lag_kernels.finish_slabs(
                self.n_frames, first, last, layout.slabs, layout.cells, layout.slab_cells, done.shifts, self.history,
                done.products,
            )  # fmt: skip

        on_slabs(of_frames if self._samples is None else of_events)
        return done

    def _cell_of(self) -> NDArray[np.int32]:
        return np.repeat(np.arange(len(self._layout.cell_bin), dtype=np.int32), self._layout.cell_size)
