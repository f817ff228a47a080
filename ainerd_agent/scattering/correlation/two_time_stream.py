"""Two-time correlation maps of a movie whose frames come in blocks, and its correlation over age and lag."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.errors import FrameError
from ainerd_agent.records import FrameSource, MapStack, NumberedFrames, PhotonEvents
from ainerd_agent.records.arrays import IntArray
from ainerd_agent.scattering.correlation._engine.accumulation import Accumulation, Reduction
from ainerd_agent.scattering.correlation._engine.age_lag_cells import AgeLagCells
from ainerd_agent.scattering.correlation._engine.age_lag_fold import AgeLagFold
from ainerd_agent.scattering.correlation._engine.blas_threads import one_blas_thread
from ainerd_agent.scattering.correlation._engine.corrections import Corrections
from ainerd_agent.scattering.correlation._engine.diagonal import Diagonal
from ainerd_agent.scattering.correlation._engine.early_end import shortened
from ainerd_agent.scattering.correlation._engine.fold import Fold
from ainerd_agent.scattering.correlation._engine.frame_validation import checked_frames, checked_numbers
from ainerd_agent.scattering.correlation._engine.kernels import RUN
from ainerd_agent.scattering.correlation._engine.layout import Addresses, PixelLayout
from ainerd_agent.scattering.correlation._engine.numba_fold import NumbaFold, n_threads
from ainerd_agent.scattering.correlation._engine.opening import Opening
from ainerd_agent.scattering.correlation._engine.pixel_watch import PixelWatch, Verdicts
from ainerd_agent.scattering.correlation._engine.segment_maker import SegmentMaker
from ainerd_agent.scattering.correlation._engine.segment_store import NO_SCALE, Segment, SegmentStore
from ainerd_agent.scattering.correlation.age_lag_correlation import AgeLagCorrelation, Ages
from ainerd_agent.scattering.correlation.bad_pixels import GOOD
from ainerd_agent.scattering.correlation.computation import AUTOMATIC, Computation
from ainerd_agent.scattering.correlation.g2 import PATCH, subdivide
from ainerd_agent.scattering.correlation.memory import check_maps
from ainerd_agent.scattering.correlation.normalisation import PLAIN, Normalisation
from ainerd_agent.scattering.correlation.sliced import FRAMES_PER_FOLD, Sliced
from ainerd_agent.scattering.correlation.two_time_maps import MapsSoFar, TwoTime

logger = logging.getLogger(__name__)


class TwoTimeStream:
    """C2 maps of a movie whose frames come in blocks.

    Parameters
    ----------
    labels : ndarray of int, shape (H, W)
        Bin of each pixel from 1 to n; 0 is ignored.
    n_frames : int, optional
        T, at least 2. Where it is not known, the used pixels of all frames are kept until the end (in memory, then in a
        temporary file), because the resize matrix depends on it.
    size : int
        Side of the maps. Movies shorter than that are interpolated.
    sigma : float, optional
        Anti-aliasing in frames; scikit-image's default, with which all frames contribute. The paper's is 2.
    diagonal : {"neighbours", "keep"}
        Replace C(t, t), which holds the shot noise, by the mean of C(t, t - 1) and C(t, t + 1), or leave it.
    normalisation : Normalisation
        What counts are divided by, and which of them are left out; by default each bin is its own ring of the static
        image, and all frames are good.
    computation : Computation
    ages : Ages, optional
        Correlate over age and lag as well, in the same pass over the frames.

    Raises
    ------
    BinError
        Labels that are negative, not integer, or skip a bin; a mask, flat field or static image that does not fit them.
    FrameError
        From `add`: frames of another shape or number, NaN, infinite or negative counts; events out of order. From
        `result`: frames missing, a bin without counts, saturation.

    Notes
    -----
    Memory is `size` x N numbers of the precision for N used pixels, and a few for each frame. The intensity of each
    frame is known where frames are judged or divided by their mean.
    """

    def __init__(
        self,
        labels: ArrayLike,
        n_frames: int | None = None,
        *,
        size: int = 256,
        sigma: float | None = None,
        diagonal: Diagonal = "neighbours",
        normalisation: Normalisation = PLAIN,
        computation: Computation = AUTOMATIC,
        ages: Ages | None = None,
    ) -> None:
        if n_frames is not None and n_frames < 2:
            raise FrameError(f"a two-time map needs at least 2 frames, got {n_frames}")
        self._reduction = Reduction(size, sigma, diagonal)
        pixels = normalisation.pixels(labels)
        if computation.device is None:
            check_maps(
                int(np.count_nonzero(pixels.labels)), int(pixels.labels.max()), size, np.dtype(np.float32).itemsize
            )
        self.shape = pixels.labels.shape
        self.n_frames = n_frames
        self._used = pixels.labels > 0
        self._ages = ages
        self._layout = PixelLayout.of(pixels.labels, pixels.rings)
        self._cells = None if ages is None else _cells(self._layout, pixels.labels, ages)
        self.n_bins = self._layout.n_bins
        self._corrections = Corrections.of(pixels, self._layout)
        self._computation, self._threads = computation, n_threads(computation.threads)
        self._normalisation = normalisation
        corrected = self._corrections.factor.size > 0 or normalisation.dead_time > 0
        # Where frames need neither to be judged, nor corrected, nor kept, they are folded as they are.
        self._compact = n_frames is None or normalisation.per_frame or corrected or normalisation.detects
        self._maker = self._new_maker()
        self._state: Accumulation | None = None
        self._final: Accumulation | None = None
        self._store = SegmentStore()
        self._broken = False
        self._source: FrameSource | None = None

    @property
    def n_added(self) -> int:
        """Frames taken so far, dropped ones included."""
        return self._maker.n_seen

    def add(self, block: ArrayLike | NumberedFrames | PhotonEvents, numbers: Iterable[int] | None = None) -> None:
        """Fold in the next frames.

        Parameters
        ----------
        block : array_like, shape (t, H, W) or (H, W), of any real type; or NumberedFrames; or PhotonEvents
            Either dense frames or events, but always the same.
        numbers : sequence of int, shape (t,), optional
            Positions of dense frames in the movie, rising from 0; the frames between are taken as dropped. By default
            the frames follow on each other.
        """
        if self._broken:
            raise FrameError("a block before this one was refused, and left the correlation incomplete: begin anew")
        if isinstance(block, NumberedFrames):
            numbers, block = block.numbers, block.frames
        self._source = None
        try:
            self._take(self._maker.segments(block, numbers))
        except FrameError:
            self._broken = True
            raise

    def read(self, source: FrameSource, watch: Callable[[TwoTimeStream], object] | None = None) -> None:
        """Add all blocks of a source as they come; `watch` is called after each.

        Where pixels are found bad only at the end, `result` reads the source once more.
        """
        first = self.n_added == 0
        for block in source.blocks(self._used):
            self.add(block)
            if watch is not None:
                watch(self)
        self._source = source if first else None

    def result(self) -> TwoTime:
        """The maps, once all frames are in."""
        if self.n_frames is not None and self.n_added < self.n_frames:
            raise FrameError(
                f"the movie ends after {self.n_added} of {self.n_frames} frames: the file is truncated, or the "
                "exposure was cut short"
            )
        state, maker = self._finished()
        return state.maps(maker.intensity(state.n_frames))

    def ended_early(self) -> TwoTime:
        """The maps of an exposure that ended before its planned count, from what was folded.

        The weights of the frames depend on their number, so these maps are the beginning of the planned ones, resampled
        to `size` rows: coarser by as much as the exposure is shorter (`TwoTime.resampled`). Where the frames can be
        read again, a stream of their own number gives maps without that loss; `fingerprint` does so.
        """
        if self.n_frames is None or self.n_added >= self.n_frames:
            return self.result()
        if self.n_added < 2:
            raise FrameError(f"the exposure ended after {self.n_added} frames, and a two-time map needs at least 2")
        state, maker = self._finished()
        return shortened(state, self.n_added, maker.intensity(state.n_frames))

    def _finished(self) -> tuple[Accumulation, SegmentMaker]:
        """All that was folded, without bad frames and pixels, and what made it."""
        self._take(self._maker.finish())
        state, maker = self._replayed() if self._state is None else self._state, self._maker
        state.finish()
        if self._normalisation.detects_pixels and (late := state.judge_pixels()).size:
            state, maker = self._without(state, late)
        self._normalisation.refuse_saturated(state.n_saturated, state.n_readings)
        self._final = state
        return state, maker

    def age_lag(self, window: tuple[int, int], n_ages: int | None = None) -> AgeLagCorrelation:
        """The correlation over age and lag in a part of the movie, after `result`: from sums, without the frames.

        Parameters
        ----------
        window : tuple of int
            First frame, and the one after the last. <I> is that of the window. Sums are kept for units of time, a
            128th to a 256th of a long movie: a pair whose unit is not wholly inside is left out.
        n_ages : int, optional
            Sections of the window; as many as those of the movie by default.

        Raises
        ------
        FrameError
            No `result` yet, frames that were not correlated over age and lag, or a window that is not in the movie or
            shorter than two units.
        """
        if self._final is None or self._ages is None:
            raise FrameError("ask for `ages` when the stream is made, and for its `result` first")
        first, stop = window
        if not 0 <= first < stop <= self._final.n_frames:
            raise FrameError(f"the window must lie within the {self._final.n_frames} frames, got {first} to {stop}")
        found = self._final.age_lag(window, n_ages)
        if found is None or not found.lags.size:
            raise FrameError(f"the window from frame {first} to {stop} is shorter than sums are kept for")
        return found

    def _take(self, segments: Iterable[Segment]) -> None:
        for segment in segments:
            if self.n_frames is None:
                self._store.add(segment)
                continue
            if self._state is None:
                self._state = self._new_state(self.n_frames, self._layout, self._threads, self._maker.verdicts)
            self._state.add(segment)

    def _without(self, state: Accumulation, late: IntArray) -> tuple[Accumulation, SegmentMaker]:
        """Leave out pixels that were folded: from the frames, where they can be had again."""
        verdicts = state.verdicts
        maker = self._new_maker(verdicts)
        again = self._new_state(state.n_frames, self._layout, self._threads, verdicts)
        try:
            for segment in self._once_more(maker):
                again.add(segment)
        except (FrameError, OSError) as error:
            logger.warning("the frames cannot be read again without %d bad pixels: %s", len(late), error)
            maker.n_seen = 0
        if maker.n_seen == self.n_added:
            again.finish()
            return again, maker
        state.drop_in_part(late)
        return state, self._maker

    def _once_more(self, maker: SegmentMaker) -> Iterator[Segment]:
        """All segments again, as another maker makes them; none where the frames are gone."""
        if self.n_frames is None:
            for segment in self._store:
                yield from maker.again(segment)
        elif self._source is not None:
            for block in self._source.blocks(self._used):
                numbers, frames = (block.numbers, block.frames) if isinstance(block, NumberedFrames) else (None, block)
                yield from maker.segments(frames, numbers)

    def _new_maker(self, verdicts: Verdicts | None = None) -> SegmentMaker:
        return SegmentMaker(
            self._layout,
            self.n_frames,
            self._corrections,
            compact=self._compact,
            threads=self._threads,
            verdicts=verdicts,
        )

    def whole(self, frames: NDArray[Any]) -> MapStack:
        """The maps of a movie that is in memory, (T, H, W); nothing may have been added.

        Bin by bin where that is possible: then the sums over frames of one bin at a time are all that is kept.
        """
        device = self._computation.device
        kept_together = not self._layout.separable or self._cells is not None
        if self._compact or kept_together or self.n_frames is None or device is not None:
            self.read(Sliced(frames, FRAMES_PER_FOLD))
            return self.result().c2
        movie = checked_frames(frames, self.shape)
        numbers = checked_numbers(len(movie), None, 0)
        segment = Segment(numbers, movie, None, None, NO_SCALE)
        c2 = np.empty((self.n_bins, self._reduction.size, self._reduction.size), dtype=np.float32)

        def folded(layout: PixelLayout, addresses: Addresses, verdicts: Verdicts | None) -> Accumulation:
            state = self._new_state(len(movie), layout, threads=1, verdicts=verdicts)
            for start in range(0, len(movie), FRAMES_PER_FOLD):
                part = slice(start, start + FRAMES_PER_FOLD)
                state.add(replace(segment, numbers=segment.numbers[part], data=movie[part], addresses=addresses))
            return state

        def of_bin(index: int) -> tuple[int, int]:
            layout = self._layout.only(index)
            addresses = Addresses.of(layout.pixels, layout.slabs, movie.shape[1], movie.itemsize)
            detects = self._normalisation.detects_pixels
            known = Opening.of_movie(layout, movie, addresses, self._normalisation).verdicts() if detects else None
            state = folded(layout, addresses, known)
            if detects and state.judge_pixels().size:
                state = folded(layout, addresses, state.verdicts)
            c2[index] = state.maps().c2[0]
            return state.n_saturated, state.n_readings

        # Each thread has its own bin, so its products must not start threads again.
        with ThreadPoolExecutor(self._threads) as pool, one_blas_thread():
            saturated, readings = zip(*pool.map(of_bin, range(self.n_bins)), strict=True)
        self._corrections.normalisation.refuse_saturated(sum(saturated), sum(readings))
        return c2

    def partial(self) -> TwoTime:
        """The maps of the frames so far, to be looked at while the movie goes on.

        Times that have not come yet are NaN. Where bad frames are detected, the last few frames may not be in it yet.
        Where the number of frames is not known, the map ends with the last frame.
        """
        if self.n_frames is not None:
            state = self._state or self._new_state(self.n_frames, self._layout, self._threads, self._maker.verdicts)
        else:
            state = self._replayed()
            state.finish()
        return state.maps(self._maker.intensity(state.n_frames), partial=True)

    def look(self) -> MapsSoFar:
        """The maps of the frames so far on the grid of the planned movie, without changing what comes later.

        Not while another thread adds frames.

        Raises
        ------
        FrameError
            The planned number of frames is not known; fewer than two good frames are folded, as are none of the first
            64 where bad frames or pixels are detected; a bin without counts so far, or saturation.
        """
        state = self._state
        if self.n_frames is None:
            raise FrameError("a look needs the planned number of frames, which fixes its map: give n_frames")
        if state is None or state.n_so_far == 0:
            raise FrameError(f"none of the {self.n_added} frames so far is folded yet: look again when more have come")
        self._normalisation.refuse_saturated(state.n_saturated, state.n_readings)
        return state.so_far()

    def _replayed(self) -> Accumulation:
        """Fold what was kept of a movie whose length was not known."""
        if self.n_added < 2:
            raise FrameError(f"a two-time map needs at least 2 frames, got {self.n_added}")
        state = self._new_state(self.n_added, self._layout, self._threads, self._maker.verdicts)
        for segment in self._store:
            state.add(segment)
        return state

    def _new_state(
        self, n_frames: int, layout: PixelLayout, threads: int, verdicts: Verdicts | None = None
    ) -> Accumulation:
        dtype, device = self._computation.dtype(n_frames * len(self._layout)), self._computation.device

        silent = np.empty(0, dtype=np.int64) if verdicts is None else np.flatnonzero(verdicts != GOOD)
        watch = PixelWatch(silent, self._normalisation.detects_pixels)
        cells = self._cells

        def make_fold(width: int) -> Fold:
            size = self._reduction.size
            if device is None:
                corrections = self._corrections
                ages = None
                if cells is not None:
                    ages = AgeLagFold(
                        layout, cells, n_frames, dtype, factor=corrections.factor.astype(dtype),
                        dead_time=corrections.normalisation.dead_time, silent=silent,
                    )  # fmt: skip
                return NumbaFold(layout, size, width, corrections, dtype=dtype, threads=threads, watch=watch, ages=ages)
            from ainerd_agent.scattering.correlation._engine.torch_fold import TorchFold

            return TorchFold(
                layout,
                size,
                self._corrections,
                dtype=dtype,
                device=device,
                watch=watch,
                cells=cells,
                n_frames=n_frames,
            )

        return Accumulation(
            layout,
            n_frames,
            reduction=self._reduction,
            corrections=self._corrections,
            make_fold=make_fold,
            threads=threads if device is None else 1,
            verdicts=verdicts,
            ages=self._ages,
            cells=cells,
        )


def _cells(layout: PixelLayout, labels: NDArray[np.int64], ages: Ages) -> AgeLagCells:
    """The pixels, divided into groups."""
    n_groups = min(ages.n_groups, int(layout.bin_size.min()))
    # Patches as wide as what is copied at once
    return AgeLagCells.of(layout, (subdivide(labels, n_groups, (PATCH, RUN)).astype(np.int64) - 1) % n_groups)
