"""C2 maps as small images over age and lag, their decay, and their texture: what differs from age to age.

A value is the mean over the pixels of the map whose middle lies in the section of age and whose lag lies in the bin. It
is linear in the map, so that the image of a mean map is the mean of the images. The bins of the lag grow with the lag,
and the long lags exist at middle ages only: cells with too few pixels are left out. Means over all ages, in finer bins
of the lag, follow the cells, and after them what is known of lags shorter than a pixel of the map
(`ainerd_agent.latent.short_lags`), each beside whether it is known.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ainerd_agent.latent.lag_autoencoder import lag_bins
from ainerd_agent.latent.scaling import SIDE
from ainerd_agent.latent.short_lags import N_SHORT

N_AGES = 16
"""Sections of age, of equal length."""

N_LAGS = 14
"""Bins of the lag."""

N_DECAY_LAGS = 24
"""Bins of the lag of the means over all ages."""

MIN_PIXELS = 8
"""Of a cell, in one half of the map."""


class AgeLagImage(nn.Module):
    """Images over age and lag of scaled maps, with their means over age and short lags, and their texture.

    Attributes
    ----------
    n_cells, n_lags, n_textures : int
        How many cells an image has, how many means over age follow them, and how many numbers its texture has.
    """

    cell: Tensor
    pixels: Tensor
    lag: Tensor
    pixels_of_lag: Tensor
    cosines: Tensor

    def __init__(self) -> None:
        super().__init__()
        cell, pixels = _cells()
        kept = pixels.ravel()[pixels.ravel() >= MIN_PIXELS]
        cosines = _cosines(np.flatnonzero(pixels.ravel() >= MIN_PIXELS) % N_LAGS, kept)
        lag = _lags()
        self.n_cells, self.n_lags, self.n_textures = len(kept), N_DECAY_LAGS, len(cosines)
        self.register_buffer("cell", torch.from_numpy(cell), persistent=False)
        self.register_buffer("pixels", torch.from_numpy(2 * kept.astype(np.float32)), persistent=False)
        self.register_buffer("lag", torch.from_numpy(lag), persistent=False)
        of_lag = np.bincount(lag)[:N_DECAY_LAGS].astype(np.float32)
        self.register_buffer("pixels_of_lag", torch.from_numpy(of_lag), persistent=False)
        self.register_buffer("cosines", torch.from_numpy(cosines), persistent=False)

    @property
    def n_values(self) -> int:
        """Cells, means over age, short lags, and which of those are known."""
        return self.n_cells + self.n_lags + 2 * N_SHORT

    def forward(self, maps: Tensor, short: Tensor | None = None) -> Tensor:
        """Images of scaled maps, (n, 256, 256) to (n, n_values); of both halves, which need not be alike.

        Parameters
        ----------
        short : Tensor, shape (n, N_SHORT), optional
            Correlation at short lags, in units of the contrast; NaN where it is not known, as all are without it.
        """
        if short is None:
            short = maps.new_full((len(maps), N_SHORT), torch.nan)
        flat = maps.flatten(1)
        cells = maps.new_zeros(len(maps), self.n_cells + 1).index_add_(1, self.cell, flat)
        lags = maps.new_zeros(len(maps), self.n_lags + 1).index_add_(1, self.lag, flat)
        known = torch.isfinite(short).to(maps.dtype)
        means = lags[:, :-1] / self.pixels_of_lag
        return torch.cat([cells[:, :-1] / self.pixels, means, torch.nan_to_num(short, nan=0.0), known], dim=1)

    def lag_means(self, images: Tensor) -> Tensor:
        """Means over age, (..., n_values) to (..., n_lags)."""
        return images[..., self.n_cells : self.n_cells + self.n_lags]

    def short_lags(self, images: Tensor) -> Tensor:
        """Correlation at short lags, 0 where unknown, and whether it is known, (..., n_values) to (..., 2 N_SHORT)."""
        return images[..., self.n_cells + self.n_lags :]

    def texture(self, images: Tensor) -> Tensor:
        """What differs from age to age, in cosines over age at each lag; (..., n_values) to (..., n_textures).

        They are orthogonal and weighted by the pixels of the cells, so that white noise of the map is equally strong in
        all of them. A constant has none.
        """
        return images[..., : self.n_cells] @ self.cosines.T


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


def _lags() -> NDArray[np.int64]:
    """Bin of the lag of each pixel, for the means over age; `N_DECAY_LAGS` on the diagonal."""
    first, second = np.indices((SIDE, SIDE))
    bins = lag_bins(N_DECAY_LAGS).numpy() > 0
    number = np.where(bins.any(axis=0), bins.argmax(axis=0), N_DECAY_LAGS)
    return np.asarray(number[np.abs(first - second)]).ravel()


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
