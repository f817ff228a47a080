"""Does distance find like dynamics on real maps? Retrieval in which a query shares no frame with what it is to find.

Windows of one experiment and q region (a group) are taken as repeats of one dynamics. Each is asked for by the mean of
those windows of its group that have no frame in common with it, which has other noise, and less of it. Were its own
frames in the mean, a representation that follows the noise would find it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import hypergeom

from ainerd_agent.errors import MapError
from ainerd_agent.latent.resampling import interval
from ainerd_agent.records import FloatArray, MapStack

IntArray = NDArray[np.int64]

MIN_RELEVANT = 3
"""A group with fewer windows says little, and is not asked for."""

OVERLAP = 1
"""Windows whose numbers differ by so many have frames in common: those half as far apart as they are long."""

ARCHIVE = 1000
"""Windows that each query searches. R-precision falls as the archive grows, so that it has to be the same for all."""

NEIGHBOUR = 10
"""Which neighbour's distance is the local scale."""

QUERIES_AT_A_TIME = 500


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """Windows, and which of them are asked for.

    Attributes
    ----------
    group : ndarray of int, shape (n,)
        Of each window.
    series : ndarray, shape (n,)
        Its experiment.
    asked : ndarray of int, shape (n_queries,)
        Windows that a query is there for.
    sources : list of ndarray of int
        Of each query, the windows that it is the mean of; none shares a frame with the one asked for.
    """

    group: IntArray
    series: NDArray[np.generic]
    asked: IntArray
    sources: list[IntArray]

    def queries(self, maps: MapStack) -> MapStack:
        """The maps that ask, of windows (n, size, size): float32, shape (n_queries, size, size)."""
        return np.stack([maps[each].astype(np.float32).mean(axis=0) for each in self.sources])


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieval:
    """What was found.

    Attributes
    ----------
    mean, low, high : float
        R-precision over groups, and its 95 % interval by resampling experiments.
    n_groups, n_experiments : int
        Groups that were asked for, and the experiments they are of.
    archive : int
        Windows that each query searched.
    each : ndarray, shape (n_groups,)
    series : ndarray, shape (n_groups,)
    """

    mean: float
    low: float
    high: float
    n_groups: int
    n_experiments: int
    archive: int
    each: FloatArray
    series: NDArray[np.generic]

    def over(self, other: Retrieval) -> tuple[float, float, float]:
        """Mean and interval of what this has more than another, group by group of the same task."""
        return interval(self.each - other.each, self.series)


def leak_free(series: ArrayLike, roi: ArrayLike, window: ArrayLike, *, overlap: int = OVERLAP) -> Task:
    """Queries that share no frame with what they ask for.

    Parameters
    ----------
    series, roi : array_like, shape (n,)
        Experiment and q region of each window; both together are its group.
    window : array_like of int, shape (n,)
        Number along the exposure. Each may be there once in a group.
    overlap : int
        Windows whose numbers differ by so many or fewer share frames.

    Raises
    ------
    MapError
        Windows that are there twice, no group with three windows of which some share no frame, or no other group.
    """
    series, number = np.asarray(series), np.asarray(window, dtype=np.int64)
    keys = np.stack([np.unique(np.asarray(each), return_inverse=True)[1].ravel() for each in (series, roi)])
    group = np.unique(keys, axis=1, return_inverse=True)[1].ravel()
    if len(np.unique(np.stack([group, number]), axis=1).T) < len(group):
        raise MapError(
            "a window is there twice in one series and roi: nobody can tell which frames it shares with others"
        )
    asked, sources = [], []
    for members in np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1]):
        if len(members) < MIN_RELEVANT:
            continue
        for each in members:
            apart = members[np.abs(number[members] - number[each]) > overlap]
            if len(apart):
                asked.append(each)
                sources.append(apart)
    if not asked:
        raise MapError(
            f"no series and roi has {MIN_RELEVANT} windows, and among them two that share no frame: "
            f"numbers (column window) must differ by more than {overlap}"
        )
    if group.max() == 0:
        raise MapError(
            "all windows are of one series and roi, so that there is nothing to mistake them for: retrieval needs maps "
            "of more of them"
        )
    return Task(group, series, np.array(asked), sources)


def retrieve(
    task: Task, windows: ArrayLike, queries: ArrayLike, *, archive: int = ARCHIVE, local_scaling: bool = False
) -> Retrieval:
    """R-precision of a representation.

    A window is found where it is among the R nearest of the archive, R being the windows of its group. The archive is
    the group and as many windows of others as make up its size: the figure is the expectation over all choices of
    these, exactly. The score of a group is the share of its windows that are found.

    Parameters
    ----------
    windows, queries : array_like, shape (n, d) and (n_queries, d)
        Vectors, compared by their euclidean distance.
    archive : int
        Its size; all windows where there are fewer.
    local_scaling : bool
        Divide the squared distance to a window by that from it to its tenth neighbour, so that windows in dense regions
        are not near to everything.
    """
    points, asking = np.asarray(windows, dtype=np.float64), np.asarray(queries, dtype=np.float64)
    scale = _local_scale(points) if local_scaling else np.ones(len(points))
    owner = task.group[task.asked]
    relevant = np.bincount(task.group)[owner]
    size = min(archive, len(points))
    found = np.empty(len(owner))
    for first in range(0, len(owner), QUERIES_AT_A_TIME):
        part = slice(first, first + QUERIES_AT_A_TIME)
        distance = _squared_distance(asking[part], points) / scale
        wanted = np.take_along_axis(distance, task.asked[part, None], axis=1)
        own = task.group[None] == owner[part, None]
        # Of equal ones, the others come first: a representation that maps all to one point finds nothing.
        nearer = distance <= wanted
        ahead = (nearer & own).sum(axis=1) - 1
        strangers = (nearer & ~own).sum(axis=1)
        drawn = np.maximum(size - relevant[part], 0)
        found[part] = hypergeom.cdf(relevant[part] - 1 - ahead, len(points) - relevant[part], strangers, drawn)
    groups, which = np.unique(owner, return_inverse=True)
    each = np.bincount(which, found) / np.bincount(which)
    series = task.series[task.asked][np.unique(owner, return_index=True)[1]]
    mean, low, high = interval(each, series, within=(0, 1))
    n_experiments = len(np.unique(series))
    return Retrieval(
        mean=mean,
        low=low,
        high=high,
        n_groups=len(groups),
        n_experiments=n_experiments,
        archive=size,
        each=each,
        series=series,
    )


def _squared_distance(a: FloatArray, b: FloatArray) -> FloatArray:
    square = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None] - 2 * a @ b.T
    return np.asarray(square.clip(0))


def _local_scale(points: FloatArray) -> FloatArray:
    """Squared distance of each point (n, d) to its tenth neighbour, shape (n,)."""
    neighbour = min(NEIGHBOUR, len(points) - 1)
    parts = [points[first : first + QUERIES_AT_A_TIME] for first in range(0, len(points), QUERIES_AT_A_TIME)]
    scale = [np.partition(_squared_distance(part, points), neighbour, axis=1)[:, neighbour] for part in parts]
    return np.maximum(np.concatenate(scale), np.finfo(np.float64).tiny)
