"""Does distance find like dynamics? Retrieval of maps of one dynamics across levels of noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.errors import MapError

MIN_RELEVANT = 3
"""A query with fewer relevant maps says little, and is left out."""


def r_precision(vectors: ArrayLike, group: ArrayLike, is_query: ArrayLike) -> NDArray[np.float64]:
    """Of each query, the share of its R nearest maps that are of its own group, R being how many there are.

    With the mean map of each group as the query and single maps as what is searched, query and answer differ in noise:
    a representation that follows the noise wins nothing. The mean over the queries is the figure to quote.

    Parameters
    ----------
    vectors : array_like, shape (n, d)
        Compared by their euclidean distance.
    group : array_like, shape (n,)
        What belongs together, such as an experiment and q region.
    is_query : array_like of bool, shape (n,)
        The others are searched.

    Returns
    -------
    ndarray, shape (n_queries,)
        Of the queries with at least three maps of their group.

    Raises
    ------
    MapError
        No such query.
    """
    points, groups, asked = np.asarray(vectors, dtype=np.float64), np.asarray(group), np.asarray(is_query, dtype=bool)
    searched, owners = points[~asked], groups[~asked]
    scores = []
    for query, owner in zip(points[asked], groups[asked], strict=True):
        relevant = int(np.count_nonzero(owners == owner))
        if relevant >= MIN_RELEVANT:
            nearest = np.linalg.norm(searched - query, axis=1).argsort(kind="stable")[:relevant]
            scores.append(float(np.mean(owners[nearest] == owner)))
    if not scores:
        raise MapError(f"no query has {MIN_RELEVANT} or more maps of its own group to be found")
    return np.array(scores)
