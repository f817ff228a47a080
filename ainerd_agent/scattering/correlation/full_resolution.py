"""C2 at full resolution, of the bins and the stretch of time that somebody asks for.

The definition as it stands, C = D D^T / N: a matrix of K x K for K frames. Only one triangle is computed (BLAS SYRK),
over some pixels at a time, so that memory is the matrix and what the caller allows beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.errors import FrameError
from ainerd_agent.records.arrays import IntArray
from ainerd_agent.scattering.correlation._engine.diagonal import Diagonal, is_replaced
from ainerd_agent.scattering.correlation.computation import Precision, dtype_of
from ainerd_agent.scattering.correlation.normalisation import PLAIN, Normalisation
from ainerd_agent.scattering.correlation.window_counts import (
    EVERYTHING,
    MEMORY,
    PIXELS_PER_PIECE,
    Selection,
    WindowCounts,
)

ROWS_MIRRORED = 512
"""Rows of a triangle that are copied to the other one at a time."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WholeMap:
    """C2 of one bin, frame by frame.

    Attributes
    ----------
    c2 : ndarray of float32 or float64, shape (K, K)
        <D(t1) D(t2)>, symmetric; NaN in rows and columns of bad frames.
    bin : int
        Label.
    window : tuple of int
        First frame of the movie that is in it, and the one after the last.
    n_pixels : int
    mean_counts : float
        Per pixel and good frame.
    frame_time, q, azimuth : float
        Seconds, 1/nm and degrees, where they are known: from a file.
    """

    c2: NDArray[Any]
    bin: int
    window: tuple[int, int]
    n_pixels: int
    mean_counts: float
    frame_time: float = float("nan")
    q: float = float("nan")
    azimuth: float = float("nan")

    @property
    def bad_frames(self) -> IntArray:
        """Numbers of the frames that were left out."""
        return self.window[0] + np.flatnonzero(np.isnan(self.c2).all(axis=0))


def whole_two_time(
    frames: Any,
    labels: ArrayLike,
    selection: Selection = EVERYTHING,
    *,
    normalisation: Normalisation = PLAIN,
    diagonal: Diagonal = "neighbours",
    precision: Precision = "single",
    max_bytes: int = MEMORY,
) -> Iterator[WholeMap]:
    """C2 of chosen bins and times at full resolution, one bin after the other.

    Parameters
    ----------
    frames, labels, selection, normalisation
        As for `WindowCounts`. Frames are read once where the counts of the chosen bins fit into `max_bytes`, more often
        where not. A mean image as `static` makes <I> that of the whole movie, for instance.
    diagonal : {"neighbours", "keep"}
        Replace C(t, t), which holds the shot noise, by the mean of C(t, t - 1) and C(t, t + 1) (of the nearest good
        frames, where these two are bad), or leave it.
    precision : {"single", "double"}
        Of the map and its sums.
    max_bytes : int
        Memory that the map and the counts may use together.

    Yields
    ------
    WholeMap
        In the order of the labels.

    Raises
    ------
    BinError
        Labels that do not fit; bins that are not there.
    FrameError
        A window that reaches beyond the movie, or whose map does not fit into `max_bytes`; fewer than two good frames;
        frames that cannot be read or trusted.
    """
    replaced, dtype = is_replaced(diagonal), dtype_of(precision)
    counts = WindowCounts(frames, labels, selection, normalisation)
    n_frames = counts.window[1] - counts.window[0]
    left = max_bytes - n_frames**2 * dtype.itemsize
    if left < 0:
        raise FrameError(
            f"the map of {n_frames} frames takes {n_frames**2 * dtype.itemsize / 1e9:.1f} GB, more than the "
            f"{max_bytes / 1e9:.1f} GB that may be used: ask for a window of at most "
            f"{int((max_bytes / dtype.itemsize) ** 0.5)} frames, or use the reduced map"
        )
    return _maps(counts, dtype, replaced, left)


def _maps(counts: WindowCounts, dtype: np.dtype[Any], replace_diagonal: bool, memory: int) -> Iterator[WholeMap]:
    from scipy.linalg import blas

    syrk = blas.ssyrk if dtype == np.float32 else blas.dsyrk
    n_frames = len(counts.good)
    matrix: NDArray[Any] | None = None
    n_pixels = 0
    # Half of what is left is for counts, half for the fluctuations of one piece.
    most = max(1, memory // 2 // (n_frames * dtype.itemsize))
    for piece in counts.pieces(memory // 2, most=min(most, PIXELS_PER_PIECE)):
        fluctuation = piece.fluctuation(dtype)
        if matrix is None:
            matrix = np.zeros((n_frames, n_frames), dtype=dtype, order="F")
            n_pixels = 0
        # In the order of Fortran the transpose of `fluctuation` lies contiguous. The upper triangle there is the lower
        # one here.
        matrix = syrk(1.0, fluctuation.T, beta=1.0, c=matrix, trans=1, lower=0, overwrite_c=1)
        n_pixels += fluctuation.shape[1]
        if piece.last:
            whole = matrix.T
            whole /= n_pixels
            _mirror(whole)
            if replace_diagonal:
                _replace_diagonal(whole, np.flatnonzero(counts.good))
            whole[~counts.good] = np.nan
            whole[:, ~counts.good] = np.nan
            yield WholeMap(
                c2=whole,
                bin=piece.bin,
                window=counts.window,
                n_pixels=n_pixels,
                mean_counts=float(counts.mean_counts[counts.bins.index(piece.bin)]),
            )
            matrix = None


def _mirror(matrix: NDArray[Any]) -> None:
    """Copy the lower triangle to the upper one."""
    n = len(matrix)
    for start in range(0, n, ROWS_MIRRORED):
        rows = slice(start, min(start + ROWS_MIRRORED, n))
        matrix[rows, rows.stop :] = matrix[rows.stop :, rows].T
        square = matrix[rows, rows]
        square += np.tril(square, -1).T - np.triu(square, 1)


def _replace_diagonal(matrix: NDArray[Any], good: IntArray) -> None:
    """Set C(t, t) of good frames to the mean over the good frames beside them: next to them, where there are any."""
    link = matrix[good[:-1], good[1:]]
    near = np.diff(good) == 1
    before, after = np.append(False, near), np.append(near, False)
    neither = ~before & ~after
    weight_before = np.where(neither, np.arange(len(good)) > 0, before).astype(np.float64)
    weight_after = np.where(neither, np.arange(len(good)) < len(good) - 1, after).astype(np.float64)
    beside = weight_before * np.append(0, link) + weight_after * np.append(link, 0)
    matrix[good, good] = beside / (weight_before + weight_after)
