"""Twins: dynamics with the same g2, other than by being the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import toeplitz
from scipy.optimize import nnls

from ainerd_agent.latent.same_g2.dynamics import FRAMES, TIMES, Side, g2_of
from ainerd_agent.records import FloatArray

ROUNDS = 200
"""Of the search for one correlation; it changes by less than a thousandth after that."""

CLOSE = 0.003
"""Difference of g2, in units of the contrast, up to which one correlation for all pixels is taken."""

LEAST_SHARE = 0.005
"""Populations with less are left out of a twin: a small bin has no pixel for them."""

RIDGE = 3e-3
"""Weight of the size of the shares in the fit: similar populations are not played against each other."""

AT_ZERO = 30.0
"""Weight of lag zero in it, where all populations are one."""


@dataclass(frozen=True, slots=True)
class Population:
    """Stationary dynamics that a part of the pixels may have.

    Attributes
    ----------
    rate : float
        In 1 / exposure.
    exponent : float
        1 is exponential, below stretched, above compressed.
    beating : float
        Frequency of fringes, in 1 / exposure: two equal components that move against each other.
    """

    rate: float
    exponent: float = 1.0
    beating: float = 0.0

    def g1(self, lag: FloatArray) -> FloatArray:
        """Field correlation at lags of any shape, in units of the exposure."""
        return np.asarray(np.exp(-((self.rate * lag) ** self.exponent)) * np.cos(np.pi * self.beating * lag))


POPULATIONS = (
    *(Population(rate, exponent) for rate in np.geomspace(0.03, 80, 18) for exponent in (0.5, 1, 1.5, 2)),
    *(Population(rate, beating=beating) for beating in np.arange(0.25, 18, 0.25) for rate in (0.1, 0.5, 1.5, 4)),
)
"""What a twin can be mixed of."""


def reversed_in_time(side: Side) -> Side:
    """The same dynamics run backwards: the same g2 exactly."""
    return Side(side.shares, tuple(g1[::-1, ::-1].conj() for g1 in side.g1))


def stationary_twin(side: Side) -> Side:
    """Dynamics that do the same at all ages, with (nearly) the g2 of a side.

    One correlation for all pixels where there is one with this g2. Otherwise what the side does at one age after the
    other, the pixels of the twin do side by side. Long lags of a short exposure can have a g2 that no stationary
    dynamics have: then the twin comes as near as it can, and whoever needs one g2 has to compare (`draw_pair` does).
    """
    g2 = g2_of(side)
    alone = _one_population(g2)
    return alone if np.abs(g2_of(alone) - g2).max() <= CLOSE else _mixture(g2)


def _one_population(g2: FloatArray) -> Side:
    """All pixels alike.

    The modulus of g1 is the root of g2; its phases, and what it does beyond the exposure, are free. They are looked for
    by projecting in turn on correlations of that modulus and on those whose spectrum is nowhere negative, as in phase
    retrieval.
    """
    modulus = np.sqrt(g2.clip(0))
    g1 = np.zeros(4 * FRAMES, dtype=np.complex128)
    g1[: 2 * FRAMES] = np.concatenate([modulus, modulus[-1] * np.linspace(1, 0, FRAMES)])
    g1[-2 * FRAMES + 1 :] = g1[1 : 2 * FRAMES][::-1]
    for _ in range(ROUNDS):
        g1 = _with_a_spectrum(g1)
        g1[:FRAMES] = modulus * np.exp(1j * np.angle(g1[:FRAMES]))
        g1[-FRAMES + 1 :] = g1[1:FRAMES][::-1].conj()
    found = _with_a_spectrum(g1)[:FRAMES]
    return Side.of(toeplitz(found, found.conj()))


def _with_a_spectrum(g1: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """The nearest correlation whose spectrum is not negative; one at lag zero."""
    nearest = np.fft.ifft(np.fft.fft(g1).real.clip(0))
    return np.asarray(nearest / nearest[0].real)


def _mixture(g2: FloatArray) -> Side:
    """Pixels of many stationary dynamics, in shares that make up a g2."""
    columns = np.stack([each.g1(np.arange(FRAMES) / FRAMES) ** 2 for each in POPULATIONS], axis=1)
    kept = np.flatnonzero(_shares(columns, g2) > LEAST_SHARE)
    shares = _shares(columns[:, kept], g2)
    used = kept[shares > 0]
    shares = shares[shares > 0]
    lag = np.abs(TIMES[:, None] - TIMES[None])
    return Side(tuple((shares / shares.sum()).tolist()), tuple(POPULATIONS[each].g1(lag) for each in used))


def _shares(columns: FloatArray, g2: FloatArray) -> FloatArray:
    """Shares, not negative, in which columns (256, n) come nearest to a g2; shape (n,)."""
    weight = np.where(np.arange(FRAMES) == 0, AT_ZERO, 1.0)
    n = columns.shape[1]
    system = np.concatenate([columns * weight[:, None], RIDGE * np.eye(n)])
    return np.asarray(nnls(system, np.concatenate([g2 * weight, np.zeros(n)]), maxiter=20 * n)[0])
