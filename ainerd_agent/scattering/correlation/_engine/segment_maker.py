"""Blocks of frames or events as they come, checked and numbered, to segments that can be folded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.errors import FrameError
from ainerd_agent.records import FloatArray, PhotonEvents
from ainerd_agent.records.arrays import IntArray
from ainerd_agent.scattering.correlation._engine import event_kernels, kernels
from ainerd_agent.scattering.correlation._engine.corrections import Corrections
from ainerd_agent.scattering.correlation._engine.frame_validation import (
    check_counts,
    check_events,
    checked_frames,
    checked_numbers,
)
from ainerd_agent.scattering.correlation._engine.layout import Addresses, PixelLayout
from ainerd_agent.scattering.correlation._engine.numba_fold import SMALL, cell_of, place_of
from ainerd_agent.scattering.correlation._engine.segment_store import NO_SCALE, Segment

COMPACTED_FRAMES = 64
"""Frames whose used pixels are copied out at a time."""


class SegmentMaker:
    """Makes segments.

    Parameters
    ----------
    layout : PixelLayout
    n_frames : int or None
        More are refused.
    corrections : Corrections
    compact : bool
        Copy the used pixels out and add up the counts of each frame. Without it frames are handed on as they are.
    threads : int

    Attributes
    ----------
    n_seen : int
        Frames so far, dropped ones included.
    """

    def __init__(
        self, layout: PixelLayout, n_frames: int | None, corrections: Corrections, *, compact: bool, threads: int
    ) -> None:
        self.n_seen = 0
        self._layout = layout
        self._n_frames = n_frames
        self._factor = corrections.factor
        self._normalisation = corrections.normalisation
        self._compact = compact
        self._threads = threads
        self._kind: type | None = None
        self._totals: list[tuple[IntArray, FloatArray]] = []
        self._addresses: dict[tuple[int, int], Addresses] = {}
        self._place: NDArray[np.int32] | None = None

    def segments(self, block: ArrayLike | PhotonEvents, numbers: Iterable[int] | None) -> Iterator[Segment]:
        """Take a block; see `TwoTimeStream.add`."""
        kind = PhotonEvents if isinstance(block, PhotonEvents) else np.ndarray
        if self._kind not in (None, kind):
            raise FrameError("a movie is either of dense frames or of photon events, not of both")
        self._kind = kind
        if isinstance(block, PhotonEvents):
            return self._of_events(block)
        return self._of_frames(checked_frames(block, self._layout.shape), numbers)

    def intensity(self, n_frames: int) -> FloatArray:
        """Raw counts per pixel of each frame over all bins, shape (n_frames,); NaN where it is not known."""
        intensity = np.full(n_frames, np.nan)
        for numbers, totals in self._totals:
            intensity[numbers] = totals.sum(axis=1) / len(self._layout)
        return intensity

    def _of_frames(self, block: NDArray[Any], numbers: Iterable[int] | None) -> Iterator[Segment]:
        given = checked_numbers(len(block), numbers, self.n_seen)
        if len(block) == 0:
            return
        self._count(int(given[-1]) + 1)
        if not self._compact:
            yield Segment(given, block, self._addresses_of(block), None, NO_SCALE)
            return
        for start in range(0, len(block), COMPACTED_FRAMES):
            part, its_numbers = block[start : start + COMPACTED_FRAMES], given[start : start + COMPACTED_FRAMES]
            frames, totals, scale = self._compacted(part)
            # before a frame is judged by its counts
            check_counts(frames[:, : len(self._layout)], its_numbers, excluded=self._normalisation.excluded)
            self._totals.append((its_numbers, totals))
            yield Segment(its_numbers, frames, self._addresses_of(frames), totals, scale)

    def _of_events(self, events: PhotonEvents) -> Iterator[Segment]:
        check_events(events, self.n_seen, self._layout.shape, self._normalisation.dead_time)
        numbers = np.arange(self.n_seen, events.stop)
        if len(numbers) == 0:
            return
        self._count(events.stop)
        totals, scale = None, NO_SCALE
        if self._compact:
            layout = self._layout
            if self._place is None:
                self._place = place_of(layout)
            totals, corrected = self._empty_totals(len(numbers))
            event_kernels.total_events(
                events.frame,
                events.pixel,
                events.count,
                self._place,
                cell_of(layout),
                layout.cell_bin,
                self._factor,
                int(numbers[0]),
                totals,
                corrected,
            )
            self._totals.append((numbers, totals))
            scale = self._scale(corrected)
        yield Segment(numbers, events, None, totals, scale)

    def _count(self, n_seen: int) -> None:
        if self._n_frames is not None and n_seen > self._n_frames:
            raise FrameError(f"{n_seen} frames came where {self._n_frames} were announced")
        self.n_seen = n_seen

    def _addresses_of(self, frames: NDArray[Any]) -> Addresses:
        """Where the used pixels stand in frames of that width and type."""
        layout, width = self._layout, frames.shape[1]
        key = width, frames.dtype.itemsize
        if key not in self._addresses:
            compact = self._compact and width == len(layout) + kernels.RUN
            pixels = np.arange(len(layout), dtype=np.int32) if compact else layout.pixels
            self._addresses[key] = Addresses.of(pixels, layout.slabs, width, frames.dtype.itemsize)
        return self._addresses[key]

    def _empty_totals(self, n_frames: int) -> tuple[FloatArray, FloatArray]:
        """Room for raw and for corrected counts by bin, the latter only where they are needed."""
        n_bins = self._layout.n_bins
        return np.zeros((n_frames, n_bins)), np.zeros((n_frames if self._normalisation.per_frame else 0, n_bins))

    def _scale(self, corrected: FloatArray) -> FloatArray:
        """What divides each frame by its mean in each bin."""
        if not self._normalisation.per_frame:
            return NO_SCALE
        with np.errstate(divide="ignore"):
            return self._layout.bin_size / corrected

    def _compacted(self, block: NDArray[Any]) -> tuple[NDArray[Any], FloatArray, FloatArray]:
        """The used pixels of each frame, (n, N + RUN) with something at the end, its counts by bin, and its scale."""
        layout = self._layout
        frames = np.zeros((len(block), len(layout) + kernels.RUN), dtype=block.dtype)
        totals, corrected = self._empty_totals(len(block))
        dead_time, factor = self._normalisation.dead_time, self._factor
        key = -1, block.dtype.itemsize
        if key not in self._addresses:
            whole = np.array([0, len(layout)])
            self._addresses[key] = Addresses.of(layout.pixels, whole, block.shape[1], block.dtype.itemsize)
        lines = self._addresses[key].lines

        def work(part: slice) -> None:
            kernels.total_frames(
                block[part],
                layout.bin_edges,
                layout.pixels,
                lines,
                dead_time,
                factor,
                frames[part],
                totals[part],
                corrected[part],
            )

        if self._threads == 1 or block.shape[0] * len(layout) < SMALL:
            work(slice(None))
        else:
            cuts = np.linspace(0, len(block), self._threads + 1).astype(int)
            with ThreadPoolExecutor(self._threads) as pool:
                list(pool.map(work, [slice(a, b) for a, b in pairwise(cuts)]))
        return frames, totals, self._scale(corrected)
