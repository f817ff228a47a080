"""Errors of means over age of a stored C2 map, from how it scatters along its diagonals.

Two kinds of noise add up. That of counting photons is new in each pair of frames, and is shared by pixels that the
smoothing of the map shares. That of the speckles, of which a bin has so many and no more, lasts as long as they do: for
gaussian fields it correlates over age as the square of C2 over lag. Half the mean squared difference of two values on a
diagonal, at a distance in age, is a sum of both, each times one minus its correlation over that distance. The variances
of both are fitted to it, and give that of a mean. Differences over no more than a section leave out slow changes of the
dynamics; those that are faster count as noise.

Where the speckles live about as long as a section or longer, they hardly change within it: of noise that lasts, the
scatter then says nothing, and neither does this.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records import FloatArray

MOST_COMMON = 0.7
"""Share of the variance of the speckles' noise that may be left in the mean over a section. With more, errors are not
known: with 16 sections, where the relaxation takes longer than about a fifth of the exposure."""

FEWEST_PIXELS = 4
"""Pixels of a section, at least."""

DISTANCES = 16
"""At most so many are looked at."""


@dataclass(frozen=True, slots=True, eq=False)
class Noise:
    """How noise is correlated over age, and what is left of it in means.

    Attributes
    ----------
    photons : ndarray, shape (length,)
        Correlation over so many pixels of age.
    speckles : ndarray, shape (n_bins, length)
    left : ndarray, shape (1 + n_bins, length + 1)
        Variance of the mean over so many neighbouring pixels, as a share of that of one: of the photons' noise, then of
        the speckles' of each bin.
    """

    photons: FloatArray
    speckles: FloatArray
    left: FloatArray

    def error(self, series: FloatArray, count: NDArray[np.int64]) -> FloatArray:
        """Standard errors of means over sections.

        Parameters
        ----------
        series : ndarray, shape (n_bins, size)
            C2 at a lag over age; NaN is left out.
        count : ndarray of int, shape (n_bins, n_ages)
            Values in each section.

        Returns
        -------
        ndarray, shape (n_bins, n_ages)
            NaN where they are not known.
        """
        from scipy.optimize import nnls

        length = len(self.photons)
        errors = np.full(count.shape, np.nan)
        if length < FEWEST_PIXELS:
            return errors
        distances = np.unique(np.geomspace(1, length - 1, DISTANCES).astype(np.int64))
        enough = np.isfinite(series).sum(axis=1) >= 2 * length
        for number in np.flatnonzero(enough & (self.left[1:, length] <= MOST_COMMON)):
            changes = {each: series[number, each:] - series[number, :-each] for each in distances}
            seen = np.array([each for each in distances if np.isfinite(changes[each]).any()])
            if not len(seen):
                continue
            scatter = np.array([np.nanmean(changes[each] ** 2) / 2 for each in seen])
            shapes = 1 - np.stack([self.photons[seen], self.speckles[number, seen]], axis=1)
            (photons, speckles), _ = nnls(shapes, scatter)
            inside = count[number]
            variance = photons * self.left[0, inside] + speckles * self.left[1 + number, inside]
            errors[number] = np.where(inside > 0, np.sqrt(variance), np.nan)
        return errors


def noise_of(stack: NDArray[np.floating], smoothing: float, length: int) -> Noise:
    """What is known of the noise of maps before a lag is looked at.

    Parameters
    ----------
    stack : ndarray, shape (n_bins, size, size)
    smoothing : float
        Standard deviation of the smoothing along each axis, pixels.
    length : int
        Pixels of a section.
    """
    distance = np.arange(length)
    # Two pixels on a diagonal share the frames of a gaussian along both axes.
    photons = np.exp(-((distance / smoothing) ** 2) / 2) if smoothing else (distance == 0).astype(np.float64)
    speckles = np.zeros((len(stack), length))
    speckles[:, 0] = 1
    # From the first lag on: lag 0 may hold shot noise.
    decay = np.zeros_like(speckles)
    for each in range(1, length):
        decay[:, each] = _mean(np.diagonal(stack, each, axis1=1, axis2=2))
    first = decay[:, 1:2]
    speckles[:, 1:] = (
        np.clip(np.divide(decay[:, 1:], first, out=np.zeros_like(decay[:, 1:]), where=first > 0), 0, 1) ** 2
    )
    return Noise(photons, speckles, np.stack([_left(each) for each in (photons, *speckles)]))


def _mean(values: NDArray[np.floating]) -> FloatArray:
    known = np.isfinite(values)
    total = np.where(known, values, 0).sum(axis=1, dtype=np.float64)
    return np.asarray(total / np.maximum(known.sum(axis=1), 1))


def _left(correlation: FloatArray) -> FloatArray:
    """Mean of a correlation over all pairs of so many neighbours, from 0 on."""
    length = len(correlation)
    left = np.full(length + 1, np.nan)
    for count in range(1, length + 1):
        pairs = np.where(np.arange(count) > 0, 2.0, 1.0) * (count - np.arange(count))
        left[count] = pairs @ correlation[:count] / count**2
    return left
