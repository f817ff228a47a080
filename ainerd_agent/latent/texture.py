"""The texture of a map in few numbers, as far as it stands out of the map's own noise.

What differs from age to age is looked at in directions in which dynamics differ most for the noise there is: linear
discriminants of simulated truths against noise, simulated and real. They need no training that could learn kinds of
dynamics by heart, and see kinds that were never simulated as well as others.

How noisy a map is, a small network reads from all directions and the decay. The numbers of a map are then shrunk: a
texture that is no stronger than the noise becomes zero, a strong one stays (the positive part of the estimator of James
and Stein, 1961). So maps of stationary dynamics lie together, however noisy they are.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SATURATION = 2.0
"""Strength of a texture, in units of a usual one, beyond which more of it makes no more distance."""

LEAST_SQUARE = 1e-3
"""Added to squares, in units of the noise, before their logarithm is taken."""

LARGEST_DECAY = 5.0
"""Values of the decay, in units of their spread, beyond which the noise network sees no difference."""


class Texture(nn.Module):
    """Numbers of the texture, and their noise.

    Parameters
    ----------
    n_textures : int
        Cosines over age, from `AgeLagImage.texture`.
    n_numbers : int
        Of the first directions.
    n_decay : int
        Means over age.
    width : int
        Of the hidden layers of the noise network.
    """

    directions: Tensor
    weight: Tensor

    def __init__(self, n_textures: int, n_numbers: int, n_decay: int, width: int = 128) -> None:
        super().__init__()
        self.n_numbers = n_numbers
        # All directions, the most telling first, each in units of its noise.
        self.register_buffer("directions", torch.eye(n_textures))
        # Of the numbers, such that those of a usual texture have a norm of 1.
        self.register_buffer("weight", torch.ones(n_numbers))
        self.noise = nn.Sequential(
            nn.Linear(2 * n_textures + n_decay, width), nn.GELU(), nn.Dropout(0.1),
            nn.Linear(width, width), nn.GELU(), nn.Dropout(0.1),
            nn.Linear(width, width), nn.GELU(), nn.Dropout(0.1),
            nn.Linear(width, 1),
        )  # fmt: skip

    def raw(self, texture: Tensor) -> Tensor:
        """Numbers as they are measured, noise and all: (..., n_textures) to (..., n_numbers)."""
        return texture @ self.directions[: self.n_numbers].T * self.weight

    def log_noise(self, texture: Tensor, decay: Tensor) -> Tensor:
        """Logarithm of the mean square of the noise in the raw numbers, (n, n_textures) and (n, n_decay) to (n,)."""
        along = texture @ self.directions.T
        seen = [
            torch.asinh(along),
            torch.log(along.square() + LEAST_SQUARE),
            decay.clamp(-LARGEST_DECAY, LARGEST_DECAY),
        ]
        found: Tensor = self.noise(torch.cat(seen, dim=1))[:, 0]
        return found

    def forward(self, texture: Tensor, decay: Tensor) -> Tensor:
        """Numbers without what is likely noise, (n, n_textures) and (n, n_decay) to (n, n_numbers)."""
        raw = self.raw(texture)
        power = raw.square().mean(dim=1)
        noise = self.log_noise(texture, decay).exp()
        kept = (1 - noise / power.clamp(min=torch.finfo(power.dtype).tiny)).clamp(min=0)
        numbers = raw * kept[:, None]
        return numbers / torch.sqrt(1 + numbers.square().sum(dim=1, keepdim=True) / SATURATION**2)
