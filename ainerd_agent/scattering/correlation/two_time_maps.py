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
