"""Field correlations g1(t1, t2) of one side of a pair, and its g2.

Times are in units of the exposure. A side is one population of pixels, or several that move differently: a measured C2
is the mean of |g1|**2 over the pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records import FloatArray

FRAMES = 256
"""Frames of an exposure, and the side of its map."""

TIMES: FloatArray = (np.arange(FRAMES) + 0.5) / FRAMES
"""Middles of the frames, in units of the exposure."""

Correlation = NDArray[np.float64] | NDArray[np.complex128]


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """Dynamics of all pixels of a bin.

    Attributes
    ----------
    shares : tuple of float
        Of the pixels, by population; they add up to one.
    g1 : tuple of ndarray, each of shape (256, 256)
        Field correlation of each population: hermitian, positive semi-definite, ones on the diagonal.
    """

    shares: tuple[float, ...]
    g1: tuple[Correlation, ...]

    @classmethod
    def of(cls, g1: Correlation) -> Side:
        """All pixels alike."""
        return cls((1.0,), (g1,))


def truth_of(side: Side) -> FloatArray:
    """The map (256, 256) that no noise is in: contrast one, baseline zero."""
    parts = [share * np.abs(g1) ** 2 for share, g1 in zip(side.shares, side.g1, strict=True)]
    return np.asarray(np.sum(parts, axis=0))


def g2_of(side: Side) -> FloatArray:
    """Average of the truth over ages, by lag in frames, shape (256,)."""
    truth = truth_of(side)
    return np.array([np.diagonal(truth, lag).mean() for lag in range(len(truth))])


def by_clock(reading: FloatArray, exponent: float = 1.0) -> FloatArray:
    """Correlation that falls with the difference of the readings (256,) of a clock."""
    return np.asarray(np.exp(-(np.abs(reading[:, None] - reading[None]) ** exponent)))


def clock_of(rate: FloatArray) -> FloatArray:
    """Reading of a clock that runs at a rate (256,), in 1 / exposure."""
    return np.concatenate([[0.0], np.cumsum((rate[1:] + rate[:-1]) / 2)]) / FRAMES


def by_displacement(place: FloatArray) -> FloatArray:
    """Correlation that is lost where places (256,) differ, and comes back with them; gaussian, as in shear."""
    return np.asarray(np.exp(-((place[:, None] - place[None]) ** 2) / 2))


def by_phase(phase: FloatArray, fraction: float) -> NDArray[np.complex128]:
    """Fringes: a fraction of the field turns against the rest by a phase (256,), in rad."""
    turned = np.exp(1j * (phase[:, None] - phase[None]))
    return np.asarray((1 - fraction) + fraction * turned)
