"""What an age-lag map knows of lags that are shorter than a pixel of the C2 map.

A pixel of a C2 map of 5,000 frames holds 20 of them: what decays within is lost there, and kept in the age-lag map,
whose lags begin at one frame. Its means over age in octaves of the lag below one pixel are a part of what models of the
architecture "ages" see. Octaves that the movie does not reach, and all of maps without frames, are not known.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.latent.scaling import SIDE
from ainerd_agent.records import AgeLagMap, FloatArray

N_SHORT = 8
"""Octaves of the lag below one pixel, the longest lags first."""


def short_lags(age_lag: AgeLagMap, contrast: ArrayLike) -> FloatArray:
    """Correlation in octaves of the lag below one pixel of the C2 map, in units of the contrast.

    Parameters
    ----------
    age_lag : AgeLagMap
        Of n_bins bins.
    contrast : array_like, shape (n_bins,)
        Of the speckles. Where it is NaN or not positive, nothing is known.

    Returns
    -------
    ndarray, shape (n_bins, N_SHORT)
        Octave k holds lags from 2**-(k + 1) to 2**-k of a pixel: means over ages and lags, weighted by their errors.
        NaN where no finite value lies.
    """
    values, errors = age_lag.values.astype(np.float64), age_lag.errors.astype(np.float64)
    duration = age_lag.ages[0] + age_lag.ages[-1]  # middles of sections of equal length
    pixels = np.maximum(age_lag.lags, np.finfo(np.float64).tiny) / (duration / SIDE)
    octave = np.ceil(-np.log2(pixels) - 1e-9) - 1  # a lag of one pixel is the map's own
    good = np.isfinite(values) & np.isfinite(errors) & (errors > 0)
    weight = np.where(good, 1 / np.square(np.where(good, errors, 1)), 0)
    found = np.full((len(values), N_SHORT), np.nan)
    for number in range(N_SHORT):
        inside = octave == number
        total = weight[..., inside].sum(axis=(1, 2))
        mean = (weight * np.where(good, values, 0))[..., inside].sum(axis=(1, 2))
        np.divide(mean, total, out=found[:, number], where=total > 0)
    scale = np.asarray(contrast, dtype=np.float64)
    known = np.isfinite(scale) & (scale > 0)
    return np.where(known[:, None], found / np.where(known, scale, 1)[:, None], np.nan)


def short_lags_or_none(age_lag: AgeLagMap | None, contrast: FloatArray) -> FloatArray:
    """As `short_lags`, of n_bins contrasts; nothing is known where there is no age-lag map."""
    return np.full((len(contrast), N_SHORT), np.nan) if age_lag is None else short_lags(age_lag, contrast)


def extended_to_short_lags(first: float, second: float) -> NDArray[np.float64]:
    """Correlation in the octaves of short lags, (N_SHORT,), of a stretched exponential that has these values.

    Parameters
    ----------
    first, second : float
        At lags of one and two pixels, in units of the contrast.
    """
    lag = 2.0 ** -(np.arange(N_SHORT) + 0.5)
    near, far = (-np.log(np.clip(each, 1e-12, 1 - 1e-9)) for each in (first, second))
    exponent = np.clip(np.log2(max(far / near, 1e-3)), 0.3, 2.0)
    return np.asarray(np.exp(-near * lag**exponent))
