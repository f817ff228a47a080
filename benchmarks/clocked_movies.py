"""Movies of dynamics that are known in seconds, of any exposure, for `benchmarks/time_scales.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.latent.same_g2.measurement import Level
from ainerd_agent.records import FloatArray
from ainerd_agent.scattering.correlation.two_time import two_time

LONGEST = 100.0
"""Seconds for which dynamics are drawn."""

FRAME = 10 / 256
"""Seconds, of all movies."""


@dataclass(frozen=True, slots=True, eq=False)
class Dynamics:
    """What a sample does for a hundred seconds.

    Attributes
    ----------
    kind : str
    clock, phase : ndarray, shape (2560,)
        Of each frame: g1 is exp(-difference of the clock), and `fraction` of the field turns by the phase.
    """

    kind: str
    clock: FloatArray
    phase: FloatArray
    fraction: float = 0.0


def draw(rng: np.random.Generator) -> Dynamics:
    """Any kind as likely."""
    kind = list(KINDS)[rng.integers(len(KINDS))]
    return KINDS[kind](kind, rng)


def measure(
    dynamics: Dynamics, start: float, exposure: float, level: Level, rng: np.random.Generator, size: int = 256
) -> NDArray[np.float32]:
    """C2 (size, size) of a part of the hundred seconds, with speckles and photons of its own."""
    first, n_frames = round(start / FRAME), round(exposure / FRAME)
    part = slice(first, first + n_frames)
    n_fields = level.pixels * level.modes
    kept = np.exp(-np.diff(dynamics.clock[part], prepend=dynamics.clock[part][0]))
    still, moving = _fields(kept, n_fields, rng), None
    if dynamics.fraction:
        moving = _fields(kept, n_fields, rng) * np.exp(1j * dynamics.phase[part, None])
        still = np.sqrt(1 - dynamics.fraction) * still + np.sqrt(dynamics.fraction) * moving
    power = (still.real**2 + still.imag**2).reshape(n_frames, level.modes, level.pixels).mean(axis=1) / 2
    photons = rng.poisson(level.counts * power).astype(np.float32)
    return two_time(photons[:, None], np.ones((1, level.pixels), dtype=int), size=size, threads=1)[0]


def _fields(kept: FloatArray, n_fields: int, rng: np.random.Generator) -> NDArray[np.complex64]:
    """Gaussian fields (n_frames, n_fields) of which each frame keeps a part of the one before."""
    found = rng.standard_normal((len(kept), 2 * n_fields), dtype=np.float32)
    new = np.sqrt(1 - kept**2).astype(np.float32)
    for frame in range(1, len(kept)):
        found[frame] = np.float32(kept[frame]) * found[frame - 1] + new[frame] * found[frame]
    return found.view(np.complex64)


_TIMES: FloatArray = (np.arange(round(LONGEST / FRAME)) + 0.5) * FRAME


def _rate(rng: np.random.Generator, low: float = 0.02, high: float = 3.0) -> float:
    """In 1/s."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _equilibrium(kind: str, rng: np.random.Generator) -> Dynamics:
    return Dynamics(kind, _TIMES * _rate(rng), 0 * _TIMES)


def _ageing(kind: str, rng: np.random.Generator) -> Dynamics:
    rate = _rate(rng, 0.3, 6) * np.exp(-_TIMES / rng.uniform(15, 60))
    return Dynamics(kind, np.cumsum(rate) * FRAME, 0 * _TIMES)


def _avalanches(kind: str, rng: np.random.Generator) -> Dynamics:
    interval = np.exp(rng.uniform(np.log(0.8), np.log(4)))
    at = np.cumsum(interval * rng.uniform(0.8, 1.2, 300)) - interval * rng.uniform()
    clock = _TIMES * _rate(rng, 0.01, 0.1) + rng.uniform(0.3, 1.2) * np.searchsorted(at, _TIMES)
    return Dynamics(kind, clock, 0 * _TIMES)


def _fringes(kind: str, rng: np.random.Generator) -> Dynamics:
    turns = np.exp(rng.uniform(np.log(0.15), np.log(2)))
    return Dynamics(kind, _TIMES * _rate(rng, 0.01, 0.4), 2 * np.pi * turns * _TIMES, rng.uniform(0.2, 0.5))


def _pulses(kind: str, rng: np.random.Generator) -> Dynamics:
    wave = np.sin(2 * np.pi * (_TIMES / np.exp(rng.uniform(np.log(1.5), np.log(6))) + rng.uniform()))
    rate = _rate(rng, 0.05, 1) * np.exp(rng.uniform(1, 2) * wave)
    return Dynamics(kind, np.cumsum(rate) * FRAME, 0 * _TIMES)


KINDS: dict[str, Callable[[str, np.random.Generator], Dynamics]] = {
    "equilibrium": _equilibrium,
    "ageing": _ageing,
    "avalanches": _avalanches,
    "fringes": _fringes,
    "pulsed rate": _pulses,
}
