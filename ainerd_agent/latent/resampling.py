"""Intervals by resampling what is independent: experiments, or pairs of dynamics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ainerd_agent.records import FloatArray

SAMPLES = 2000
"""Draws of an interval."""

COVERAGE = 0.95

FEWEST = 3
"""Independent values with fewer say nothing of an interval."""

Figure = tuple[float, float, float]
"""Mean, and the ends of its interval."""


def interval(
    values: ArrayLike,
    of: ArrayLike | None = None,
    *,
    within: tuple[float, float] = (-np.inf, np.inf),
    seed: int = 0,
) -> Figure:
    """Mean of values, and the interval that 95 % of the means lie in when what they belong to is drawn again.

    Parameters
    ----------
    values : array_like, shape (n,)
    of : array_like, shape (n,), optional
        What each belongs to, such as its experiment: drawn as a whole. Each alone where it is not given.

    within : tuple of float
        What a mean can be, such as 0 to 1 for a share.

    Returns
    -------
    mean, low, high : float
        The ends are NaN where fewer than three are independent.
    """
    each = np.asarray(values, dtype=np.float64)
    owner = np.arange(len(each)) if of is None else np.unique(np.asarray(of), return_inverse=True)[1]
    total, count = np.bincount(owner, each), np.bincount(owner)
    drawn = np.random.default_rng(seed).integers(len(count), size=(SAMPLES, len(count)))
    means = total[drawn].sum(axis=1) / count[drawn].sum(axis=1)
    widened = _widened(means, float(each.mean()), len(count)).clip(*within)
    return _around(float(each.mean()), widened, len(count))


def stratified_interval(groups: Sequence[ArrayLike], *, seed: int = 0) -> Figure:
    """Mean of the means of groups, and its interval, values being drawn again within each group."""
    rng = np.random.default_rng(seed)
    each = [np.asarray(group, dtype=np.float64) for group in groups]
    means = np.zeros(SAMPLES)
    for values in each:
        drawn = values[rng.integers(len(values), size=(SAMPLES, len(values)))].mean(axis=1)
        means += _widened(drawn, float(values.mean()), len(values)) / len(each)
    # Two in each group tell something, because there are more groups.
    return _around(float(np.mean([values.mean() for values in each])), means, min(len(values) for values in each) + 1)


def _widened(means: FloatArray, middle: float, n: int) -> FloatArray:
    """Resampled means of n values, whose spread is (n - 1) / n of the true variance, with the true one."""
    return np.asarray(middle + (means - middle) * np.sqrt(n / max(n - 1, 1)))


def _around(mean: float, means: FloatArray, n: int) -> Figure:
    if n < FEWEST:
        return mean, float("nan"), float("nan")
    low, high = np.quantile(means, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return mean, float(low), float(high)
