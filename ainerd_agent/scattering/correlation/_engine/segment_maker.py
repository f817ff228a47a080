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
from ainerd_agent.scattering.correlation._engine import event_kernels, kernels
from ainerd_agent.scattering.correlation._engine.accumulation import NO_SCALE, invalid_readings
from ainerd_agent.scattering.correlation._engine.layout import Addresses, PixelLayout
from ainerd_agent.scattering.correlation._engine.numba_fold import NATIVE, SMALL, Corrections, cell_of, place_of
from ainerd_agent.scattering.correlation._engine.segment_store import Segment

BLOCK = 64
"""Frames whose used pixels are copied out at a time."""


class Intake:
    """Makes segments.

    Parameters
    ----------
    layout : PixelLayout
    n_frames : int or None
        More are refused.
    corrections : Corrections
    compact : bool
        Copy the used pixels out and add up the counts of each frame. Without it frames are handed on as they are.
    per_frame : bool
        Have each frame divided by its mean in each bin.
    threads : int

    Attributes
    ----------
    n_seen : int
        Frames so far, dropped ones included.
    """

    def __init__(
        self,
        layout: PixelLayout,
        n_frames: int | None,
        corrections: Corrections,
        *,
        compact: bool,
        per_frame: bool,
        threads: int,
    ) -> None:
        self.n_seen = 0
        self._layout = layout
        self._n_frames = n_frames
        self._corrections = corrections
        self._compact = compact
        self._per_frame = per_frame
        self._threads = threads
        self._kind: type | None = None
        self._totals: list[tuple[NDArray[np.int64], FloatArray]] = []
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
        return self._of_frames(self._checked(block), numbers)

    def intensity(self, n_frames: int) -> FloatArray:
        """Raw counts per pixel of each frame over all bins, shape (n_frames,); NaN where it is not known."""
        intensity = np.full(n_frames, np.nan)
        for numbers, totals in self._totals:
            intensity[numbers] = totals.sum(axis=1) / len(self._layout)
        return intensity

    def _of_frames(self, block: NDArray[Any], numbers: Iterable[int] | None) -> Iterator[Segment]:
        given = (
            np.arange(self.n_seen, self.n_seen + len(block))
            if numbers is None
            else np.asarray(list(numbers), dtype=np.int64)
        )
        if len(given) != len(block):
            raise FrameError(f"{len(block)} frames came with {len(given)} frame numbers")
        if (np.diff(given, prepend=self.n_seen - 1) < 1).any():
            raise FrameError(
                f"frame numbers must rise; after frame {self.n_seen - 1} came {', '.join(map(str, given[:8]))}"
            )
        if len(block) == 0:
            return
        self._count(int(given[-1]) + 1)
        if not self._compact:
            yield Segment(given, block, self._addresses_of(block), None, NO_SCALE)
            return
        for start in range(0, len(block), BLOCK):
            part, its_numbers = block[start : start + BLOCK], given[start : start + BLOCK]
            frames, totals, scale = self._compacted(part)
            self._check_counts(its_numbers, frames)
            self._totals.append((its_numbers, totals))
            yield Segment(its_numbers, frames, self._addresses_of(frames), totals, scale)

    def _of_events(self, events: PhotonEvents) -> Iterator[Segment]:
        if not len(events.frame) == len(events.pixel) == len(events.count):
            raise FrameError("photon events need as many frames as pixels and counts")
        numbers = np.arange(self.n_seen, events.stop)
        if len(numbers) == 0:
            if len(events.frame):
                raise FrameError(f"photon events of frame {events.frame[0]} came after frame {self.n_seen - 1}")
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
                self._corrections.factor,
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

    def _checked(self, frames: ArrayLike) -> NDArray[Any]:
        """Frames as an array (t, H * W) of a type that is compiled for."""
        if isinstance(frames, np.ma.MaskedArray):
            raise FrameError("masked arrays would lose their mask: set the labels of masked pixels to 0 instead")
        block = np.asarray(frames)
        if block.ndim == 2:
            block = block[None]
        rows, columns = self._layout.shape
        if block.ndim != 3 or block.shape[1:] != (rows, columns):
            raise FrameError(
                f"frames of shape {block.shape} do not fit the bins, which are for {rows} x {columns} pixels: the "
                "geometry or the labels belong to another detector"
            )
        if np.issubdtype(block.dtype, np.complexfloating) or not (
            np.issubdtype(block.dtype, np.number) or block.dtype == np.bool_
        ):
            raise FrameError(f"counts must be real numbers, got {block.dtype}")
        if block.dtype not in NATIVE or not block.dtype.isnative:
            block = block.astype(np.float64)
        return np.ascontiguousarray(block).reshape(len(block), rows * columns)

    def _addresses_of(self, frames: NDArray[Any]) -> Addresses:
        """Where the used pixels stand in frames of that width and type."""
        layout, width = self._layout, frames.shape[1]
        key = width, frames.dtype.itemsize
        if key not in self._addresses:
            compact = self._compact and width == len(layout) + kernels.RUN
            pixels = np.arange(len(layout), dtype=np.int32) if compact else layout.pixels
            self._addresses[key] = Addresses.of(pixels, layout.slabs, width, frames.dtype.itemsize)
        return self._addresses[key]

    def _check_counts(self, numbers: NDArray[np.int64], frames: NDArray[Any]) -> None:
        """Refuse readings that are no counts before a frame is judged by them."""
        if np.issubdtype(frames.dtype, np.unsignedinteger):
            return
        counts = frames[:, : len(self._layout)]
        wrong = np.count_nonzero(~((counts >= 0) & np.isfinite(counts)), axis=1)
        if (at := np.flatnonzero(wrong)).size:
            raise invalid_readings(int(numbers[at[0]]), int(wrong[at[0]]))

    def _empty_totals(self, n_frames: int) -> tuple[FloatArray, FloatArray]:
        """Room for raw and for corrected counts by bin, the latter only where they are needed."""
        n_bins = self._layout.n_bins
        return np.zeros((n_frames, n_bins)), np.zeros((n_frames if self._per_frame else 0, n_bins))

    def _scale(self, corrected: FloatArray) -> FloatArray:
        """What divides each frame by its mean in each bin."""
        if not self._per_frame:
            return NO_SCALE
        with np.errstate(divide="ignore"):
            return self._layout.bin_size / corrected

    def _compacted(self, block: NDArray[Any]) -> tuple[NDArray[Any], FloatArray, FloatArray]:
        """The used pixels of each frame, (n, N + RUN) with something at the end, its counts by bin, and its scale."""
        layout = self._layout
        frames = np.zeros((len(block), len(layout) + kernels.RUN), dtype=block.dtype)
        totals, corrected = self._empty_totals(len(block))
        dead_time, factor = self._corrections.dead_time, self._corrections.factor
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


def checked_frames(frames: ArrayLike, shape: tuple[int, int]) -> NDArray[Any]:
    """Frames as an array (t, H * W) of a type that the kernels are compiled for.

    Raises
    ------
    FrameError
        Frames of another shape, masked, or not of real numbers.
    """
    if isinstance(frames, np.ma.MaskedArray):
        raise FrameError("masked arrays would lose their mask: set the labels of masked pixels to 0 instead")
    block = np.asarray(frames)
    if block.ndim == 2:
        block = block[None]
    if block.ndim != 3 or block.shape[1:] != shape:
        raise FrameError(
            f"frames of shape {block.shape} do not fit the bins, which are for {shape[0]} x {shape[1]} pixels: the "
            "geometry or the labels belong to another detector"
        )
    if block.dtype.kind not in "biuf":
        raise FrameError(f"counts must be real numbers, got {block.dtype}")
    if block.dtype not in NATIVE or not block.dtype.isnative:
        block = block.astype(np.float64)
    return np.ascontiguousarray(block).reshape(len(block), shape[0] * shape[1])
