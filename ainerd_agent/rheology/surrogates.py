"""What chance makes of a slow series: trends, surrogates that keep the autocorrelation, and p-values.

Successive measurements of a relaxation are alike, so that far fewer of them are independent than there are, and two
slow series look correlated without any link. A surrogate is a series that has the same memory and no link: how often
surrogates reach what was observed is the p-value.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ainerd_agent.records import FloatArray


def detrend(time: ArrayLike, series: ArrayLike, width: float) -> FloatArray:
    """Take the slow trend off series, so that only what is faster than `width` is left.

    The trend is a local straight line with Gaussian weights, which at the ends follows the series where a running mean
    would lag behind it.

    Parameters
    ----------
    time : array_like, shape (n,)
        s.
    series : array_like, shape (..., n)
    width : float
        Standard deviation of the weights, s; infinite for one straight line through all.

    Returns
    -------
    ndarray, shape (..., n)
    """
    times, values = np.asarray(time, dtype=np.float64), np.asarray(series, dtype=np.float64)
    lag = times[None, :] - times[:, None]
    weight = np.exp(-0.5 * (lag / width) ** 2)
    mean_lag = (weight * lag).sum(axis=1, keepdims=True) / weight.sum(axis=1, keepdims=True)
    # The value of a weighted least-squares line at lag 0, as weights of the readings.
    spread = (weight * (lag - mean_lag) ** 2).sum(axis=1, keepdims=True)
    slope_share = np.divide(
        -mean_lag * (lag - mean_lag), spread, out=np.zeros_like(lag), where=np.broadcast_to(spread > 0, lag.shape)
    )
    smoother = weight * (1 / weight.sum(axis=1, keepdims=True) + slope_share)
    return np.asarray(values - values @ smoother.T)


def phase_surrogates(series: ArrayLike, n_surrogates: int, rng: np.random.Generator) -> FloatArray:
    """Series with the power spectrum of `series`, and so its autocorrelation, but random phases [1]_.

    Parameters
    ----------
    series : array_like, shape (n,)
        Evenly spaced in time, without a trend.

    Returns
    -------
    ndarray, shape (n_surrogates, n)

    References
    ----------
    .. [1] J. Theiler et al., Physica D 58, 77 (1992).
    """
    values = np.asarray(series, dtype=np.float64)
    spectrum = np.fft.rfft(values)
    turned = np.abs(spectrum) * np.exp(2j * np.pi * rng.random((n_surrogates, len(spectrum))))
    turned[:, 0] = spectrum[0]
    if len(values) % 2 == 0:  # the highest frequency is real, so only its sign is free
        turned[:, -1] = np.abs(spectrum[-1]) * rng.choice((-1.0, 1.0), n_surrogates)
    return np.asarray(np.fft.irfft(turned, n=len(values), axis=1))


def scattered_events(
    events: ArrayLike, span: tuple[float, float], n_surrogates: int, rng: np.random.Generator
) -> FloatArray:
    """Events at random moments that keep the intervals of the real ones, in random order.

    The span is closed to a ring, its end to its beginning, so that the last interval goes on to the first event.

    Parameters
    ----------
    events : array_like, shape (n_events,)
        Times within `span`, s.

    Returns
    -------
    ndarray, shape (n_surrogates, n_events)
    """
    times = np.sort(np.asarray(events, dtype=np.float64))
    start, stop = span
    length = stop - start
    intervals = np.diff(times, append=times[:1] + length)
    shuffled = rng.permuted(np.tile(intervals, (n_surrogates, 1)), axis=1)
    first = rng.uniform(0, length, (n_surrogates, 1))
    return np.asarray(start + (first + np.cumsum(shuffled, axis=1)) % length)


def p_values(observed: ArrayLike, null: ArrayLike) -> tuple[FloatArray, float]:
    """Share of surrogates that reach what was observed, the observation counted among them.

    Parameters
    ----------
    observed : array_like, shape (n_series,)
        A statistic that is larger for a stronger link, on one scale for all series.
    null : array_like, shape (n_surrogates, n_series)
        The same of surrogates.

    Returns
    -------
    each : ndarray, shape (n_series,)
        The p-value of each series by itself.
    any : float
        That of the strongest among all: for looking at many series, one of which will stand out by chance.
    """
    seen, chance = np.asarray(observed, dtype=np.float64), np.asarray(null, dtype=np.float64)
    # Rounding must not make a surrogate that equals the observation smaller than it.
    slack = 1e-12 * (1 + np.abs(seen))
    each = (1 + (chance >= seen - slack).sum(axis=0)) / (1 + len(chance))
    strongest = (1 + np.count_nonzero(chance.max(axis=1) >= (seen - slack).max())) / (1 + len(chance))
    return np.asarray(each), float(strongest)
