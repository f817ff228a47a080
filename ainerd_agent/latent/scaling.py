"""How C2 maps are brought to one scale before they are encoded.

The paper scales each map to [0, 1] by its extremes, which are noise: two maps of one dynamics then differ with their
counting statistics. Here the scale comes from the physics. The baseline is known. The contrast is that of the speckles
where it is known, too: then a map that decorrelates within its first step stays low, and tells so. Where it is not, it
is estimated as the mean of the map beside its diagonal, an average over many points; a map that decorrelates faster
than one step has no contrast left to divide by, is divided by its noise, and stays a flat map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.errors import MapError
from ainerd_agent.records import FloatArray, MapStack
from ainerd_agent.scattering.correlation.resampling import resize_matrix

SIDE = 256
"""Side of the maps that models see (paper)."""

CLIP = (-1.0, 2.0)
"""Scaled values beyond these are noise."""

MIN_SIDE = 8


@dataclass(frozen=True, slots=True, eq=False)
class ScaledMaps:
    """Maps with baseline 0 and contrast 1.

    Attributes
    ----------
    maps : ndarray of float32, shape (n, 256, 256), or the size that was asked for
    contrast : ndarray, shape (n,)
        What the maps were divided by.
    baseline : float
        What was subtracted before.
    own : ndarray of float32, shape (n, size, size)
        The maps on this scale in their own size, and not clipped.
    """

    maps: MapStack
    contrast: FloatArray
    baseline: float
    own: MapStack


def scale(
    maps: ArrayLike,
    *,
    baseline: float = 0.0,
    contrast: ArrayLike | None = None,
    clip: bool = True,
    size: int | None = SIDE,
) -> ScaledMaps:
    """Check C2 maps, replace their diagonals, scale them, and resize them to 256 x 256.

    Parameters
    ----------
    maps : array_like, shape (n, size, size) or (size, size)
        Square maps of any size from 8.
    baseline : float
        Value of uncorrelated times: 0 for this package's C2, 1 for maps normalised like g2.
    contrast : float or array_like of shape (n,), optional
        Of the speckles, where it is known: what a map has above the baseline before anything has moved. Estimated from
        each map where it is not given, or NaN.
    clip : bool
        Cut single values off that are mostly noise, for models that look at single values. Without it, means over the
        map stay means: clipped ones would follow the noise.
    size : int or None
        Side that the maps are resized to; None leaves them as large as they are.

    Raises
    ------
    MapError
        Maps that are not square, too small, or not finite; a contrast that is not positive, or infinite.
    """
    stack = check_maps(maps) - np.float32(baseline)
    side = stack.shape[-1]
    beside = replace_diagonal(stack)
    given = np.full(len(stack), np.nan) if contrast is None else np.asarray(contrast, dtype=np.float64)
    if given.ndim > 1 or (given.ndim == 1 and len(given) != len(stack)):
        raise MapError(
            f"one contrast for all or one for each of {len(stack)} maps is needed, got the shape {given.shape}"
        )
    divisor = np.broadcast_to(given, len(stack)).copy()
    if not np.all(np.isnan(divisor) | ((divisor > 0) & (divisor < np.inf))):
        raise MapError(f"the speckle contrast must be positive and finite, got {np.unique(divisor)[:5]}")
    if (unknown := np.isnan(divisor)).any():
        far = stack[unknown, : side // 4, -(side // 4) :].reshape(np.count_nonzero(unknown), -1)
        found = np.maximum(beside[unknown].mean(axis=1, dtype=np.float64), far.std(axis=1, dtype=np.float64))
        divisor[unknown] = np.where(found > np.finfo(np.float32).tiny, found, 1.0)  # a constant: nothing to scale by
    stack /= divisor[:, None, None].astype(np.float32)
    clipped = stack.clip(*CLIP) if clip else stack
    return ScaledMaps(clipped if size is None else resize(clipped, size), divisor, baseline, stack)


def replace_diagonal(maps: NDArray[np.floating]) -> NDArray[np.floating]:
    """Replace the diagonal of maps (n, size, size) in place by what stands beside it, and return that, (n, size - 1).

    The diagonal of maps from elsewhere often holds shot noise, so it is never used.
    """
    inner = np.arange(maps.shape[-1])
    beside = maps[:, inner[:-1], inner[1:]]
    maps[:, inner[1:-1], inner[1:-1]] = (beside[:, :-1] + beside[:, 1:]) / 2
    maps[:, 0, 0], maps[:, -1, -1] = beside[:, 0], beside[:, -1]
    return beside


def resize(maps: MapStack, size: int) -> MapStack:
    """Resize square maps as scikit-image would (order 1, anti-aliased), shape (n, size, size)."""
    if maps.shape[-1] == size:
        return maps
    weights = resize_matrix(maps.shape[-1], size).toarray().astype(np.float32)
    return np.asarray(weights @ maps @ weights.T)


def check_maps(maps: ArrayLike) -> NDArray[np.float32]:
    """Maps as a float32 copy of shape (n, size, size), or a `MapError` that tells what is wrong with them."""
    try:
        stack = np.array(maps, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise MapError(f"C2 maps must be an array of numbers: {error}") from error
    if stack.ndim == 2:
        stack = stack[None]
    if stack.ndim != 3 or stack.shape[1] != stack.shape[2]:
        raise MapError(f"C2 maps must be square, with the shape (n, size, size) or (size, size); got {stack.shape}")
    if len(stack) == 0:
        raise MapError("there is no map to encode")
    if stack.shape[1] < MIN_SIDE:
        raise MapError(f"C2 maps of {stack.shape[1]} x {stack.shape[1]} are too small; {MIN_SIDE} is the least")
    if (bad := np.flatnonzero(~np.isfinite(stack).all(axis=(1, 2)))).size:
        some = ", ".join(map(str, bad[:5])) + (", ..." if bad.size > 5 else "")
        raise MapError(f"{bad.size} of {len(stack)} C2 maps hold NaN or infinite values (maps {some}): leave them out")
    return stack
