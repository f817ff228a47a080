"""Event-triggered averages: what series do around the minima of the stress."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ainerd_agent.errors import RheologyError
from ainerd_agent.records import FloatArray
from ainerd_agent.rheology.surrogates import p_values, scattered_events


@dataclass(frozen=True, slots=True, kw_only=True)
class EventAverage:
    """Series averaged around events.

    Attributes
    ----------
    lag : ndarray, shape (n_lags,)
        Time since the event, s.
    average : ndarray, shape (n_series, n_lags)
    low, high : ndarray, shape (n_series, n_lags)
        What 95 % of surrogates stay within, lag by lag.
    p : ndarray, shape (n_series,)
        Of each series, whatever the lag.
    p_any : float
        Of the strongest of all series.
    n_events : int
    """

    lag: FloatArray
    average: FloatArray
    low: FloatArray
    high: FloatArray
    p: FloatArray
    p_any: float
    n_events: int


def event_average(
    time: ArrayLike,
    series: ArrayLike,
    events: ArrayLike,
    *,
    window: float,
    n_surrogates: int = 2000,
    seed: int = 0,
) -> EventAverage:
    """Average series around events, and test the average against events at random moments.

    The events are scattered at random with the intervals between them kept, while the series stay as they are. So the
    test holds however slow the series are: all it assumes is that without a link the events could have come at any
    time. Take off trends first, or events that come early are linked to all that is high early.

    The statistic is the largest deviation at any lag, in standard deviations of the surrogates at that lag, up or
    down. No lag has to be chosen, and none is paid for twice.

    Parameters
    ----------
    time : array_like, shape (n,)
        Middle of each measurement, s, ascending.
    series : array_like, shape (n_series, n)
    events : array_like
        Times, s; those outside of the measurements are left out.
    window : float
        Lags up to this long before and after an event, s.
    n_surrogates, seed : int

    Raises
    ------
    RheologyError
        Where fewer than two events lie within the measurements: intervals are needed.
    """
    times, values = np.asarray(time, dtype=np.float64), np.atleast_2d(np.asarray(series, dtype=np.float64))
    span = (float(times[0]), float(times[-1]))
    moments = np.asarray(events, dtype=np.float64)
    moments = moments[(moments >= span[0]) & (moments <= span[1])]
    if len(moments) < 2:
        raise RheologyError(
            f"{len(moments)} stress minima lie between {span[0]:g} and {span[1]:g} s; an average around them needs two."
        )
    step = float(np.median(np.diff(times)))
    reach = max(1, round(window / step))
    lag = step * np.arange(-reach, reach + 1, dtype=np.float64)
    scattered = scattered_events(moments, span, n_surrogates, np.random.default_rng(seed))
    moments_of_all = np.concatenate([moments[None], scattered])[:, :, None] + lag
    inside = np.asarray((moments_of_all >= span[0]) & (moments_of_all <= span[1]))
    weight = inside / np.maximum(inside.sum(axis=1, keepdims=True), 1)
    averages = np.stack([(np.interp(moments_of_all, times, one) * weight).sum(axis=1) for one in values], axis=1)
    # A lag that no event of a surrogate can show tells nothing.
    averages = np.where(inside.any(axis=1, keepdims=True), averages, np.nan)
    null = averages[1:]
    mean, deviation = np.nanmean(null, axis=0), np.nanstd(null, axis=0)
    tiny = np.finfo(np.float64).eps * (1 + np.abs(values).max())
    strength = np.nan_to_num(np.abs(averages - mean) / np.where(deviation > tiny, deviation, np.inf)).max(axis=2)
    p, p_any = p_values(strength[0], strength[1:])
    low, high = np.nanquantile(null, (0.025, 0.975), axis=0)
    return EventAverage(lag=lag, average=averages[0], low=low, high=high, p=p, p_any=p_any, n_events=len(moments))
