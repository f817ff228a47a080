"""How many clusters there are, and whether they are the same with another seed.

The adjusted Rand index (ARI; Hubert & Arabie, J. Classif. 2, 193 (1985)) compares two sets of labels: 1 for the same
clusters, 0 for chance.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.mixture import GaussianMixture

from ainerd_agent.errors import MapError
from ainerd_agent.latent.atlas.neighbours import NeighbourIndex
from ainerd_agent.latent.clusters import RESTARTS, Labels, Latents, check_latents

SEEDS = 20
"""Whose labels are compared."""

STABLE = 0.95
"""ARI over seeds from which on labels count as reproducible."""


class Clusterer(Protocol):
    """What finds clusters, as in scikit-learn; a label of -1 means none."""

    def fit(self, latents: Latents) -> object:
        """Find the clusters of latents (n, 64)."""

    def predict(self, latents: Latents) -> Labels:
        """Label of each latent, shape (n,)."""


class DensityClusters:
    """HDBSCAN that also labels points it has not seen: as their nearest fitted point.

    Parameters
    ----------
    min_cluster_size : int
        Fewer points are no cluster.
    """

    def __init__(self, min_cluster_size: int = 15) -> None:
        self.min_cluster_size = min_cluster_size

    def fit(self, latents: Latents) -> DensityClusters:
        """Find the clusters of latents (n, 64)."""
        model = HDBSCAN(min_cluster_size=self.min_cluster_size, copy=True).fit(check_latents(latents))
        self.labels_ = np.asarray(model.labels_, dtype=np.int64)
        self._index = NeighbourIndex(latents)
        return self

    def predict(self, latents: Latents) -> Labels:
        """Label of the nearest fitted latent, -1 for noise; shape (n,)."""
        return np.asarray(self.labels_[self._index.nearest(latents, 1)[0][:, 0]])


METHODS: dict[str, Callable[[int, int], Clusterer]] = {
    "kmeans, one start (paper)": lambda k, seed: KMeans(k, n_init=1, random_state=seed),
    "kmeans": lambda k, seed: KMeans(k, n_init=RESTARTS, random_state=seed),
    "gaussian mixture": lambda k, seed: GaussianMixture(k, covariance_type="diag", reg_covar=1e-3, random_state=seed),
    "hdbscan": lambda k, seed: DensityClusters(),
}
"""Makers of clusterers, from the number of clusters (HDBSCAN finds its own) and the seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One number of clusters: inertia for the elbow, silhouette, and the mean and least ARI between seeds."""

    n_clusters: int
    inertia: float
    silhouette: float
    stability: float
    worst: float


def agreement(labellings: Sequence[Labels]) -> tuple[float, float]:
    """Mean and least ARI over all pairs of labellings of the same points."""
    found = [adjusted_rand_score(one, other) for one, other in itertools.combinations(labellings, 2)]
    return float(np.mean(found)), float(np.min(found))


def stability(
    method: Callable[[int, int], Clusterer], latents: Latents, n_clusters: int, *, seeds: int = SEEDS
) -> tuple[float, float]:
    """Mean and least ARI of a method's labels of latents (n, 64) between seeds."""
    return agreement([_fitted(method(n_clusters, seed), latents).predict(latents) for seed in range(seeds)])


def try_numbers(latents: Latents, numbers: Sequence[int], *, seeds: int = SEEDS) -> list[Trial]:
    """Cluster latents (n, 64) into each number of clusters, with several seeds each."""
    check_latents(latents)
    if not numbers or min(numbers) < 2 or max(numbers) >= len(latents):
        raise MapError(f"{len(latents)} latents can be tried with 2 to {len(latents) - 1} clusters, not {numbers}")
    trials = []
    for n_clusters in numbers:
        models = [KMeans(n_clusters, n_init=RESTARTS, random_state=seed).fit(latents) for seed in range(seeds)]
        best = min(models, key=lambda model: float(model.inertia_))
        mean, worst = agreement([model.labels_ for model in models])
        trials.append(
            Trial(
                n_clusters=n_clusters,
                inertia=float(best.inertia_),
                silhouette=float(silhouette_score(latents, best.labels_)),
                stability=mean,
                worst=worst,
            )
        )
    return trials


def choose(trials: Sequence[Trial]) -> Trial:
    """The stable trial (ARI of 0.95 or more) nearest to the elbow; without a stable one, the most stable.

    The elbow is where the inertia lies furthest below the line between its ends; between trials that lie the same
    there, the silhouette decides.
    """
    numbers = np.array([trial.n_clusters for trial in trials], dtype=np.float64)
    inertia = np.array([trial.inertia for trial in trials])
    below = np.interp(numbers, numbers[[0, -1]], inertia[[0, -1]]) - inertia
    stable = [number for number, trial in enumerate(trials) if trial.stability >= STABLE]
    if not stable:
        return max(trials, key=lambda trial: trial.stability)
    return trials[max(stable, key=lambda number: (below[number], trials[number].silhouette))]


def _fitted(clusterer: Clusterer, latents: Latents) -> Clusterer:
    clusterer.fit(latents)
    return clusterer
