"""Where a detector pixel sits in reciprocal space, and the azimuthal bins on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import BinError
from ainerd_agent.records import Bins


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """A flat detector, normal to the beam.

    The azimuth is counted from the detector's +x (columns rising) towards +y (rows rising), in degrees.

    Attributes
    ----------
    centre : tuple of float
        Row and column of the direct beam, in pixels; (0, 0) is the middle of the first pixel.
    distance, pixel_size : float
        Metres.
    wavelength : float
        Nanometres.
    """

    centre: tuple[float, float]
    distance: float
    pixel_size: float = 55e-6
    wavelength: float = 0.11271

    def _offsets(self, shape: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        rows, columns = np.indices(shape, dtype=np.float64)
        return rows - self.centre[0], columns - self.centre[1]

    def q(self, shape: tuple[int, int]) -> NDArray[np.float64]:
        """Momentum transfer 4 pi / wavelength * sin(theta) of each pixel, 1/nm, shape (H, W)."""
        rows, columns = self._offsets(shape)
        two_theta = np.arctan(np.hypot(rows, columns) * self.pixel_size / self.distance)
        return np.asarray(4 * np.pi / self.wavelength * np.sin(two_theta / 2))

    def azimuth(self, shape: tuple[int, int]) -> NDArray[np.float64]:
        """Azimuth of each pixel, degrees in [0, 360), shape (H, W)."""
        rows, columns = self._offsets(shape)
        return np.asarray(np.degrees(np.arctan2(rows, columns)) % 360)


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """Azimuthal bins laid over a detector.

    Attributes
    ----------
    labels : ndarray of int32, shape (H, W)
        Bin of each pixel from 1; 0 is ignored.
    rings : ndarray of int32, shape (H, W)
        Fine q rings, for the static image that the counts are divided by.
    bins : Bins
    """

    labels: NDArray[np.int32]
    rings: NDArray[np.int32]
    bins: Bins


def azimuthal_bins(
    geometry: Geometry,
    shape: tuple[int, int],
    *,
    q_range: tuple[float, float] = (0.019, 0.029),
    n_bins: int = 18,
    mask: NDArray[np.bool_] | None = None,
) -> Partition:
    """Divide the ring q_range[0] <= q < q_range[1] into `n_bins` equal sectors (paper: 18 of 20 degrees).

    Bin k (from 1) spans the azimuths from (k - 1) * 360 / n_bins to k * 360 / n_bins.

    Parameters
    ----------
    q_range : tuple of float
        1/nm; the default is the paper's, around the first peak of the structure factor.
    mask : ndarray of bool, shape (H, W), optional
        True where a pixel must not be used.

    Raises
    ------
    BinError
        Where a bin holds no pixel.
    """
    q, azimuth = geometry.q(shape), geometry.azimuth(shape)
    used = (q >= q_range[0]) & (q < q_range[1])
    if mask is not None:
        used &= ~mask
    sector = np.minimum((azimuth * n_bins / 360).astype(np.int32), n_bins - 1) + 1
    labels = np.where(used, sector, 0).astype(np.int32)
    # A ring as wide as a pixel: the mean intensity is constant along it, and it averages over every azimuth.
    pixel_q = float(np.max(np.abs(np.diff(q[int(np.clip(geometry.centre[0], 0, shape[0] - 1))]))))
    n_rings = max(1, int((q_range[1] - q_range[0]) / pixel_q))
    # The last ring takes what is left over: a sliver of its own would have a poor mean.
    rings = np.where(used, np.clip((q - q_range[0]) / pixel_q, 0, n_rings - 1).astype(np.int32) + 1, 0).astype(np.int32)

    n_pixels = np.bincount(labels.ravel(), minlength=n_bins + 1)[1:]
    if (empty := np.flatnonzero(n_pixels == 0) + 1).size:
        raise BinError(
            f"azimuthal bin {', '.join(map(str, empty))} of {n_bins} holds no pixel of the {shape[0]} x {shape[1]} "
            f"detector between q = {q_range[0]:g} and {q_range[1]:g} 1/nm: check the beam centre, the mask and the q "
            "range, or use fewer bins"
        )
    mean_q = np.bincount(labels.ravel(), weights=q.ravel(), minlength=n_bins + 1)[1:] / n_pixels
    centres = (np.arange(n_bins) + 0.5) * 360 / n_bins
    return Partition(labels, rings, Bins(q=mean_q, azimuth=centres, n_pixels=n_pixels.astype(np.int64)))
