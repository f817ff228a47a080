"""The autoencoder "ages": a C2 map to 64 numbers whose distances see the decay and what happens at which age.

A map is brought to a small image over age and lag. Two branches read it:

- the *decay*: its means over age, and lags shorter than a pixel where they are known, through a small network to 24
  numbers. Maps of one decay lie together, whatever their noise. It is trained by contrast
  (`ainerd_agent.latent.training.age_contrast`), first of all by real repeats;
- the *texture*: what differs from age to age, in 40 directions in which dynamics differ more than noise does, shrunk by
  the map's own noise (`ainerd_agent.latent.texture`). Dynamics of one decay that differ in what happens at which age
  (an avalanche and its stationary twin, ageing and the same backwards) lie apart; stationary ones have none.

Maps are drawn on principal components of maps without noise, in two ways. `decode` draws what the 64 numbers tell.
`draw` sees the map itself and keeps what stands out of its noise, on many more components: what is special to one map,
such as fringes at a part of the ages, has no place among 64 numbers that shall tell dynamics apart.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ainerd_agent.latent.age_lag_image import AgeLagImage
from ainerd_agent.latent.lag_autoencoder import COARSE, coarse
from ainerd_agent.latent.scaling import SIDE
from ainerd_agent.latent.short_lags import N_SHORT
from ainerd_agent.latent.texture import Texture

COMPONENTS = 256
"""Principal components that a map is drawn on."""

DECODED = 96
"""The first of them, on which the latents are drawn."""

FREE = COARSE * (COARSE + 1) // 2 - COMPONENTS
"""Dimensions of symmetric coarse maps that no component is in: what a map has there is noise, or unknown."""


class AgesAutoencoder(nn.Module):
    """Decay and texture of scaled maps, 256 x 256 to 64 numbers and back.

    Parameters
    ----------
    latent : int
        Length of the latent vector.
    decay : int
        How many of its numbers, the first ones, describe the decay with the lag.
    width : int
        Of the hidden layers.
    """

    decay_centre: Tensor
    decay_spread: Tensor
    share: Tensor
    mean_map: Tensor
    components: Tensor
    component_spread: Tensor

    def __init__(self, latent: int = 64, decay: int = 24, width: int = 256) -> None:
        super().__init__()
        self.configuration = {"latent": latent, "decay": decay, "width": width}
        self.n_decay = decay
        self.image = AgeLagImage()
        n_lags = self.image.n_lags
        self.register_buffer("decay_centre", torch.zeros(n_lags))
        self.register_buffer("decay_spread", torch.ones(n_lags))
        self.register_buffer("share", torch.ones(()))
        self.decay = _network(n_lags + 2 * N_SHORT, decay, width, dropout=0.2)
        self.decay_line = nn.Linear(n_lags + 2 * N_SHORT, decay)
        self.texture = Texture(self.image.n_textures, latent - decay, n_lags)
        self.drawer = _network(latent, DECODED, width, dropout=0.0)
        self.register_buffer("mean_map", torch.zeros(COARSE**2))
        # In half precision, which is more than enough: they are most of the file.
        self.register_buffer("components", torch.eye(COMPONENTS, COARSE**2, dtype=torch.float16))
        self.register_buffer("component_spread", torch.ones(COMPONENTS))

    def encode_decay(self, images: Tensor) -> Tensor:
        """The numbers of the decay, (n, n_values) to (n, decay)."""
        seen = torch.cat([self.profile(images), self.image.short_lags(images)], dim=-1)
        numbers: Tensor = self.decay(seen) + self.decay_line(seen)
        return numbers

    def encode_texture(self, images: Tensor) -> Tensor:
        """The numbers of the texture, in units of a usual one, (n, n_values) to (n, latent - decay)."""
        numbers: Tensor = self.texture(self.image.texture(images), self.profile(images))
        return numbers

    def profile(self, images: Tensor) -> Tensor:
        """Means over age, centred and in units of their spread, (n, n_values) to (n, n_lags)."""
        return (self.image.lag_means(images) - self.decay_centre) / self.decay_spread

    def encode_images(self, images: Tensor) -> Tensor:
        """Images over age and lag (n, n_values) to latent vectors (n, latent)."""
        return torch.cat([self.encode_decay(images), self.share * self.encode_texture(images)], dim=1)

    def encode(self, maps: Tensor, short: Tensor | None = None) -> Tensor:
        """Scaled maps (n, 1, 256, 256), with what is known of short lags, to latent vectors (n, latent)."""
        return self.encode_images(self.image(maps[:, 0], short))

    def decode(self, latents: Tensor) -> Tensor:
        """Latent vectors (n, latent) to scaled maps (n, 1, 256, 256)."""
        decay, texture = latents[:, : self.n_decay], latents[:, self.n_decay :]
        numbers = self.drawer(torch.cat([decay, texture / self.share], dim=1)) * self.component_spread[:DECODED]
        return _enlarged(self.mean_map + numbers @ self.components[:DECODED].float())

    def draw(self, maps: Tensor) -> Tensor:
        """Scaled maps (n, 1, 256, 256) without what is noise in them.

        Noise is what a map has beside all components. It is taken to be white, and each number of the map is drawn as
        far as it is likely not to be noise (Wiener's filter, with the variance that the component has in training).
        """
        components = self.components.float()
        apart = coarse(maps) - self.mean_map
        numbers = apart @ components.T
        rest = (apart.square().sum(dim=1) - numbers.square().sum(dim=1)).clamp(min=0) / FREE
        variance = self.component_spread.square()
        kept = numbers * variance / (variance + rest[:, None])
        return _enlarged(self.mean_map + kept @ components)

    def forward(self, maps: Tensor) -> Tensor:
        """Reconstruct scaled maps (n, 1, 256, 256) from their latents."""
        return self.decode(self.encode(maps))


def _enlarged(small: Tensor) -> Tensor:
    """Coarse maps (n, 4096) to maps (n, 1, 256, 256)."""
    maps = nn.functional.interpolate(small.view(-1, 1, COARSE, COARSE), size=SIDE, mode="bilinear")
    return (maps + maps.mT) / 2


def _network(n_in: int, n_out: int, width: int, *, dropout: float) -> nn.Sequential:
    stages: list[nn.Module] = []
    for layer in range(3):
        stages += [nn.Linear(n_in if layer == 0 else width, width), nn.GELU()]
        if dropout:
            stages.append(nn.Dropout(dropout))
    return nn.Sequential(*stages, nn.Linear(width, n_out))
