"""Bins that are sectors of rings in q."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.errors import BinError
from ainerd_agent.records import Bins, FloatArray
from ainerd_agent.scattering.geometry.detector import DetectorGeometry
from ainerd_agent.scattering.geometry.partition import (
    Empty,
    Grid,
    Partition,
    fine_rings,
    means,
    paint,
    pixel_step,
    settle_empty,
    usable_pixels,
)

ROUNDING = 1e-9
"""Share of a sector within which an azimuth counts as being on its edge, and so as inside."""


def azimuthal_bins(
    geometry: DetectorGeometry,
    shape: tuple[int, int],
    *,
    q_range: tuple[float, float] = (0.019, 0.029),
    n_q: int = 1,
    n_bins: int = 18,
    first_azimuth: float = 0.0,
    mask: ArrayLike | None = None,
    empty: Empty = "raise",
) -> Partition:
    """Divide the ring q_range[0] <= q < q_range[1] into `n_q` rings of `n_bins` equal sectors (paper: 1 x 18).

    Bins are numbered from 1, sector by sector, then ring by ring. Sector k (from 1) spans the azimuths from
    `first_azimuth` + (k - 1) * 360 / `n_bins` to `first_azimuth` + k * 360 / `n_bins`; a pixel on an edge belongs to
    the sector that begins there.

    The rings of the static image are as wide as a pixel: the mean intensity is constant along them, and it averages
    over every azimuth. None of them lies in two q rings.

    Parameters
    ----------
    geometry : DetectorGeometry
        `Geometry`, or `PoniGeometry` for what pyFAI describes.
    shape : tuple of int
        (H, W) of the frames.
    q_range : tuple of float
        1/nm; the default is the paper's, around the first peak of the structure factor.
    first_azimuth : float
        Where the first sector begins, degrees from the detector's +x (columns rising) towards +y (rows rising).
    mask : array_like, shape (H, W), optional
        True (or not 0) where a pixel must not be used; the gaps that the geometry knows are never used.
    empty : {"raise", "drop"}
        What becomes of a bin without pixels.

    Raises
    ------
    BinError
        A bin without pixels; no pixel in the q range, or none left by the mask; a mask of another shape; NaN where q
        should be; numbers that make no sense.
    """
    low, high = q_range
    if not 0 <= low < high:
        raise BinError(f"the q range must rise from 0 or more, not go from {low:g} to {high:g} 1/nm")
    if n_q < 1 or n_bins < 1:
        raise BinError(f"there must be at least one q ring and one sector, not {n_q} and {n_bins}")
    usable = usable_pixels(shape, mask, geometry.gaps(shape))
    q, azimuth = geometry.coordinates(shape)
    _refuse_nan(q, usable)
    in_range = _in_range(q, q_range)

    value = q.ravel()[in_range]
    edges = np.linspace(low, high, n_q + 1)
    row = np.clip(np.searchsorted(edges, value, side="right") - 1, 0, n_q - 1)
    # Without the margin, rounding would decide on which side of an edge a pixel falls.
    turn = ((azimuth.ravel()[in_range] - first_azimuth) % 360) * n_bins / 360
    place = row * n_bins + np.floor(turn + ROUNDING).astype(np.int64) % n_bins
    ring = fine_rings(value, edges, row, pixel_step(q, in_range))

    n_total = n_q * n_bins
    used = usable.ravel()[in_range]
    kept, dropped = settle_empty(
        np.bincount(place[used], minlength=n_total),
        np.bincount(place, minlength=n_total) > 0,
        empty,
        kind="azimuthal bin",
        where=f"of the {shape[0]} x {shape[1]} detector between q = {low:g} and {high:g} 1/nm",
        absent="No pixel of the detector lies in bin {}: check the beam centre and the q range, or use fewer bins",
    )
    sectors = (first_azimuth + (np.arange(n_bins) + 0.5) * 360 / n_bins) % 360
    pixels, number, value, ring = in_range[used], np.cumsum(kept, dtype=np.int64)[place[used]], value[used], ring[used]
    n_pixels = np.bincount(number)[1:].astype(np.int64)
    return Partition(
        labels=paint(shape, pixels, number),
        rings=paint(shape, pixels, ring),
        bins=Bins(q=means(number, value), azimuth=np.tile(sectors, n_q)[kept], n_pixels=n_pixels),
        ring_q=means(ring, value),
        grid=Grid(n_q, n_bins, np.flatnonzero(kept)),
        dropped=dropped,
    )


def _refuse_nan(q: FloatArray, usable: NDArray[np.bool_]) -> None:
    if (n_nan := np.count_nonzero(~np.isfinite(q) & usable)) > 0:
        raise BinError(f"q is NaN or infinite in {n_nan} pixels that are not masked: mask them, or correct the q image")


def _in_range(q: FloatArray, q_range: tuple[float, float]) -> NDArray[np.int64]:
    """Addresses of the pixels in a range of q."""
    low, high = q_range
    found = np.flatnonzero((q >= low) & (q < high))
    if not found.size:
        raise BinError(
            f"no pixel of the {q.shape[0]} x {q.shape[1]} detector lies between q = {low:g} and {high:g} 1/nm: it sees "
            f"{np.nanmin(q):.3g} to {np.nanmax(q):.3g}. Check the q range, distance, wavelength and beam centre"
        )
    return found
