"""The matrix R with which scikit-image would resize one axis of a two-time map.

`skimage.transform.resize` (order 1, gaussian anti-aliasing) is linear and separable, so a T x T map C becomes
R C R^T. R is built here directly, row by row: nothing of size T x T is ever made, and scikit-image is not needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

TRUNCATE = 4.0
"""Gaussian kernels end after so many sigma, as scikit-image's do."""


def default_sigma(n_frames: int, size: int) -> float:
    """scikit-image's own choice for anti-aliasing, in frames; it lets every frame contribute."""
    return max(0.0, (n_frames / size - 1) / 2)


def resize_matrix(n_frames: int, size: int, sigma: float | None = None) -> sparse.csr_array:
    """Rows of weights that take T frames to `size` points of time.

    Parameters
    ----------
    n_frames : int
        T.
    size : int
        Points of the resized axis.
    sigma : float, optional
        Standard deviation of the anti-aliasing gaussian in frames; `default_sigma` where not given. The paper uses 2.

    Returns
    -------
    scipy.sparse.csr_array of float64, shape (size, n_frames)
        Banded; every row adds up to one.
    """
    sigma = default_sigma(n_frames, size) if sigma is None else sigma
    return _matrix((np.arange(size) + 0.5) * n_frames / size - 0.5, n_frames, sigma)


def crop_matrix(n_frames: int, size: int, start: float, length: float) -> sparse.csr_array:
    """Rows of weights that take a part of an axis to `size` points, as `resize_matrix` takes the whole.

    The ends of the part may lie anywhere between frames: values there are interpolated, also with the frame beyond the
    end, so that nothing is shifted. The axis is mirrored at its own ends only.

    Parameters
    ----------
    n_frames : int
        Of the axis.
    size : int
        Points of the resized part.
    start, length : float
        Of the part, in frames from the beginning of the first one.

    Returns
    -------
    scipy.sparse.csr_array of float64, shape (size, n_frames)
        Every row adds up to one.
    """
    centre = start + (np.arange(size) + 0.5) * length / size - 0.5
    return _matrix(centre, n_frames, max(0.0, (length / size - 1) / 2))


def _matrix(centre: NDArray[np.float64], n_frames: int, sigma: float) -> sparse.csr_array:
    """Weights of the frames around the centres of output pixels, which are on the input axis."""
    radius = int(TRUNCATE * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2) if sigma > 0 else np.ones(1)
    kernel /= kernel.sum()
    left = np.floor(centre).astype(np.int64)
    fraction = centre - left
    frames = np.concatenate([left[:, None] + offsets, left[:, None] + 1 + offsets], axis=1)
    weights = np.concatenate([(1 - fraction)[:, None] * kernel, fraction[:, None] * kernel], axis=1)
    size = len(centre)
    rows = np.repeat(np.arange(size), frames.shape[1])
    matrix = sparse.coo_array((weights.ravel(), (rows, _mirror(frames.ravel(), n_frames))), shape=(size, n_frames))
    return matrix.tocsr()  # sums the frames that mirroring made coincide


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """The resize matrix frame by frame: each frame has weight in a few consecutive rows.

    Attributes
    ----------
    weights : ndarray, shape (n_frames, width)
        Weight of a frame in the rows `first_row`, `first_row` + 1, ...
    first_row : ndarray of int, shape (n_frames,)
        Never falling; `first_row` + width stays within the rows.
    """

    weights: NDArray[np.float64]
    first_row: NDArray[np.int64]

    @classmethod
    def of(cls, matrix: sparse.csr_array) -> Band:
        """Take the columns of a resize matrix, shape (size, n_frames), apart."""
        size, n_frames = matrix.shape
        columns = matrix.tocsc()
        columns.sort_indices()
        starts, stops = columns.indptr[:-1], columns.indptr[1:]
        used = np.flatnonzero(stops > starts)
        # A frame without weight (the gaussian is narrower than a step) takes the place of the one before it.
        at = used[np.maximum(np.searchsorted(used, np.arange(n_frames), side="right") - 1, 0)]
        lowest, highest = columns.indices[starts[at]], columns.indices[stops[at] - 1]
        width = int((highest - lowest).max()) + 1
        first_row = np.minimum(np.maximum.accumulate(lowest), size - width).astype(np.int64)
        frame = np.repeat(np.arange(n_frames), stops - starts)
        weights = np.zeros((n_frames, width))
        weights[frame, columns.indices - first_row[frame]] = columns.data
        return cls(weights, first_row)

    def __getitem__(self, frames: slice | NDArray[np.int64]) -> Band:
        return Band(self.weights[frames], self.first_row[frames])

    def row_sums(self, size: int) -> NDArray[np.float64]:
        """Total weight of these frames in each row, shape (size,)."""
        rows = self.first_row[:, None] + np.arange(self.weights.shape[1])
        return np.asarray(np.bincount(rows.ravel(), weights=self.weights.ravel(), minlength=size), dtype=np.float64)

    def last_frames(self, size: int) -> NDArray[np.int64]:
        """The last of these frames that has weight in each row, shape (size,); -1 where none has."""
        last = np.full(size, -1, dtype=np.int64)
        for offset in range(self.weights.shape[1]):
            frames = np.flatnonzero(self.weights[:, offset])
            np.maximum.at(last, self.first_row[frames] + offset, frames)
        return last


def rows_within(n_so_far: int, n_frames: int, size: int) -> int:
    """Rows of a map of `n_frames` frames whose middle lies within its first `n_so_far` frames.

    Where the smoothing lets every frame contribute, half of what such a row is made of has come, or more.
    """
    return min(size, (2 * n_so_far * size + n_frames) // (2 * n_frames))


@lru_cache(maxsize=4)
def resize_band(n_frames: int, size: int, sigma: float | None = None) -> Band:
    """The resize matrix by frames (see `resize_matrix`); movies of a session share it."""
    return Band.of(resize_matrix(n_frames, size, sigma))


def _mirror(frames: NDArray[np.int64], n_frames: int) -> NDArray[np.int64]:
    """Reflect frame numbers at the first and the last frame (scipy's mode "mirror")."""
    if n_frames == 1:
        return np.zeros_like(frames)
    period = 2 * (n_frames - 1)
    folded = np.abs(frames) % period
    return np.where(folded >= n_frames, period - folded, folded)
