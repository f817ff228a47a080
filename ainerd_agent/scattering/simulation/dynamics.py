"""Dynamics of a sample as a two-time field correlation g1(t1, t2).

All of them are one construction. A *clock* s(t) counts how far the structure has moved on at time t, and a homodyne
field decorrelates with the difference of clock readings,

    g1(t1, t2) = exp(-|s(t2) - s(t1)|**exponent),                0 < exponent <= 2,

which is a valid covariance for every rising s. Equilibrium is a clock that runs evenly, ageing one that slows down, an
avalanche one that jumps. Flow multiplies by a gaussian that is narrow along the flow (a product of covariances is one).
A second component that moves with another velocity adds a rotating phase: heterodyne fringes (Livet et al.,
J. Synchrotron Radiat. 13, 453, 2006). The measured two-time correlation is contrast * |g1|**2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Dynamics:
    """Dynamics at one place of a sample; `equilibrium`, `ageing_glass` and the others below make the usual ones.

    Attributes
    ----------
    kind : str
        Name for people and for the ground truth.
    tau : float
        Relaxation time of g1 at time zero, seconds.
    exponent : float
        1 is exponential, below stretched, above compressed (2 at most).
    age, ageing : float
        The clock runs at (1 + t / age)**-ageing of its first rate; `age` in seconds, `ageing` 0 is equilibrium.
    avalanches : tuple of float
        Times of the clock's jumps, seconds since cessation.
    slip : float
        Clock units of one jump; 1 lets g1 fall to 1/e (for exponent 1).
    flow_rate : float
        Decorrelation rate along the flow, 1/s.
    flow_azimuth : float
        Direction of flow (and of the heterodyne velocity), degrees.
    fraction : float
        Share of the scattered field from the second, moving component.
    frequency : float
        q * velocity of the second component along the flow, rad/s.
    """

    kind: str
    tau: float
    exponent: float = 1.0
    age: float = 1.0
    ageing: float = 0.0
    avalanches: tuple[float, ...] = ()
    slip: float = 0.0
    flow_rate: float = 0.0
    flow_azimuth: float = 0.0
    fraction: float = 0.0
    frequency: float = 0.0

    def __post_init__(self) -> None:
        if not (self.tau > 0 and self.age > 0):
            raise ValueError(f"tau and age must be positive, got {self.tau} and {self.age} s")
        if not 0 < self.exponent <= 2:
            raise ValueError(f"exponent {self.exponent} is outside of (0, 2]: g1 would not be a covariance")
        if not 0 <= self.fraction <= 1:
            raise ValueError(f"fraction {self.fraction} of the second component is outside of [0, 1]")

    @property
    def isotropic(self) -> bool:
        """Whether g1 is the same at every azimuth."""
        return self.flow_rate == 0 and self.fraction == 0

    def clock(self, times: FloatArray) -> FloatArray:
        """Reading s of the clock at `times` (seconds since cessation), shape as given."""
        if self.ageing == 0:
            reading = times / self.tau
        elif self.ageing == 1:
            reading = self.age / self.tau * np.log1p(times / self.age)
        else:
            power = 1 - self.ageing
            reading = self.age / (power * self.tau) * ((1 + times / self.age) ** power - 1)
        if self.avalanches:
            reading = reading + self.slip * np.searchsorted(np.sort(self.avalanches), times, side="right")
        return np.asarray(reading, dtype=np.float64)

    def g1(self, times: FloatArray, azimuth: float = 0.0) -> NDArray[np.float64] | NDArray[np.complex128]:
        """Field correlation between all pairs of `times`, seen at `azimuth` (degrees).

        Parameters
        ----------
        times : ndarray, shape (T,)
            Seconds since cessation, not negative.

        Returns
        -------
        ndarray, shape (T, T)
            Hermitian and positive semi-definite with ones on the diagonal; real unless there are two components.
        """
        reading = self.clock(times)
        correlation = np.exp(-(np.abs(reading[:, None] - reading[None, :]) ** self.exponent))
        if self.isotropic:
            return correlation
        lag = times[:, None] - times[None, :]
        along_flow = np.cos(np.radians(azimuth - self.flow_azimuth))
        if self.flow_rate:
            correlation = correlation * np.exp(-0.5 * (self.flow_rate * along_flow * lag) ** 2)
        if not self.fraction:
            return correlation
        phase = np.exp(1j * self.frequency * along_flow * lag)
        return np.asarray(correlation * ((1 - self.fraction) + self.fraction * phase))


def equilibrium(tau: float, exponent: float = 1.0) -> Dynamics:
    """A structure that relaxes evenly: exponential, stretched (exponent < 1) or compressed (> 1)."""
    kind = "exponential" if exponent == 1 else "stretched" if exponent < 1 else "compressed"
    return Dynamics(kind=kind, tau=tau, exponent=exponent)


def ageing_glass(tau: float, age: float, ageing: float = 1.0) -> Dynamics:
    """Relaxation that slows down with the time since cessation."""
    return Dynamics(kind="ageing", tau=tau, age=age, ageing=ageing)


def intermittent(tau: float, avalanches: tuple[float, ...], slip: float = 1.0) -> Dynamics:
    """Slow relaxation, broken by avalanches at given times."""
    return Dynamics(kind="avalanches", tau=tau, avalanches=avalanches, slip=slip)


def flowing(tau: float, flow_rate: float, flow_azimuth: float = 0.0) -> Dynamics:
    """Anisotropic: `flow_rate` along the flow, only `tau` along the vorticity direction."""
    return Dynamics(kind="flow", tau=tau, flow_rate=flow_rate, flow_azimuth=flow_azimuth)


def heterodyne(tau: float, frequency: float, fraction: float = 0.4, flow_azimuth: float = 0.0) -> Dynamics:
    """Two components that move against each other: fringes along the flow, none across it."""
    return Dynamics(kind="heterodyne", tau=tau, frequency=frequency, fraction=fraction, flow_azimuth=flow_azimuth)
