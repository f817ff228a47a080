"""A sample as a map of dynamics over (x, y)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.scattering.simulation import dynamics as kinds
from ainerd_agent.scattering.simulation.dynamics import Dynamics

SIDE = 4.0
"""Length of a square sample's side, mm."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A region of the sample: everything nearer to its seed than to another phase's.

    Attributes
    ----------
    seed : tuple of float
        x, y in mm.
    dynamics : Dynamics
        At the seed; the rates change smoothly over the sample.
    """

    seed: tuple[float, float]
    dynamics: Dynamics


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Phases with boundaries between them, rates that vary smoothly, and one small rare region.

    Attributes
    ----------
    phases : tuple of Phase
    rare : Phase
        Dynamics inside the disc of `rare_radius` (mm) around its seed.
    gradient : tuple of float
        Change of ln(rate) per mm along x and y.
    ripple : float
        Amplitude of a slow wave of ln(rate) on top.
    """

    phases: tuple[Phase, ...]
    rare: Phase
    rare_radius: float
    gradient: tuple[float, float] = (0.0, 0.0)
    ripple: float = 0.0
    side: float = SIDE
    name: str = "simulated glass"

    @property
    def limits(self) -> dict[str, tuple[float, float]]:
        """Lowest and highest position by axis, mm."""
        return {"x": (0.0, self.side), "y": (0.0, self.side)}

    def dynamics_at(self, x: float, y: float) -> Dynamics:
        """Dynamics at a position in mm."""
        phase = self.rare
        if np.hypot(x - self.rare.seed[0], y - self.rare.seed[1]) > self.rare_radius:
            phase = min(self.phases, key=lambda candidate: np.hypot(x - candidate.seed[0], y - candidate.seed[1]))
        middle = self.side / 2
        log_rate = self.gradient[0] * (x - middle) + self.gradient[1] * (y - middle)
        log_rate += self.ripple * np.sin(2 * np.pi * x / self.side) * np.cos(2 * np.pi * y / self.side)
        return replace(phase.dynamics, tau=float(phase.dynamics.tau * np.exp(-log_rate)))

    def kind_map(self, points: int = 80) -> NDArray[np.str_]:
        """Names of the dynamics on a grid, shape (points, points), rows along y: the ground truth as a picture."""
        grid = (np.arange(points) + 0.5) * self.side / points
        return np.array([[self.dynamics_at(x, y).kind for x in grid] for y in grid])

    @classmethod
    def random(cls, rng: np.random.Generator, *, duration: float, avalanches: tuple[float, ...] = ()) -> Sample:
        """A sample with six phases and a rare heterodyne spot.

        Parameters
        ----------
        duration : float
            Length of one exposure in seconds; relaxation times are drawn around it, so that maps have a shape.
        avalanches : tuple of float
            Times of the avalanches, from the rheometer's relaxation.
        """
        flow_azimuth = 90.0
        makers: list[Callable[[], Dynamics]] = [
            lambda: kinds.equilibrium(duration * rng.uniform(4.0, 8.0)),
            lambda: kinds.equilibrium(duration * rng.uniform(0.05, 0.12), exponent=0.6),
            lambda: kinds.equilibrium(duration * rng.uniform(0.2, 0.4), exponent=1.6),
            lambda: kinds.ageing_glass(duration * rng.uniform(0.01, 0.02), age=duration * rng.uniform(1.0, 3.0)),
            lambda: kinds.intermittent(duration * rng.uniform(2.0, 4.0), avalanches),
            lambda: kinds.flowing(duration * rng.uniform(1.0, 2.0), 14.0 / duration, flow_azimuth),
        ]
        phases = tuple(Phase(seed, make()) for seed, make in zip(_spread(rng, len(makers)), makers, strict=True))
        fringes = kinds.heterodyne(duration * 2.0, 2 * np.pi * rng.uniform(4.0, 6.0) / duration, 0.4, flow_azimuth)
        return cls(
            phases=phases,
            rare=Phase((float(rng.uniform(0.6, SIDE - 0.6)), float(rng.uniform(0.6, SIDE - 0.6))), fringes),
            rare_radius=0.4,
            gradient=(float(rng.uniform(-0.25, 0.25)), float(rng.uniform(-0.25, 0.25))),
            ripple=float(rng.uniform(0.1, 0.3)),
        )


def _spread(rng: np.random.Generator, count: int) -> list[tuple[float, float]]:
    """Random positions that keep a distance from each other: the most spread of fifty draws."""
    draws = rng.uniform(0.1 * SIDE, 0.9 * SIDE, size=(50, count, 2))
    between = np.linalg.norm(draws[:, :, None] - draws[:, None], axis=-1) + SIDE * np.eye(count)
    best = draws[between.min(axis=(1, 2)).argmax()]
    return [(float(x), float(y)) for x, y in best]
