"""Simulated C2 maps with their noise-free truth, to train and test latent models on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.scattering.correlation.two_time import two_time
from ainerd_agent.scattering.simulation import dynamics as kinds
from ainerd_agent.scattering.simulation.dynamics import Dynamics
from ainerd_agent.scattering.simulation.speckle import covariance_root, speckle_intensity

CONTRASTS = (1.0, 0.5, 1 / 3, 0.2)


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedMaps:
    """Maps of random dynamics.

    Attributes
    ----------
    c2 : ndarray of float16, shape (n, 256, 256)
        As measured, with all noise.
    truth : ndarray of float16, shape (n, 256, 256)
        |g1|**2, without any noise and with contrast one.
    realised : ndarray of float16, shape (n, 256, 256)
        As a detector without shot noise would have measured, with contrast one: the speckles of the bin are few, and
        what they happened to do is in it.
    kind : ndarray of str, shape (n,)
    contrast : ndarray, shape (n,)
        Of the speckles.
    tau : ndarray, shape (n,)
        Lag at which the age average of the truth falls to 1/e, in units of the map's side; beyond the map, extrapolated
        by an exponential.
    """

    c2: NDArray[np.float16]
    truth: NDArray[np.float16]
    realised: NDArray[np.float16]
    kind: NDArray[np.str_]
    contrast: NDArray[np.float64]
    tau: NDArray[np.float64]


def random_dynamics(rng: np.random.Generator) -> Dynamics:
    """Any dynamics, with times in units of the map's side, over wide ranges of rate."""

    def tau(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    def avalanches() -> tuple[float, ...]:
        return tuple(rng.uniform(0.05, 0.95, size=rng.integers(1, 5)).tolist())

    makers: list[Callable[[], Dynamics]] = [
        lambda: kinds.equilibrium(tau(0.01, 20.0)),
        lambda: kinds.equilibrium(tau(0.01, 2.0), float(rng.uniform(0.4, 0.8))),
        lambda: kinds.equilibrium(tau(0.03, 2.0), float(rng.uniform(1.3, 2.0))),
        lambda: kinds.ageing_glass(tau(0.01, 0.3), tau(0.1, 3.0), float(rng.uniform(0.7, 1.5))),
        lambda: kinds.intermittent(tau(0.5, 10.0), avalanches(), float(rng.uniform(0.4, 1.5))),
        lambda: kinds.flowing(tau(0.2, 5.0), float(rng.uniform(3.0, 25.0))),
        lambda: kinds.heterodyne(
            tau(0.3, 5.0), float(2 * np.pi * rng.uniform(1.5, 12.0)), float(rng.uniform(0.25, 0.5))
        ),
    ]
    return makers[rng.integers(len(makers))]()


def simulate_maps(n_maps: int, seed: int, *, size: int = 256) -> SimulatedMaps:
    """Draw maps of random dynamics, contrast, counts, number of pixels and azimuth."""
    rng = np.random.default_rng(seed)
    times = (np.arange(size) + 0.5) / size
    c2 = np.empty((n_maps, size, size), dtype=np.float16)
    truth, realised = np.empty_like(c2), np.empty_like(c2)
    contrast, tau, names = np.empty(n_maps), np.empty(n_maps), []
    for number in range(n_maps):
        dynamics = random_dynamics(rng)
        g1 = dynamics.g1(times, float(rng.uniform(0, 360)))
        n_pixels = int(np.exp(rng.uniform(np.log(100), np.log(1500))))
        counts = float(np.exp(rng.uniform(np.log(0.2), np.log(20))))
        contrast[number] = rng.choice(CONTRASTS)
        intensity = speckle_intensity(covariance_root(g1), n_pixels, contrast[number], rng)
        movie = rng.poisson(counts * intensity).astype(np.float32)
        bin_of_pixels = np.ones((1, n_pixels), dtype=int)
        c2[number] = two_time(movie[:, None, :], bin_of_pixels, size=size)[0]
        realised[number] = two_time(intensity[:, None, :], bin_of_pixels, size=size)[0] / contrast[number]
        truth[number] = np.abs(g1) ** 2
        tau[number] = relaxation_time(np.abs(g1) ** 2)
        names.append(dynamics.kind)
    return SimulatedMaps(c2, truth, realised, np.array(names), contrast, tau)


def relaxation_time(truth: NDArray[np.float64]) -> float:
    """Lag at which the age average of a noise-free map falls to 1/e, in units of its side; see `SimulatedMaps`."""
    size = len(truth)
    g2 = np.array([np.diagonal(truth, lag).mean() for lag in range(size)])
    below = np.flatnonzero(g2 < np.exp(-1))
    if below.size == 0:  # slower than the movie: the mean of its last tenth tells how much is left
        last = slice(size - max(2, size // 10), size)
        return float(np.arange(size)[last].mean() / size / -np.log(min(g2[last].mean(), 1 - 1e-6)))
    after = below[0]
    share = (g2[after - 1] - np.exp(-1)) / (g2[after - 1] - g2[after])
    return float((after - 1 + share) / size)
