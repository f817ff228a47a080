"""The counts of chosen bins in a window of a movie, in pieces that fit into memory.

The whole T x T correlation needs every frame of a pixel at once. A piece holds all frames of the window, but few
pixels; as many pieces as memory allows are read in one pass over the frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.errors import BinError, FrameError
from ainerd_agent.records import FloatArray, NumberedFrames, PhotonEvents
from ainerd_agent.records.arrays import IntArray
from ainerd_agent.scattering.correlation._engine.corrections import Corrections
from ainerd_agent.scattering.correlation._engine.frame_validation import (
    check_counts,
    check_events,
    checked_frames,
    checked_numbers,
)
from ainerd_agent.scattering.correlation._engine.layout import PixelLayout
from ainerd_agent.scattering.correlation._engine.mean_counts import refuse_dark, ring_means
from ainerd_agent.scattering.correlation.computation import FRAMES_PER_READ
from ainerd_agent.scattering.correlation.normalisation import PLAIN, Normalisation

MEMORY = 2 * 1024**3
"""Bytes used at most, where nothing else is asked for."""

PIXELS_PER_PIECE = 2048
"""At most."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The bins and the stretch of a movie that somebody asks for.

    Parameters
    ----------
    bins : sequence of int, optional
        Labels; all by default.
    window : tuple of int, optional
        First frame and the one after the last; the whole movie by default.
    """

    bins: Sequence[int] | None = None
    window: tuple[int, int] | None = None

    def bins_of(self, n_bins: int) -> tuple[int, ...]:
        """The labels, rising, where there are those from 1 to `n_bins`."""
        bins = tuple(range(1, n_bins + 1)) if self.bins is None else tuple(sorted({int(each) for each in self.bins}))
        if not bins or not 1 <= bins[0] <= bins[-1] <= n_bins:
            raise BinError(f"the bins {', '.join(map(str, bins))} were asked for, where there are 1 to {n_bins}")
        return bins

    def window_of(self, n_frames: int | None) -> tuple[int, int]:
        """The window in a movie of `n_frames`, None where that is not known."""
        if self.window is None:
            if n_frames is None:
                raise FrameError("nobody knows yet how long the movie will be: say which window of frames is wanted")
            start, stop = 0, int(n_frames)
        else:
            start, stop = int(self.window[0]), int(self.window[1])
        if start < 0 or (n_frames is not None and stop > n_frames):
            raise FrameError(
                f"the window of frames {start} to {stop - 1} reaches beyond the movie of {n_frames} frames"
            )
        if stop - start < 2:
            raise FrameError(
                f"a two-time map needs at least 2 frames, the window from {start} to {stop} has {stop - start}"
            )
        return start, stop


EVERYTHING = Selection()
"""All bins and frames."""


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Some pixels of one bin.

    Attributes
    ----------
    bin : int
        Its label.
    last : bool
        Whether these are the last pixels of the bin.
    pixels : ndarray of int, shape (n,)
        Addresses row * W + column.
    counts : ndarray, shape (K, n)
        Of the K frames of the window, as they were read; 0 in bad frames.
    factor : ndarray, shape (n,)
        What the counts of each pixel are multiplied by: 1 / <I>.
    scale : ndarray, shape (K,)
        What each frame is multiplied by; 0 for a bad one.
    dead_time : float
        Of a pixel, in units of the frame time.
    """

    bin: int
    last: bool
    pixels: NDArray[np.int32]
    counts: NDArray[Any]
    factor: FloatArray
    scale: FloatArray
    dead_time: float

    def fluctuation(self, dtype: Any) -> NDArray[Any]:
        """D = I / <I> - 1, shape (K, n); 0 in bad frames."""
        change = self.counts.astype(dtype)
        if self.dead_time > 0:
            change /= 1 - self.dead_time * change
        change *= self.factor.astype(dtype)
        if not (self.scale == 1).all():
            change *= self.scale.astype(dtype)[:, None]
        change -= 1
        change[self.scale == 0] = 0
        return change


class WindowCounts:
    """Reads the counts of a window.

    Parameters
    ----------
    frames : array_like, shape (T, H, W); or FrameSource
        Anything with `shape` that is sliced (an HDF5 dataset), or a source that gives blocks.
    labels : ndarray of int, shape (H, W)
        Bin of each pixel from 1 to n; 0 is ignored.
    selection : Selection
        Bins and frames; all by default.
    normalisation : Normalisation
        With the numbers of bad frames: none are detected. <I> is the mean over the good frames of the window.

    Attributes
    ----------
    labels : ndarray of int64, shape (H, W)
        0 where a pixel is masked, too.
    window : tuple of int
        First frame, and the one after the last.
    good : ndarray of bool, shape (K,)
        Frames of the window that are used.
    bins : tuple of int
        Chosen labels, rising.
    mean_counts : ndarray, shape (n_chosen,)
        Raw counts per pixel and good frame, once a piece was read.
    """

    def __init__(
        self,
        frames: Any,
        labels: ArrayLike,
        selection: Selection = EVERYTHING,
        normalisation: Normalisation = PLAIN,
    ) -> None:
        normalisation.require_numbers("a correlation at full resolution")
        pixels = normalisation.pixels(labels)
        self.labels = pixels.labels
        self._frames = frames if hasattr(frames, "shape") else np.asarray(frames)
        shape = tuple(self._frames.shape)
        if len(shape) != 3 or shape[1:] != self.labels.shape:
            raise FrameError(
                f"frames of shape {shape} do not fit the bins, which are for {self.labels.shape[0]} x "
                f"{self.labels.shape[1]} pixels: the geometry or the labels belong to another detector"
            )
        self.bins = selection.bins_of(int(self.labels.max()))
        self.window = selection.window_of(shape[0])
        self.good = normalisation.good(np.arange(*self.window))
        # Beside the chosen bins, whatever shares a ring with them has a part in <I>.
        needed = np.isin(self.labels, self.bins)
        needed |= (self.labels > 0) & np.isin(pixels.rings, pixels.rings[needed])
        self._numbers = np.unique(self.labels[needed])
        kept = np.where(needed, np.searchsorted(self._numbers, self.labels) + 1, 0)
        self._layout = PixelLayout.of(kept, pixels.rings)
        self._corrections = Corrections.of(pixels, self._layout)
        self._normalisation = normalisation
        self._mean: FloatArray | None = None  # of each cell
        self._scale = np.ones((len(self.good), len(self._numbers)))
        self.mean_counts = np.full(len(self.bins), np.nan)

    def pieces(self, memory: int, *, most: int = PIXELS_PER_PIECE) -> Iterator[Piece]:
        """All pixels of all chosen bins, bin after bin, with counts of about `memory` bytes at a time.

        Parameters
        ----------
        memory : int
            A piece has a pixel at least, however little it is.
        most : int
            Pixels of a piece.
        """
        per_pixel = np.dtype(getattr(self._frames, "dtype", np.float64)).itemsize * len(self.good)
        in_pass = max(1, memory // per_pixel)
        waiting = self._parts(min(most, in_pass))
        edges, factor = self._layout.bin_edges, self._corrections.factor
        while waiting:
            ends = np.cumsum([part.stop - part.start for _, part in waiting])
            n_pieces = max(1, int(np.searchsorted(ends, in_pass, "right")))
            chosen, waiting = waiting[:n_pieces], waiting[n_pieces:]
            counts = self._read(np.concatenate([np.arange(part.start, part.stop) for _, part in chosen]))
            if self._mean is None:
                raise AssertionError("reading gives the mean counts")
            mean = np.repeat(self._mean, self._layout.cell_size)
            begin = 0
            for index, part in chosen:
                width = part.stop - part.start
                yield Piece(
                    bin=int(self._numbers[index]),
                    last=part.stop == edges[index + 1],
                    pixels=self._layout.pixels[part],
                    counts=counts[:, begin : begin + width],
                    factor=(factor[part] if factor.size else 1) / mean[part],
                    scale=self._scale[:, index],
                    dead_time=self._normalisation.dead_time,
                )
                begin += width

    def _parts(self, most: int) -> list[tuple[int, slice]]:
        """The chosen bins in parts of at most `most` pixels: index of the bin, and positions in the layout."""
        edges = self._layout.bin_edges
        parts = []
        for index in np.searchsorted(self._numbers, self.bins):
            first, end = int(edges[index]), int(edges[index + 1])
            parts += [(int(index), slice(start, min(start + most, end))) for start in range(first, end, most)]
        return parts

    def _read(self, columns: IntArray) -> NDArray[Any]:
        """Counts (K, n) of some pixels of the layout; in the first pass also what all of them are divided by."""
        layout, normalisation = self._layout, self._normalisation
        first_pass = self._mean is None
        sums = _Sums(len(layout.cell_bin), layout.n_bins)
        counts: NDArray[Any] | None = None
        for row, block in self._blocks(layout.pixels if first_pass else layout.pixels[columns]):
            part = slice(row, row + len(block))
            numbers = self.window[0] + np.arange(row, row + len(block))
            check_counts(block, numbers, excluded=normalisation.excluded, dead_time=normalisation.dead_time)
            if not self.good[part].all():
                block = np.where(self.good[part][:, None], block, block.dtype.type(0))
            if counts is None:
                counts = np.empty((len(self.good), len(columns)), dtype=block.dtype)
            counts[part] = block[:, columns] if first_pass else block
            if first_pass:
                self._sum(part, block, sums)
        if counts is None:
            raise AssertionError("a window has frames")
        if first_pass:
            self._settle(sums)
        return counts

    def _sum(self, part: slice, block: NDArray[Any], sums: _Sums) -> None:
        """Add the frames of a part of the window up, and find what each is multiplied by."""
        layout, normalisation = self._layout, self._normalisation
        sums.n_saturated += int(np.count_nonzero(block >= normalisation.ceiling(block.dtype)))
        corrected = block
        if normalisation.dead_time > 0:
            corrected = corrected / (1 - normalisation.dead_time * corrected)
        if self._corrections.factor.size:
            corrected = corrected * self._corrections.factor
        of_cells = np.add.reduceat(corrected, layout.cells[:-1], axis=1, dtype=np.float64)
        raw = np.add.reduceat(block, layout.cells[:-1], axis=1, dtype=np.float64)
        sums.raw += layout.sum_cells(raw).sum(axis=0)
        if normalisation.per_frame:
            with np.errstate(divide="ignore"):
                scale = layout.bin_size / layout.sum_cells(of_cells)
            good = self.good[part] & np.isfinite(scale).all(axis=1)
            scale[~good] = 0
            self.good[part], self._scale[part] = good, scale
            of_cells *= scale[:, layout.cell_bin]
        sums.corrected += of_cells.sum(axis=0)

    def _settle(self, sums: _Sums) -> None:
        """Take the sums of the first pass."""
        layout, n_good = self._layout, int(self.good.sum())
        if n_good < 2:
            raise FrameError(
                f"{n_good} good frames are left in the window of frames {self.window[0]} to {self.window[1]}"
            )
        self._normalisation.refuse_saturated(sums.n_saturated, n_good * len(layout))
        refuse_dark(sums.raw, self._numbers, f"in {n_good} frames")
        chosen = np.searchsorted(self._numbers, self.bins)
        self.mean_counts = (sums.raw / (n_good * layout.bin_size))[chosen]
        self._scale[~self.good] = 0
        unit_mean = self._corrections.unit_mean
        self._mean = np.ones(len(sums.corrected)) if unit_mean else ring_means(layout, sums.corrected) / n_good

    def _blocks(self, pixels: NDArray[np.int32]) -> Iterator[tuple[int, NDArray[Any]]]:
        """Row of the window, and the counts (t, n) of the pixels from there on."""
        start, stop = self.window
        source = self._frames
        if not hasattr(source, "blocks"):
            for low in range(start, stop, FRAMES_PER_READ):
                high = min(low + FRAMES_PER_READ, stop)
                yield low - start, self._taken(source[low:high], pixels, low, high, low)
            return
        at = 0
        for given in source.blocks():
            block = self._without_gaps(given, at) if isinstance(given, NumberedFrames) else given
            first, at = at, block.stop if isinstance(block, PhotonEvents) else at + len(block)
            low, high = max(first, start), min(at, stop)
            if low < high:
                yield low - start, self._taken(block, pixels, low, high, first)
            if at >= stop:
                return
        raise FrameError(
            f"the movie ends after {at} frames, in a window that goes to frame {stop - 1}: the file is truncated, or "
            "the exposure was cut short"
        )

    def _without_gaps(self, block: NumberedFrames, first: int) -> NDArray[Any]:
        """Frames from number `first` on; dropped ones are dark here, and bad."""
        numbers = checked_numbers(len(block.frames), block.numbers, first)
        if len(numbers) == 0:
            return block.frames
        filled = np.zeros((int(numbers[-1]) + 1 - first, *block.frames.shape[1:]), dtype=block.frames.dtype)
        filled[numbers - first] = block.frames
        dropped = np.setdiff1d(np.arange(first, first + len(filled)), numbers)
        self.good[dropped[(dropped >= self.window[0]) & (dropped < self.window[1])] - self.window[0]] = False
        return filled

    def _taken(self, block: Any, pixels: NDArray[np.int32], low: int, high: int, first: int) -> NDArray[Any]:
        """Counts (high - low, n) of the pixels in the frames `low` to `high` of a block that begins with `first`."""
        if not isinstance(block, PhotonEvents):
            return checked_frames(block, self._layout.shape)[low - first : high - first, pixels]
        check_events(block, first, self._layout.shape, self._normalisation.dead_time)
        place = np.full(self.labels.size, -1, dtype=np.int64)
        place[pixels] = np.arange(len(pixels))
        column = place[block.pixel]
        used = (column >= 0) & (block.frame >= low) & (block.frame < high)
        counts = np.zeros((high - low, len(pixels)), dtype=np.float32)
        np.add.at(counts, (block.frame[used] - low, column[used]), block.count[used])
        return counts


class _Sums:
    """Sums of the good frames of a window.

    Attributes
    ----------
    corrected : ndarray, shape (n_cells,)
        Counts as they are divided by <I>.
    raw : ndarray, shape (n_bins,)
        Counts as they were read.
    n_saturated : int
        Readings at the ceiling.
    """

    def __init__(self, n_cells: int, n_bins: int) -> None:
        self.corrected = np.zeros(n_cells)
        self.raw = np.zeros(n_bins)
        self.n_saturated = 0
