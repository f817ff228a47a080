"""Speckle movies with prescribed statistics.

A coherent mode is a complex circular gaussian field whose values at T times have the covariance g1; its intensity
correlates as |g1|**2 (Siegert relation). Partial coherence is a sum of independent modes with weights w: the contrast
is the sum of w**2 and the shape of the correlation stays. Photons are Poisson distributed around the intensity.

The simulated detector sees the structure-factor peak of a dense suspension as a ring. The relaxation rate is taken as
constant across the peak (de Gennes narrowing flattens it there), so dynamics depend on the azimuth alone. A speckle is
one pixel wide: neighbouring pixels are independent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.scattering.geometry.detector import Geometry
from ainerd_agent.scattering.simulation.dynamics import Dynamics

PEAK_Q = 0.024
"""First peak of the structure factor, 1/nm: the paper's suspension."""

SPECKLE_WIDTHS = 2.4
"""Speckles are drawn within so many widths of the peak; further out the few counts follow the mean intensity."""


def mode_weights(contrast: float) -> NDArray[np.float64]:
    """Weights of the fewest coherent modes whose sum has `contrast`.

    They add up to one and their squares to `contrast`; all but the last are equal.

    Raises
    ------
    ValueError
        Where the contrast is outside of (0, 1].
    """
    if not 0 < contrast <= 1:
        raise ValueError(f"contrast {contrast} is outside of (0, 1]")
    count = int(np.ceil(1 / contrast - 1e-9))
    if count == 1:
        return np.ones(1)
    spare = np.sqrt(max((count - 1) * (count * contrast - 1), 0.0))
    equal = (1 + spare / (count - 1)) / count
    return np.append(np.full(count - 1, equal), 1 - (count - 1) * equal)


def covariance_root(g1: NDArray[np.float64] | NDArray[np.complex128]) -> NDArray[Any]:
    """Lower triangular L with L L^H = g1, shape (T, T): float32, or complex64 where g1 is complex."""
    # A frozen structure makes g1 singular; a millionth of white noise keeps the factorisation stable.
    root = np.linalg.cholesky(g1 + 1e-6 * np.eye(len(g1)))
    return root.astype(np.complex64 if np.iscomplexobj(root) else np.float32)


def speckle_intensity(
    root: NDArray[Any],
    n_pixels: int,
    contrast: float,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Intensities of independent speckles with mean one.

    Parameters
    ----------
    root : ndarray, shape (T, T)
        From `covariance_root`.

    Returns
    -------
    ndarray of float32, shape (T, n_pixels)
        <I(t1) I(t2)> - 1 = contrast * |g1(t1, t2)|**2.
    """
    n_frames = len(root)
    intensity = np.zeros((n_frames, n_pixels), dtype=np.float32)
    for weight in mode_weights(contrast):
        # Real and imaginary parts side by side: a real root then costs two real products.
        noise = rng.standard_normal((n_frames, 2 * n_pixels), dtype=np.float32)
        if np.iscomplexobj(root):
            field = root @ (noise[:, :n_pixels] + 1j * noise[:, n_pixels:])
            intensity += np.float32(weight / 2) * (field.real**2 + field.imag**2)
        else:
            field = root @ noise
            intensity += np.float32(weight / 2) * (field[:, :n_pixels] ** 2 + field[:, n_pixels:] ** 2)
    return intensity


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeckleCamera:
    """A photon-counting small-angle detector.

    Attributes
    ----------
    shape : tuple of int
        Rows, columns.
    geometry : Geometry
    contrast : float
        Speckle contrast (coherence factor), in (0, 1].
    peak_counts, background_counts : float
        Mean counts per pixel and frame on the structure-factor peak, and everywhere.
    peak_q, peak_width : float
        Position and standard deviation of the peak, 1/nm.
    n_sectors : int
        Azimuthal steps in which anisotropic dynamics are drawn.
    """

    shape: tuple[int, int]
    geometry: Geometry
    contrast: float = 1 / 3
    peak_counts: float = 3.0
    background_counts: float = 0.02
    peak_q: float = PEAK_Q
    peak_width: float = 0.0025
    n_sectors: int = 36

    saturation: int = int(np.iinfo(np.uint16).max)

    def mean_counts(self) -> NDArray[np.float64]:
        """Expected counts per pixel and frame, shape (H, W)."""
        peak = np.exp(-0.5 * self._peak_offset() ** 2).reshape(self.shape)
        return self.peak_counts * peak + self.background_counts

    def _peak_offset(self) -> NDArray[np.float64]:
        """Distance of each pixel from the peak in its widths, shape (H * W,)."""
        return (self.geometry.q(self.shape).ravel() - self.peak_q) / self.peak_width

    def movie(self, dynamics: Dynamics, times: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.uint16]:
        """Counts of a movie of `dynamics`.

        Parameters
        ----------
        times : ndarray, shape (T,)
            Seconds since cessation.

        Returns
        -------
        ndarray of uint16, shape (T, H, W)
        """
        mean = self.mean_counts().ravel()
        counts = np.empty((len(times), mean.size), dtype=np.uint16)
        background = np.flatnonzero(np.abs(self._peak_offset()) >= SPECKLE_WIDTHS)
        for frame in counts:  # one by one: numpy draws counts of eight bytes
            frame[background] = rng.poisson(mean[background])
        for azimuth, pixels in self._sectors(dynamics):
            root = covariance_root(dynamics.g1(times, azimuth))
            intensity = speckle_intensity(root, len(pixels), self.contrast, rng)
            counts[:, pixels] = np.minimum(rng.poisson(intensity * mean[pixels]), self.saturation)
        return counts.reshape(len(times), *self.shape)

    def _sectors(self, dynamics: Dynamics) -> Iterator[tuple[float, NDArray[np.int64]]]:
        """Azimuth and flat pixel indices of each part of the ring with one g1."""
        ring = np.flatnonzero(np.abs(self._peak_offset()) < SPECKLE_WIDTHS)
        if dynamics.isotropic:
            yield 0.0, ring
            return
        width = 360 / self.n_sectors
        # Friedel: azimuth and azimuth + 180 degrees see the same dynamics, so half a turn of factors is enough.
        sector = (self.geometry.azimuth(self.shape).ravel()[ring] % 180) // width
        for number in np.unique(sector):
            yield (number + 0.5) * width, ring[sector == number]
