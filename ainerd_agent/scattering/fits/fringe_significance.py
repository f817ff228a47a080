"""Is there a fringe? A test that no relaxation, of whatever shape, is taken for one.

Relaxation alone never rises again with the lag. Heterodyne fringes do: after the minimum at half a period of the beat
comes a maximum at a whole one. The *rise* at a frequency is the mean of g2 around the maxima minus that around the
minima before them, a weighted sum of points in which every later one counts positive and every earlier one negative: it
is not above zero for any curve that falls.

The groups of pixels of g2 show whether it is above zero by more than chance. Without fringes a group's rise is as
often negative as positive, so that flipping the signs of groups at random gives the distribution of the largest rise at
any frequency, with the noise that lags share and the number of frequencies looked at taken into account (E. S.
Edgington, Randomization Tests; R. A. Fisher).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ainerd_agent.records import FloatArray
from ainerd_agent.scattering.fits.relaxation import Curve

N_FLIPS = 499
"""Random signs that are tried: p values are no smaller than 1 / 500."""

COUNTED = (1, 2, 4)
"""Fringes that a rise is averaged over at most: the faster the relaxation, the fewer are left."""

PER_OCTAVE = 16
"""Frequencies from one to its double."""

RESOLVED = np.pi / 2
"""Largest step of the phase between points that still shows a fringe."""

SEED = 20240229
"""Signs are drawn with it, so that a result can be repeated."""


@dataclass(frozen=True, slots=True, eq=False)
class Rises:
    """Rises of one bin.

    Attributes
    ----------
    frequency : ndarray, shape (n_frequencies,)
        rad per unit of lag.
    groups : ndarray, shape (n_groups, n_kinds, n_frequencies)
        Rise of each group in units of the error of the mean, over the first fringe and over up to 2 and up to 4;
        0 where none fits into the lags.
    """

    frequency: FloatArray
    groups: FloatArray

    @property
    def strength(self) -> FloatArray:
        """How clear the rise is, shape (n_kinds, n_frequencies); at most the root of the number of groups."""
        return np.asarray(significance(self.groups, np.ones((1, len(self.groups))))[0])


def frequencies(shortest: float, longest: float) -> FloatArray:
    """Frequencies whose first fringe lies between two lags, evenly spaced in their logarithm."""
    low, high = 2 * np.pi / longest, 2 * np.pi / (4 * shortest)
    if not high > low:
        return np.empty(0)
    return np.asarray(np.geomspace(low, high, max(2, int(PER_OCTAVE * np.log2(high / low)))))


def rises(curve: Curve, grid: FloatArray) -> Rises:
    """Rise of each group of a bin at each frequency."""
    filters, precision = _filters(curve, grid)
    n_groups = len(curve.deviations)
    groups = curve.values + curve.deviations * np.sqrt(n_groups * max(1, n_groups - 1))
    of_fringe = np.einsum("gl,nfl->gnf", groups, filters)
    averaged = []
    for count in COUNTED:
        share = precision[:count]
        total = np.sqrt(share.sum(axis=0))
        summed = (share * of_fringe[:, :count]).sum(axis=1)
        averaged.append(np.divide(summed, total, out=np.zeros_like(summed), where=total > 0))
    return Rises(grid, np.stack(averaged, axis=1))


def _filters(curve: Curve, grid: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weights of the points in the rise of each fringe.

    Returns
    -------
    filters : ndarray, shape (n_fringes, n_frequencies, n_lags)
    precision : ndarray, shape (n_fringes, n_frequencies)
        One over the variance of the rise; 0 where the lags do not show that fringe, or one before it.
    """
    phase = np.multiply.outer(grid, curve.lags)
    # A point that averages over much of a fringe shows little of it.
    shown = np.abs(np.cos(phase)) * np.exp(-0.5 * np.multiply.outer(grid, curve.width) ** 2) / curve.sigma**2
    step = np.diff(phase, axis=1)
    means, fine = [], np.ones(len(grid), dtype=bool)
    filters, precision = [], []
    for extreme in range(1, 2 * max(COUNTED) + 1):
        within = np.abs(phase - extreme * np.pi) < np.pi / 2
        widest = np.where(within[:, 1:] & within[:, :-1], step, 0).max(axis=1, initial=0)
        fine &= within.any(axis=1) & (phase[:, -1] >= extreme * np.pi) & (widest <= RESOLVED)
        weight = np.where(within, shown, 0)
        total = weight.sum(axis=1, keepdims=True)
        means.append(np.divide(weight, total, out=np.zeros_like(weight), where=total > 0))
        if extreme % 2 == 0:
            filters.append(means[-1] - means[-2])
            variance = (filters[-1] * curve.sigma) ** 2
            precision.append(np.where(fine, 1 / np.maximum(variance.sum(axis=1), 1e-300), 0))
    return np.stack(filters), np.stack(precision)


def significance(groups: FloatArray, signs: FloatArray) -> FloatArray:
    """Sum over groups with signs in units of the root of the sum of squares, shape (n_signs, ...).

    Parameters
    ----------
    groups : ndarray, shape (n_groups, ...)
    signs : ndarray, shape (n_signs, n_groups)
    """
    flat = groups.reshape(len(groups), -1)
    norm = np.sqrt((flat**2).sum(axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        strength = np.where(norm > 0, (signs @ flat) / norm, 0)
    return strength.reshape(len(signs), *groups.shape[1:])


@lru_cache
def random_signs(n_groups: int) -> FloatArray:
    """Signs to flip groups with, shape (N_FLIPS, n_groups)."""
    return np.asarray(np.random.default_rng(SEED).choice([-1.0, 1.0], size=(N_FLIPS, n_groups)))


def chance(groups: FloatArray) -> float:
    """Probability of so large a rise, at any frequency, where there is no fringe.

    Parameters
    ----------
    groups : ndarray, shape (n_groups, ...)
        Rises at the frequencies looked at.
    """
    if groups.size == 0 or not groups.any():
        return 1.0
    observed = significance(groups, np.ones((1, len(groups)))).max()
    flipped = significance(groups, random_signs(len(groups))).reshape(N_FLIPS, -1).max(axis=1)
    return float((1 + np.count_nonzero(flipped >= observed - 1e-12)) / (1 + N_FLIPS))
