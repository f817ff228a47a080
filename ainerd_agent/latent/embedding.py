"""Two dimensions to look at the latent space in."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records import FloatArray

MIN_POINTS = 12
"""Fewer points have no neighbourhoods that UMAP could keep."""


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
    with warnings.catch_warnings():
        # umap announces that a seed makes it run on one thread, and imports optional parts that warn.
        warnings.simplefilter("ignore")
        from umap import UMAP

        model = UMAP(n_neighbors=5, min_dist=0.25, random_state=seed)
        return np.asarray(model.fit_transform(latents), dtype=np.float64)
