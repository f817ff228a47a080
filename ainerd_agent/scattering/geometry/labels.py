"""Bins from any array of labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.errors import BinError
from ainerd_agent.records import Bins, FloatArray
from ainerd_agent.scattering.geometry.detector import DetectorGeometry
from ainerd_agent.scattering.geometry.partition import (
    Empty,
    Partition,
    fine_rings,
    mean_azimuth,
    means,
    paint,
    pixel_step,
    settle_empty,
    usable_pixels,
)


def label_bins(
    labels: ArrayLike,
    *,
    geometry: DetectorGeometry | None = None,
    q: ArrayLike | None = None,
    azimuth: ArrayLike | None = None,
    rings: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    n_bins: int | None = None,
    empty: Empty = "raise",
) -> Partition:
    """Bins from any array of labels.

    Parameters
    ----------
    labels : array_like of int, shape (H, W), or of bool, shape (n, H, W)
        0 for pixels that are ignored, bins from 1; or a mask for each bin, True where a pixel belongs to it.
    geometry : DetectorGeometry, optional
        Gives q and azimuth of the pixels where `q` and `azimuth` do not; the gaps that it knows are not used.
    q : array_like, shape (H, W) or (n,), optional
        Momentum transfer of each pixel or of each bin, 1/nm. Without it, and without geometry, it is NaN.
    azimuth : array_like, shape (H, W) or (n,), optional
        Of each pixel or of each bin, degrees from the detector's +x towards +y. Where the pixels of a bin have no
        direction in common (a full ring, two opposite sectors), its azimuth is NaN.
    rings : array_like of int, shape (H, W), optional
        Regions of constant mean intensity, from 1. By default rings in q as wide as a pixel, or the bins themselves
        where q of the pixels is not known.
    mask : array_like, shape (H, W), optional
        True (or not 0) where a pixel must not be used.
    n_bins : int, optional
        How many bins there are, where that is more than the highest label.
    empty : {"raise", "drop"}
        What becomes of a bin without pixels.

    Raises
    ------
    BinError
        Labels that are not integers, negative, or that overlap; a bin without pixels; arrays that do not fit; NaN where
        q of a used pixel should be.
    """
    label_map = _checked_labels(labels)
    shape = (label_map.shape[0], label_map.shape[1])
    q, azimuth = _coordinates(geometry, shape, q, azimuth)
    usable = usable_pixels(shape, mask, None if geometry is None else geometry.gaps(shape))

    # A list of values may know of bins that no pixel is labelled with.
    listed = [len(values) for values in map(np.asarray, (q, azimuth)) if values.ndim == 1]
    n_total = max(int(label_map.max()), *listed, n_bins or 0)
    labelled = np.flatnonzero(label_map)
    place = label_map.ravel()[labelled].astype(np.int64) - 1
    used = usable.ravel()[labelled]
    kept, dropped = settle_empty(
        np.bincount(place[used], minlength=n_total),
        np.bincount(place, minlength=n_total) > 0,
        empty,
        kind="bin",
        where=f"of the {shape[0]} x {shape[1]} labels",
        absent="No label is {}: number the bins from 1 without gaps",
    )
    pixels, number = labelled[used], np.cumsum(kept, dtype=np.int64)[place[used]]

    bin_q, pixel_q = _per_bin_or_pixel("q", q, shape, pixels, kept)
    ring = number
    if pixel_q is not None:
        bin_q = means(number, pixel_q)
        ring = _rings_in_q(pixel_q, pixel_step(np.asarray(q, dtype=np.float64), pixels))
    if rings is not None:
        ring = _checked_rings(rings, shape, pixels)
    bin_azimuth, pixel_azimuth = _per_bin_or_pixel("azimuth", azimuth, shape, pixels, kept)
    if pixel_azimuth is not None:
        bin_azimuth = mean_azimuth(number, pixel_azimuth)
    return Partition(
        labels=paint(shape, pixels, number),
        rings=paint(shape, pixels, ring),
        bins=Bins(q=bin_q, azimuth=bin_azimuth % 360, n_pixels=np.bincount(number)[1:].astype(np.int64)),
        ring_q=None if pixel_q is None else means(ring, pixel_q),
        dropped=dropped,
    )


def _coordinates(
    geometry: DetectorGeometry | None, shape: tuple[int, int], q: ArrayLike | None, azimuth: ArrayLike | None
) -> tuple[ArrayLike | None, ArrayLike | None]:
    """Those that are given, or what the geometry gives the pixels."""
    if geometry is None or (q is not None and azimuth is not None):
        return q, azimuth
    of_pixels = geometry.coordinates(shape)
    return of_pixels[0] if q is None else q, of_pixels[1] if azimuth is None else azimuth


def _checked_labels(labels: ArrayLike) -> NDArray[np.integer]:
    given = np.asarray(labels)
    if given.ndim == 3 and given.dtype == np.bool_:
        times = given.sum(axis=0)
        if (times > 1).any():
            row, column = np.argwhere(times > 1)[0]
            first, second = np.flatnonzero(given[:, row, column])[:2] + 1
            raise BinError(
                f"bins overlap in {np.count_nonzero(times > 1)} pixels: the one in row {row}, column {column} belongs "
                f"to bins {first} and {second}. A pixel may belong to one bin only"
            )
        given = np.tensordot(np.arange(1, len(given) + 1), given, axes=1)
    if given.ndim != 2 or not np.issubdtype(given.dtype, np.integer):
        raise BinError(
            f"labels must be integers of shape (H, W), or masks (True, False) of shape (n, H, W), not {given.dtype} of "
            f"shape {given.shape}"
        )
    if given.size == 0 or given.max() < 1:
        raise BinError("the labels hold no bin: they must be 0 for pixels that are ignored, and 1 to n for the bins")
    if given.min() < 0:
        raise BinError(f"the labels go down to {given.min()}: they must be 0 for pixels that are ignored")
    if given.max() > given.size:
        raise BinError(f"there is a label {given.max()}, and only {given.size} pixels: number the bins from 1 to n")
    return given


def _rings_in_q(q: FloatArray, step: float) -> NDArray[np.int64]:
    """Rings as wide as a pixel, from the q of each pixel."""
    return fine_rings(q, np.array([q.min(), q.max()]), np.zeros(len(q), dtype=np.int64), step)


def _checked_rings(rings: ArrayLike, shape: tuple[int, int], pixels: NDArray[np.int64]) -> NDArray[np.int64]:
    given = np.asarray(rings)
    if given.shape != shape or not np.issubdtype(given.dtype, np.integer):
        raise BinError(f"rings must be integers of the labels' shape {shape}, not {given.dtype} of shape {given.shape}")
    ring = given.ravel()[pixels].astype(np.int64)
    if (n_outside := np.count_nonzero(ring < 1)) > 0:
        raise BinError(f"{n_outside} pixels of the bins belong to no ring: rings are numbered from 1, as the bins are")
    return ring


def _per_bin_or_pixel(
    name: str,
    values: ArrayLike | None,
    shape: tuple[int, int],
    pixels: NDArray[np.int64],
    kept: NDArray[np.bool_],
) -> tuple[FloatArray, FloatArray | None]:
    """Values of the bins that are kept (NaN where not known), and of their pixels where an image is given."""
    unknown = np.full(int(kept.sum()), np.nan)
    if values is None:
        return unknown, None
    given = np.asarray(values, dtype=np.float64)
    if given.shape == (len(kept),):
        if name == "q" and not np.isfinite(given[kept]).all():
            raise BinError(f"q of bin {_numbers(kept & ~np.isfinite(given))} is NaN or infinite")
        return given[kept], None
    if given.shape != shape:
        raise BinError(f"{name} has the shape {given.shape}: it must be that of the labels, {shape}, or ({len(kept)},)")
    of_pixels = given.ravel()[pixels]
    if (n_nan := np.count_nonzero(~np.isfinite(of_pixels))) > 0:
        raise BinError(f"{name} is NaN or infinite in {n_nan} pixels of the bins: mask them, or correct the image")
    return unknown, of_pixels


def _numbers(which: NDArray[np.bool_]) -> str:
    """Bins as people count them."""
    return ", ".join(map(str, np.flatnonzero(which) + 1))
