"""Representations that `benchmarks/latent.py` compares: models, and what is there without one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from ainerd_agent.latent import Encoder
from ainerd_agent.latent.g2_discriminant import binned_g2
from ainerd_agent.latent.lag_autoencoder import LagAutoencoder
from ainerd_agent.latent.scaling import SIDE
from ainerd_agent.scattering.correlation.age_lag import age_average

Array = NDArray[Any]
Way = Callable[[Array, Array], Array]
"""Maps (n, 256, 256) of baseline 0, and their contrasts (n,), to vectors."""

COMPONENTS = 64
COARSE = 64
PART = 100


def in_parts(encoder: Encoder) -> Way:
    """Latents of a model, of any number of maps."""

    def way(maps: Array, contrast: Array) -> Array:
        parts = range(0, len(maps), PART)
        found = [encoder.encode(maps[n : n + PART], contrast=contrast[n : n + PART]) for n in parts]
        return np.concatenate(found)

    return way


def coarse(maps: Array, contrast: Array) -> Array:
    """Scaled maps, averaged to 64 x 64 values and flat; (n, 4096)."""
    block = SIDE // COARSE
    blocks = maps.astype(np.float32).reshape(len(maps), COARSE, block, COARSE, block).mean(axis=(2, 4))
    return np.asarray((blocks / contrast[:, None, None]).reshape(len(maps), -1), dtype=np.float32)


def principal_components(maps: Array, contrast: Array) -> Way:
    """64 principal components of scaled maps, learnt from these."""
    model = PCA(COMPONENTS, svd_solver="randomized", random_state=0).fit(coarse(maps, contrast))
    return lambda each, by: np.asarray(model.transform(coarse(each, by)))


def g2(maps: Array, contrast: Array) -> Array:
    """g2 alone, in bins of the lag: blind to age."""
    return binned_g2(maps) / contrast[:, None]


def ways(encoders: Mapping[str, Encoder], known: Array, contrast: Array) -> dict[str, Way]:
    """All of them, by name; the principal components are learnt from known maps."""
    found: dict[str, Way] = {}
    for name, encoder in encoders.items():
        found[name] = in_parts(encoder)
        if isinstance(encoder.network, LagAutoencoder):
            found[f"{name}, texture alone"] = _texture(found[name], encoder.network.n_decay)
    return found | {"PCA-64": principal_components(known, contrast), "g2 alone": g2}


def _texture(way: Way, n_decay: int) -> Way:
    return lambda maps, contrast: way(maps, contrast)[:, n_decay:]


def noise_statistics(maps: Array) -> Array:
    """Four numbers that tell how noisy maps (n, size, size) are, and nothing of their dynamics; (n, 4).

    What is left when means along the diagonals are taken off: its spread near the diagonal, at middle and at long lags,
    and how alike neighbours are.
    """
    found = []
    size = maps.shape[1]
    lag = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    for part in np.array_split(maps.astype(np.float32), -(-len(maps) // 500)):
        rest = part - age_average(part)[:, lag]
        bands = [(lag > low * size) & (lag <= high * size) for low, high in ((0, 0.2), (0.2, 0.5), (0.5, 0.8))]
        spread = np.stack([np.log(rest[:, band].std(axis=1) + 1e-6) for band in bands], axis=1)
        alike = (rest[:, :, 1:] * rest[:, :, :-1]).mean(axis=(1, 2)) / rest.var(axis=(1, 2))
        found.append(np.column_stack([spread, alike]))
    return np.concatenate(found)


def age_lag_images(maps: Array, contrast: Array, n_ages: int = 16, n_lags: int = 14) -> Array:
    """Scaled maps as means over 16 ages and 14 logarithmic bins of the lag, (n, cells); cells outside are left out."""
    size = maps.shape[1]
    first, second = np.indices((size, size))
    lag, age = second - first, (first + second) / 2
    edges = np.unique(np.round(np.geomspace(1, size, n_lags + 1)).astype(int))
    row = np.minimum((age / size * n_ages).astype(int), n_ages - 1)
    column = np.searchsorted(edges, lag, side="right") - 1
    inside = (lag >= 1) & (lag < size)
    cell = (row * (len(edges) - 1) + column)[inside]
    count = np.bincount(cell, minlength=n_ages * (len(edges) - 1))
    flat = maps[:, inside].astype(np.float64) / contrast[:, None]
    total = np.stack([np.bincount(cell, each, minlength=len(count)) for each in flat])
    return np.asarray(total[:, count > 0] / count[count > 0])
