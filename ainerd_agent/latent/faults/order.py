"""Whether frames that are close in time correlate more than others: if not, there is no signal, or no order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records import FloatArray, MapStack

DECAYS = (0.3, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
"""Lags, in rows, of the exponential decays that are looked for."""

LARGEST_SIDE = 128
"""Of the matrix whose eigenvalues are computed; of larger maps, some frames are enough."""


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """How the correlations of maps follow the time, each (n,). Statistics have a standard deviation of 1 in noise.

    Attributes
    ----------
    level : ndarray
        Mean over all pairs of frames, in units of the contrast.
    signal : ndarray
        The clearest decay from the diagonal, or mean level, in units of the noise.
    decay, rise : ndarray
        The clearest decay from the diagonal above the mean level, and the clearest rise, in units of the noise.
    noise : ndarray
        Standard deviation of values, in units of the contrast, about the levels of both frames.
    """

    level: FloatArray
    signal: FloatArray
    decay: FloatArray
    rise: FloatArray
    noise: FloatArray


def order_of(maps: MapStack) -> Order:
    """How correlations follow the time; the diagonals of the maps (n, size, size) are not looked at."""
    n, size, _ = maps.shape
    flat = maps.reshape(n, -1)
    raw, centred = _filters(size)
    diagonal = np.einsum("nii->ni", maps)
    rows = maps.sum(axis=2, dtype=np.float64) - diagonal
    level = rows.sum(axis=1) / (size * (size - 1))
    power = np.einsum("ni,ni->n", flat, flat, dtype=np.float64) - (diagonal.astype(np.float64) ** 2).sum(axis=1)
    effects = (rows - level[:, None] * (size - 1)) / (size - 2)
    left = power - size * (size - 1) * level**2 - 2 * (size - 2) * (effects**2).sum(axis=1)
    noise = np.sqrt(np.maximum(left, 0) / max(size * (size - 3), 1))
    safe = np.where(noise > 0, noise, np.inf)[:, None]
    decays = (flat @ centred.T).astype(np.float64) / safe
    levels = (flat @ raw.T).astype(np.float64) / safe
    return Order(level, levels.max(axis=1), decays.max(axis=1), -decays.min(axis=1), noise)


def structure(maps: MapStack) -> tuple[FloatArray, FloatArray]:
    """Largest and smallest eigenvalue (n,) of maps about the levels of frames, in those of white noise: 1 and -1.

    A few modes of motion make a few large eigenvalues, in whatever order the frames are.
    """
    step = -(-maps.shape[-1] // LARGEST_SIDE)
    part = np.array(maps[:, ::step, ::step], dtype=np.float64)
    size = part.shape[-1]
    part[:, np.arange(size), np.arange(size)] = 0
    rows = part.sum(axis=2) / (size - 1)
    level = rows.mean(axis=1)
    effects = (rows - level[:, None]) * (size - 1) / (size - 2)
    part -= level[:, None, None] + effects[:, :, None] + effects[:, None, :]
    part[:, np.arange(size), np.arange(size)] = 0
    spread = np.sqrt((part**2).sum(axis=(1, 2)) / max(size * (size - 3), 1))
    values = np.linalg.eigvalsh(part) / (2 * np.sqrt(size) * np.where(spread > 0, spread, np.inf))[:, None]
    return values[:, -1], values[:, 0]


@lru_cache(maxsize=16)
def _filters(size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Decays that are looked for, (n, size * size), as they are and about the levels of frames, for a noise of 1."""
    lag = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    off = lag > 0
    shapes = np.stack([np.where(off, np.exp(-(lag - 1) / tau), 0) for tau in DECAYS if tau < size] + [off * 1.0])
    rows = shapes.sum(axis=2) / (size - 1)
    level = rows.mean(axis=1)
    effects = (rows - level[:, None]) * (size - 1) / (size - 2)
    centred = np.where(off, shapes - level[:, None, None] - effects[:, :, None] - effects[:, None, :], 0)[:-1]
    return _for_noise_of_one(shapes), _for_noise_of_one(centred)


def _for_noise_of_one(shapes: FloatArray) -> NDArray[np.float32]:
    """Filters of symmetric maps, whose noise is the same on both sides of the diagonal."""
    flat = shapes.reshape(len(shapes), -1)
    return np.asarray(flat / np.sqrt(2 * (flat**2).sum(axis=1, keepdims=True)), dtype=np.float32)
