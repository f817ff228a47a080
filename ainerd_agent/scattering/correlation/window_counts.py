"""The counts of chosen bins in a window of a movie, in pieces that fit into memory.

The whole T x T correlation needs every frame of a pixel at once. A piece holds all frames of the window, but few
pixels; as many pieces as memory allows are read in one pass over the frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.errors import BinError, FrameError
from ainerd_agent.records import FloatArray, PhotonEvents
from ainerd_agent.scattering.correlation._engine.segment_maker import checked_frames
from ainerd_agent.scattering.correlation._engine.layout import PixelLayout, pixel_factors
from ainerd_agent.scattering.correlation._engine.numba_fold import Corrections
from ainerd_agent.scattering.correlation.normalisation import (
    MAX_SATURATED,
    Normalise,
    check_labels,
    masked,
    static_rings,
)
from ainerd_agent.scattering.correlation.two_time import BLOCK

PIECE = 2048
"""Most pixels of a piece."""


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
    """

    bin: int
    last: bool
    pixels: NDArray[np.int32]
    counts: NDArray[Any]
    factor: FloatArray
    scale: FloatArray

    def fluctuation(self, dtype: Any) -> NDArray[Any]:
        """D = I / <I> - 1, shape (K, n); 0 in bad frames."""
        change = self.counts.astype(dtype)
        change *= self.factor.astype(dtype)
        if not (self.scale == 1).all():
            change *= self.scale.astype(dtype)[:, None]
        change -= 1
        change[self.scale == 0] = 0
        return change


class WindowCounts:
    """Reads the counts of a window; see `whole_two_time` for what can be asked of it.

    Attributes
    ----------
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
        *,
        bins: Sequence[int] | None = None,
        window: tuple[int, int] | None = None,
        static: ArrayLike | None = None,
        normalise: Normalise = "static",
        mask: ArrayLike | None = None,
        bad_frames: Iterable[int] | None = None,
        flat_field: ArrayLike | None = None,
        saturation: float | None = None,
    ) -> None:
        if normalise not in ("static", "frame", "both"):
            raise ValueError(f'normalise must be "static", "frame" or "both", not {normalise!r}')
        label_map = check_labels(masked(labels, mask))
        self._frames = frames if hasattr(frames, "shape") else np.asarray(frames)
        shape = tuple(self._frames.shape)
        if len(shape) != 3 or shape[1:] != label_map.shape:
            raise FrameError(
                f"frames of shape {shape} do not fit the bins, which are for {label_map.shape[0]} x "
                f"{label_map.shape[1]} pixels: the geometry or the labels belong to another detector"
            )
        n_bins = int(label_map.max())
        self.bins = tuple(range(1, n_bins + 1)) if bins is None else tuple(sorted({int(each) for each in bins}))
        if not self.bins or not 1 <= self.bins[0] <= self.bins[-1] <= n_bins:
            raise BinError(f"the bins {', '.join(map(str, self.bins))} were asked for, where there are 1 to {n_bins}")
        self.window = _checked_window(window, shape[0])
        excluded = {int(number) for number in bad_frames or ()}
        self.good = np.array([number not in excluded for number in range(*self.window)], dtype=bool)
        rings, image = static_rings(None if normalise == "frame" else static, label_map)
        # Beside the chosen bins, whatever shares a ring with them has a part in <I>.
        needed = np.isin(label_map, self.bins)
        needed |= (label_map > 0) & np.isin(rings, rings[needed])
        self._numbers = np.unique(label_map[needed])
        self._layout = PixelLayout.of(np.where(needed, np.searchsorted(self._numbers, label_map) + 1, 0), rings)
        self._factor = pixel_factors(self._layout, image, flat_field)
        self._unit_mean, self._per_frame = image is not None, normalise != "static"
        self._ceiling = Corrections(factor=np.empty(0), dead_time=0.0, saturation=saturation).ceiling
        self._mean: FloatArray | None = None  # of each cell
        self._scale = np.ones((len(self.good), len(self._numbers)))
        self.mean_counts = np.full(len(self.bins), np.nan)

    def pieces(self, memory: int, *, most: int = PIECE) -> Iterator[Piece]:
        """All pixels of all chosen bins, bin after bin, with counts of about `memory` bytes at a time.

        Parameters
        ----------
        memory : int
            A piece has a pixel at least, however little it is.
        most : int
            Pixels of a piece.
        """
        edges = self._layout.bin_edges
        per_pixel = np.dtype(getattr(self._frames, "dtype", np.float64)).itemsize * len(self.good)
        in_pass = max(1, memory // per_pixel)
        waiting = []
        for number in self.bins:
            index = int(np.searchsorted(self._numbers, number))
            starts = range(int(edges[index]), int(edges[index + 1]), min(most, in_pass))
            waiting += [
                (number, index, slice(start, min(start + min(most, in_pass), int(edges[index + 1]))))
                for start in starts
            ]
        while waiting:
            n_pieces = max(
                1, int(np.searchsorted(np.cumsum([p.stop - p.start for *_, p in waiting]), in_pass, "right"))
            )
            chosen, waiting = waiting[:n_pieces], waiting[n_pieces:]
            columns = np.concatenate([np.arange(part.start, part.stop) for *_, part in chosen])
            counts = self._read(columns)
            if self._mean is None:
                raise AssertionError("reading gives the mean counts")
            mean = np.repeat(self._mean, self._layout.cell_size)
            begin = 0
            for number, index, part in chosen:
                width = part.stop - part.start
                yield Piece(
                    bin=number,
                    last=part.stop == edges[index + 1],
                    pixels=self._layout.pixels[part],
                    counts=counts[:, begin : begin + width],
                    factor=(self._factor[part] if self._factor.size else 1) / mean[part],
                    scale=self._scale[:, index],
                )
                begin += width

    def _read(self, columns: NDArray[np.int64]) -> NDArray[Any]:
        """Counts (K, n) of some pixels of the layout; in the first pass also what all of them are divided by."""
        layout, first_pass = self._layout, self._mean is None
        pixels = layout.pixels if first_pass else layout.pixels[columns]
        counts: NDArray[Any] | None = None
        sums = np.zeros(len(layout.cell_bin))
        raw = np.zeros(layout.n_bins)
        n_saturated = 0
        for row, block in self._blocks(pixels):
            part = slice(row, row + len(block))
            good = self.good[part]
            _refuse_invalid(block[good], self.window[0] + row + np.flatnonzero(good))
            block = np.where(good[:, None], block, block.dtype.type(0)) if not good.all() else block
            if counts is None:
                counts = np.empty((len(self.good), len(columns)), dtype=block.dtype)
            counts[part] = block[:, columns] if first_pass else block
            if first_pass:
                n_saturated += int(np.count_nonzero(block >= self._ceiling(block.dtype)))
                corrected = block * self._factor if self._factor.size else block
                of_cells = np.add.reduceat(corrected, layout.cells[:-1], axis=1, dtype=np.float64)
                raw += layout.sum_cells(np.add.reduceat(block, layout.cells[:-1], axis=1, dtype=np.float64)).sum(axis=0)
                if self._per_frame:
                    with np.errstate(divide="ignore"):
                        scale = layout.bin_size / layout.sum_cells(of_cells)
                    good = good & np.isfinite(scale).all(axis=1)
                    scale[~good] = 0
                    self.good[part], self._scale[part] = good, scale
                    of_cells *= scale[:, layout.cell_bin]
                sums += of_cells.sum(axis=0)
        if counts is None:
            raise AssertionError("a window has frames")
        if first_pass:
            self._settle(sums, raw, n_saturated)
        return counts

    def _settle(self, sums: FloatArray, raw: FloatArray, n_saturated: int) -> None:
        """Take the sums of the first pass."""
        layout, n_good = self._layout, int(self.good.sum())
        if n_good < 2:
            raise FrameError(
                f"{n_good} good frames are left in the window of frames {self.window[0]} to {self.window[1]}"
            )
        share = n_saturated / (n_good * len(layout))
        if share > MAX_SATURATED:
            raise FrameError(
                f"{share:.1%} of the readings in the bins are at the detector's ceiling: "
                "attenuate the beam, shorten the exposure, or mask the pixels that do not work"
            )
        if (dark := self._numbers[raw == 0]).size:
            raise FrameError(
                f"no photon was counted in bin {', '.join(map(str, dark))} in {n_good} frames: check the shutter, the "
                "beam stop and the mask"
            )
        chosen = np.searchsorted(self._numbers, self.bins)
        self.mean_counts = (raw / (n_good * layout.bin_size))[chosen]
        self._scale[~self.good] = 0
        if self._unit_mean:
            self._mean = np.ones(len(sums))
            return
        mean = np.bincount(layout.cell_ring, sums) / np.maximum(np.bincount(layout.cell_ring, layout.cell_size), 1)
        in_bin = layout.sum_cells(sums) / layout.bin_size
        # A ring without a single count has no mean of its own; its bin's is the best there is.
        of_cell = mean[layout.cell_ring]
        self._mean = np.where(of_cell > 0, of_cell, in_bin[layout.cell_bin]) / n_good

    def _blocks(self, pixels: NDArray[np.int32]) -> Iterator[tuple[int, NDArray[Any]]]:
        """Row of the window, and the counts (t, n) of the pixels from there on."""
        start, stop = self.window
        source = self._frames
        if not hasattr(source, "blocks"):
            for low in range(start, stop, BLOCK):
                high = min(low + BLOCK, stop)
                yield low - start, self._taken(source[low:high], pixels, low, high, low)
            return
        at = 0
        for block in source.blocks():
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

    def _taken(self, block: Any, pixels: NDArray[np.int32], low: int, high: int, first: int) -> NDArray[Any]:
        """Counts (high - low, n) of the pixels in the frames `low` to `high` of a block that begins with `first`."""
        if not isinstance(block, PhotonEvents):
            return checked_frames(block, self._layout.shape)[low - first : high - first, pixels]
        n_pixels = self._layout.shape[0] * self._layout.shape[1]
        if block.pixel.size and not 0 <= block.pixel.min() <= block.pixel.max() < n_pixels:
            raise FrameError(f"photon events between frames {low} and {high - 1} lie outside of the detector")
        place = np.full(n_pixels, -1, dtype=np.int64)
        place[pixels] = np.arange(len(pixels))
        column = place[block.pixel]
        used = (column >= 0) & (block.frame >= low) & (block.frame < high)
        counts = np.zeros((high - low, len(pixels)), dtype=np.float32)
        np.add.at(counts, (block.frame[used] - low, column[used]), block.count[used])
        return counts


def _checked_window(window: tuple[int, int] | None, n_frames: int | None) -> tuple[int, int]:
    if window is None:
        if n_frames is None:
            raise FrameError("nobody knows yet how long the movie will be: say which window of frames is wanted")
        window = 0, int(n_frames)
    start, stop = int(window[0]), int(window[1])
    if start < 0 or (n_frames is not None and stop > n_frames):
        raise FrameError(f"the window of frames {start} to {stop - 1} reaches beyond the movie of {n_frames} frames")
    if stop - start < 2:
        raise FrameError(
            f"a two-time map needs at least 2 frames, the window from {start} to {stop} has {stop - start}"
        )
    return start, stop


def _refuse_invalid(counts: NDArray[Any], numbers: NDArray[np.int64]) -> None:
    """Refuse readings of good frames that are no counts."""
    if counts.dtype.kind in "ub":
        return
    wrong = ~((counts >= 0) & (counts < np.inf)).all(axis=1)
    if wrong.any():
        raise FrameError(
            f"frame {numbers[wrong][0]} holds readings that are negative, not a number, or infinite: counts must be "
            "finite and not negative; mask the pixels or leave the frame out"
        )
