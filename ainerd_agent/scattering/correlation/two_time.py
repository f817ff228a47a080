"""Two-time correlation maps, resized on the fly.

With D = I / <I> - 1, the two-time correlation over the N pixels of a bin is C = D D^T / N, a T x T matrix. Resizing it
(scikit-image, order 1, gaussian anti-aliasing) is R C R^T with R of shape (size, T), banded, rows adding up to one. So

    R C R^T = (R D)(R D)^T / N,        R D = (R I) / <I> - 1

and frames can be folded into R I one by one; size x N numbers are kept. The shot noise on the diagonal of C is replaced
exactly: the correction is diagonal, needs sums of I(t), I(t)^2 and I(t) I(t + 1) alone, and passes through the same R.

A frame that is left out has no weight, and the weights of the others in a row are divided by their sum: R stays a
weighted mean, over good frames only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from ainerd_agent.errors import FrameError
from ainerd_agent.records import FrameSource, MapStack, NumberedFrames, PhotonEvents
from ainerd_agent.scattering.correlation._engine.accumulation import Accumulation, Fold
from ainerd_agent.scattering.correlation._engine.segment_maker import Intake
from ainerd_agent.scattering.correlation._engine.layout import Addresses, PixelLayout, pixel_factors
from ainerd_agent.scattering.correlation._engine.numba_fold import Corrections, NumbaFold, n_threads
from ainerd_agent.scattering.correlation._engine.segment_store import SegmentStore
from ainerd_agent.scattering.correlation.beam_loss import LOSS, SETTLING, BeamWatch
from ainerd_agent.scattering.correlation.normalisation import (
    MAX_SATURATED,
    Normalise,
    check_labels,
    masked,
    static_rings,
)
from ainerd_agent.scattering.correlation.two_time_maps import TwoTime

Diagonal = Literal["neighbours", "keep"]
Precision = Literal["single", "double"]
BadFrames = Literal["detect"] | Sequence[int] | NDArray[Any] | None

BLOCK = 64
"""Frames that are taken at a time where somebody may choose."""

CHUNK = 1024
"""Frames of a movie in memory that are folded at a time."""

EXACT = 30_000_000
"""Readings (frames x pixels) up to which sums are taken in double precision, because it costs next to nothing."""


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
    static : ndarray, shape (H, W), optional
        What <I> is: integer labels of finer rings, over whose pixels and all frames counts are averaged; or a float
        image of mean counts. By default each bin is its own ring.
    normalise : {"static", "frame", "both"}
        Divide counts by the static image, each frame by its own mean in the bin, or first the latter, then the former.
        Frames without any counts in a bin cannot be divided and are left out.
    diagonal : {"neighbours", "keep"}
        Replace C(t, t), which holds the shot noise, by the mean of C(t, t - 1) and C(t, t + 1), or leave it.
    mask : ndarray of bool, shape (H, W), optional
        True where a pixel must not be used.
    bad_frames : sequence of int or "detect", optional
        Frames that are left out; or frames without beam are told by their counts (see `bad_frames`).
    loss : float
        Share of the usual counts below which "detect" takes a frame as lost.
    flat_field : ndarray, shape (H, W), optional
        Relative sensitivity of each pixel, which counts are divided by.
    dead_time : float
        Of a pixel, in units of the frame time (not paralysable): n counts become n / (1 - n * dead_time).
    saturation : float, optional
        Count at which a pixel is full; for unsigned integers the largest number by default, which many detectors also
        write for a pixel that does not work. More than 0.1 % of such readings are refused.
    precision : {"single", "double"}, optional
        Of sums over frames. By default double for small movies, where it costs nothing. Differences are below 1e-5 of
        the map's range, but for single flashes far brighter than the rest.
    device : str, optional
        "cuda" to fold on a GPU with torch; any torch device. By default the processor, with numba.
    threads : int, optional
        As many as there are processors by default.

    Raises
    ------
    BinError
        Labels that are negative, not integer, or skip a bin; a mask, flat field or static image that does not fit them.
    FrameError
        From `add`: frames of another shape or number, NaN, infinite or negative counts; events out of order. From
        `result`: frames missing, a bin without counts, saturation.

    Notes
    -----
    Memory is `size` x N numbers of `precision` for N used pixels, and a few for each frame. The intensity of each frame
    is known where frames are judged or divided by their mean.
    """

    def __init__(
        self,
        labels: ArrayLike,
        n_frames: int | None = None,
        *,
        size: int = 256,
        sigma: float | None = None,
        static: ArrayLike | None = None,
        normalise: Normalise = "static",
        diagonal: Diagonal = "neighbours",
        mask: ArrayLike | None = None,
        bad_frames: BadFrames = None,
        loss: float = LOSS,
        flat_field: ArrayLike | None = None,
        dead_time: float = 0.0,
        saturation: float | None = None,
        precision: Precision | None = None,
        device: str | None = None,
        threads: int | None = None,
    ) -> None:
        if size < 1 or (sigma is not None and not sigma >= 0):
            raise ValueError(f"size must be positive and sigma not negative, got {size} and {sigma}")
        if n_frames is not None and n_frames < 2:
            raise FrameError(f"a two-time map needs at least 2 frames, got {n_frames}")
        if diagonal not in ("neighbours", "keep"):
            raise ValueError(f'diagonal must be "neighbours" or "keep", not {diagonal!r}')
        if normalise not in ("static", "frame", "both"):
            raise ValueError(f'normalise must be "static", "frame" or "both", not {normalise!r}')
        if not 0 <= dead_time < 1:
            raise ValueError(f"dead_time is in units of the frame time and must lie in [0, 1), got {dead_time}")
        label_map = check_labels(masked(labels, mask))
        self.shape = label_map.shape
        self.n_frames = n_frames
        self._used = label_map > 0
        rings, image = static_rings(None if normalise == "frame" else static, label_map)
        self._layout = PixelLayout.of(label_map, rings)
        self.n_bins = self._layout.n_bins
        self._unit_mean = image is not None
        self._size, self._sigma = size, sigma
        self._replace = diagonal == "neighbours"
        self._loss = loss if isinstance(bad_frames, str) else None
        self._excluded = _excluded(bad_frames)
        self._precision, self._device, self._threads = precision, device, n_threads(threads)
        self._corrections = Corrections(
            factor=pixel_factors(self._layout, image, flat_field), dead_time=dead_time, saturation=saturation
        )
        per_frame = normalise != "static"
        corrected = self._corrections.factor.size > 0 or dead_time > 0
        # Where frames need neither to be judged, nor corrected, nor kept, they are folded as they are.
        self._compact = n_frames is None or per_frame or corrected or self._loss is not None
        self._intake = Intake(
            self._layout,
            n_frames,
            self._corrections,
            compact=self._compact,
            per_frame=per_frame,
            threads=self._threads,
        )
        self._state: Accumulation | None = None
        self._store = SegmentStore()
        self._broken = False

    @property
    def n_added(self) -> int:
        """Frames taken so far, dropped ones included."""
        return self._intake.n_seen

    def add(self, block: ArrayLike | PhotonEvents, numbers: Iterable[int] | None = None) -> None:
        """Fold in the next frames.

        Parameters
        ----------
        block : array_like, shape (t, H, W) or (H, W), of any real type; or PhotonEvents
            Either kind, but always the same one.
        numbers : sequence of int, shape (t,), optional
            Positions of dense frames in the movie, rising from 0; the frames between are taken as dropped. By default
            the frames follow on each other.
        """
        if self._broken:
            raise FrameError("a block before this one was refused, and left the correlation incomplete: begin anew")
        try:
            if isinstance(block, PhotonEvents) and self._corrections.dead_time > 0:
                raise FrameError("the dead time of photon events is not corrected here: set it to 0")
            for segment in self._intake.segments(block, numbers):
                if self.n_frames is None:
                    self._store.add(segment)
                    continue
                if self._state is None:
                    self._state = self._new_state(self.n_frames, self._layout, self._threads)
                self._state.add(segment)
        except FrameError:
            self._broken = True
            raise

    def follow(self, source: FrameSource, watch: Callable[[TwoTimeStream], object] | None = None) -> None:
        """Add all blocks of a source as they come; `watch` is told after each."""
        for block in source.blocks(self._used):
            if isinstance(block, NumberedFrames):
                self.add(block.frames, block.numbers)
            else:
                self.add(block)
            if watch is not None:
                watch(self)

    def result(self) -> TwoTime:
        """The maps, once all frames are in."""
        if self.n_frames is not None and self.n_added < self.n_frames:
            raise FrameError(
                f"the movie ends after {self.n_added} of {self.n_frames} frames: the file is truncated, or the "
                "exposure was cut short"
            )
        state = self._replayed() if self._state is None else self._state
        state.finish()
        self._check_saturation(state.n_saturated, state.n_readings)
        return state.maps(self._intake.intensity(state.n_frames))

    def whole(self, frames: NDArray[Any]) -> MapStack:
        """The maps of a movie that is in memory, (T, H, W); nothing may have been added.

        Bin by bin where that is possible: then the sums over frames of one bin at a time are all that is kept.
        """
        if self._compact or not self._layout.separable or self.n_frames is None or self._device is not None:
            self.add(frames)
            return self.result().c2
        (segment,) = self._intake.segments(frames, None)
        movie = np.asarray(segment.data)

        c2 = np.empty((self.n_bins, self._size, self._size), dtype=np.float32)

        def of_bin(index: int) -> tuple[int, int]:
            layout = self._layout.only(index)
            addresses = Addresses.of(layout.pixels, layout.slabs, movie.shape[1], movie.itemsize)
            state = self._new_state(len(movie), layout, threads=1)
            for start in range(0, len(movie), CHUNK):
                part = slice(start, start + CHUNK)
                state.add(replace(segment, numbers=segment.numbers[part], data=movie[part], addresses=addresses))
            c2[index] = state.maps().c2[0]
            return state.n_saturated, state.n_readings

        # Each thread has its own bin, so its products must not start threads again.
        with ThreadPoolExecutor(self._threads) as pool, threadpool_limits(1, user_api="blas"):
            saturated, readings = zip(*pool.map(of_bin, range(self.n_bins)), strict=True)
        self._check_saturation(sum(saturated), sum(readings))
        return c2

    def _check_saturation(self, n_saturated: int, n_readings: int) -> None:
        share = n_saturated / max(1, n_readings)
        if share > MAX_SATURATED:
            ceiling = "" if self._corrections.saturation is None else f" of {self._corrections.saturation:g} counts"
            raise FrameError(
                f"{share:.1%} of the readings in the bins are at the detector's ceiling{ceiling}: attenuate the beam, "
                "shorten the exposure, or mask the pixels that do not work"
            )

    def partial(self) -> TwoTime:
        """The maps of the frames so far, to be looked at while the movie goes on.

        Times that have not come yet are NaN. Where bad frames are detected, the last few frames may not be in it yet.
        Where the number of frames is not known, the map ends with the last frame.
        """
        if self.n_frames is not None:
            state = self._state or self._new_state(self.n_frames, self._layout, self._threads)
        else:
            state = self._replayed()
            state.finish()
        return state.maps(self._intake.intensity(state.n_frames), partial=True)

    def _replayed(self) -> Accumulation:
        """Fold what was kept of a movie whose length was not known."""
        if self.n_added < 2:
            raise FrameError(f"a two-time map needs at least 2 frames, got {self.n_added}")
        state = self._new_state(self.n_added, self._layout, self._threads)
        for segment in self._store:
            state.add(segment)
        return state

    def _new_state(self, n_frames: int, layout: PixelLayout, threads: int) -> Accumulation:
        double = n_frames * len(self._layout) <= EXACT if self._precision is None else self._precision == "double"
        dtype = np.dtype(np.float64 if double else np.float32)
        corrections = self._corrections

        def make_fold(width: int) -> Fold:
            if self._device is None:
                return NumbaFold(layout, self._size, width, corrections, dtype=dtype, threads=threads)
            from ainerd_agent.scattering.correlation._engine.torch_fold import TorchFold

            return TorchFold(layout, self._size, corrections, dtype=dtype, device=self._device)

        return Accumulation(
            layout,
            n_frames,
            size=self._size,
            sigma=self._sigma,
            make_fold=make_fold,
            watch=None if self._loss is None else BeamWatch(self._loss),
            excluded=self._excluded,
            replace_diagonal=self._replace,
            unit_mean=self._unit_mean,
            threads=threads if self._device is None else 1,
        )


def two_time(
    frames: Any,
    labels: ArrayLike,
    *,
    size: int = 256,
    sigma: float | None = None,
    static: ArrayLike | None = None,
    diagonal: Diagonal = "neighbours",
    threads: int | None = None,
    **options: Any,
) -> MapStack:
    """C2 maps of a movie, one per bin, resized to `size` x `size`.

    Parameters
    ----------
    frames : array_like, shape (T, H, W); or FrameSource
        Counts of any real type. An object with `shape` that is sliced along its first axis (an HDF5 dataset) is read
        block by block, and so is a source of frames or photon events.
    labels, size, sigma, static, diagonal, threads, **options
        As for `TwoTimeStream`.

    Returns
    -------
    ndarray of float32, shape (n_bins, size, size)
        <D(t1) D(t2)> with D = I/<I> - 1: zero where nothing correlates, the contrast where everything does.

    Examples
    --------
    >>> import numpy as np
    >>> frames = np.random.default_rng(0).poisson(2.0, size=(300, 8, 8))
    >>> two_time(frames, np.ones((8, 8), dtype=int), size=64).shape
    (1, 64, 64)
    """
    source: Any = frames if hasattr(frames, "shape") else np.asarray(frames)
    if len(source.shape) != 3:
        raise FrameError(f"frames must have the shape (T, H, W), got {tuple(source.shape)}")
    options = {"size": size, "sigma": sigma, "static": static, "diagonal": diagonal, **options}
    stream = TwoTimeStream(labels, source.shape[0], threads=threads, **options)
    if isinstance(source, np.ndarray):
        return stream.whole(source)
    if hasattr(source, "blocks"):
        stream.follow(source)
    else:
        for start in range(0, source.shape[0], BLOCK):
            stream.add(source[start : start + BLOCK])
    return stream.result().c2


def warm_up(dtype: Any = np.uint16) -> None:
    """Compile what frames of a type need, or load it from the cache of an earlier process: before a scan, not in it."""
    frames = np.ones((SETTLING, 1, 1), dtype=dtype)
    for precision in ("single", "double"):
        two_time(frames, np.ones((1, 1), dtype=int), size=2, precision=precision, bad_frames="detect")


def _excluded(bad_frames: BadFrames) -> frozenset[int]:
    """The numbers of frames that are left out beforehand."""
    if bad_frames is None:
        return frozenset()
    if isinstance(bad_frames, str):
        if bad_frames != "detect":
            raise ValueError(f'bad_frames must be frame numbers or "detect", not {bad_frames!r}')
        return frozenset()
    return frozenset(int(number) for number in bad_frames)
