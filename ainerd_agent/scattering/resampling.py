"""The matrix R with which scikit-image would resize one axis of a two-time map.

`skimage.transform.resize` (order 1, gaussian anti-aliasing) is linear and separable, so a T x T map C becomes
R C R^T. R is built here directly, row by row: nothing of size T x T is ever made, and scikit-image is not needed.
"""

from __future__ import annotations

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
    radius = int(TRUNCATE * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2) if sigma > 0 else np.ones(1)
    kernel /= kernel.sum()

    # Where the centre of each output pixel falls on the input axis, and the two frames beside it.
    centre = (np.arange(size) + 0.5) * n_frames / size - 0.5
    left = np.floor(centre).astype(np.int64)
    fraction = centre - left
    frames = np.concatenate([left[:, None] + offsets, left[:, None] + 1 + offsets], axis=1)
    weights = np.concatenate([(1 - fraction)[:, None] * kernel, fraction[:, None] * kernel], axis=1)
    rows = np.repeat(np.arange(size), frames.shape[1])
    matrix = sparse.coo_array((weights.ravel(), (rows, _mirror(frames.ravel(), n_frames))), shape=(size, n_frames))
    return matrix.tocsr()  # sums the frames that mirroring made coincide


def _mirror(frames: NDArray[np.int64], n_frames: int) -> NDArray[np.int64]:
    """Reflect frame numbers at the first and the last frame (scipy's mode "mirror")."""
    if n_frames == 1:
        return np.zeros_like(frames)
    period = 2 * (n_frames - 1)
    folded = np.abs(frames) % period
    return np.where(folded >= n_frames, period - folded, folded)
