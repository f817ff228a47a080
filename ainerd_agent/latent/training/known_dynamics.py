"""Simulated measurements of dynamics whose kind is known, each repeated: what readings of latents are learnt from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.latent.scaling import SIDE, replace_diagonal, resize, scale
from ainerd_agent.records import FloatArray, MapStack
from ainerd_agent.scattering.simulation import non_stationary
from ainerd_agent.scattering.simulation.maps import random_dynamics
from ainerd_agent.scattering.simulation.speckle import covariance_root, speckle_intensity

KIND_OF: Mapping[str, str] = {
    "exponential": "equilibrium", "stretched": "equilibrium", "compressed": "equilibrium",
    "ageing": "ageing", "two-step ageing": "ageing", "change of rate": "ageing",
    "avalanches": "intermittent", "one jump": "intermittent", "many jumps": "intermittent",
    "burst": "intermittent", "excursion": "intermittent", "uneven rate": "intermittent",
    "heterodyne": "oscillating", "chirp": "oscillating", "partial fringes": "oscillating",
    "oscillating rate": "oscillating", "uneven fringes": "oscillating",
    "flow": "flowing", "stopping flow": "flowing", "wandering": "flowing",
}  # fmt: skip
"""Kind by the simulator's name of the dynamics."""

VISIBLE = 0.04
"""Root mean square of what makes dynamics other than equilibrium, in units of the contrast. With less, it is not
visible: flow and fringes across the flow, an avalanche of nothing."""

USUAL, TWINS = 0.5, 0.35
"""Share of the dynamics that are the usual ones; and of the others, of those that are the stationary twin."""

REPEATS = 3
"""Measurements of each dynamics. The first two are alike, as opposite directions are; the third has a detector, counts
and contrast of its own."""

COARSE_SHARE, COARSE_SIDE = 0.2, 50
"""Measurements that are made small and enlarged again, as maps from elsewhere are."""

UNKNOWN_CONTRAST_SHARE = 0.15
"""Measurements whose contrast is estimated from the map."""

AT_A_TIME = 10
Covariance = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class KnownMaps:
    """Some measurements.

    Attributes
    ----------
    scaled : ndarray of float32, shape (n, REPEATS, 256, 256)
        Baseline 0, contrast 1.
    name, kind : tuple of str, shape (n,)
        What the simulator calls the dynamics, and what people do.
    """

    scaled: MapStack
    name: tuple[str, ...]
    kind: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Setup:
    """How a map is measured."""

    pixels: int
    counts: float
    contrast: float
    coarse: bool
    known: bool

    @classmethod
    def random(cls, rng: np.random.Generator) -> _Setup:
        pixels, counts = np.exp(rng.uniform(np.log([100, 0.2]), np.log([3000, 20])))
        coarse, unknown = rng.random(2) < (COARSE_SHARE, UNKNOWN_CONTRAST_SHARE)
        return cls(int(pixels), float(counts), 1 / int(rng.integers(1, 6)), bool(coarse), not unknown)


def known_maps(n_dynamics: int, seed: int) -> Iterator[KnownMaps]:
    """Simulate measurements, some at a time, on all cores; the same on any number of them."""
    sizes = [min(AT_A_TIME, n_dynamics - first) for first in range(0, n_dynamics, AT_A_TIME)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        # A few at a time: maps that wait to be looked at fill the memory.
        for first in range(0, len(sizes), 8):
            numbers = range(first, min(first + 8, len(sizes)))
            yield from pool.map(partial(_some, seed), numbers, [sizes[number] for number in numbers])


def _some(seed: int, number: int, n_dynamics: int) -> KnownMaps:
    rng = np.random.default_rng([seed, number])
    scaled = np.empty((n_dynamics, REPEATS, SIDE, SIDE), dtype=np.float32)
    names, kinds = [], []
    for row in range(n_dynamics):
        name, kind, g1 = _draw(rng)
        root = covariance_root(g1)
        alike, other = _Setup.random(rng), _Setup.random(rng)
        for repeat, setup in enumerate((alike, alike, other)):
            scaled[row, repeat] = _measured(root, setup, rng)
        names.append(name)
        kinds.append(kind)
    return KnownMaps(scaled, tuple(names), tuple(kinds))


def _draw(rng: np.random.Generator) -> tuple[str, str, Covariance]:
    """Name, kind and g1 of random dynamics."""
    times = (np.arange(SIDE) + 0.5) / SIDE
    if rng.random() < USUAL:
        return _usual(times, rng)
    while True:
        names = list(non_stationary.KINDS)
        name = names[rng.integers(len(names))]
        g1 = non_stationary.KINDS[name](times, rng)
        twin = non_stationary.stationary_twin(g1)
        if _apart(g1, twin) < VISIBLE:
            continue
        kind = KIND_OF[name]
        if kind in ("ageing", "intermittent") and rng.random() < TWINS:
            return f"twin of {name}", "equilibrium", twin
        return name, kind, non_stationary.backwards(g1) if rng.random() < 0.5 else g1


def _usual(times: FloatArray, rng: np.random.Generator) -> tuple[str, str, Covariance]:
    dynamics, azimuth = random_dynamics(rng), float(rng.uniform(0, 360))
    g1 = dynamics.g1(times, azimuth)
    still = replace(dynamics, ageing=0.0, avalanches=(), flow_rate=0.0, fraction=0.0)
    seen = _apart(g1, still.g1(times, azimuth)) >= VISIBLE
    return dynamics.kind, KIND_OF[dynamics.kind] if seen else "equilibrium", g1


def _apart(first: Covariance, second: Covariance) -> float:
    return float(np.sqrt(np.mean((np.abs(first) ** 2 - np.abs(second) ** 2) ** 2)))


def _measured(root: Covariance, setup: _Setup, rng: np.random.Generator) -> MapStack:
    """One measurement, as a scaled map (256, 256)."""
    intensity = speckle_intensity(root, setup.pixels, setup.contrast, rng)
    movie = rng.poisson(setup.counts * intensity).astype(np.float32)
    deviation = movie / np.float32(max(movie.mean(), 1e-6)) - 1
    c2 = np.asarray(deviation @ deviation.T / np.float32(setup.pixels), dtype=np.float32)[None]
    if setup.coarse:
        replace_diagonal(c2)
        c2 = resize(c2, COARSE_SIDE)
    return np.asarray(scale(c2, contrast=setup.contrast if setup.known else None, clip=False).maps[0])
