"""Random dynamics away from equilibrium, and others of the same g2 that do the same at other ages.

Times are in units of the map's side. Two constructions make all of them, and products of covariances are covariances:

- a *clock* s(t) that counts how far the structure has moved on, g1 = exp(-|s(t2) - s(t1)|**exponent);
- a *share* x(t) of the field that is scattered by a second component, with a phase, a clock or a lifetime of its own,
  g1 = sqrt((1 - x1) (1 - x2)) + sqrt(x1 x2) h(t1, t2).

Each kind of dynamics is a function of the times and a generator of random numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records import FloatArray
from ainerd_agent.scattering.correlation.age_lag import age_average
from ainerd_agent.scattering.simulation.maps import random_dynamics

Covariance = NDArray[np.float64] | NDArray[np.complex128]
Rng = np.random.Generator

USUAL = 0.3
"""Share of the pairs that are two of the usual dynamics (`ainerd_agent.scattering.simulation.maps`), each with its own
g2: most of those are in equilibrium."""

TWINS, REVERSALS = 0.5, 0.4
"""Of the others, shares of those whose second is the stationary twin of the first, or the first backwards. The rest are
two of one kind, each with its own g2."""

PRODUCTS = 0.35
"""Share of the dynamics that are products of two kinds: an avalanche in a sample that ages, fringes under both."""


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two dynamics that have (nearly) the same g2, or are of one kind.

    Attributes
    ----------
    kind : str
    relation : {"twin", "reversal", "kin", "usual"}
        The second is stationary, the first backwards in time, or another of its kind, or both are of the usual ones.
    first, second : ndarray, shape (T, T)
        g1: hermitian, positive semi-definite, ones on the diagonal.
    """

    kind: str
    relation: str
    first: Covariance
    second: Covariance


def random_pair(size: int, rng: Rng, *, without: Collection[str] = ()) -> Pair:
    """Draw a pair of any kind but those `without`, on `size` times."""
    times = (np.arange(size) + 0.5) / size
    if rng.random() < USUAL:
        usual = [random_dynamics(rng) for _ in range(2)]
        first, second = (each.g1(times, float(rng.uniform(0, 360))) for each in usual)
        return Pair(usual[0].kind, "usual", first, second)
    names = [name for name in KINDS if name not in without]
    name = names[rng.integers(len(names))]
    first = KINDS[name](times, rng)
    if rng.random() < PRODUCTS:
        first = first * KINDS[names[rng.integers(len(names))]](times, rng)
    if rng.random() < 0.5:
        first = backwards(first)
    choice = rng.random()
    if choice < TWINS:
        return Pair(name, "twin", first, stationary_twin(first))
    if choice < TWINS + REVERSALS:
        return Pair(name, "reversal", first, backwards(first))
    return Pair(name, "kin", first, KINDS[name](times, rng))


def backwards(g1: Covariance) -> Covariance:
    """The same dynamics with time running backwards."""
    turned: Covariance = g1[::-1, ::-1].conj()
    return turned


def stationary_twin(g1: Covariance) -> FloatArray:
    """Dynamics in equilibrium with the same g2, as nearly as a covariance can have it; shape (T, T)."""
    g2 = age_average((np.abs(g1) ** 2)[None].astype(np.float32))[0].astype(np.float64)
    lag = np.abs(np.subtract.outer(np.arange(len(g1)), np.arange(len(g1))))
    values, vectors = np.linalg.eigh(np.sqrt(g2)[lag])
    positive = (vectors * np.clip(values, 0, None)) @ vectors.T
    size = np.sqrt(np.diag(positive))
    return np.asarray(positive / size[:, None] / size)


def _log_uniform(rng: Rng, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _by_clock(reading: FloatArray, exponent: float = 1.0) -> FloatArray:
    apart: FloatArray = np.abs(reading[:, None] - reading)
    return np.asarray(np.exp(-(apart**exponent)))


def _by_rate(rate: FloatArray, rng: Rng) -> FloatArray:
    """Of a rate (in units of 1 / the side) over time; the exponent is random."""
    return _by_clock(np.cumsum(rate) / len(rate), float(rng.uniform(0.6, 1.8)))


def _slow(times: FloatArray, rng: Rng) -> FloatArray:
    """What else relaxes, evenly and slowly."""
    return _by_clock(times / _log_uniform(rng, 0.5, 12))


def _mixed(share: FloatArray, own: Covariance) -> Covariance:
    """A field of which a share is scattered by a second component."""
    still, moving = np.sqrt(1 - share), np.sqrt(share)
    mixed: Covariance = still[:, None] * still + moving[:, None] * moving * own
    return mixed


def _rotating(phase: FloatArray) -> Covariance:
    return np.asarray(np.exp(1j * (phase[:, None] - phase)))


def _switch(times: FloatArray, rng: Rng) -> FloatArray:
    """From 0 to 1 at some age, sharply or over a while."""
    return np.asarray(1 / (1 + np.exp(-(times - rng.uniform(0.2, 0.8)) / _log_uniform(rng, 0.005, 0.1))))


def _path(times: FloatArray, rng: Rng) -> FloatArray:
    """A smooth random function of time with unit variance, on any scale of time."""
    waves = np.arange(1, 33)
    height = rng.normal(size=len(waves)) * np.exp(-0.5 * (waves / _log_uniform(rng, 1, 10)) ** 2)
    path = height @ np.cos(np.pi * waves[:, None] * times + rng.uniform(0, 2 * np.pi, len(waves))[:, None])
    return np.asarray((path - path.mean()) / (path.std() + 1e-9))


def _ageing(times: FloatArray, rng: Rng) -> Covariance:
    """The rate falls exponentially with age, or as a power of it."""
    if rng.random() < 0.6:
        rate = _log_uniform(rng, 2, 80) * np.exp(-rng.uniform(0.6, 4) * times)
    else:
        rate = _log_uniform(rng, 2, 80) * (1 + times / _log_uniform(rng, 0.03, 1)) ** -rng.uniform(0.7, 1.6)
    return _by_rate(rate, rng)


def _jumps(times: FloatArray, rng: Rng, least: int, most: int) -> Covariance:
    at, size = rng.uniform(0.05, 0.95, rng.integers(least, most + 1)), rng.uniform(0.3, 1.8)
    reading = times / _log_uniform(rng, 0.6, 15)
    for each in at:
        reading = reading + size * rng.uniform(0.6, 1.4) * (times > each)
    return _by_clock(reading, float(rng.uniform(0.8, 1.3)))


def _one_jump(times: FloatArray, rng: Rng) -> Covariance:
    """An avalanche: the structure moves on at once."""
    return _jumps(times, rng, 1, 1)


def _many_jumps(times: FloatArray, rng: Rng) -> Covariance:
    """Intermittency: several avalanches."""
    return _jumps(times, rng, 2, 8)


def _burst(times: FloatArray, rng: Rng) -> Covariance:
    """An avalanche that takes a while: the rate rises and falls again."""
    pulse = np.exp(-0.5 * ((times - rng.uniform(0.1, 0.9)) / _log_uniform(rng, 0.01, 0.15)) ** 2)
    return _by_rate(_log_uniform(rng, 0.1, 4) + _log_uniform(rng, 5, 60) * pulse, rng)


def _change(times: FloatArray, rng: Rng) -> Covariance:
    """One rate, and from some age on another."""
    low, step = _log_uniform(rng, 0.3, 15), _log_uniform(rng, 2, 12)
    return _by_rate(low * (1 + step * _switch(times, rng)), rng)


def _oscillating(times: FloatArray, rng: Rng) -> Covariance:
    """The rate swings about its mean."""
    swing = np.sin(2 * np.pi * (rng.uniform(0.7, 5) * times + rng.random()))
    return _by_rate(_log_uniform(rng, 1.5, 30) * (1 + rng.uniform(0.5, 1) * swing), rng)


def _two_step(times: FloatArray, rng: Rng) -> Covariance:
    """A fast part that relaxes evenly, and a slow one that ages."""
    clock = np.cumsum(_log_uniform(rng, 1.5, 40) * np.exp(-rng.uniform(0.8, 4) * times)) / len(times)
    fast, share = _by_clock(times / _log_uniform(rng, 0.005, 0.05)), rng.uniform(0.1, 0.5)
    return np.asarray(share * fast + (1 - share) * _by_clock(clock))


def _chirp(times: FloatArray, rng: Rng) -> Covariance:
    """Heterodyne fringes whose frequency changes with age."""
    change = rng.uniform(0.8, 4.5)
    phase = 2 * np.pi * rng.uniform(3, 18) * (1 - np.exp(-change * times)) / change
    share = np.full(len(times), rng.uniform(0.2, 0.5))
    return _slow(times, rng) * _mixed(share, _rotating(phase))


def _partial_fringes(times: FloatArray, rng: Rng) -> Covariance:
    """Fringes at a part of the ages: the second component comes at some age."""
    share = rng.uniform(0.25, 0.5) * _switch(times, rng)
    return _slow(times, rng) * _mixed(share, _rotating(2 * np.pi * rng.uniform(2, 14) * times))


def _stopping(times: FloatArray, rng: Rng) -> Covariance:
    """Flow that dies down or stops: along it, the field decorrelates as a gaussian of the way."""
    speed = np.exp(-rng.uniform(1, 6) * times) if rng.random() < 0.7 else 1 - _switch(times, rng)
    way = _log_uniform(rng, 4, 40) * np.cumsum(speed) / len(times)
    return _slow(times, rng) * np.exp(-0.5 * (way[:, None] - way) ** 2)


def _excursion(times: FloatArray, rng: Rng) -> Covariance:
    """An event that passes, a cross in the map: for a while a part of the structure is another one, then as before."""
    width = _log_uniform(rng, 0.01, 0.15)
    away = np.abs(times - rng.uniform(0.1, 0.9)) / width
    share = rng.uniform(0.4, 1) * np.exp(-(away ** rng.choice([2, 8])))
    return _slow(times, rng) * _mixed(share, _by_clock(times / _log_uniform(rng, 0.02, 2)))


def _uneven_rate(times: FloatArray, rng: Rng) -> Covariance:
    """The rate wanders."""
    return _by_rate(_log_uniform(rng, 1, 30) * np.exp(rng.uniform(0.5, 1.5) * _path(times, rng)), rng)


def _wandering(times: FloatArray, rng: Rng) -> Covariance:
    """The structure is carried to and fro: the correlation comes back where it was before."""
    way = _log_uniform(rng, 0.5, 5) * _path(times, rng)
    return _slow(times, rng) * np.exp(-0.5 * (way[:, None] - way) ** 2)


def _uneven_fringes(times: FloatArray, rng: Rng) -> Covariance:
    """Heterodyne fringes of a velocity that wanders."""
    phase = 2 * np.pi * (rng.uniform(0, 8) * times + _log_uniform(rng, 0.2, 2) * _path(times, rng))
    share = np.full(len(times), rng.uniform(0.2, 0.5))
    return _slow(times, rng) * _mixed(share, _rotating(phase))


KINDS: Mapping[str, Callable[[FloatArray, Rng], Covariance]] = {
    "ageing": _ageing,
    "one jump": _one_jump,
    "many jumps": _many_jumps,
    "burst": _burst,
    "change of rate": _change,
    "oscillating rate": _oscillating,
    "two-step ageing": _two_step,
    "chirp": _chirp,
    "partial fringes": _partial_fringes,
    "stopping flow": _stopping,
    "excursion": _excursion,
    "uneven rate": _uneven_rate,
    "wandering": _wandering,
    "uneven fringes": _uneven_fringes,
}
"""Dynamics by their names."""
