"""Speckle movies with prescribed statistics.

A coherent mode is a complex circular gaussian field whose values at T times have the covariance g1; its intensity
correlates as |g1|**2 (Siegert relation). Partial coherence is a sum of independent modes with weights w: the contrast
is the sum of w**2 and the shape of the correlation stays. Photons are Poisson distributed around the intensity.

The simulated detector sees the structure-factor peak of a dense suspension as a ring. The relaxation rate is taken as
constant across the peak (de Gennes narrowing flattens it there), so dynamics depend on the azimuth alone. A speckle is
one pixel wide: neighbouring pixels are independent.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


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
