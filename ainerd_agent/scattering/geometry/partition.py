"""Which pixels belong together: bins for C2, and rings of constant mean intensity for the static image."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.errors import BinError
from ainerd_agent.records import Bins, FloatArray

logger = logging.getLogger(__name__)

Empty = Literal["raise", "drop"]
"""What becomes of a bin without pixels: an error, or it is left out and the bins after it are numbered anew."""

MASKED = (
    "The mask covers bin {}: check that it is True where a pixel must NOT be used; with larger bins, or with "
    'empty="drop" (such bins are left out), it can stay'
)


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Bins that are the cells of q rings x azimuthal sectors.

    Attributes
    ----------
    n_q, n_azimuth : int
    place : ndarray of int, shape (n_bins,)
        q ring * n_azimuth + sector of each bin, both from 0.
    """

    n_q: int
    n_azimuth: int
    place: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """Bins laid over a detector.

    Attributes
    ----------
    labels : ndarray of int32, shape (H, W)
        Bin of each pixel, from 1 to n without gaps; 0 is ignored.
    rings : ndarray of int32, shape (H, W)
        Regions of constant mean intensity, for the static image that the counts are divided by: fine q rings. From 1;
        0 where `labels` is 0.
    bins : Bins
    ring_q : ndarray, shape (n_rings,), optional
        Mean momentum transfer of each ring, 1/nm; NaN for a ring without pixels.
    grid : Grid, optional
        How the bins lie in q and azimuth, where they do so regularly.
    dropped : tuple of int
        Numbers, as they were asked for, of bins that were left out because they hold no pixel.
    """

    labels: NDArray[np.int32]
    rings: NDArray[np.int32]
    bins: Bins
    ring_q: FloatArray | None = None
    grid: Grid | None = None
    dropped: tuple[int, ...] = ()

    def fitting(self, shape: tuple[int, int]) -> Partition:
        """Itself, for frames of this shape.

        Raises
        ------
        BinError
            Where the partition was made for another shape.
        """
        if self.labels.shape != tuple(shape):
            raise BinError(
                f"the partition is for {self.labels.shape[0]} x {self.labels.shape[1]} pixels, the frames have "
                f"{shape[0]} x {shape[1]}: was it made for another detector, binning or orientation?"
            )
        return self


def usable_pixels(shape: tuple[int, int], *masks: ArrayLike | None) -> NDArray[np.bool_]:
    """Pixels that no mask covers, shape (H, W).

    Raises
    ------
    BinError
        A mask of another shape, or with NaN in it; masks that cover everything.
    """
    usable = np.ones(shape, dtype=np.bool_)
    for mask in masks:
        if mask is None:
            continue
        given = np.asarray(mask)
        if given.shape != tuple(shape):
            raise BinError(f"the mask has the shape {given.shape}, the detector {tuple(shape)}")
        if given.dtype.kind not in "biuf" or not np.isfinite(given).all():
            raise BinError("a mask must hold True and False, or numbers that are 0 where a pixel may be used")
        usable &= given == 0
    if not usable.any():
        raise BinError("every pixel is masked: check that the mask is True where a pixel must NOT be used")
    return usable


def settle_empty(
    n_pixels: NDArray[np.int64], covered: NDArray[np.bool_], empty: Empty, *, kind: str, where: str, absent: str
) -> tuple[NDArray[np.bool_], tuple[int, ...]]:
    """Which bins are kept, and the numbers of those that are not.

    Parameters
    ----------
    n_pixels : ndarray of int, shape (n_bins,)
        Pixels that can be used.
    covered : ndarray of bool, shape (n_bins,)
        Bins that have pixels, were it not for the mask.
    kind, where, absent : str
        Words for the message: what the bins are called, where they were looked for, and why one may have no pixel.

    Raises
    ------
    BinError
        Where a bin holds no pixel and `empty` is "raise", or where none holds one.
    """
    kept = n_pixels > 0
    missing = ~kept
    if not missing.any():
        return kept, ()
    told = f"{kind} {_numbers(missing)} of {len(kept)} holds no pixel {where}"
    if empty == "raise" or not kept.any():
        causes = ((MASKED, missing & covered), (absent, missing & ~covered))
        reasons = [f"{cause.format(_numbers(which))}." for cause, which in causes if which.any()]
        raise BinError(f"{told}. {' '.join(reasons)}")
    logger.warning("%s, and is left out", told)
    return kept, tuple(int(number) for number in np.flatnonzero(missing) + 1)


def _numbers(which: NDArray[np.bool_]) -> str:
    """Bins as people count them."""
    numbers = np.flatnonzero(which) + 1
    return ", ".join(map(str, numbers[:20])) + (", ..." if len(numbers) > 20 else "")


def means(number: NDArray[np.integer], values: FloatArray) -> FloatArray:
    """Mean of the values with each number from 1 on; NaN where there is none."""
    counts = np.bincount(number)[1:]
    sums = np.bincount(number, weights=values)[1:]
    mean: FloatArray = np.full(len(counts), np.nan)
    np.divide(sums, counts, out=mean, where=counts > 0)
    return mean


def mean_azimuth(number: NDArray[np.integer], azimuth: FloatArray) -> FloatArray:
    """Mean direction of the pixels of each bin, degrees in [0, 360), shape (n_bins,).

    NaN where they have no direction in common: where the mean of their unit vectors is shorter than 1/2.

    Parameters
    ----------
    number : ndarray of int, shape (N,)
        Bin of each pixel, from 1.
    azimuth : ndarray, shape (N,)
        Degrees.
    """
    x, y = means(number, np.cos(np.radians(azimuth))), means(number, np.sin(np.radians(azimuth)))
    return np.asarray(np.where(np.hypot(x, y) < 0.5, np.nan, np.degrees(np.arctan2(y, x)) % 360))


def paint(shape: tuple[int, int], pixels: NDArray[np.int64], numbers: NDArray[np.int64]) -> NDArray[np.int32]:
    """Make an image that holds `numbers` at the addresses `pixels` (row * W + column), and 0 elsewhere."""
    image = np.zeros(shape, dtype=np.int32)
    image.ravel()[pixels] = numbers
    return image


def pixel_step(q: FloatArray, pixels: NDArray[np.int64]) -> float:
    """How much q changes from one pixel to the next, across the rings: the median over a sample of the pixels."""
    height, width = q.shape
    row, column = np.divmod(pixels[:: max(1, len(pixels) // 4096)], width)
    below, above = np.maximum(row - 1, 0), np.minimum(row + 1, height - 1)
    left, right = np.maximum(column - 1, 0), np.minimum(column + 1, width - 1)
    slope = np.hypot(
        (q[above, column] - q[below, column]) / np.maximum(above - below, 1),
        (q[row, right] - q[row, left]) / np.maximum(right - left, 1),
    )
    slope = slope[np.isfinite(slope)]
    return float(np.median(slope)) if slope.size else 0.0


def fine_rings(value: FloatArray, edges: FloatArray, row: NDArray[np.int64], width: float) -> NDArray[np.int64]:
    """Divide q rings into finer ones of at least `width`, numbered from 1.

    Parameters
    ----------
    value : ndarray, shape (N,)
        Momentum transfer of each pixel.
    edges : ndarray, shape (n_q + 1,)
        Of the q rings, evenly spaced.
    row : ndarray of int, shape (N,)
        q ring of each pixel, from 0.
    """
    span = float(edges[1] - edges[0])
    n_each = max(1, int(span / width)) if width > 0 else 1
    # The last ring takes what is left over: a sliver of its own would have a poor mean.
    within = np.minimum((value - edges[row]) / (width or np.inf), n_each - 1).astype(np.int64)
    return row * n_each + np.maximum(within, 0) + 1
