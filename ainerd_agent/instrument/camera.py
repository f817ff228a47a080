"""The camera of the simulated beamline: movies of speckle on the ring of the structure factor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.scattering.geometry.detector import Geometry
from ainerd_agent.scattering.simulation.dynamics import Dynamics
from ainerd_agent.scattering.simulation.speckle import covariance_root, speckle_intensity

PEAK_Q = 0.024
"""First peak of the structure factor, 1/nm: the paper's suspension."""


SPECKLE_WIDTHS = 2.4
"""Speckles are drawn within so many widths of the peak; further out the few counts follow the mean intensity."""


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
