"""What g2 alone finds: linear discriminants, the mark that a latent space has to beat."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from ainerd_agent.errors import MapError
from ainerd_agent.records import FloatArray, MapStack
from ainerd_agent.scattering.correlation.age_lag import age_average

LAG_BINS = 13
COMPONENTS = 6
SHRINKAGE = 1e-3
"""Of the covariance within groups."""


class G2Discriminant:
    """Directions in which g2 of different groups differs most, in units of the spread within groups.

    Parameters
    ----------
    maps : ndarray, shape (n, size, size)
        Of one normalisation, and of other experiments than those that it is asked about.
    group : array_like, shape (n,)
        What are repeats of one dynamics.

    Raises
    ------
    MapError
        Fewer than seven groups.
    """

    def __init__(self, maps: MapStack, group: ArrayLike) -> None:
        if (n_groups := len(np.unique(np.asarray(group)))) <= COMPONENTS:
            raise MapError(
                f"{COMPONENTS} discriminants of g2 need more than {COMPONENTS} groups to learn from, got {n_groups}"
            )
        self._model = LinearDiscriminantAnalysis(n_components=COMPONENTS, solver="eigen", shrinkage=SHRINKAGE)
        self._model.fit(binned_g2(maps), group)

    def __call__(self, maps: MapStack) -> FloatArray:
        """Coordinates of maps (n, size, size), shape (n, 6)."""
        return np.asarray(self._model.transform(binned_g2(maps)))


def binned_g2(maps: MapStack, n_bins: int = LAG_BINS) -> FloatArray:
    """Means of the age average over logarithmic bins of the lag, lag zero left out, (n, size, size) to (n, n_bins)."""
    g2 = np.concatenate([age_average(part.astype(np.float32)) for part in np.array_split(maps, -(-len(maps) // 500))])
    edges = np.unique(np.round(np.geomspace(1, g2.shape[1], n_bins + 1)).astype(int))
    return np.stack([g2[:, first:last].mean(axis=1, dtype=np.float64) for first, last in pairwise(edges)], axis=1)
