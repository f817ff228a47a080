"""Simulated samples whose ground truth is known, and measuring them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.agent import BeamtimeCost
from ainerd_agent.records import Analysis, Origin, ShearStress
from ainerd_agent.scattering import two_time
from ainerd_agent.scattering.simulation import dynamics as kinds
from ainerd_agent.scattering.simulation.dynamics import Dynamics
from ainerd_agent.scattering.simulation.speckle import covariance_root, speckle_intensity

Array = NDArray[Any]

SIDE = 10.0
"""Of the sample, mm."""

COST = BeamtimeCost(speed=2.0, counting=5.0)
BUDGET = 400.0
"""Seconds of beamtime."""

EXCLUSION = 0.15
AZIMUTHS = (0.0, 90.0, 180.0, 270.0)
REPEATS = 24
N_PIXELS, CONTRAST = 600, 0.3
COUNTS, FEW_COUNTS = 3.0, 0.3
RARE_RADIUS = np.sqrt(0.02 / np.pi) * SIDE


@dataclass(frozen=True, slots=True)
class Landscape:
    """A sample: which dynamics (a number) there are at places (n, 2) and seconds (n,)."""

    dynamics: list[Dynamics]
    at: Callable[[Array, Array], Array]
    counts: float = COUNTS


def gradient(rng: np.random.Generator) -> Landscape:
    """Relaxation times rise smoothly in one direction, by a factor of 60 in all, in twelve steps."""
    taus = np.geomspace(0.02, 1.2, 12)
    angle = rng.uniform(0, 2 * np.pi)
    direction = np.array([np.cos(angle), np.sin(angle)])

    def at(places: Array, _: Array) -> Array:
        along = (places - SIDE / 2) @ direction / (SIDE * np.abs(direction).sum()) + 0.5
        return np.clip((along * len(taus)).astype(int), 0, len(taus) - 1)

    return Landscape([kinds.equilibrium(tau) for tau in taus], at)


def _phases() -> list[Dynamics]:
    return [
        kinds.equilibrium(0.1),
        kinds.equilibrium(1.0, 1.6),
        kinds.ageing_glass(0.05, 0.3),
        kinds.flowing(1.0, 12.0),
        kinds.intermittent(3.0, (0.35, 0.7), 1.0),
        kinds.heterodyne(1.5, 2 * np.pi * 6),
    ]


def phases(rng: np.random.Generator, counts: float = COUNTS) -> Landscape:
    """Six phases with sharp boundaries, of very different areas."""
    known = _phases()
    seeds, reach = rng.uniform(0, SIDE, (len(known), 2)), rng.uniform(0.4, 1.6, len(known))

    def at(places: Array, _: Array) -> Array:
        distance = np.linalg.norm(places[:, None] - seeds[None], axis=-1)
        return np.asarray((distance / reach).argmin(axis=1))

    if len(np.unique(at(grid(60), np.zeros(3600)))) < len(known):
        return phases(rng, counts)
    return Landscape(known, at, counts)


def rare(rng: np.random.Generator) -> Landscape:
    """Two phases side by side, and a disc of 2 % of the area with a third one."""
    known = [_phases()[number] for number in (1, 2, 3)]
    centre, border = rng.uniform(RARE_RADIUS, SIDE - RARE_RADIUS, 2), rng.uniform(0.3, 0.7) * SIDE

    def at(places: Array, _: Array) -> Array:
        inside = np.linalg.norm(places - centre, axis=1) < RARE_RADIUS
        return np.where(inside, 2, (places[:, 0] > border).astype(int))

    return Landscape(known, at)


def ageing(rng: np.random.Generator) -> Landscape:
    """Three regions that slow down with time, at their own paces: twelve dynamics in all."""
    taus = np.geomspace(0.02, 2.0, 12)
    seeds, pace = rng.uniform(0, SIDE, (3, 2)), np.array([0.5, 1.0, 2.0])

    def at(places: Array, seconds: Array) -> Array:
        region = np.linalg.norm(places[:, None] - seeds[None], axis=-1).argmin(axis=1)
        return np.clip((seconds / BUDGET * pace[region] * 6 + 2 * region).astype(int), 0, 11)

    return Landscape([kinds.equilibrium(tau) for tau in taus], at)


SAMPLES: dict[str, Callable[[np.random.Generator], Landscape]] = {
    "gradient": gradient,
    "phases": phases,
    "rare phase": rare,
    "ageing": ageing,
    "noise at the limit": lambda rng: phases(rng, FEW_COUNTS),
}


def library(dynamics: list[Dynamics], counts: float, seed: int) -> Array:
    """Latents of repeated measurements: (n_dynamics, repeats, n_azimuths, 64)."""
    from ainerd_agent.latent import Encoder

    encoder, rng = Encoder.load(), np.random.default_rng(seed)
    times, bins = (np.arange(256) + 0.5) / 256, np.ones((1, N_PIXELS), dtype=int)
    found = []
    for each in dynamics:
        maps = []
        for azimuth in AZIMUTHS:
            root = covariance_root(each.g1(times, azimuth))
            for _ in range(REPEATS):
                movie = rng.poisson(counts * speckle_intensity(root, N_PIXELS, CONTRAST, rng)).astype(np.float32)
                maps.append(two_time(movie[:, None, :], bins, size=256)[0])
        latents = encoder.encode(np.stack(maps), contrast=CONTRAST)
        found.append(latents.reshape(len(AZIMUTHS), REPEATS, -1).swapaxes(0, 1))
    return np.stack(found)


class Experiment:
    """A sample that is measured: what it costs, what comes of it, and what is known in the end."""

    def __init__(self, landscape: Landscape, latents: Array, seed: int) -> None:
        self.landscape, self._latents = landscape, latents
        self._rng = np.random.default_rng([seed, 1])
        self.seconds = 0.0
        self.here: Array | None = None
        self.found: list[tuple[float, int]] = []
        self.vectors: list[Array] = []

    def measure(self, place: Array) -> Analysis | None:
        """Go there and count; None where the beamtime does not suffice."""
        self.seconds += float(COST(self.here, place[None])[0])
        if self.seconds > BUDGET:
            return None
        self.here = place
        state = int(self.landscape.at(place[None], np.array([self.seconds]))[0])
        latents = self._latents[state, self._rng.integers(REPEATS)]
        self.found.append((self.seconds, state))
        return analysis_of(latents, len(self.found), self.seconds)


def analysis_of(latents: Array, seq_num: int, seconds: float) -> Analysis:
    """A measurement with these latents, at so many seconds."""
    n = len(latents)
    return Analysis(
        origin=Origin(raw_uid="run", seq_num=seq_num, start=seconds, stop=seconds),
        latents=latents,
        cluster=np.zeros(n, dtype=np.int64),
        centre_distance=np.zeros(n),
        novelty=np.zeros(n),
        reconstruction_error=np.zeros(n),
        stress=ShearStress(),
    )


def grid(n: int) -> Array:
    """N x n places over the sample, shape (n * n, 2)."""
    axis = (np.arange(n) + 0.5) * SIDE / n
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
