"""What a detector makes of dynamics: speckles of partial coherence, photons, and C2."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.latent.same_g2.dynamics import FRAMES, Side

JITTER = 1e-6
"""White noise that keeps the factorisation of a frozen sample stable, in units of the variance."""


@dataclass(frozen=True, slots=True)
class Level:
    """How well is measured.

    Attributes
    ----------
    pixels : int
        Of the bin, each with a speckle of its own.
    counts : float
        Photons per pixel and frame.
    modes : int
        Coherent modes of equal weight; the contrast is one over their number.
    """

    pixels: int
    counts: float
    modes: int

    @property
    def contrast(self) -> float:
        """Of the speckles."""
        return 1 / self.modes


def random_level(rng: np.random.Generator) -> Level:
    """100 to 1,500 pixels, 0.2 to 20 counts, contrast 1 to 0.2."""
    pixels, counts = np.exp(rng.uniform(np.log([100, 0.2]), np.log([1500, 20])))
    return Level(int(pixels), float(counts), int(rng.integers(1, 6)))


def measure(side: Side, level: Level, rng: np.random.Generator) -> NDArray[np.float32]:
    """C2 map (256, 256) of one exposure: baseline zero, the diagonal replaced by what stands beside it."""
    photons = rng.poisson(level.counts * _intensity(side, level, rng)).astype(np.float32)
    deviation = photons / max(float(photons.mean(dtype=np.float64)), 1e-12) - 1
    c2 = deviation @ deviation.T / level.pixels
    beside = np.diagonal(c2, 1)
    np.fill_diagonal(c2, np.concatenate([beside[:1], (beside[1:] + beside[:-1]) / 2, beside[-1:]]))
    return np.asarray(c2, dtype=np.float32)


def _intensity(side: Side, level: Level, rng: np.random.Generator) -> NDArray[np.float32]:
    """Of each frame and pixel, mean one, shape (256, pixels)."""
    bounds = np.round(np.cumsum((0.0, *side.shares)) * level.pixels).astype(int)
    intensity = np.zeros((FRAMES, level.pixels), dtype=np.float32)
    for g1, first, last in zip(side.g1, bounds[:-1], bounds[1:], strict=True):
        root = np.linalg.cholesky(g1 + JITTER * np.eye(FRAMES))
        root = root.astype(np.complex64 if np.iscomplexobj(root) else np.float32)
        n_fields = (last - first) * level.modes
        white = rng.standard_normal((FRAMES, 2 * n_fields), dtype=np.float32)
        if np.iscomplexobj(root):
            field = root @ (white[:, :n_fields] + 1j * white[:, n_fields:])
            power = field.real**2 + field.imag**2
        else:
            field = root @ white
            power = field[:, :n_fields] ** 2 + field[:, n_fields:] ** 2
        intensity[:, first:last] = power.reshape(FRAMES, level.modes, last - first).sum(axis=1) / (2 * level.modes)
    return intensity
