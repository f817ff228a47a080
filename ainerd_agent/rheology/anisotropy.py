"""Whether the dynamics depend on the direction, told by bins that must agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ainerd_agent.errors import RheologyError
from ainerd_agent.records import FloatArray
from ainerd_agent.rheology.surrogates import p_values

FEWEST_PAIRS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Anisotropy:
    """Differences between directions, in units of those between bins that see the same dynamics.

    Attributes
    ----------
    time : ndarray, shape (n_times,)
        s.
    ratio : ndarray, shape (n_times,)
        Variance between the means of opposite bins over what their own differences make expect: 1 where the dynamics
        are the same in all directions.
    high : ndarray, shape (n_times,)
        What 95 % of relabelled measurements stay below at that time.
    p : ndarray, shape (n_times,)
        Of each time by itself.
    p_any : float
        Of the mean logarithm of the ratio over all times.
    """

    time: FloatArray
    ratio: FloatArray
    high: FloatArray
    p: FloatArray
    p_any: float


def anisotropy(
    latents: ArrayLike, start_time: ArrayLike, azimuthal_bin: ArrayLike, *, n_surrogates: int = 2000, seed: int = 0
) -> Anisotropy:
    """Compare directions by their latents, at each time.

    Without a heterodyne reference, bins at opposite azimuths see the same dynamics (Friedel): what they differ by is
    noise. Where the means of such pairs differ by more than that, the dynamics depend on the direction. The test
    relabels the bins at random, in the same way at all times, so that pairs are formed of any two: if all directions
    are alike, any pairing is as good as the true one. However slow the dynamics are, that stays exact.

    Parameters
    ----------
    latents : array_like, shape (n, n_latents)
    start_time : array_like, shape (n,)
        s.
    azimuthal_bin : array_like of int, shape (n,)
        Consecutive numbers around the whole ring, of which the opposite of b is b plus half of their number.
    n_surrogates, seed : int

    Returns
    -------
    Anisotropy
        At the times that have all bins.

    Raises
    ------
    RheologyError
        An odd number of bins, too few of them, or no time that has all.

    Notes
    -----
    A step of the dynamics that all directions take together adds nothing to either difference. One that two opposite
    bins take apart from each other (a heterodyne reference) counts as noise and hides anisotropy; it cannot feign it.
    """
    points, times = np.asarray(latents, dtype=np.float64), np.asarray(start_time, dtype=np.float64)
    numbers, place = np.unique(np.asarray(azimuthal_bin), return_inverse=True)
    n_bins = len(numbers)
    if n_bins % 2 or n_bins < 2 * FEWEST_PAIRS:
        raise RheologyError(
            f"{n_bins} azimuthal bins have no opposite each, or are too few: an even number from {2 * FEWEST_PAIRS} on "
            "is needed to tell directions apart."
        )
    moments, when = np.unique(times, return_inverse=True)
    stack = np.full((len(moments), n_bins, points.shape[1]), np.nan)
    stack[when, place] = points
    whole = np.isfinite(stack).all(axis=(1, 2))
    if not whole.any():
        raise RheologyError("No time has a map of every azimuthal bin.")
    stack = stack[whole]
    rng = np.random.default_rng(seed)
    orders = np.stack([np.arange(n_bins), *(rng.permutation(n_bins) for _ in range(n_surrogates))])
    ratios = np.stack([_ratio(stack[:, order]) for order in orders])
    p, _ = p_values(ratios[0], ratios[1:])
    logarithm = np.log(ratios).mean(axis=1)
    _, p_any = p_values(logarithm[:1], logarithm[1:, None])
    return Anisotropy(
        time=moments[whole], ratio=ratios[0], high=np.quantile(ratios[1:], 0.95, axis=0), p=p, p_any=p_any
    )


def _ratio(stack: FloatArray) -> FloatArray:
    """Variance between pairs (b, b + half) over that within them, at each time; (n_times, n_bins, d) to (n_times,)."""
    half = stack.shape[1] // 2
    first, second = stack[:, :half], stack[:, half:]
    mean = (first + second) / 2
    between = ((mean - mean.mean(axis=1, keepdims=True)) ** 2).sum(axis=(1, 2)) / (half - 1)
    within = ((first - second) ** 2).sum(axis=(1, 2)) / (4 * half)
    tiny = np.finfo(np.float64).tiny
    return np.asarray((between + tiny) / (within + tiny))
