"""The paper's convolutional autoencoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def _stage(channels_in: int, channels_out: int, dropout: float) -> list[nn.Module]:
    return [
        nn.Conv2d(channels_in, channels_out, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(channels_out, channels_out, 3, padding=1),
        nn.Dropout2d(dropout),
        nn.ReLU(),
    ]


class PaperAutoencoder(nn.Module):
    """Hourglass of Horwath et al., Nat. Commun. 15, 5945 (2024), Methods: 256 x 256 to 64 numbers and back.

    Three stages of two 3 x 3 convolutions, dropout and ReLU, each followed by max-pooling over 4 x 4; one linear layer
    to the latent vector. The decoder mirrors it with bilinear upsampling. The latent itself is linear: the ReLU that
    the published code puts there leaves a third of the units dead.

    Parameters
    ----------
    channels : tuple of int
        Features of the stages.
    latent : int
        Length of the latent vector.
    dropout : float
        Share of feature maps dropped while training. The paper's text says 0.25, its code 0.05.
    """

    def __init__(self, channels: tuple[int, int, int] = (8, 16, 32), latent: int = 64, dropout: float = 0.05) -> None:
        super().__init__()
        self.configuration = {"channels": channels, "latent": latent}
        self.side = 256 // 4**3
        self.features = channels[-1]
        encoder: list[nn.Module] = []
        for channels_in, channels_out in zip((1, *channels[:-1]), channels, strict=True):
            encoder += [*_stage(channels_in, channels_out, dropout), nn.MaxPool2d(4)]
        self.encoder = nn.Sequential(*encoder)
        self.to_latent = nn.Linear(self.features * self.side**2, latent)
        self.from_latent = nn.Linear(latent, self.features * self.side**2)
        decoder: list[nn.Module] = []
        for channels_in, channels_out in zip(channels[::-1], (*channels[-2::-1], channels[0]), strict=True):
            decoder += [*_stage(channels_in, channels_out, dropout), nn.Upsample(scale_factor=4, mode="bilinear")]
        self.decoder = nn.Sequential(*decoder, nn.Conv2d(channels[0], 1, 3, padding=1))

    def encode(self, maps: Tensor) -> Tensor:
        """Scaled maps (n, 1, 256, 256) to latent vectors (n, 64)."""
        latents: Tensor = self.to_latent(self.encoder(maps).flatten(1))
        return latents

    def decode(self, latents: Tensor) -> Tensor:
        """Latent vectors (n, 64) to scaled maps (n, 1, 256, 256), symmetric as every C2 is."""
        features = torch.relu(self.from_latent(latents)).unflatten(1, (self.features, self.side, self.side))
        maps: Tensor = self.decoder(features)
        return (maps + maps.mT) / 2

    def forward(self, maps: Tensor) -> Tensor:
        """Reconstruct scaled maps (n, 1, 256, 256)."""
        return self.decode(self.encode(maps))

    def loss(self, maps: Tensor, targets: Tensor) -> Tensor:
        """Mean squared difference of reconstructed maps and targets, both (n, 1, 256, 256)."""
        return nn.functional.mse_loss(self(maps).float(), targets)
