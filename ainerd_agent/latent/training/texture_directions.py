"""The directions that a texture is looked at in: those in which dynamics differ most for the noise there is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

Textures = NDArray[np.float32]

SHRINKAGE = 0.1
"""Of the covariance of noise towards one that is alike in all directions, as few maps do not determine all of it."""


def telling_directions(truth: Textures, noises: Sequence[Textures]) -> tuple[Textures, NDArray[np.float64]]:
    """Linear discriminants of textures against noise.

    Parameters
    ----------
    truth : ndarray, shape (n, n_textures)
        Without noise.
    noises : sequence of ndarray, shape (m, n_textures)
        What measured textures differ in from their truth. Each kind of noise, such as simulated and real, counts alike.

    Returns
    -------
    directions : ndarray, shape (n_textures, n_textures)
        In rows, the most telling first. Along each, noise has a variance of 1.
    telling : ndarray, shape (n_textures,)
        Variance of the truth along each, in units of that of noise.
    """
    within = np.sum([_covariance(each) for each in noises], axis=0)
    size = len(within)
    within = (1 - SHRINKAGE) * within + SHRINKAGE * np.trace(within) / size * np.eye(size)
    telling, directions = eigh(_covariance(truth), within)
    return np.asarray(directions.T[::-1], dtype=np.float32), np.asarray(telling[::-1])


def _covariance(textures: Textures) -> NDArray[np.float64]:
    """Covariance (n_textures, n_textures) in which no map counts for much more than others, however strong it is."""
    power = np.mean(textures.astype(np.float64) ** 2, axis=1, keepdims=True)
    return np.asarray(np.cov((textures / np.sqrt(power + np.median(power) + 1e-30)).T))
