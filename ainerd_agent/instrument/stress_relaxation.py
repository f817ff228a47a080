"""The rheometer's side of the simulation: stress after shear cessation, with intermittent drops."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class StressRelaxation:
    """Shear stress of a glass after the flow stops.

    A slow power-law decay; each avalanche takes a step off the stress, part of which builds up again, as in the
    paper's relaxation (its Fig. 3A).

    Attributes
    ----------
    avalanches : tuple of float
        Times of the drops, seconds since cessation: the same that move the sample's clock.
    drops : tuple of float
        Their depths, Pa.
    flow_stress, first_stress, last_stress : float
        Stress while flowing, just after cessation, and in the end, Pa.
    decay, recovery : float
        Time constants of the decay and of the recovery after a drop, seconds.
    flow_rate, creep_rate : float
        Shear rate before cessation and after it, 1/s.
    """

    avalanches: tuple[float, ...] = ()
    drops: tuple[float, ...] = ()
    flow_stress: float = 1200.0
    first_stress: float = 190.0
    last_stress: float = 85.0
    decay: float = 8.0
    recovery: float = 4.0
    flow_rate: float = 30.0
    creep_rate: float = 1e-6

    def __post_init__(self) -> None:
        if len(self.avalanches) != len(self.drops):
            raise ValueError(f"{len(self.avalanches)} avalanches but {len(self.drops)} drops")

    def stress(self, elapsed: float) -> float:
        """Shear stress in Pa, `elapsed` seconds after cessation (negative while flowing)."""
        if elapsed < 0:
            return self.flow_stress
        decayed = self.last_stress + (self.first_stress - self.last_stress) / (1 + elapsed / self.decay)
        since = elapsed - np.asarray(self.avalanches)
        past = since >= 0
        return float(decayed - np.sum(np.asarray(self.drops)[past] * np.exp(-since[past] / self.recovery)))

    def shear_rate(self, elapsed: float) -> float:
        """Shear rate in 1/s."""
        return self.flow_rate if elapsed < 0 else self.creep_rate

    def viscosity(self, elapsed: float) -> float:
        """Stress over rate, Pa s."""
        return self.stress(elapsed) / self.shear_rate(elapsed)

    @classmethod
    def random(
        cls, rng: np.random.Generator, *, duration: float = 900.0, mean_interval: float = 9.0
    ) -> StressRelaxation:
        """A relaxation with avalanches at random times (exponential waiting times, none within 3 s of another)."""
        waits = 3.0 + rng.exponential(mean_interval - 3.0, size=int(3 * duration / mean_interval))
        times = np.cumsum(waits)
        times = times[times < duration]
        return cls(avalanches=tuple(times.tolist()), drops=tuple(rng.uniform(6.0, 14.0, len(times)).tolist()))
