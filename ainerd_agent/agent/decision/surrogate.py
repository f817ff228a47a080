"""From place and time to latents: what has been measured, and what is expected elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cholesky, eigh, solve_triangular

from ainerd_agent.records import FloatArray

N_COMPONENTS = 4
"""Principal components of the latents that are modelled; more hold noise as long as measurements are few."""

LENGTHS = np.geomspace(1 / 20, 2, 9)
"""Over how much of the sample things change, in units of its length."""

USUAL_LENGTH, SPREAD = 0.25, 1.0
"""What is taken for likely before there are measurements, and the spread of its logarithm."""

AGES = (0.25, 0.5, 1.0, 2.0, np.inf)
"""Over how much of the time so far things change; the last one: they do not."""

NOISES = np.geomspace(1e-3, 1, 7)
"""Variance of the noise, in units of the signal's."""

N_ROUNDS = 2
"""How often the length of each group of coordinates is found anew, given the others."""

LEARNT_FROM = 80
"""Measurements at most that these are found from."""


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Gaussian prediction of the components, without noise, per candidate.

    Attributes
    ----------
    mean, std : ndarray, shape (n_candidates, n_components)
    """

    mean: FloatArray
    std: FloatArray


class Surrogate:
    """Gaussian processes from coordinates and time to the principal components of the measurements' latents.

    The components keep the scale of the latents: a distance between components is a distance between latents. They
    share the correlation (Matern 5/2; one length for each group of coordinates and one in time), and each has a
    variance of its own. The lengths and the noise are those of the largest marginal likelihood on a grid within sane
    bounds (Rasmussen & Williams, 2006, eq. 5.8), so that no start and no local optimum decides. Of several groups,
    first the best common length is found, then in turn that of each group.

    Parameters
    ----------
    extent : float
        Length of the sample, in the unit of the coordinates.
    n_latents : int
        Features of one map; a measurement has a multiple of it.
    groups : sequence of int, optional
        For each coordinate, which ones it shares a length with; by default all share one.

    Attributes
    ----------
    measured : ndarray, shape (n, n_components)
        Components of the measurements that it learnt from.
    noise : ndarray, shape (n_components,)
        Variance of theirs.
    """

    measured: FloatArray
    noise: FloatArray

    def __init__(self, extent: float, n_latents: int = 64, groups: Sequence[int] = ()) -> None:
        self._extent = extent
        self.n_latents = n_latents
        several = sorted(set(groups)) if len(set(groups)) > 1 else []
        self._groups: list[slice | NDArray[np.intp]] = [np.flatnonzero(np.asarray(groups) == each) for each in several]
        self._groups = self._groups or [slice(None)]

    def fit(self, places: ArrayLike, latents: NDArray[np.floating], *, noise: float = np.inf) -> Surrogate:
        """Learn from measurements.

        Parameters
        ----------
        places : array_like, shape (n, n_coordinates + 1)
            Coordinates, and when, in seconds.
        latents : ndarray, shape (n, n_features)
            One vector a measurement: those of all its azimuthal bins, so that anisotropy counts.
        noise : float
            Variance of the noise of a measurement (a sum over its features) as its repeats show it; the components
            have no more than that.
        """
        where = np.asarray(places, dtype=np.float64)
        centred = latents.astype(np.float64) - latents.mean(axis=0, dtype=np.float64)
        n = len(where)
        # Principal components from the products of measurements, which are fewer than the features.
        n_kept = min(N_COMPONENTS, n)
        power, axes = eigh(centred @ centred.T, subset_by_index=[n - n_kept, n - 1])
        self.measured = axes[:, ::-1] * np.sqrt(np.maximum(power[::-1], 0))
        self._centre = latents.mean(axis=0, dtype=np.float64)
        powers = np.square(self.measured).sum(axis=0)
        self._axes = centred.T @ (self.measured / np.where(powers > 0, powers, np.inf))
        self._lasted = max(float(np.ptp(where[:, -1])), np.finfo(float).tiny)
        self._where = where
        some = np.unique(np.linspace(0, n - 1, min(n, LEARNT_FROM)).astype(int))
        total = float(np.square(self.measured).sum() / n)
        most = noise / total if total > 0 else np.inf
        noises = [each for each in NOISES if each <= most] or [NOISES[0]]
        ages = AGES if np.ptp(where[:, -1]) > 0 else (np.inf,)
        self._noise, best = 0.0, -np.inf
        n_groups = len(self._groups)

        def consider(lengths: tuple[float, ...], age: float) -> None:
            nonlocal best
            evidence = self._evidence(where[some], self.measured[some], lengths, age, noises)
            if evidence.max() > best:
                best, self._noise = float(evidence.max()), float(noises[int(evidence.argmax())])
                self._lengths, self._age = lengths, age

        for length, age in product(LENGTHS, ages):
            consider((float(length),) * n_groups, age)
        for _, group in product(range(N_ROUNDS if n_groups > 1 else 0), range(n_groups)):
            for length in LENGTHS:
                consider((*self._lengths[:group], float(length), *self._lengths[group + 1 :]), self._age)
        self._root = cholesky(
            self._correlation(where, where, self._lengths, self._age) + self._noise * np.eye(n), lower=True
        )
        whitened = solve_triangular(self._root, self.measured, lower=True)
        self._alpha = solve_triangular(self._root, whitened, lower=True, trans="T")
        self._variance = np.square(whitened).mean(axis=0)
        self.noise = self._noise * self._variance
        return self

    def predict(self, places: ArrayLike) -> Prediction:
        """Predict the components at coordinates and times (m, n_coordinates + 1)."""
        related = self._correlation(np.asarray(places, np.float64), self._where, self._lengths, self._age)
        left = 1 - np.square(solve_triangular(self._root, related.T, lower=True)).sum(axis=0)
        std = np.sqrt(np.maximum(left, 0)[:, None] * self._variance)
        return Prediction(related @ self._alpha, std)

    def imagine(self, place: FloatArray) -> FloatArray:
        """The latents that are predicted at coordinates and a time (n_coordinates + 1,), shape (n_features,)."""
        return np.asarray(self._centre + self._axes @ self.predict(place[None]).mean[0])

    def components(self, latents: FloatArray) -> tuple[FloatArray, float]:
        """Where latents lie among the components, and the square of their distance from the space of these.

        Latents of one map stand for a measurement whose maps are all like it.

        Raises
        ------
        ValueError
            They have another number of features than the measurements.
        """
        n = len(self._centre)
        if n % len(latents):
            raise ValueError(f"the latents have {len(latents)} numbers, which do not fit the {n} of a measurement")
        # Measurements are divided by the root of their bins; see NoveltyAgent.ingest.
        repeated = n // len(latents)
        apart = np.tile(latents, repeated) / np.sqrt(n / self.n_latents) - self._centre
        within = apart @ self._axes
        return within, float(max(np.square(apart).sum() - np.square(within).sum(), 0.0))

    @property
    def usual_distance(self) -> float:
        """Root mean square distance between the measurements."""
        return float(np.sqrt(2 * np.square(self.measured).sum() / max(1, len(self.measured) - 1)))

    @property
    def fades(self) -> float:
        """Seconds over which things change; infinite where they do not."""
        return self._age * self._lasted

    @property
    def lengths(self) -> list[float]:
        """Over what lengths things change, in the unit of the coordinates, for each group of them."""
        return [float(length * self._extent) for length in self._lengths]

    @property
    def learnt(self) -> dict[str, float]:
        """What else was learnt: over how many seconds things change (0 for never), and the share of noise."""
        return {
            "fades": float(self.fades) if np.isfinite(self.fades) else 0.0,
            "noise": float(self._noise),
        }

    def _evidence(
        self, where: FloatArray, values: FloatArray, lengths: tuple[float, ...], age: float, noises: Sequence[float]
    ) -> FloatArray:
        """Logarithm of the marginal likelihood for each noise, the components' common variance being the best one.

        How likely the lengths are beforehand is part of it: a handful of measurements says little.
        """
        variance, axes = np.linalg.eigh(self._correlation(where, where, lengths, age))
        spectrum = np.maximum(variance, 0)[:, None] + np.asarray(noises)
        along = np.square(axes.T @ values).sum(axis=1)[:, None]
        misfit = (along / spectrum).sum(axis=0) / values.size
        fit = np.log(np.maximum(misfit, np.finfo(float).tiny)) * values.size
        volume = values.shape[1] * np.log(spectrum).sum(axis=0)
        unlikely = sum((np.log(length / USUAL_LENGTH) / SPREAD) ** 2 for length in lengths)
        return np.asarray(-0.5 * (fit + volume + unlikely))

    def _correlation(self, one: FloatArray, other: FloatArray, lengths: tuple[float, ...], age: float) -> FloatArray:
        apart = np.zeros((len(one), len(other)))
        for group, length in zip(self._groups, lengths, strict=True):
            here, there = one[:, :-1][:, group], other[:, :-1][:, group]
            apart += np.square(here[:, None] - there[None]).sum(axis=-1) / (length * self._extent) ** 2
        if np.isfinite(age):
            apart += np.square((one[:, None, -1] - other[None, :, -1]) / (age * self._lasted))
        scaled = np.sqrt(5 * apart)
        return np.asarray((1 + scaled + scaled**2 / 3) * np.exp(-scaled))
