"""Two dimensions to look at the latent space in."""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.errors import MapError
from ainerd_agent.latent.atlas._npz import reading
from ainerd_agent.latent.atlas.neighbours import NeighbourIndex
from ainerd_agent.latent.clusters import Latents, check_latents
from ainerd_agent.records import FloatArray

MIN_POINTS = 12
"""Fewer points have no neighbourhoods that UMAP could keep."""

N_NEIGHBOURS = 5
MIN_DISTANCE = 0.25
"""The paper's parameters."""

HALVINGS = 64
"""Steps of the search for the width of a neighbourhood; umap takes as many."""

SMALLEST_WIDTH = 1e-3
"""Of a neighbourhood, relative to the mean distance to its points, as in umap."""


class Embedding:
    """A UMAP embedding that stays as it was fitted, with a place for points that come later.

    A new point lies at the mean of its nearest fitted points, weighted by UMAP's membership strengths (McInnes, Healy &
    Melville, arXiv:1802.03426, sections 3.1 and 3.2): it is where `umap.UMAP.transform` starts from before it moves
    points by random samples. So a point has one place, whatever else is placed with it, and nothing is compiled.

    Parameters
    ----------
    latents : array_like, shape (n, 64)
    points : array_like, shape (n, 2)
        Where these latents lie in the picture.
    """

    def __init__(self, latents: ArrayLike, points: ArrayLike) -> None:
        fitted = check_latents(latents)
        self.points: FloatArray = np.array(points, dtype=np.float64)
        if self.points.ndim != 2 or len(self.points) != len(fitted) or not np.isfinite(self.points).all():
            raise MapError(f"an embedding needs a finite point for each of {len(fitted)} latents")
        if len(fitted) < N_NEIGHBOURS:
            raise MapError(f"{len(fitted)} latents have no neighbourhoods: an embedding needs {N_NEIGHBOURS}")
        self.points.setflags(write=False)
        self._index = NeighbourIndex(fitted)

    def __len__(self) -> int:
        return len(self.points)

    @property
    def latents(self) -> Latents:
        """What was fitted, shape (n, 64)."""
        return self._index.latents

    @classmethod
    def fit(cls, latents: Latents, *, seed: int = 0) -> Embedding:
        """Fit UMAP with the paper's parameters (5 neighbours, minimal distance 0.25).

        Parameters
        ----------
        latents : ndarray, shape (n, 64)
            At least `MIN_POINTS`.
        """
        fitted = check_latents(latents)
        if len(fitted) < MIN_POINTS:
            raise MapError(f"{len(fitted)} maps are too few for UMAP: give {MIN_POINTS} or more")
        return cls(fitted, fit_umap(fitted, seed=seed).embedding_)

    def save(self, path: Path) -> None:
        """Write the latents and their points to an npz file, without pickle: the picture stays for other processes."""
        with path.open("wb") as file:  # numpy would append .npz to a name
            np.savez(file, allow_pickle=False, latents=self.latents, points=self.points)

    @classmethod
    def load(cls, path: Path) -> Embedding:
        """Read what `save` wrote.

        Raises
        ------
        ModelError
            A file that is missing, damaged, or no embedding.
        """
        with reading(path, "embedding") as file:
            return cls(file["latents"], file["points"])

    def place(self, latents: ArrayLike) -> FloatArray:
        """Where new latents lie among the fitted ones, which do not move.

        Parameters
        ----------
        latents : array_like, shape (m, 64)

        Returns
        -------
        ndarray, shape (m, 2)
            A latent that was fitted keeps its point.
        """
        indices, distances = self._index.nearest(latents, N_NEIGHBOURS)
        weights = membership(distances)
        weights /= weights.sum(axis=1, keepdims=True)
        placed = np.einsum("ij,ijk->ik", weights, self.points[indices])
        same = distances[:, 0] == 0
        placed[same] = self.points[indices[same, 0]]
        return np.asarray(placed)


def membership(distances: FloatArray) -> FloatArray:
    """UMAP's membership strength of new points in the neighbourhoods of fitted ones.

    exp(-d / width), the width such that the strengths of all but the nearest add up to log2(k); this is what
    `umap.UMAP.transform` computes, where a new point needs no neighbour at full strength.

    Parameters
    ----------
    distances : ndarray, shape (m, k)
        To the k nearest, rising.

    Returns
    -------
    ndarray, shape (m, k)
    """
    others, target = distances[:, 1:], np.log2(distances.shape[1])
    # In units of the mean distance: the sum rises with the width, from the number of zeros to k - 1.
    scale = distances.mean(axis=1, keepdims=True)
    scale = np.where(scale > 0, scale, 1.0)
    low, high = np.zeros_like(scale), np.full_like(scale, 2.0**HALVINGS)
    width = np.ones_like(scale)
    for _ in range(2 * HALVINGS):
        above = np.exp(-others / (width * scale)).sum(axis=1, keepdims=True) > target
        low, high = np.where(above, low, width), np.where(above, width, high)
        width = np.where(high < 2.0**HALVINGS, (low + high) / 2, 2 * width)
    return np.asarray(np.exp(-distances / (np.maximum(width, SMALLEST_WIDTH) * scale)))


def embed(latents: NDArray[np.float32], *, seed: int = 0) -> FloatArray:
    """UMAP embedding of latents, with the paper's parameters (5 neighbours, minimal distance 0.25).

    Fewer than a dozen points are projected on their principal components instead.

    Parameters
    ----------
    latents : ndarray, shape (n, 64)
        At least 2.

    Returns
    -------
    ndarray, shape (n, 2)
        Only neighbourhoods mean something; distances across the picture do not.
    """
    if len(latents) < MIN_POINTS:
        from sklearn.decomposition import PCA

        return np.asarray(PCA(2).fit_transform(latents), dtype=np.float64)
    return np.asarray(fit_umap(latents, seed=seed).embedding_, dtype=np.float64)


def fit_umap(latents: NDArray[np.float32], *, seed: int = 0) -> Any:
    """The fitted `umap.UMAP` of latents (n, 64).

    With our own neighbours, which are exact: umap would compile its search first. The rest of what it compiles is kept
    on this machine for the next process. It has no place for later points: `Embedding.place` has.
    """
    indices, distances = NeighbourIndex(latents).nearest(latents, N_NEIGHBOURS)
    known = indices.astype(np.int32), distances.astype(np.float32), None
    with warnings.catch_warnings():
        # umap announces that a seed makes it run on one thread and that it has no index for later points, and imports
        # optional parts that warn.
        warnings.simplefilter("ignore")
        from umap import UMAP

        _keep_compiled()
        model = UMAP(n_neighbors=N_NEIGHBOURS, min_dist=MIN_DISTANCE, random_state=seed, precomputed_knn=known)
        return model.fit(latents)


def _keep_compiled() -> None:
    """Let numba keep the machine code of umap's functions, as if umap had asked for it by `cache=True`."""
    from numba.core.dispatcher import Dispatcher
    from umap import layouts, umap_

    for function in (*vars(umap_).values(), *vars(layouts).values()):
        if isinstance(function, Dispatcher):
            with suppress(RuntimeError):  # there is no folder that could be written
                function.enable_caching()
