"""The archive of latents seen so far, and how new a latent is against it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records import FloatArray

Latents = NDArray[np.float32]


class Atlas:
    """Latents of earlier measurements.

    Novelty is a distance, and distances have a scale: how far apart repeats of the same dynamics fall. Every
    measurement brings repeats of its own. Without a heterodyne reference the bins at azimuth phi and phi + 180 degrees
    see the same dynamics (Friedel), so the distance between such partners is noise.

    Parameters
    ----------
    repeatability : float
        Distance between repeats that is assumed until partners were seen; the model's own figure.
    """

    def __init__(self, repeatability: float) -> None:
        self._assumed = repeatability
        self._buffer: Latents = np.empty((0, 0), dtype=np.float32)
        self._length = 0
        self._partner_distances: list[FloatArray] = []

    def __len__(self) -> int:
        return self._length

    @property
    def repeatability(self) -> float:
        """Median distance between the latents of partners, or what was assumed where there were none."""
        if not self._partner_distances:
            return self._assumed
        return float(np.median(np.concatenate(self._partner_distances)))

    def add(self, latents: Latents, azimuth: FloatArray, q: FloatArray | None = None) -> FloatArray:
        """Novelty of one measurement's latents against the archive, which they then join.

        Parameters
        ----------
        latents : ndarray, shape (n_bins, 64)
        azimuth : ndarray, shape (n_bins,)
            Degrees; NaN where it is not known.
        q : ndarray, shape (n_bins,), optional
            Where there are several rings: partners lie on the same one.

        Returns
        -------
        ndarray, shape (n_bins,)
            Distance to the nearest latent of an earlier measurement in units of `repeatability`; NaN for the first.
        """
        if (pairs := friedel_pairs(azimuth, q)).size:
            apart = latents[pairs[:, 0]] - latents[pairs[:, 1]]
            self._partner_distances.append(np.linalg.norm(apart, axis=1).astype(np.float64))
        if self._length:
            between = np.linalg.norm(latents[:, None] - self._buffer[None, : self._length], axis=-1)
            novelty = np.asarray(between.min(axis=1) / self.repeatability, dtype=np.float64)
        else:
            novelty = np.full(len(latents), np.nan)
        self._append(latents)
        return novelty

    def _append(self, latents: Latents) -> None:
        needed = self._length + len(latents)
        if needed > len(self._buffer):  # twice as much as is needed, so that appending stays cheap
            buffer = np.empty((2 * needed, latents.shape[1]), dtype=np.float32)
            if self._length:
                buffer[: self._length] = self._buffer[: self._length]
            self._buffer = buffer
        self._buffer[self._length : needed] = latents
        self._length = needed


def friedel_pairs(azimuth: FloatArray, q: FloatArray | None = None) -> NDArray[np.int64]:
    """Indices of bins that lie opposite to each other (within a degree), at the same q (within 2 %); (n_pairs, 2)."""
    azimuth = np.asarray(azimuth, dtype=np.float64)
    apart = np.abs((azimuth[None, :] - azimuth[:, None]) % 360 - 180)  # NaN is never below a degree
    partners = apart < 1
    if q is not None:
        known = np.where(np.isfinite(q), q, 0.0)
        partners &= np.abs(known[None, :] - known[:, None]) <= 0.02 * np.maximum(known[None, :], known[:, None])
    return np.argwhere(np.triu(partners))
