"""The multi-tau correlator of earlier versions: g2 over many decades of lag, pixel by pixel, while the frames come.

Short lags are taken from single frames, longer ones from sums over 2, 4, 8, ... frames: the lags are spaced evenly in
their logarithm, and memory does not depend on the length of the movie. The normalisation is symmetric: earlier and
later frames of the pairs at one lag are divided by their own means (K. Schaetzel, M. Drewel and S. Stimac, J. Mod. Opt.
35, 711, 1988).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.errors import FrameError
from ainerd_agent.records import FloatArray, NumberedFrames, PhotonEvents
from ainerd_agent.scattering.correlation._engine.corrections import Corrections
from ainerd_agent.scattering.correlation._engine.frame_validation import (
    check_counts,
    check_events,
    checked_frames,
    checked_numbers,
)
from ainerd_agent.scattering.correlation._engine.layout import PixelLayout
from ainerd_agent.scattering.correlation._engine.mean_counts import refuse_dark, ring_means
from ainerd_agent.scattering.correlation._engine.numba_fold import n_threads, place_of
from ainerd_agent.scattering.correlation.g2 import G2, N_GROUPS, subdivide
from ainerd_agent.scattering.correlation.normalisation import PLAIN, Normalisation, check_labels

FRAMES_PER_STEP = 256
"""Frames that are kept before they are correlated at one go."""


class MultiTau:
    """g2 of a movie whose frames come in blocks.

    Parameters
    ----------
    labels : ndarray of int, shape (H, W)
        Bin of each pixel from 1 to n; 0 is ignored.
    frame_time : float
        Seconds; lags are in frames by default.
    channels : int
        Steps of each level, even; the lags are those from half of it on, in steps of 1, 2, 4, ... frames.
    n_levels : int
    n_groups : int
        Groups of pixels that each bin is divided into for errors (see `g2`); no more than its pixels.
    normalisation : Normalisation
        With the numbers of bad frames: none are detected. The scale of a mean image does not matter. "frame" and "both"
        take out the fluctuations of the beam, which groups of pixels cannot see as an error.
    threads : int, optional
        As many as there are processors by default.

    Raises
    ------
    BinError
        Labels, mask, static image or flat field that do not fit.
    FrameError
        From `add`: frames of another shape, NaN, infinite or negative counts, events out of order. From `result`: a
        bin without counts, saturation, fewer than two good frames.
    """

    def __init__(
        self,
        labels: ArrayLike,
        *,
        frame_time: float = 1.0,
        channels: int = 8,
        n_levels: int = 20,
        n_groups: int = N_GROUPS,
        normalisation: Normalisation = PLAIN,
        threads: int | None = None,
    ) -> None:
        if channels < 2 or channels % 2 or n_levels < 1 or n_groups < 1 or not frame_time > 0:
            raise ValueError(
                "channels must be even, levels, groups and the frame time positive, "
                f"got {channels}, {n_levels}, {n_groups} and {frame_time}"
            )
        normalisation.require_numbers("multi-tau correlation")
        pixels = normalisation.pixels(labels)
        self.n_groups = min(n_groups, int(np.bincount(pixels.labels.ravel())[1:].min()))
        self._layout = PixelLayout.of(check_labels(subdivide(pixels.labels, self.n_groups)), pixels.rings)
        self._factor = Corrections.of(pixels, self._layout).factor.astype(np.float32)
        self._normalisation = normalisation
        self._frame_time, self._channels = frame_time, channels
        self._threads = n_threads(threads)
        n_pixels = len(self._layout)
        self._cell_of = np.repeat(np.arange(len(self._layout.cell_bin)), self._layout.cell_size)
        self._rows = np.argsort(self._layout.pixels)
        self._pixels = self._layout.pixels[self._rows]
        self._series = np.zeros((n_pixels, channels + FRAMES_PER_STEP), dtype=np.float32)
        self._good = np.zeros(FRAMES_PER_STEP, dtype=bool)
        self._n_waiting = 0
        self._history = np.zeros((n_levels, n_pixels, channels), dtype=np.float32)
        self._weights = np.zeros((n_levels, channels))
        self._n_samples = np.zeros(n_levels, dtype=np.int64)
        self._lags = np.concatenate(
            [np.arange(1, channels), *(np.arange(channels // 2, channels) << level for level in range(1, n_levels))]
        )
        self._level = np.repeat(np.arange(n_levels), [channels - 1] + [channels // 2] * (n_levels - 1))
        self._sums = np.zeros((len(self._layout.cell_bin), len(self._lags), 3))
        self._weight_pairs = np.zeros(len(self._lags))
        self._n_pairs = np.zeros(len(self._lags), dtype=np.int64)
        self._n_good = 0
        self._n_saturated = 0
        self._n_readings = 0
        self.n_added = 0

    def add(self, block: ArrayLike | NumberedFrames | PhotonEvents, numbers: Iterable[int] | None = None) -> None:
        """Take the next frames.

        Parameters
        ----------
        block : array_like, shape (t, H, W) or (H, W); or NumberedFrames; or PhotonEvents
        numbers : sequence of int, shape (t,), optional
            Positions of dense frames in the movie, rising; the frames between are taken as dropped.
        """
        if isinstance(block, PhotonEvents):
            self._add_events(block)
            return
        if isinstance(block, NumberedFrames):
            numbers, block = block.numbers, block.frames
        frames = checked_frames(block, self._layout.shape)
        given = checked_numbers(len(frames), numbers, self.n_added)
        # Consecutive frames that fit into what is left of the buffer go there together.
        start = 0
        while start < len(frames):
            self._skip_to(int(given[start]))
            room = min(FRAMES_PER_STEP - self._n_waiting, len(frames) - start)
            gaps = np.flatnonzero(np.diff(given[start : start + room]) != 1)
            stop = start + (int(gaps[0]) + 1 if gaps.size else room)
            self._take(frames[start:stop])
            start = stop

    def result(self) -> G2:
        """g2 of the frames so far; more may be added afterwards."""
        self._correlate()
        layout = self._layout
        if self._n_good < 2:
            raise FrameError(f"g2 needs at least 2 good frames, got {self._n_good}")
        self._normalisation.refuse_saturated(self._n_saturated, self._n_readings)
        there = self._weight_pairs > 0
        n = self._weight_pairs[there]
        product, earlier, later = np.moveaxis(self._sums[:, there], 2, 0) / n
        mean_earlier, mean_later = self._mean(earlier), self._mean(later)
        correlation = (
            product / (mean_earlier * mean_later)
            - earlier / mean_earlier
            - later / mean_later
            + layout.cell_size[:, None]
        )
        groups = layout.sum_cells(correlation.T).T / layout.bin_size[:, None]
        n_lags = int(there.sum())
        return G2.of_groups(
            self._lags[there] * self._frame_time,
            1 + groups.reshape(-1, self.n_groups, n_lags),
            n_pairs=self._n_pairs[there],
            weights=layout.bin_size.reshape(-1, self.n_groups),
            # Two sums over 2**l frames: the lags between their frames have a triangular distribution.
            width=np.where(self._level[there] > 0, np.sqrt((4.0 ** self._level[there] - 1) / 6), 0) * self._frame_time,
        )

    def _mean(self, sums: FloatArray) -> FloatArray:
        """Mean counts of each cell's ring, shape (n_cells, n_lags)."""
        layout, n_groups = self._layout, self.n_groups
        in_bin = layout.sum_cells(sums.T).reshape(sums.shape[1], -1, n_groups).sum(axis=-1)
        numbers = np.arange(1, layout.n_bins // n_groups + 1)
        refuse_dark(in_bin, numbers, f"in some part of the {self._n_good} good frames")
        return ring_means(layout, sums.T, n_groups).T

    def _take(self, frames: NDArray[Any]) -> None:
        """Put consecutive frames into the buffer, which has room for them."""
        from peers import multi_tau_kernels as kernels

        good = self._judged(len(frames))
        check = frames.dtype.kind != "u"
        dead_time, ceiling = self._normalisation.dead_time, self._normalisation.ceiling(frames.dtype)
        column = self._channels + self._n_waiting

        def work(first: int, last: int) -> tuple[int, int]:
            found: tuple[int, int] = kernels.take_frames(
                frames, good, self._pixels[first:last], self._rows[first:last], self._factor, column, check, dead_time,
                ceiling, self._series,
            )  # fmt: skip
            return found

        told = self._on_threads(work)
        if (wrong := min(each[0] for each in told)) < len(frames):
            check_counts(frames[wrong : wrong + 1, self._pixels], np.array([self.n_added + wrong]), dead_time=dead_time)
            raise AssertionError("the kernel refuses only what are no counts")
        self._n_saturated += sum(each[1] for each in told)
        self._n_readings += int(good.sum()) * len(self._layout)
        self._advance(len(frames))

    def _add_events(self, events: PhotonEvents) -> None:
        from peers import multi_tau_kernels as kernels

        check_events(events, self.n_added, self._layout.shape, self._normalisation.dead_time)
        place = place_of(self._layout)
        done = 0
        while self.n_added < events.stop:
            n = min(FRAMES_PER_STEP - self._n_waiting, events.stop - self.n_added)
            good = self._judged(n)
            column = self._channels + self._n_waiting
            self._series[:, column : column + n] = 0
            last = events.stop == self.n_added + n
            until = len(events.frame) if last else int(np.searchsorted(events.frame, self.n_added + n))
            part = slice(done, until)
            frame = np.asarray(events.frame[part], dtype=np.int64) - self.n_added
            kernels.take_events(
                frame, events.pixel[part], events.count[part], place, good, self._factor, column, self._series
            )
            done = until
            self._advance(n)

    def _judged(self, n: int) -> NDArray[np.bool_]:
        """Which of the next `n` frames are good; noted for the buffer."""
        good = self._normalisation.good(np.arange(self.n_added, self.n_added + n))
        self._good[self._n_waiting : self._n_waiting + n] = good
        return good

    def _skip_to(self, number: int) -> None:
        """Take the frames before `number` as dropped."""
        while self.n_added < number:
            n = min(FRAMES_PER_STEP - self._n_waiting, number - self.n_added)
            self._good[self._n_waiting : self._n_waiting + n] = False
            column = self._channels + self._n_waiting
            self._series[:, column : column + n] = 0
            self._advance(n)

    def _advance(self, n: int) -> None:
        self.n_added += n
        self._n_waiting += n
        if self._n_waiting == FRAMES_PER_STEP:
            self._correlate()

    def _correlate(self) -> None:
        """Correlate the frames in the buffer."""
        from peers import multi_tau_kernels as kernels

        n_new = self._n_waiting
        if n_new == 0:
            return
        good = self._good[:n_new].astype(np.float64)
        scale = np.empty((0, 0), dtype=np.float32)
        if self._normalisation.per_frame:
            scale = self._scale(n_new)
            good *= np.isfinite(scale).all(axis=0)
            scale[:, good == 0] = 0
        before = self._n_samples.copy()
        weight, even = self._weigh(good)
        layout = self._layout
        scale_of_cell = layout.cell_bin // self.n_groups

        def work(first: int, last: int) -> None:
            kernels.correlate(
                self._series, n_new, first, last, self._cell_of, scale, scale_of_cell, before, weight, even,
                self._history, self._sums,
            )  # fmt: skip

        self._on_threads(work)
        self._n_good += int(good.sum())
        self._n_waiting = 0

    def _scale(self, n_new: int) -> NDArray[np.float32]:
        """What divides each frame by its mean in each bin, shape (n_bins, n_new); infinite where it has no counts."""
        channels, edges = self._channels, self._layout.bin_edges[:: self.n_groups]
        new = self._series[:, channels : channels + n_new]
        mean = np.stack([new[a:b].mean(axis=0, dtype=np.float64) for a, b in pairwise(edges)])
        with np.errstate(divide="ignore"):
            return np.asarray(1 / mean, dtype=np.float32)

    def _weigh(self, good: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Good frames in each sample of each level, with the old ones before, and whether they are all the same."""
        channels, n_levels = self._channels, len(self._weights)
        weight = np.zeros((n_levels, channels + len(good)))
        even = np.zeros(n_levels, dtype=bool)
        new = good
        lag = 0
        for level in range(n_levels):
            n = len(new)
            own = weight[level, : channels + n]
            own[:channels], own[channels:] = self._weights[level], new
            even[level] = bool((own == own[0]).all()) and own[0] > 0
            for k in range(1 if level == 0 else channels // 2, channels):
                products = own[channels:] * own[channels - k : channels - k + n]
                self._weight_pairs[lag] += products.sum()
                self._n_pairs[lag] += np.count_nonzero(products)
                lag += 1
            odd = int(self._n_samples[level]) % 2
            self._n_samples[level] += n
            self._weights[level] = own[n:]
            paired = own[channels - odd :]
            new = paired[: len(paired) // 2 * 2].reshape(-1, 2).sum(axis=1)
            if len(new) == 0:
                break
        return weight, even

    def _on_threads(self, work: Callable[[int, int], Any]) -> list[Any]:
        """Call `work(first, last)` for parts of the pixels, cut where a cell ends."""
        cells = self._layout.cells
        n_parts = min(self._threads, len(cells) - 1)
        if n_parts == 1:
            return [work(0, int(cells[-1]))]
        cuts = cells[np.searchsorted(cells, np.linspace(0, cells[-1], n_parts + 1).astype(int))]
        with ThreadPoolExecutor(n_parts) as pool:
            return list(pool.map(work, cuts[:-1].tolist(), cuts[1:].tolist()))
