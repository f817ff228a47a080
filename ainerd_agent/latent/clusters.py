"""Clusters of latents, ordered from slow to fast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from ainerd_agent.errors import MapError
from ainerd_agent.records import FloatArray

Latents = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """KMeans clusters (paper, "Clustering and visualization"), 0 the slowest.

    Attributes
    ----------
    centres : ndarray of float32, shape (k, 64)
    """

    centres: Latents

    def __len__(self) -> int:
        return len(self.centres)

    @classmethod
    def fit(cls, latents: Latents, slowness: FloatArray, n_clusters: int, *, seed: int = 0) -> Clusters:
        """Find clusters and number them by their mean `slowness`, the slowest first.

        Parameters
        ----------
        latents : ndarray, shape (n, 64)
        slowness : ndarray, shape (n,)
            Any measure that is larger for slower dynamics, such as the mean of the scaled map.
        """
        if len(latents) < n_clusters:
            raise MapError(f"{len(latents)} maps cannot form {n_clusters} clusters: give more maps or ask for fewer")
        found = KMeans(n_clusters, n_init=10, random_state=seed).fit(latents)
        mean_slowness = [slowness[found.labels_ == number].mean() for number in range(n_clusters)]
        return cls(np.asarray(found.cluster_centers_[np.argsort(mean_slowness)[::-1]], dtype=np.float32))

    def predict(self, latents: Latents) -> tuple[NDArray[np.int64], FloatArray]:
        """Cluster of each latent and its distance to that cluster's centre, each of shape (n,)."""
        distance = np.linalg.norm(latents[:, None, :].astype(np.float64) - self.centres[None], axis=-1)
        cluster = distance.argmin(axis=1)
        return cluster, distance[np.arange(len(latents)), cluster]
