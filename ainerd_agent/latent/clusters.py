"""Clusters of latents, ordered from slow to fast."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.cluster import KMeans, MiniBatchKMeans

from ainerd_agent.errors import MapError
from ainerd_agent.records import FloatArray

Latents = NDArray[np.float32]
Labels = NDArray[np.int64]

RESTARTS = 50
"""Starts of KMeans, of which the best is kept. With ten, labels of the paper's latents still depend on the seed."""

SOFTNESSES = np.geomspace(0.05, 50, 60)
"""That are tried, in units of the mean squared distance of repeats."""


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """KMeans clusters (paper, "Clustering and visualization"), 0 the slowest.

    They never change: a refit gives others, with a version of their own, and the labels of these stay what they are.

    Attributes
    ----------
    centres : ndarray of float32, shape (k, 64)
    softness : float
        Squared distance over which a map is surely of its cluster, from repeats; NaN where it is not known, as of
        models before 0.2.
    """

    centres: Latents
    softness: float = float("nan")

    def __len__(self) -> int:
        return len(self.centres)

    @property
    def version(self) -> str:
        """Twelve digits of the SHA-256 of the centres, to be kept with the labels that they gave.

        The centres are in the model's file, so a version needs no place there, and files of older models have one.
        """
        return hashlib.sha256(np.ascontiguousarray(self.centres, dtype="<f4").tobytes()).hexdigest()[:12]

    @classmethod
    def fit(cls, latents: Latents, slowness: FloatArray, n_clusters: int, *, seed: int = 0) -> Clusters:
        """Find clusters and number them by their mean `slowness`, the slowest first.

        Parameters
        ----------
        latents : ndarray, shape (n, 64)
        slowness : ndarray, shape (n,)
            Any measure that is larger for slower dynamics, such as a relaxation time or the mean of the scaled map.
        """
        check_latents(latents)
        if len(latents) < n_clusters:
            raise MapError(f"{len(latents)} maps cannot form {n_clusters} clusters: give more maps or ask for fewer")
        found = KMeans(n_clusters, n_init=RESTARTS, random_state=seed).fit(latents)
        numbered = by_slowness(found.labels_, slowness, n_clusters)
        centres = found.cluster_centers_[np.argsort(numbered)]
        return cls(np.asarray(centres, dtype=np.float32))

    def predict(self, latents: Latents) -> tuple[Labels, FloatArray]:
        """Cluster of each latent and its distance to that cluster's centre, each of shape (n,)."""
        latents = check_latents(latents, self.centres.shape[1])
        distance = np.linalg.norm(latents[:, None, :].astype(np.float64) - self.centres[None], axis=-1)
        cluster = distance.argmin(axis=1)
        return cluster, distance[np.arange(len(latents)), cluster]

    def probability(self, latents: Latents) -> FloatArray | None:
        """Probability that a repeat falls into the same cluster, shape (n,); None for a model without it."""
        if np.isnan(self.softness):
            return None
        return np.asarray(self.shares(latents).max(axis=1))

    def shares(self, latents: Latents) -> FloatArray:
        """Probability of each cluster for a repeat, shape (n, k)."""
        distance = np.linalg.norm(latents[:, None, :].astype(np.float64) - self.centres[None], axis=-1)
        odds = -(distance**2) / self.softness
        odds = np.exp(odds - odds.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))

    def softened(self, latents: Latents, repeats: Latents) -> Clusters:
        """The same clusters, whose softness is that of latents (n, 64) and their repeats."""
        of_repeat, _ = self.predict(repeats)
        best, least = self, np.inf
        for softness in SOFTNESSES * float(np.mean((latents - repeats) ** 2) * latents.shape[1]):
            tried = Clusters(self.centres, float(softness))
            loss = -np.log(tried.shares(latents)[np.arange(len(latents)), of_repeat] + 1e-12).mean()
            if loss < least:
                best, least = tried, loss
        return best

    def refit(self, latents: Latents, slowness: FloatArray, *, batch: int = 1024, seed: int = 0) -> Clusters:
        """Follow a grown catalog: new clusters that start from these centres, by mini-batches.

        Parameters
        ----------
        latents : ndarray, shape (n, 64)
            All points of the catalog, or a fair sample of it.
        slowness : ndarray, shape (n,)
        batch : int
            Latents looked at in one step.
        """
        check_latents(latents, self.centres.shape[1])
        if len(latents) < len(self):
            raise MapError(f"{len(latents)} maps cannot form {len(self)} clusters: give more maps")
        # Without reassignment, no centre jumps: a cluster that nothing new falls into stays where it is.
        model = MiniBatchKMeans(
            len(self), init=self.centres, n_init=1, batch_size=batch, reassignment_ratio=0, random_state=seed
        ).fit(latents)
        moved = np.asarray(model.cluster_centers_, dtype=np.float32)
        labels, _ = Clusters(moved).predict(latents)
        return Clusters(moved[np.argsort(by_slowness(labels, slowness, len(self)))], self.softness)


def by_slowness(labels: Labels, slowness: FloatArray, n_clusters: int) -> Labels:
    """New number of each label 0..k-1, by falling mean of `slowness` (n,); shape (k,)."""
    slowness = np.asarray(slowness, dtype=np.float64)
    if slowness.shape != labels.shape or not np.isfinite(slowness).all():
        raise MapError(f"clusters are ordered by a finite slowness for each of {len(labels)} maps")
    of_label = [slowness[labels == label] for label in range(n_clusters)]
    mean = [float(np.mean(part)) if len(part) else -np.inf for part in of_label]  # empty ones come last
    numbers = np.empty(len(mean), dtype=np.int64)
    numbers[np.argsort(mean)[::-1]] = np.arange(len(mean))
    return numbers


def check_latents(latents: ArrayLike, length: int | None = None) -> Latents:
    """Latents as float32 (n, length), or a `MapError` that tells what is wrong with them."""
    vectors = np.asarray(latents, dtype=np.float32)
    if vectors.ndim != 2 or (length is not None and vectors.shape[1] != length):
        raise MapError(f"latents must have the shape (n, {length or 'length'}), got {vectors.shape}")
    if not np.isfinite(vectors).all():
        bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
        raise MapError(f"{len(bad)} of {len(vectors)} latents hold NaN or infinite values (the first is {bad[0]})")
    return vectors
