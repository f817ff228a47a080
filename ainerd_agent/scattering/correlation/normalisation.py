"""What a pixel is divided by, and which pixels count."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.errors import BinError


def check_labels(labels: ArrayLike) -> NDArray[np.int64]:
    """Labels as integers, shape (H, W), with bins from 1 to n and 0 for pixels that are not used.

    Raises
    ------
    BinError
        Labels that are negative, not integer, not two-dimensional, or that skip a bin.
    """
    label_map = np.asarray(labels)
    if label_map.ndim != 2 or not np.issubdtype(label_map.dtype, np.integer):
        raise BinError(f"labels must be integers of shape (H, W), got {label_map.dtype} of shape {label_map.shape}")
    if label_map.size == 0 or label_map.min() < 0 or label_map.max() < 1:
        raise BinError("labels must hold 0 for ignored pixels and 1 to n for the bins; none is above 0 or one is below")
    n_pixels = np.bincount(label_map.ravel())[1:]
    if (empty := np.flatnonzero(n_pixels == 0) + 1).size:
        raise BinError(f"bin {', '.join(map(str, empty))} of {len(n_pixels)} is empty: number the bins without gaps")
    return label_map.astype(np.int64)


def static_rings(
    static: ArrayLike | None, labels: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64] | None]:
    """Ring of each pixel and, where a mean image is given, that image.

    Raises
    ------
    BinError
        Another shape than the labels', negative rings, or an image that is not positive in every used pixel.
    """
    if static is None:
        return labels, None
    given = np.asarray(static)
    if given.shape != labels.shape:
        raise BinError(f"static has the shape {given.shape}, the labels have {labels.shape}")
    if np.issubdtype(given.dtype, np.integer):
        if given[labels > 0].min() < 0:
            raise BinError("static ring labels must not be negative")
        return given.astype(np.int64), None
    if not (np.isfinite(given[labels > 0]).all() and (given[labels > 0] > 0).all()):
        raise BinError("the static image must be positive in every pixel of a bin: mask the others")
    return labels, given.astype(np.float64)


def masked(labels: ArrayLike, mask: ArrayLike | None) -> ArrayLike:
    """Labels that are 0 where `mask` is True.

    Raises
    ------
    BinError
        A mask that is not boolean or of another shape, or that leaves a bin without pixels.
    """
    if mask is None:
        return labels
    given, label_map = np.asarray(mask), np.asarray(labels)
    if given.dtype != np.bool_ or given.shape != label_map.shape:
        raise BinError(
            f"the mask must be boolean of the labels' shape {label_map.shape}, got {given.dtype} of shape {given.shape}"
        )
    left = np.where(given, 0, label_map)
    gone = np.setdiff1d(label_map[label_map > 0], left)
    if gone.size:
        raise BinError(f"the mask leaves no pixel in bin {', '.join(map(str, gone))}: use larger bins, or leave it out")
    return left


Normalise = Literal["static", "frame", "both"]


MAX_SATURATED = 1e-3
"""Share of saturated pixel readings above which a movie is refused."""
