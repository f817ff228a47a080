"""Movies with known dynamics, one bin a row."""

import numpy as np

from ainerd_agent.scattering.simulation.speckle import covariance_root, speckle_intensity


def speckle_movie(dynamics, n_frames, n_bins, n_pixels, *, contrast=0.3, counts=1.0, seed=0, azimuths=None):
    """Frames of shape (T, n_bins, n_pixels), and labels; dynamics are those at the bins' azimuths."""
    rng = np.random.default_rng(seed)
    times = np.arange(n_frames, dtype=np.float64)
    rows = []
    for azimuth in np.zeros(1) if azimuths is None else azimuths:
        n = n_bins * n_pixels if azimuths is None else n_pixels
        intensity = speckle_intensity(covariance_root(dynamics.g1(times, azimuth)), n, contrast, rng)
        rows.append(rng.poisson(counts * intensity).astype(np.uint16))
    frames = np.concatenate(rows, axis=1).reshape(n_frames, n_bins, n_pixels)
    return frames, np.arange(1, n_bins + 1)[:, None] * np.ones(n_pixels, dtype=np.int64)
