"""Blocks of frames or events as they come, checked and numbered, to segments that can be folded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.errors import FrameError
from ainerd_agent.records import FloatArray, PhotonEvents
from ainerd_agent.records.arrays import IntArray
from ainerd_agent.scattering.correlation._engine import event_kernels, kernels, total_kernels
from ainerd_agent.scattering.correlation._engine.corrections import Corrections
from ainerd_agent.scattering.correlation._engine.frame_validation import (
    check_counts,
    check_events,
    checked_frames,
    checked_numbers,
    only_read,
)
from ainerd_agent.scattering.correlation._engine.layout import Addresses, PixelLayout
from ainerd_agent.scattering.correlation._engine.numba_fold import SMALL, cell_of, place_of
from ainerd_agent.scattering.correlation._engine.opening import Opening
from ainerd_agent.scattering.correlation._engine.pixel_watch import Verdicts, good_in_cells
from ainerd_agent.scattering.correlation._engine.segment_store import NO_SCALE, Segment
from ainerd_agent.scattering.correlation.bad_pixels import GOOD

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
    verdicts : ndarray of int8, shape (N,), optional
        Of the pixels, where they are known beforehand. Otherwise, where bad pixels are to be detected, no segment comes
        before they are judged by the first frames.

    Attributes
    ----------
    n_seen : int
        Frames so far, dropped ones included.
    verdicts : ndarray of int8, shape (N,)
        By the first frames; bad pixels count for nothing in all segments.
    """

    def __init__(
        self,
        layout: PixelLayout,
        n_frames: int | None,
        corrections: Corrections,
        *,
        compact: bool,
        threads: int,
        verdicts: Verdicts | None = None,
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
        opens = verdicts is None and self._normalisation.detects_pixels
        self._opening: Opening | None = Opening(layout, self._normalisation) if opens else None
        self.verdicts: Verdicts = np.zeros(len(layout), dtype=np.int8) if verdicts is None else verdicts
        self._silent = np.flatnonzero(self.verdicts != GOOD)

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
            intensity[numbers] = totals.sum(axis=1) / max(1, np.count_nonzero(self.verdicts == GOOD))
        return intensity

    def finish(self) -> Iterator[Segment]:
        """The segments that still wait, once no more frames will come."""
        if self._opening is not None:
            yield from self._opened(self._opening)

    def again(self, segment: Segment) -> Iterator[Segment]:
        """Make a segment anew that another maker for the same layout made, in order, with these verdicts."""
        if isinstance(segment.data, PhotonEvents):
            yield from self._of_events(segment.data)
            return
        self._count(int(segment.numbers[-1]) + 1)
        yield self._released(self._counted(segment.numbers, segment.data, copied=True))

    def _of_frames(self, block: NDArray[Any], numbers: Iterable[int] | None) -> Iterator[Segment]:
        given = checked_numbers(len(block), numbers, self.n_seen)
        if len(block) == 0:
            return
        self._count(int(given[-1]) + 1)
        start = 0
        while start < len(block):
            opening = self._opening
            if opening is None and not self._compact:
                rest = block[start:]
                yield Segment(given[start:], rest, self._addresses_of(rest, compact=False), None, NO_SCALE)
                return
            stop = start + (COMPACTED_FRAMES if opening is None else min(opening.room, COMPACTED_FRAMES))
            part, its_numbers = block[start:stop], given[start:stop]
            start = stop
            segment = self._counted(its_numbers, part)
            if opening is None:
                yield self._released(segment)
                continue
            opening.add(segment)
            if opening.room == 0:
                yield from self._opened(opening)

    def _opened(self, opening: Opening) -> Iterator[Segment]:
        """Judge the first frames, and let them go."""
        self._opening = None
        self.verdicts = opening.verdicts()
        self._silent = np.flatnonzero(self.verdicts != GOOD)
        for held in opening.held:
            if isinstance(held.data, PhotonEvents):
                yield self._events_counted(held.numbers, held.data)
            else:
                segment = self._counted(held.numbers, held.data, copied=True) if self._silent.size else held
                yield self._released(segment)

    def _counted(self, numbers: IntArray, block: NDArray[Any], *, copied: bool = False) -> Segment:
        """Copy the used pixels out of frames, or of what is a copy of them already, and add up their counts."""
        frames, totals, scale = self._compacted(block, copied)
        return Segment(numbers, frames, self._addresses_of(frames, compact=True), totals, scale)

    def _released(self, segment: Segment) -> Segment:
        """Check counts, before a frame is judged by them, and note them."""
        if isinstance(segment.data, PhotonEvents) or segment.totals is None:
            return segment
        counts = segment.data[:, : len(self._layout)]
        check_counts(counts, segment.numbers, excluded=self._normalisation.excluded)
        if not self._compact:
            return replace(segment, totals=None, scale=NO_SCALE)
        self._totals.append((segment.numbers, segment.totals))
        return segment

    def _of_events(self, events: PhotonEvents) -> Iterator[Segment]:
        check_events(events, self.n_seen, self._layout.shape, self._normalisation.dead_time)
        numbers = np.arange(self.n_seen, events.stop)
        if len(numbers) == 0:
            return
        self._count(events.stop)
        if self._opening is None:
            yield self._events_counted(numbers, events)
            return
        self._opening.add(Segment(numbers, events, None, None, NO_SCALE))
        if self._opening.room == 0:
            yield from self._opened(self._opening)

    def _events_counted(self, numbers: IntArray, events: PhotonEvents) -> Segment:
        totals, scale = None, NO_SCALE
        if self._compact:
            layout = self._layout
            if self._place is None:
                self._place = place_of(layout)
                self._place[layout.pixels[self._silent]] = -1
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
        return Segment(numbers, events, None, totals, scale)

    def _count(self, n_seen: int) -> None:
        if self._n_frames is not None and n_seen > self._n_frames:
            raise FrameError(f"{n_seen} frames came where {self._n_frames} were announced")
        self.n_seen = n_seen

    def _addresses_of(self, frames: NDArray[Any], *, compact: bool) -> Addresses:
        """Where the used pixels stand in frames of that width and type."""
        layout, width = self._layout, frames.shape[1]
        key = -2 if compact else width, frames.dtype.itemsize
        if key not in self._addresses:
            pixels = np.arange(len(layout), dtype=np.int32) if compact else layout.pixels
            self._addresses[key] = Addresses.of(pixels, layout.slabs, width, frames.dtype.itemsize)
        return self._addresses[key]

    def _empty_totals(self, n_frames: int) -> tuple[FloatArray, FloatArray]:
        """Room for raw and for corrected counts by bin, the latter only where they are needed."""
        n_bins = self._layout.n_bins
        return np.zeros((n_frames, n_bins)), np.zeros((n_frames if self._normalisation.per_frame else 0, n_bins))

    @property
    def _good_pixels(self) -> FloatArray:
        """Pixels of each bin that count, shape (n_bins,)."""
        return self._layout.sum_cells(good_in_cells(self._layout, self._silent))

    def _scale(self, corrected: FloatArray) -> FloatArray:
        """What divides each frame by its mean in each bin."""
        if not self._normalisation.per_frame:
            return NO_SCALE
        with np.errstate(divide="ignore"):
            return self._good_pixels / corrected

    def _compacted(self, block: NDArray[Any], copied: bool) -> tuple[NDArray[Any], FloatArray, FloatArray]:
        """The used pixels of each frame, (n, N + RUN) with something at the end, its counts by bin, and its scale."""
        layout, block = self._layout, only_read(block)
        frames = np.zeros((len(block), len(layout) + kernels.RUN), dtype=block.dtype)
        totals, corrected = self._empty_totals(len(block))
        dead_time, factor = self._normalisation.dead_time, self._factor
        key = -3 if copied else -1, block.dtype.itemsize
        if key not in self._addresses:
            whole = np.array([0, len(layout)])
            pixels = np.arange(len(layout), dtype=np.int32) if copied else layout.pixels
            self._addresses[key] = Addresses.of(pixels, whole, block.shape[1], block.dtype.itemsize)
        pixels, lines = self._addresses[key].pixels, self._addresses[key].lines

        def work(part: slice) -> None:
            total_kernels.total_frames(
                block[part],
                layout.bin_edges,
                pixels,
                lines,
                dead_time,
                factor,
                self._silent,
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
