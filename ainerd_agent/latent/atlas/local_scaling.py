"""Nearest neighbours by distances in local units, as in hubness reduction.

Latents lie densely in places and thinly in others. By one distance for all, those amid many are the neighbours of
almost everything (hubs). In units of how far each stored latent is from its own neighbours, they are not (local scaling
of the stored side only, after Zelnik-Manor and Perona, NIPS 2004; that of the query would not change an order).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import MapError
from ainerd_agent.latent.atlas.neighbours import NeighbourIndex
from ainerd_agent.latent.clusters import Latents
from ainerd_agent.records import FloatArray

LOCAL_POOL = 200
"""Nearest latents that are compared at least; ten times as many as are asked for, where that is more."""


def nearest_locally(
    index: NeighbourIndex, latents: Latents, k: int, local: int, *, among: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.int64], FloatArray]:
    """The k nearest of stored latents, each distance in units of that from the stored one to its own neighbour.

    Parameters
    ----------
    index : NeighbourIndex
    latents : ndarray, shape (m, length)
    k : int
    local : int
        Number of the neighbour whose distance is the unit, 1 for the nearest other one.
    among : ndarray of bool, shape (n,), optional
        Which of the stored ones may be found; the units are those among all.

    Returns
    -------
    indices : ndarray, shape (m, k)
    distances : ndarray, shape (m, k)
        1 where the query is as far from the stored latent as its own neighbour. A copy of a stored one is at 0.

    Raises
    ------
    MapError
        As `NeighbourIndex.nearest`, or fewer stored latents than `local` asks for.
    """
    if not 1 <= local < len(index):
        raise MapError(
            f"there is no neighbour {local} among {len(index)} latents: take local from 1 to {len(index) - 1}"
        )
    available = len(index) if among is None else int(np.count_nonzero(among))
    pool = max(k, min(available, max(LOCAL_POOL, 10 * k)))
    found, apart = index.nearest(latents, pool, among=among)
    asked, place = np.unique(found, return_inverse=True)
    # Each is its own nearest, at 0.
    unit = index.nearest(index.latents[asked], local + 1)[1][:, -1]
    scaled = apart / np.maximum(unit, np.finfo(np.float32).tiny)[place.reshape(found.shape)]
    best = np.argsort(scaled, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(found, best, axis=1), np.take_along_axis(scaled, best, axis=1)
