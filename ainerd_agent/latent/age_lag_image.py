"""C2 maps as small images over age and lag, and their texture: what differs from age to age.

A value is the mean over the pixels of the map whose middle lies in the section of age and whose lag lies in the bin. It
is linear in the map, so that the image of a mean map is the mean of the images. The bins of the lag grow with the lag,
and the long lags exist at middle ages only: cells with too few pixels are left out.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ainerd_agent.latent.lag_autoencoder import lag_bins
from ainerd_agent.latent.scaling import SIDE

N_AGES = 16
"""Sections of age, of equal length."""

N_LAGS = 14
"""Bins of the lag."""

MIN_PIXELS = 8
"""Of a cell, in one half of the map."""


class AgeLagImage(nn.Module):
    """Images over age and lag of scaled maps, their means over age, and their texture.

    Attributes
    ----------
    n_cells, n_lags, n_textures : int
        How many numbers an image, its means over age and its texture have.
    """

    cell: Tensor
    pixels: Tensor
    ages_of_lag: Tensor
    cosines: Tensor

    def __init__(self) -> None:
        super().__init__()
        cell, pixels = _cells()
        lag = np.flatnonzero(pixels.ravel() >= MIN_PIXELS) % N_LAGS
        kept = pixels.ravel()[pixels.ravel() >= MIN_PIXELS]
        by_lag = (lag == np.arange(N_LAGS)[:, None]) * kept
        cosines = _cosines(lag, kept)
        self.n_cells, self.n_lags, self.n_textures = len(kept), N_LAGS, len(cosines)
        self.register_buffer("cell", torch.from_numpy(cell), persistent=False)
        self.register_buffer("pixels", torch.from_numpy(2 * kept.astype(np.float32)), persistent=False)
        means = (by_lag / by_lag.sum(axis=1, keepdims=True)).astype(np.float32)
        self.register_buffer("ages_of_lag", torch.from_numpy(means), persistent=False)
        self.register_buffer("cosines", torch.from_numpy(cosines), persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Images of scaled maps, (n, 256, 256) to (n, n_cells); of both halves, which need not be alike."""
        sums = maps.new_zeros(len(maps), self.n_cells + 1)
        sums.index_add_(1, self.cell, maps.flatten(1))
        return sums[:, :-1] / self.pixels

    def lag_means(self, images: Tensor) -> Tensor:
        """Means over age, (n, n_cells) to (n, n_lags)."""
        return images @ self.ages_of_lag.T

    def texture(self, images: Tensor) -> Tensor:
        """What differs from age to age, in cosines over age at each lag; (n, n_cells) to (n, n_textures).

        They are orthogonal and weighted by the pixels of the cells, so that white noise of the map is equally strong in
        all of them. A constant has none.
        """
        return images @ self.cosines.T


def _cells() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cell of each pixel, by its number among those kept, or their number; and the pixels of all cells, of one half."""
    first, second = np.indices((SIDE, SIDE))
    age = (first + second) * N_AGES // (2 * SIDE)
    bin_of_lag = (lag_bins(N_LAGS).numpy() > 0).argmax(axis=0)
    lag = bin_of_lag[np.abs(first - second)]
    pixels = np.zeros((N_AGES, N_LAGS), dtype=np.int64)
    upper = second > first
    np.add.at(pixels, (age[upper], lag[upper]), 1)
    kept = pixels >= MIN_PIXELS
    number = np.where(kept, np.cumsum(kept).reshape(kept.shape) - 1, kept.sum())
    return np.where(first == second, kept.sum(), number[age, lag]).ravel(), pixels


def _cosines(lag: NDArray[np.int64], pixels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Matrix (n_textures, n_cells): at each lag, the cosines over its ages that are orthogonal to a constant."""
    rows = []
    for number in range(N_LAGS):
        cells = np.flatnonzero(lag == number)
        middle = (np.arange(len(cells)) + 0.5) / len(cells)
        weight = np.sqrt(pixels[cells])
        waves = np.cos(np.pi * np.arange(len(cells)) * middle[:, None])
        orthogonal = np.linalg.qr(waves * weight[:, None])[0]
        for wave in range(1, len(cells)):
            row = np.zeros(len(lag))
            row[cells] = orthogonal[:, wave] * weight * np.sign(orthogonal[0, wave])
            rows.append(row)
    return np.array(rows, dtype=np.float32)
