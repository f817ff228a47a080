"""The result of a two-time correlation."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records import BadPixels, FloatArray, MapStack
from ainerd_agent.scattering.correlation.age_lag_correlation import AgeLagCorrelation


@dataclass(frozen=True, slots=True, eq=False)
class TwoTime:
    """What `TwoTimeStream` gives: the maps of a movie, and what is known of it.

    Attributes
    ----------
    c2 : ndarray of float32, shape (n_bins, size, size)
        Neither rescaled nor offset.
    n_pixels : ndarray, shape (n_bins,)
        Pixels of each bin that count.
    mean_counts : ndarray, shape (n_bins,)
        Raw counts per pixel and frame.
    contrast : ndarray, shape (n_bins,)
        Mean of C2(t, t + 1) over the frames.
    n_frames : int
        T, bad frames included.
    bad_frames : ndarray of int
        Frames that were left out: given, detected, or missing.
    filled : ndarray of bool, shape (size,)
        Times of the map whose frames are all bad; their rows and columns are interpolated (NaN in a partial map).
    intensity : ndarray, shape (T,)
        Raw counts per pixel of each frame over all bins, NaN where it is not known (see `TwoTimeStream`).
    bad_pixels : BadPixels
        Pixels that were found bad and left out, where they were looked for. Those of the mask are not among them.
    age_lag : AgeLagCorrelation or None
        The correlation over age and lag, in frames, where it was asked for.
    resampled : bool
        The movie ended early, and its frames could not be had again: its maps are the beginning of those of the planned
        movie, brought to as many rows. The last unit of time is missing from `age_lag`.
    """

    c2: MapStack
    n_pixels: FloatArray
    mean_counts: FloatArray
    contrast: FloatArray
    n_frames: int
    bad_frames: NDArray[np.int64]
    filled: NDArray[np.bool_]
    intensity: FloatArray
    bad_pixels: BadPixels = field(default_factory=BadPixels.none)
    age_lag: AgeLagCorrelation | None = None
    resampled: bool = False

    @classmethod
    def unknown(
        cls,
        n_pixels: FloatArray,
        size: int,
        bad_frames: NDArray[np.int64],
        intensity: FloatArray,
        bad_pixels: BadPixels,
    ) -> TwoTime:
        """What there is to see before every bin has counts: maps of NaN."""
        n_bins = len(n_pixels)
        return cls(
            c2=np.full((n_bins, size, size), np.nan, dtype=np.float32),
            n_pixels=n_pixels,
            mean_counts=np.full(n_bins, np.nan),
            contrast=np.full(n_bins, np.nan),
            n_frames=len(intensity),
            bad_frames=bad_frames,
            filled=np.zeros(size, dtype=bool),
            intensity=intensity,
            bad_pixels=bad_pixels,
        )


@dataclass(frozen=True, slots=True, eq=False)
class MapsSoFar:
    """What `TwoTimeStream.look` gives: the maps of the first frames of a movie, on the grid of the whole.

    The maps are the first `n_rows` rows and columns of those of the planned movie: the rows whose middle has come. <I>
    is that of the frames so far. So values differ from those of the whole movie by <I>, and in the rows from
    `n_complete` on, whose smoothing reaches beyond the last frame: they are means over the frames so far. Frames
    and pixels are left out as they were judged so far; a pixel that is found bad by all frames is still in.

    Attributes
    ----------
    c2 : ndarray of float32, shape (n_bins, n_rows, n_rows)
        Neither rescaled nor offset.
    n_so_far : int
        Frames so far, bad ones included. Frames that wait for a verdict, where bad ones are detected, do not count.
    n_frames : int
        Planned.
    size : int
        Rows of the whole map.
    n_complete : int
        Rows that no frame to come reaches.
    n_pixels, mean_counts, contrast, bad_frames, bad_pixels
        See `TwoTime`.
    filled : ndarray of bool, shape (n_rows,)
        Times whose frames are all bad; they are interpolated.
    intensity : ndarray, shape (n_bins, n_rows)
        Raw counts per pixel and frame in equal sections of the movie, as many as the whole map has rows; NaN in one
        without a good frame.
    age_lag : AgeLagCorrelation or None
        Over age and lag, in frames, in the sections of age of the planned movie; NaN where no pair has come. Its `g2()`
        is g2 of the frames so far, with errors.
    complete_cells : ndarray of bool, shape (n_ages, n_lags), or None
        Cells all of whose pairs have come.
    """

    c2: MapStack
    n_so_far: int
    n_frames: int
    size: int
    n_complete: int
    n_pixels: FloatArray
    mean_counts: FloatArray
    contrast: FloatArray
    bad_frames: NDArray[np.int64]
    filled: NDArray[np.bool_]
    intensity: FloatArray
    bad_pixels: BadPixels
    age_lag: AgeLagCorrelation | None
    complete_cells: NDArray[np.bool_] | None
