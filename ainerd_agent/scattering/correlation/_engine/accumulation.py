"""The state of a two-time correlation whose number of frames is known: frames go in, maps come out."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import FrameError
from ainerd_agent.records import BadPixels, FloatArray, MapStack, PhotonEvents
from ainerd_agent.records.arrays import IntArray
from ainerd_agent.scattering.correlation._engine.age_lag_cells import AgeLagCells
from ainerd_agent.scattering.correlation._engine.age_lag_sections import (
    complete_cells,
    in_sections,
    levelled,
    static_in,
)
from ainerd_agent.scattering.correlation._engine.beside import beside
from ainerd_agent.scattering.correlation._engine.c2_maps import Rows, c2_maps
from ainerd_agent.scattering.correlation._engine.corrections import Corrections
from ainerd_agent.scattering.correlation._engine.diagonal import Diagonal, DiagonalSums, is_replaced
from ainerd_agent.scattering.correlation._engine.fold import MakesFold
from ainerd_agent.scattering.correlation._engine.frame_validation import invalid_readings
from ainerd_agent.scattering.correlation._engine.layout import PixelLayout
from ainerd_agent.scattering.correlation._engine.mean_counts import refuse_dark, ring_means
from ainerd_agent.scattering.correlation._engine.numba_fold import FrameSums
from ainerd_agent.scattering.correlation._engine.pixel_watch import (
    Verdicts,
    bad_pixels_of,
    good_in_cells,
    sums_of,
    verdicts_of,
)
from ainerd_agent.scattering.correlation._engine.segment_store import Segment
from ainerd_agent.scattering.correlation.age_lag_correlation import AgeLagCorrelation, Ages
from ainerd_agent.scattering.correlation.bad_pixels import GOOD
from ainerd_agent.scattering.correlation.resampling import Band, resize_band, rows_within
from ainerd_agent.scattering.correlation.two_time_maps import MapsSoFar, TwoTime

# What rows with less of their weight than this are made of is the tail of a filter, down to rounding.
_EMPTY = 1e-6


@dataclass(frozen=True, slots=True)
class Reduction:
    """How the T x T matrix becomes a map; see `TwoTimeStream`."""

    size: int = 256
    sigma: float | None = None
    diagonal: Diagonal = "neighbours"

    def __post_init__(self) -> None:
        if self.size < 1 or (self.sigma is not None and not self.sigma >= 0):
            raise ValueError(f"size must be positive and sigma not negative, got {self.size} and {self.sigma}")
        is_replaced(self.diagonal)


class Accumulation:
    """Folds segments, leaves bad frames out, and makes maps.

    Parameters
    ----------
    layout : PixelLayout
    n_frames : int
    reduction : Reduction
    corrections : Corrections
        Of that layout, or of one that it is a part of.
    make_fold : callable
    threads : int
        That make maps, each of other bins.
    verdicts : ndarray of int8, shape (N,), optional
        Of the pixels, as far as they are known beforehand; those that are bad count for nothing in `make_fold` too.
    ages : Ages, optional
    cells : AgeLagCells, optional
        With `ages`.

    Attributes
    ----------
    n_saturated, n_readings : int
        Readings at the ceiling, of how many.
    n_so_far : int
        Frames up to the last one that is folded, or left out.
    """

    def __init__(
        self,
        layout: PixelLayout,
        n_frames: int,
        *,
        reduction: Reduction,
        corrections: Corrections,
        make_fold: MakesFold,
        threads: int = 1,
        verdicts: Verdicts | None = None,
        ages: Ages | None = None,
        cells: AgeLagCells | None = None,
    ) -> None:
        self.layout = layout
        self._ages, self._cells = ages, cells
        self.verdicts: Verdicts = np.zeros(len(layout), dtype=np.int8) if verdicts is None else verdicts
        self._in_part: IntArray = np.empty(0, dtype=np.int64)
        self._lost = np.zeros(len(layout.cell_bin))
        self.n_frames = n_frames
        self.size = reduction.size
        self._make_fold = make_fold
        self._normalisation = corrections.normalisation
        self._watch = self._normalisation.watch()
        self._replace_diagonal = is_replaced(reduction.diagonal)
        self._unit_mean = corrections.unit_mean
        self._threads = threads
        self._band = resize_band(n_frames, reduction.size, reduction.sigma)
        self._width = self._band.weights.shape[1]
        self._waiting: deque[Segment] = deque()
        self._n_decided = self.n_so_far = 0
        self._numbers: list[IntArray] = []  # of all frames that came, for the verdicts go by order
        self._begin()

    def _begin(self) -> None:
        """Start with nothing folded."""
        self._fold = self._make_fold(self._width)
        if self._fold.dtype == np.float32:
            # The fold and the diagonal use the same weights to the last digit, so that the shot noise cancels.
            self._band = Band(self._band.weights.astype(np.float32).astype(np.float64), self._band.first_row)
        self._diagonal = DiagonalSums(self.size, self._width, len(self.layout.cell_bin))
        self._weight = np.zeros(self.size)
        self._kept: list[IntArray] = []
        self._raw = np.zeros(self.layout.n_bins)
        self._section_counts = np.zeros((self.size, self.layout.n_bins))
        self._section_frames = np.zeros(self.size)
        self._restart = 0
        self.n_saturated = 0
        self.n_readings = 0

    def add(self, segment: Segment) -> None:
        """Take the next frames."""
        self._numbers.append(segment.numbers)
        self._waiting.append(segment)
        if self._watch is not None and segment.totals is not None:
            self._watch.add(segment.totals.sum(axis=1))
        self._advance()

    def finish(self) -> None:
        """No more frames will come."""
        if self._watch is not None:
            self._watch.finish()
        self._advance()

    def _advance(self) -> None:
        """Fold the segments whose frames are all judged."""
        watch = self._watch
        if watch is not None and watch.restart > self._restart:
            self._begin()
            self._restart = watch.restart
        while self._waiting:
            segment = self._waiting[0]
            first, stop = self._n_decided, self._n_decided + len(segment.numbers)
            if watch is not None and len(watch.good) < stop:
                return
            self._waiting.popleft()
            self._n_decided = stop
            self.n_so_far = int(segment.numbers[-1]) + 1
            good = np.ones(len(segment.numbers), dtype=bool)
            if watch is not None:
                good &= np.array(watch.good[first:stop]) & (np.arange(first, stop) >= watch.restart)
            if self._normalisation.excluded:
                good &= self._normalisation.good(segment.numbers)
            if segment.scale.size:
                good &= np.isfinite(segment.scale).all(axis=1)
            self._fold_segment(segment, good)

    def _fold_segment(self, segment: Segment, good: NDArray[np.bool_]) -> None:
        numbers = segment.numbers[good]
        if len(numbers) == 0:
            return
        scale = segment.scale
        band = self._band[numbers]
        if isinstance(segment.data, PhotonEvents):
            told = self._fold_events(segment, good, scale)
        elif segment.addresses is not None:
            frames = segment.data if good.all() else segment.data[good]
            its_scale = scale[good] if scale.size else scale
            told = self._fold.add_frames(frames, segment.addresses, band, its_scale, numbers)
        else:
            raise TypeError("frames need addresses")
        if (invalid := np.flatnonzero(told.invalid)).size:
            raise invalid_readings(int(numbers[invalid[0]]), int(told.invalid[invalid[0]]))
        self.n_saturated += int(told.saturated.sum())
        self.n_readings += len(numbers) * len(self.layout)
        self._diagonal.add(numbers, told.sums, band)
        self._weight += band.row_sums(self.size)
        self._kept.append(numbers)
        counts = self.layout.sum_cells(told.sums[:, 0]) if segment.totals is None else segment.totals[good]
        self._raw += counts.sum(axis=0)
        section = numbers * self.size // self.n_frames
        np.add.at(self._section_counts, section, counts)
        np.add.at(self._section_frames, section, 1)

    def _fold_events(self, segment: Segment, good: NDArray[np.bool_], scale: FloatArray) -> FrameSums:
        if not isinstance(segment.data, PhotonEvents):
            raise TypeError("not events")
        numbers = segment.numbers
        kept = np.where(good, numbers, -1)
        before = np.maximum.accumulate(np.concatenate([[self._diagonal.last], kept]))[:-1]
        keep = np.where(good, before, -2)
        told = self._fold.add_events(segment.data, int(numbers[0]), keep, self._band[numbers], scale)
        return FrameSums(told.sums[good], told.invalid[good], told.saturated[good])

    @property
    def n_complete(self) -> int:
        """Rows at the start of the map that no frame to come can change, but for <I>."""
        if self.n_so_far == self.n_frames:
            return self.size
        # The last frame waits for its neighbour, which C(t, t) is taken from.
        settled = self._diagonal.last - 1 if self._replace_diagonal else self._diagonal.last
        beyond = np.flatnonzero(self._band.last_frames(self.size) > settled)
        return int(beyond[0]) if beyond.size else self.size

    def section_intensity(self) -> FloatArray:
        """Raw counts per good pixel and frame of each bin, in as many sections of the movie as a map has rows.

        Shape (n_bins, size); NaN where there is no frame.
        """
        bin_size = self.layout.sum_cells(good_in_cells(self.layout, np.flatnonzero(self.verdicts != GOOD)))
        frames = np.where(self._section_frames > 0, self._section_frames, np.nan)
        return np.asarray((self._section_counts / frames[:, None] / bin_size).T)

    def bad_frames(self) -> IntArray:
        """Frames that are left out among those up to the last one that is folded or judged."""
        numbers = np.concatenate([np.empty(0, np.int64), *self._numbers])[: self._n_decided]
        if len(numbers) == 0:
            return numbers
        kept = np.concatenate([np.empty(0, np.int64), *self._kept])
        return np.setdiff1d(np.arange(numbers[-1] + 1), kept)

    def judge_pixels(self) -> IntArray:
        """Judge pixels by all frames; give the positions of those that are found now and left a trace in the sums.

        A pixel without counts leaves none.
        """
        before = self.verdicts
        sums = sums_of(self._fold.moments(), self._diagonal.n_frames)
        self.verdicts = verdicts_of(self.layout, sums, self._normalisation, before)
        # Divided by a mean image and by the mean of each frame, even a dark pixel has changed the scale.
        traceless = before != GOOD if self._normalisation.per_frame and self._unit_mean else sums.total == 0
        return np.flatnonzero((self.verdicts != GOOD) & (before == GOOD) & ~traceless)

    def drop_in_part(self, positions: IntArray) -> None:
        """Leave pixels out whose frames cannot be had again.

        Their share of the mean is taken out as it was folded; what they did to the diagonal is not known any more, so
        that is taken from the lags beside it, in their bins.
        """
        mean_counts = self._fold.silence(positions) / self._weight.sum()
        cell = np.searchsorted(self.layout.cells, positions, side="right") - 1
        np.subtract.at(self._diagonal.total, cell, mean_counts * self._diagonal.n_frames)
        np.add.at(self._lost, cell, mean_counts)
        self._in_part = positions

    def bad_pixels(self) -> BadPixels:
        """The pixels that are left out."""
        return bad_pixels_of(self.layout, self.verdicts, self._in_part)

    def maps(self, intensity: FloatArray | None = None, *, partial: bool = False, n_rows: int | None = None) -> TwoTime:
        """Make the maps of the frames folded so far; `intensity` is handed on.

        Where frames were left out, the weights of the others make up for it. A row none of whose frames is left, or
        none but those in the far tail of its filter (a millionth of its weight), is interpolated between the rows
        beside it; with `partial` it is NaN instead. With `n_rows` the maps are made of their first rows alone.
        """
        layout, diagonal = self.layout, self._diagonal
        if diagonal.n_frames < 2 and not partial:
            raise FrameError(
                f"{diagonal.n_frames} of {self.n_frames} frames are left once bad ones are out: check the shutter and "
                "the beam"
            )
        if intensity is None:
            intensity = np.full(self.n_frames, np.nan)
        if partial and (self._raw == 0).any():
            n_pixels = np.asarray(self.layout.bin_size, dtype=np.float64)
            return TwoTime.unknown(n_pixels, self.size, self.bad_frames(), intensity, self.bad_pixels())
        cell_size = good_in_cells(layout, np.flatnonzero(self.verdicts != GOOD))
        bin_size = layout.sum_cells(cell_size)
        mean = self._mean(cell_size)
        size = self.size if n_rows is None else n_rows
        rows = np.flatnonzero(self._weight[:size] > _EMPTY)
        filled = np.ones(size, dtype=bool)
        filled[rows] = False
        with beside(self.age_lag, self._threads) as aged:
            c2 = self._c2(mean, rows, size, bin_size, fill=bool(filled.any()) and not partial)
        contrast = layout.sum_cells(diagonal.contrast(mean, cell_size)) / bin_size
        raw = self._raw
        if self._in_part.size:
            spoilt = np.searchsorted(layout.bin_edges, self._in_part, side="right") - 1
            contrast[spoilt] = [np.nanmean(c2[number].diagonal()) for number in spoilt]
            raw = raw.copy()
            np.subtract.at(raw, spoilt, self._fold.moments()[0, self._in_part])
        return TwoTime(
            c2=c2,
            n_pixels=bin_size,
            mean_counts=raw / (diagonal.n_frames * bin_size),
            contrast=contrast,
            n_frames=self.n_frames,
            bad_frames=self.bad_frames(),
            filled=filled,
            intensity=intensity,
            bad_pixels=self.bad_pixels(),
            age_lag=aged(),
        )

    def so_far(self) -> MapsSoFar:
        """The first rows of the maps, of the frames folded so far."""
        found = self.maps(n_rows=max(1, rows_within(self.n_so_far, self.n_frames, self.size)))
        aged, n = found.age_lag, self.n_so_far
        cells = None if aged is None else complete_cells(self.n_frames, len(aged.ages), aged.lags, n)
        return MapsSoFar(
            c2=found.c2,
            n_so_far=self.n_so_far,
            n_frames=self.n_frames,
            size=self.size,
            n_complete=min(len(found.filled), self.n_complete),
            n_pixels=found.n_pixels,
            mean_counts=found.mean_counts,
            contrast=found.contrast,
            bad_frames=found.bad_frames,
            filled=found.filled,
            intensity=self.section_intensity()[:, : len(found.filled)],
            bad_pixels=found.bad_pixels,
            age_lag=aged,
            complete_cells=cells,
        )

    def age_lag(self, window: tuple[int, int] | None = None, n_ages: int | None = None) -> AgeLagCorrelation | None:
        """The correlation over age and lag in a window of frames; None where frames were not correlated so.

        Groups with a pixel that left a trace are left out.
        """
        if self._ages is None or self._cells is None:
            return None
        layout, cells, sums = self.layout, self._cells, self._fold.age_lag()
        window = (0, self.n_frames) if window is None else window
        good = self.verdicts == GOOD
        kept = good & ~cells.in_groups_of(self._in_part) if self._in_part.size else good
        static = np.ones(len(layout))
        if not self._unit_mean:
            cell_size = good_in_cells(layout, np.flatnonzero(~good))
            of = (0, self.n_frames) if self._in_part.size else window
            static = static_in(layout, sums, cell_size, self._lost, self.n_frames, of)
            if of != window:
                static = levelled(layout, cells, sums, static, kept, self.n_frames, window)
        sections = in_sections(
            layout,
            cells,
            sums,
            kept,
            static,
            n_frames=self.n_frames,
            window=window,
            n_ages=self._ages.n_ages if n_ages is None else n_ages,
            threads=self._threads,
        )
        return AgeLagCorrelation.of_sections(sections, window)

    def _c2(self, mean: FloatArray, rows: IntArray, size: int, bin_size: FloatArray, *, fill: bool) -> MapStack:
        """The maps, from the rows that have weight; the others are interpolated with `fill`, else NaN."""
        layout = self.layout
        return c2_maps(
            layout,
            self._fold,
            Rows(rows, self._weight[rows], size, fill),
            mean_of_pixel=np.repeat(mean, layout.cell_size),
            bin_size=bin_size,
            correction=partial(self._diagonal.correction, mean) if self._replace_diagonal else None,
            in_part=self._in_part,
            threads=self._threads,
        )

    def _mean(self, cell_size: IntArray) -> FloatArray:
        """<I> of each cell: of its ring, over all kept frames."""
        n_frames = self._diagonal.n_frames
        refuse_dark(self._raw, self.layout.bin_numbers, f"in {n_frames} frames")
        if self._unit_mean:
            return np.ones(len(self._diagonal.total))
        return ring_means(self.layout, self._diagonal.total, cell_size=cell_size) / n_frames
