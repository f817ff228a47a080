"""The intensity correlation g2(lag) of each bin, with errors.

g2 is the mean of 1 + C2 over age. Its noise at one lag is correlated with that at another: the same few speckles are
seen at all of them. So g2 carries copies of itself from disjoint *groups* of pixels, which see different speckles. How
far the groups scatter is the error of their mean, whatever its cause, and fits take the correlation between lags from
there (`relaxation`).

A frame never meets itself in a pair, so that shot noise does not enter: lag 0 is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.errors import BinError, MapError
from ainerd_agent.records import FloatArray, MapStack
from ainerd_agent.scattering.correlation.normalisation import check_labels

N_GROUPS = 16
"""Groups of pixels that a bin is divided into: each must see many speckles, and their scatter must be known well."""

AGE_GROUPS = 8
"""Parts of the age that take the place of groups of pixels where there are only maps."""

PATCH = 4
"""Side of the patches of pixels that are dealt to groups: a speckle that covers some pixels stays in one group."""

GOLDEN = (5**0.5 - 1) / 2
"""Multiples of it are spread evenly over the unit interval, whatever their number."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class G2:
    """g2 of each bin.

    Attributes
    ----------
    lags : ndarray, shape (n_lags,)
        Seconds (frames, where no frame time was given), rising from above 0.
    g2 : ndarray, shape (n_bins, n_lags)
        1 where nothing correlates; NaN where no two good frames have that lag.
    error : ndarray, shape (n_bins, n_lags)
        Standard error of each point, from the scatter of the groups; NaN with fewer than two of them.
    n_pairs : ndarray of int, shape (n_lags,)
        Pairs that were averaged: of frames, of coarser steps of time, or of points of the map. Few for the last lags.
    groups : ndarray, shape (n_bins, n_groups, n_lags)
        g2 of groups of pixels (or parts of the age) that have nothing in common.
    width : ndarray, shape (n_lags,)
        Standard deviation of the lags that each point averages over, because frames were added up or smoothed; 0 for
        a single lag. In the unit of `lags`.
    """

    lags: FloatArray
    g2: FloatArray
    error: FloatArray
    n_pairs: NDArray[np.int64]
    groups: FloatArray
    width: FloatArray

    @property
    def n_bins(self) -> int:
        """Number of bins."""
        return len(self.g2)

    @classmethod
    def of_groups(
        cls,
        lags: ArrayLike,
        groups: FloatArray,
        *,
        n_pairs: ArrayLike,
        weights: ArrayLike | None = None,
        width: ArrayLike | None = None,
    ) -> G2:
        """Average groups.

        Parameters
        ----------
        groups : ndarray, shape (n_bins, n_groups, n_lags)
        weights : ndarray, shape (n_bins, n_groups), optional
            Pixels of each group; the same for all by default.
        """
        n_bins, n_groups, n_lags = groups.shape
        share = np.ones((n_bins, n_groups)) if weights is None else np.asarray(weights, dtype=np.float64)
        share = share / share.sum(axis=1, keepdims=True)
        mean = np.einsum("bg,bgl->bl", share, groups)
        if n_groups < 2:
            error = np.full((n_bins, n_lags), np.nan)
        else:
            scatter = np.einsum("bg,bgl->bl", share**2, (groups - mean[:, None]) ** 2)
            error = np.sqrt(scatter * n_groups / (n_groups - 1))
        return cls(
            lags=np.asarray(lags, dtype=np.float64),
            g2=mean,
            error=error,
            n_pairs=np.asarray(n_pairs, dtype=np.int64),
            groups=groups,
            width=np.zeros(n_lags) if width is None else np.asarray(width, dtype=np.float64),
        )

    def coarse(self, per_octave: int = 8) -> G2:
        """Average over ranges of lags that grow with the lag: as many points as a fit needs, and no more.

        Parameters
        ----------
        per_octave : int
            Points from one lag to its double.
        """
        usable = np.isfinite(self.groups).all(axis=1).any(axis=0) & (self.n_pairs > 0)
        lags, pairs, width = self.lags[usable], self.n_pairs[usable], self.width[usable]
        if not lags.size:
            return self
        octave = np.round(per_octave * np.log2(lags / lags[0])).astype(np.int64)
        starts = np.flatnonzero(np.diff(octave, prepend=-1))
        total = np.add.reduceat(pairs, starts)

        def mean(values: FloatArray) -> FloatArray:
            return np.asarray(np.add.reduceat(values * pairs, starts, axis=-1) / total)

        centre = mean(lags)
        spread = np.sqrt(np.maximum(mean(lags**2) - centre**2, 0) + mean(width**2))
        thin = G2.of_groups(centre, mean(self.groups[..., usable]), n_pairs=total, width=spread)
        # The mean of the bin keeps the weights of its groups.
        return G2(
            lags=centre,
            g2=mean(self.g2[:, usable]),
            error=thin.error,
            n_pairs=total,
            groups=thin.groups,
            width=spread,
        )


def subdivide(
    labels: ArrayLike, n_groups: int = N_GROUPS, patch: tuple[int, int] = (PATCH, PATCH)
) -> NDArray[np.int32]:
    """Divide each bin into groups of pixels, for errors that hold.

    The groups of a bin are equally large (by one pixel) and made of small patches from all over it, so that they see
    the same dynamics but other speckles.

    Parameters
    ----------
    labels : array_like of int, shape (H, W)
        Bins from 1 to n; 0 is ignored.
    n_groups : int
    patch : tuple of int
        Rows and columns of the patches.

    Returns
    -------
    ndarray of int32, shape (H, W)
        Group g of bin b, both counted from 0, is b * `n_groups` + g + 1.

    Raises
    ------
    BinError
        A bin with fewer pixels than groups.

    Examples
    --------
    Errors for reduced maps, at little cost: the rings keep <I> as it is for the bins.

    >>> import numpy as np
    >>> from ainerd_agent.scattering.correlation.two_time import two_time
    >>> frames = np.random.default_rng(0).poisson(2.0, size=(300, 32, 32))
    >>> labels = np.ones((32, 32), dtype=int)
    >>> maps = two_time(frames, subdivide(labels, 8), static=labels, size=64)
    >>> g2_of_maps(maps, step=300 / 64, n_groups=8).g2.shape
    (1, 63)
    """
    label_map = check_labels(labels)
    size = np.bincount(label_map.ravel())[1:]
    if (small := np.flatnonzero(size < n_groups)).size:
        raise BinError(
            f"bin {', '.join(map(str, small + 1))} holds fewer than {n_groups} pixels, too few for {n_groups} groups: "
            "ask for fewer groups or larger bins"
        )
    used = np.flatnonzero(label_map)
    row, column = np.divmod(used, label_map.shape[1])
    label = label_map.ravel()[used] - 1
    order = np.lexsort((used, column // patch[1], row // patch[0], label))
    label = label[order]
    within = np.arange(len(used)) - np.concatenate([[0], np.cumsum(size)])[label]
    # Cut each bin into rounds * n_groups equal parts, about as large as a patch, and deal them out in turn.
    rounds = np.maximum(1, size // (n_groups * patch[0] * patch[1]))[label]
    part = within * rounds * n_groups // size[label]
    # Each round begins with another group, or the groups of a wide bin could stand in columns.
    shift = (part // n_groups * GOLDEN * n_groups).astype(np.int64)
    groups = np.zeros(label_map.shape, dtype=np.int32)
    groups.ravel()[used[order]] = label * n_groups + (part + shift) % n_groups + 1
    return groups


def g2_of_maps(maps: MapStack | FloatArray, step: float = 1.0, *, n_groups: int = 1, smoothing: float = 0.0) -> G2:
    """g2 from C2 maps, full or reduced: the mean of 1 + C2 over age at each lag.

    Parameters
    ----------
    maps : ndarray, shape (n, size, size)
        Baseline 0. NaN is left out.
    step : float
        Seconds from one point of the map to the next: `duration` / size for a reduced map.
    n_groups : int
        The maps are those of groups of pixels, so many for each bin, numbered by `subdivide`: n = n_bins * n_groups.
        With 1 the parts of the age are the groups: eight of equal length at each lag.
    smoothing : float
        Seconds over which the maps were smoothed along each axis (standard deviation), see `smoothing_of`.

    Notes
    -----
    The scatter between ages knows nothing of what all ages have in common, which is most of the error where the
    dynamics are slow: of how many speckles the bin sees. Errors without groups of pixels hold only where the
    relaxation time is far below an eighth of the window, and are lower limits elsewhere.

    Raises
    ------
    MapError
        Maps that are not square, or whose number `n_groups` does not divide.
    """
    stack = np.asarray(maps)
    if stack.ndim == 2:
        stack = stack[None]
    if stack.ndim != 3 or stack.shape[1] != stack.shape[2] or stack.shape[1] < 2:
        raise MapError(f"C2 maps have the shape (n, size, size), got {np.shape(maps)}")
    if n_groups < 1 or len(stack) % n_groups:
        raise MapError(f"{len(stack)} maps cannot be of {n_groups} groups for each bin")
    size = stack.shape[1]
    lags = np.arange(1, size)
    by_age = n_groups == 1
    parts = AGE_GROUPS if by_age else 1
    total = np.zeros((len(stack), parts, size - 1))
    count = np.zeros((len(stack), parts, size - 1), dtype=np.int64)
    for lag in lags:
        diagonal = np.asarray(np.diagonal(stack, lag, axis1=1, axis2=2), dtype=np.float64)
        known = np.isfinite(diagonal)
        starts = np.arange(parts) * (size - lag) // parts
        if len(np.unique(starts)) < parts:  # fewer ages than parts
            total[:, 0, lag - 1] = np.where(known, diagonal, 0).sum(axis=1)
            count[:, 0, lag - 1] = known.sum(axis=1)
            continue
        total[..., lag - 1] = np.add.reduceat(np.where(known, diagonal, 0), starts, axis=1)
        count[..., lag - 1] = np.add.reduceat(known, starts, axis=1, dtype=np.int64)
    with np.errstate(invalid="ignore", divide="ignore"):
        groups = 1 + total / count
        mean = 1 + total.sum(axis=1) / count.sum(axis=1)
    n_pairs = count.sum(axis=1).min(axis=0)
    width = np.full(size - 1, smoothing * np.sqrt(2))
    if by_age:
        result = G2.of_groups(lags * step, groups, n_pairs=n_pairs, width=width)
        return G2(
            lags=result.lags, g2=mean, error=result.error, n_pairs=result.n_pairs, groups=groups, width=result.width
        )
    return G2.of_groups(lags * step, mean.reshape(-1, n_groups, size - 1), n_pairs=n_pairs, width=width)


def smoothing_of(n_frames: int, size: int, frame_time: float = 1.0, sigma: float | None = None) -> float:
    """How far `two_time` smooths along each axis of a map: standard deviation, in the unit of `frame_time`.

    Parameters
    ----------
    n_frames, size, sigma
        As for `two_time`.
    """
    from ainerd_agent.scattering.correlation.resampling import resize_matrix

    rows = resize_matrix(n_frames, size, sigma)[size // 4 : -(size // 4) or None]
    frames = np.arange(n_frames, dtype=np.float64)
    mean = rows @ frames
    variance = rows @ frames**2 - mean**2
    return float(np.sqrt(max(variance.mean(), 0.0)) * frame_time)
