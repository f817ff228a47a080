"""Lagged correlation: whether series go with the stress, before it or after it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ainerd_agent.errors import RheologyError
from ainerd_agent.records import FloatArray
from ainerd_agent.rheology.surrogates import p_values, phase_surrogates


@dataclass(frozen=True, slots=True, kw_only=True)
class LaggedCorrelation:
    """Correlation of series with the stress.

    Attributes
    ----------
    lag : ndarray, shape (n_lags,)
        s; positive where the series follow the stress.
    correlation : ndarray, shape (n_series, n_lags)
        Pearson's.
    best_lag, best : ndarray, shape (n_series,)
        Lag (s) and correlation that stand out the most from chance.
    p : ndarray, shape (n_series,)
        Of each series, whatever the lag.
    p_any : float
        Of the strongest of all series.
    """

    lag: FloatArray
    correlation: FloatArray
    best_lag: FloatArray
    best: FloatArray
    p: FloatArray
    p_any: float


def lagged_correlation(
    series: ArrayLike,
    stress: ArrayLike,
    *,
    step: float,
    max_lag: float,
    n_surrogates: int = 2000,
    seed: int = 0,
) -> LaggedCorrelation:
    """Correlate series with the stress at all lags, and test the strongest correlation against surrogate stresses.

    The surrogates keep the memory of the stress: they have its spectrum, and random phases. (Shifts of the stress
    around a ring called chance a link in 9 to 17 % of cases at a nominal 5 %.) The statistic is the largest correlation
    at any lag, up or down, as Fisher's z in its standard deviations, because long lags have fewer pairs. Take off
    trends first: two trends always correlate.

    Parameters
    ----------
    series : array_like, shape (n_series, n)
        Evenly spaced in time.
    stress : array_like, shape (n,)
        At the same times, Pa.
    step : float
        Between measurements, s.
    max_lag : float
        Largest lag, s.
    n_surrogates, seed : int

    Raises
    ------
    RheologyError
        Too few measurements for the lags.
    """
    values, reference = np.atleast_2d(np.asarray(series, dtype=np.float64)), np.asarray(stress, dtype=np.float64)
    reach = max(1, round(max_lag / step))
    n = len(reference)
    if n < 2 * reach + 8:
        raise RheologyError(f"{n} measurements are too few for lags of up to {reach} of them: give a shorter one.")
    null = phase_surrogates(reference, n_surrogates, np.random.default_rng(seed))
    places = range(-reach, reach + 1)
    stresses = np.concatenate([reference[None], null])
    correlation = np.stack([_correlate(values, stresses, place) for place in places], axis=-1)
    pairs = n - np.abs(np.array(places))
    strength = np.abs(np.arctanh(np.clip(correlation, -0.999999, 0.999999))) * np.sqrt(pairs - 3)
    p, p_any = p_values(strength[0].max(axis=1), strength[1:].max(axis=2))
    best = strength[0].argmax(axis=1)
    lag = step * np.array(places, dtype=np.float64)
    rows = np.arange(len(values))
    return LaggedCorrelation(
        lag=lag, correlation=correlation[0], best_lag=lag[best], best=correlation[0][rows, best], p=p, p_any=p_any
    )


def _correlate(series: FloatArray, stresses: FloatArray, place: int) -> FloatArray:
    """Pearson correlation of series, `place` measurements later, with stresses; (n_stresses, n_series).

    Nothing correlates with a constant: 0.
    """
    n = series.shape[1]
    later, earlier = slice(max(place, 0), n + min(place, 0)), slice(max(-place, 0), n - max(place, 0))
    return _standard(stresses[:, earlier]) @ _standard(series[:, later]).T


def _standard(rows: FloatArray) -> FloatArray:
    centred = rows - rows.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(centred, axis=1, keepdims=True)
    floor = np.finfo(np.float64).eps * rows.shape[1] * (1 + np.abs(rows).max())
    return np.asarray(np.divide(centred, norm, out=np.zeros_like(centred), where=norm > floor))
