"""The project's own autoencoder: a C2 map to 64 numbers, most of whose distances come from its decay with the lag.

A map has two kinds of content. How it decays with the lag is an average over all ages, along whole diagonals: few
numbers with little noise, and what tells one dynamics from another. What happens at which age is texture: it makes the
picture, and carries the noise of single pixels of the map. Convolutions see both alike, and their latents follow the
noise. Here the two are kept apart until the end.

- The *decay*: means along the diagonals, binned by the logarithm of the lag, through a small network to 24 numbers,
  which are trained by contrast (`ainerd_agent.latent.training.contrast`): maps of one dynamics come to lie together,
  whatever their noise.
- The *texture*: the coarse map on 40 principal components of maps without noise. A component is a mean over thousands
  of values, so that little noise is left in it, and the maps of all dynamics lie near a few dozen of them. They are
  given a small share of the distance, so that two maps of the same decay differ by their ages, but no noise moves them
  far apart.

The decoder draws a map from its components. Networks of convolutions, trained for an hour to do the same, drew it with
three times the error (`benchmarks/reconstruction.py`).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from torch import Tensor, nn

from ainerd_agent.latent.scaling import CLIP, SIDE

SMALLEST = 50
"""Side of the smallest maps whose lags are described one by one."""

COARSE = 64
"""Side of the map that the texture is made of."""


class LagAutoencoder(nn.Module):
    """Decay and texture of scaled maps, 256 x 256 to 64 numbers and back.

    Parameters
    ----------
    latent : int
        Length of the latent vector.
    decay : int
        How many of its numbers, the first ones, describe the decay with the lag.
    lags : int
        Logarithmic bins of the lag.
    width : int
        Of the hidden layers.
    """

    lag_bins: Tensor
    centre: Tensor
    spread: Tensor
    mean_map: Tensor
    components: Tensor
    unit: Tensor

    def __init__(
        self,
        latent: int = 64,
        decay: int = 24,
        lags: int = 14,
        width: int = 256,
    ) -> None:
        super().__init__()
        self.configuration = {"latent": latent, "decay": decay, "lags": lags, "width": width}
        self.n_decay = decay
        bins = lag_bins(lags)
        self.register_buffer("lag_bins", bins, persistent=False)
        self.register_buffer("centre", torch.zeros(len(bins)))
        self.register_buffer("spread", torch.ones(len(bins)))
        self.decay = nn.Sequential(*_hidden(len(bins), width, 3, dropout=0.2), nn.Linear(width, decay))
        self.decay_line = nn.Linear(len(bins), decay)
        n_texture = latent - decay
        self.register_buffer("mean_map", torch.zeros(COARSE**2))
        self.register_buffer("components", torch.eye(n_texture, COARSE**2))
        self.register_buffer("unit", torch.ones(()))

    def profile(self, maps: Tensor) -> Tensor:
        """Decay of scaled maps (n, 1, 256, 256): mean in each bin of lags, in units of its spread, (n, n_lags)."""
        binned: Tensor = diagonal_means(maps[:, 0]) @ self.lag_bins.T
        return (binned - self.centre) / self.spread

    def encode_profile(self, profile: Tensor) -> Tensor:
        """The numbers of the decay, (n, n_lags) to (n, decay)."""
        numbers: Tensor = self.decay(profile) + self.decay_line(profile)
        return numbers

    def encode(self, maps: Tensor) -> Tensor:
        """Scaled maps (n, 1, 256, 256) to latent vectors (n, latent)."""
        texture = (coarse(maps) - self.mean_map) @ self.components.T
        return torch.cat([self.encode_profile(self.profile(maps)), texture / self.unit], dim=1)

    def decode(self, latents: Tensor) -> Tensor:
        """Latent vectors (n, latent) to scaled maps (n, 1, 256, 256)."""
        small = self.mean_map + (latents[:, self.n_decay :] * self.unit) @ self.components
        maps = nn.functional.interpolate(small.view(-1, 1, COARSE, COARSE), size=SIDE, mode="bilinear")
        return (maps + maps.mT) / 2

    def forward(self, maps: Tensor) -> Tensor:
        """Reconstruct scaled maps (n, 1, 256, 256)."""
        return self.decode(self.encode(maps))

    @torch.no_grad()
    def fit_texture(self, targets: NDArray[np.float32], *, seed: int = 0) -> None:
        """Find the components of the texture.

        Parameters
        ----------
        targets : ndarray, shape (n, 4096)
            Maps with little noise, from `coarse`.
        """
        model = PCA(len(self.components), svd_solver="randomized", random_state=seed).fit(targets)
        self.mean_map.copy_(torch.from_numpy(model.mean_))
        self.components.copy_(torch.from_numpy(model.components_))

    @torch.no_grad()
    def weigh_texture(self, latents: NDArray[np.float32], share: float) -> None:
        """Scale the numbers of the texture, without any change of what is decoded.

        Parameters
        ----------
        latents : ndarray, shape (n, latent)
            As they are now.
        share : float
            What their variance (a sum) shall be, in units of that of the decay's numbers.
        """
        variance = latents.var(axis=0)
        self.unit.mul_(float(np.sqrt(variance[self.n_decay :].sum() / (share * variance[: self.n_decay].sum()))))


def coarse(maps: Tensor) -> Tensor:
    """Scaled maps (n, 1, 256, 256) at a quarter of their resolution, symmetric and clipped; (n, 4096)."""
    small = nn.functional.avg_pool2d(maps, SIDE // COARSE).clamp(*CLIP)
    return ((small + small.mT) / 2).flatten(1)


def diagonal_means(maps: Tensor) -> Tensor:
    """Mean along each diagonal, by lag: (n, size, size) to (n, size)."""
    n, size, _ = maps.shape
    # Rows of 2 size - 1 numbers that are read as rows of 2 size shift by one each: diagonals become columns.
    padded = nn.functional.pad(nn.functional.pad(maps, (0, size - 1)).flatten(1), (0, size))
    total = padded.view(n, size, 2 * size).sum(dim=1)  # by j - i: 0, 1, ... and, from the end, -1, -2, ...
    upper = total[:, :size]
    lower = torch.cat([upper[:, :1], total[:, size + 1 :].flip(1)], dim=1)
    count = 2 * torch.arange(size, 0, -1, device=maps.device, dtype=maps.dtype)
    return (upper + lower) / count


def lag_bins(n_bins: int) -> Tensor:
    """Matrix (n_bins, 256) that takes the mean over bins of the lag, lag zero left out.

    The first bin ends where maps that were enlarged from `SMALLEST` times have their first lag, the others grow by the
    same factor each.
    """
    first = SIDE // SMALLEST
    edges = np.concatenate([[1], np.unique(np.round(np.geomspace(first, SIDE, n_bins)).astype(int))])
    matrix = np.zeros((len(edges) - 1, SIDE), dtype=np.float32)
    for row, (start, stop) in enumerate(pairwise(edges)):
        matrix[row, start:stop] = 1 / (stop - start)
    return torch.from_numpy(matrix)


def _hidden(n_in: int, width: int, layers: int, dropout: float) -> list[nn.Module]:
    stages: list[nn.Module] = []
    for layer in range(layers):
        stages += [nn.Linear(n_in if layer == 0 else width, width), nn.GELU()]
        if dropout:
            stages.append(nn.Dropout(dropout))
    return stages
