"""C2 in the coordinates of its physics: age and lag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import MapError
from ainerd_agent.records import FloatArray, MapStack

Age = Literal["middle", "first"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AgeLag:
    """C2 maps over age and lag.

    Attributes
    ----------
    c2 : ndarray, shape (n, n_ages, n_lags)
        NaN where the map holds no such pair of times.
    age : ndarray, shape (n_ages,)
        Seconds since the first frame of the map.
    lag : ndarray, shape (n_lags,)
        Seconds, from 0.
    """

    c2: NDArray[Any]
    age: FloatArray
    lag: FloatArray


def age_lag(
    maps: NDArray[Any], step: float = 1.0, *, age: Age = "middle", start: float = 0.0, n_lags: int | None = None
) -> AgeLag:
    """Turn C2(t1, t2), full or reduced, to C2(age, lag), with lag = t2 - t1.

    Parameters
    ----------
    maps : ndarray, shape (n, size, size) or (size, size)
        Symmetric; only t2 >= t1 is read.
    step : float
        Seconds from one point of the map to the next.
    age : {"middle", "first"}
        "middle": age = (t1 + t2) / 2, in which a map looks alike forwards and backwards in time (O. Bikondoa, J. Appl.
        Cryst. 50, 357, 2017, compares the two). Where the middle falls between two points of time, because the lag is
        an odd number of steps, it is the mean of the two pairs half a step before and after. "first": age = t1, the
        time that the sample had waited; no interpolation.
    start : float
        Age of the first point, seconds.
    n_lags : int, optional
        So many lags from 0 on; all by default.

    Returns
    -------
    AgeLag
        With `size` ages. NaN outside of the map, and where a pair of times is NaN in it.

    Raises
    ------
    MapError
        Maps that are not square.
    """
    if age not in ("middle", "first"):
        raise ValueError(f'age must be "middle" or "first", not {age!r}')
    stack = np.asarray(maps)
    if stack.ndim == 2:
        stack = stack[None]
    if stack.ndim != 3 or stack.shape[1] != stack.shape[2]:
        raise MapError(f"C2 maps have the shape (n, size, size), got {np.shape(maps)}")
    n, size, _ = stack.shape
    n_lags = size if n_lags is None else min(n_lags, size)
    dtype = stack.dtype if np.issubdtype(stack.dtype, np.floating) else np.float64
    turned = np.full((n, size, n_lags), np.nan, dtype=dtype)
    for lag in range(n_lags):
        diagonal = np.diagonal(stack, lag, axis1=1, axis2=2)
        if age == "first":
            turned[:, : size - lag, lag] = diagonal
        elif lag % 2 == 0:
            turned[:, lag // 2 : size - lag // 2, lag] = diagonal
        elif lag < size - 1:
            turned[:, lag // 2 + 1 : size - lag // 2 - 1, lag] = (diagonal[:, 1:] + diagonal[:, :-1]) / 2
    return AgeLag(
        c2=turned, age=start + np.arange(size, dtype=np.float64) * step, lag=np.arange(n_lags, dtype=np.float64) * step
    )


def age_average(maps: MapStack) -> MapStack:
    """Mean of C2 over age at each lag (its diagonals), shape (n, size, size) to (n, size).

    The last lags rest on few points each and are noisy.
    """
    n, size, _ = maps.shape
    # With every row i rolled left by i, column k holds C2(i, i + k) for i + k < size: the lags stand in columns.
    age, lag = np.indices((size, size))
    rolled = maps[:, age, (age + lag) % size]
    upper = age + lag < size
    return np.asarray((rolled * upper).sum(axis=1) / upper.sum(axis=0), dtype=np.float32).reshape(n, size)


def relaxation_time(correlation: MapStack, lags: FloatArray) -> FloatArray:
    """Lag at which the correlation has fallen to 1/e of its first value, shape (n_bins,).

    Linear between lags; NaN where it does not fall that far in the first three quarters of the window (later lags are
    too noisy to tell) and where there is no correlation to begin with.

    Parameters
    ----------
    correlation : ndarray, shape (n_bins, n_lags)
        g2 - 1.
    lags : ndarray, shape (n_lags,)
    """
    reach = max(2, 3 * len(lags) // 4)
    tau = np.full(len(correlation), np.nan)
    for number, curve in enumerate(np.asarray(correlation[:, :reach], dtype=np.float64)):
        target = curve[0] / np.e
        below = np.flatnonzero(curve < target)
        if curve[0] > 0 and below.size:
            after = int(below[0])
            share = (curve[after - 1] - target) / (curve[after - 1] - curve[after])
            tau[number] = lags[after - 1] + share * (lags[after] - lags[after - 1])
    return tau
