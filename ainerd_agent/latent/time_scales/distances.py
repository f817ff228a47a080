"""How far apart two maps are at one time scale: by their crops, whatever age these have."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.latent.clusters import Latents
from ainerd_agent.records import FloatArray


def apart_at_scale(asked: Latents, others: Latents, of: NDArray[np.int64]) -> tuple[FloatArray, NDArray[np.int64]]:
    """Distances of maps from one, by crops of one scale.

    Each crop of that side which has fewer looks for the nearest of the other side, and their mean distance counts: a
    short measurement is near to a long one that does the same somewhere.

    Parameters
    ----------
    asked : ndarray, shape (n_crops, n_latents)
        Of one map.
    others : ndarray, shape (m, n_latents)
        Of other maps.
    of : ndarray of int, shape (m,)
        Which map each of the others is of, from 0, never falling.

    Returns
    -------
    distance : ndarray, shape (n_maps,)
    nearest : ndarray of int, shape (n_maps,)
        Place in `others` of the crop of each map that is nearest to any that was asked about.
    """
    apart = np.linalg.norm(others[:, None].astype(np.float64) - asked[None], axis=-1)
    first = np.flatnonzero(np.diff(of, prepend=-1))
    count = np.diff(first, append=len(of))
    of_asked = np.minimum.reduceat(apart, first, axis=0).mean(axis=1)
    least = apart.min(axis=1)
    of_others = np.add.reduceat(least, first) / count
    nearest = [start + int(least[start : start + n].argmin()) for start, n in zip(first, count, strict=True)]
    return np.where(count < len(asked), of_others, of_asked), np.array(nearest, dtype=np.int64)
