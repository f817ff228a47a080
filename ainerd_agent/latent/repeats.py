"""How far apart two measurements of the same dynamics fall, by noise alone, at any place of the latent space.

It differs tenfold between dynamics and levels of noise. A small network says how uncertain each number of a latent is,
from the latent and the noise of its map. Distances are then taken in these units. What they come to for repeats, and
how they scatter, a second network says; what is left is compared with that of known repeats, so that no shape of the
distribution has to be assumed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ainerd_agent.latent.clusters import Latents
from ainerd_agent.records import FloatArray

Noise = NDArray[np.float32]

N_QUANTILES = 512
"""Of the distances of known repeats, that are kept."""

LEAST_PROBABILITY = 1e-6
"""Nobody has seen enough repeats to tell less."""

SURE = 20.0
"""Partners whose word on the unit of a session counts as much as that of the model."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Maps, each against one other.

    Attributes
    ----------
    distance : ndarray, shape (n,)
        In units of that of repeats there: half of the repeats are nearer than 1.
    surprise : ndarray, shape (n,)
        Its logarithm, in units of the scatter that it has among repeats there.
    scatter : ndarray, shape (n,)
        That scatter.
    """

    distance: FloatArray
    surprise: FloatArray
    scatter: FloatArray


class RepeatModel(nn.Module):
    """Expected distances of repeats, and their distribution.

    Parameters
    ----------
    latent : int
        Length of the latent vectors.
    noises : int
        How many numbers tell the noise of a map (`ainerd_agent.latent.map_noise`).
    width : int
        Of the hidden layers.
    """

    centre: Tensor
    spread: Tensor
    axes: Tensor
    signal: Tensor
    quantiles: Tensor

    def __init__(self, latent: int, noises: int, width: int = 32) -> None:
        super().__init__()
        self.configuration = {"latent": latent, "noises": noises, "width": width}
        self.register_buffer("centre", torch.zeros(latent + noises))
        self.register_buffer("spread", torch.ones(latent + noises))
        self.register_buffer("axes", torch.eye(latent))
        self.register_buffer("signal", torch.ones(latent))
        self.register_buffer("quantiles", torch.linspace(-3, 3, N_QUANTILES))
        self.uncertainty = _network(latent + noises, latent, width)
        self.typical = _network(latent + 2 * noises, 2, width)

    def known(self, latents: Latents, noise: Noise) -> Tensor:
        """What is known of maps, in units of what it was for those learnt from; (n, latent + noises).

        Where the noise of a map is not known (NaN), it is taken to be as usual.
        """
        both = torch.from_numpy(np.concatenate([latents, noise], axis=1).astype(np.float32))
        units: Tensor = ((both - self.centre) / self.spread).nan_to_num(0.0).clamp(-6, 6)
        return units

    def log_variance(self, known: Tensor) -> Tensor:
        """Of each number along the axes, shape (n, latent)."""
        found: Tensor = self.uncertainty(known)
        return found

    def log_square(self, apart: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """Logarithm of the mean square of differences (n, latent) in units of their uncertainty, shape (n,).

        A number counts as far as it can tell dynamics apart: with the weight signal / (signal + uncertainty), that of
        the likelihood ratio between different dynamics and the same.
        """
        variance = torch.logaddexp(self.log_variance(first), self.log_variance(second)).exp()
        weight = self.signal / (self.signal + variance)
        square = (apart @ self.axes) ** 2 / variance
        return torch.log((weight * square).sum(dim=1) / weight.sum(dim=1) + 1e-12)

    def expected(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Mean of `log_square` for repeats, and the logarithm of its scatter, shape (n,) each."""
        n_latents = len(self.axes)
        mean = (first + second) / 2
        noise = (first - second)[:, n_latents:].abs()
        found: Tensor = self.typical(torch.cat([mean, noise], dim=1))
        return found[:, 0], found[:, 1]

    @torch.inference_mode()
    def compare(self, latents: Latents, noise: Noise, others: Latents, their_noise: Noise) -> Comparison:
        """Compare maps with others, one by one: latents (n, 64) and noise (n, noises) of either."""
        first, second = self.known(latents, noise), self.known(others, their_noise)
        apart = torch.from_numpy(np.asarray(latents - others, dtype=np.float32))
        found = self.log_square(apart, first, second)
        middle, log_scatter = self.expected(first, second)
        scatter = log_scatter.exp()
        median = middle + scatter * self.quantiles[len(self.quantiles) // 2]
        return Comparison(
            ((found - median) / 2).exp().numpy().astype(np.float64),
            ((found - middle) / scatter).numpy().astype(np.float64),
            scatter.numpy().astype(np.float64),
        )

    def probability(self, surprise: FloatArray) -> FloatArray:
        """Probability that a repeat is as surprisingly far away or farther, of any shape.

        Beyond the farthest known repeats it falls exponentially, as it does before.
        """
        steps = self.quantiles.numpy().astype(np.float64)
        levels = (np.arange(len(steps)) + 0.5) / len(steps)
        last, before = steps[-1], steps[-1 - len(steps) // 50]
        decay = np.log((1 - levels[-1 - len(steps) // 50]) / (1 - levels[-1])) / max(last - before, 1e-6)
        inside = 1 - np.interp(surprise, steps, levels)
        beyond = (1 - levels[-1]) * np.exp(-decay * np.maximum(surprise - last, 0))
        return np.asarray(np.clip(np.where(surprise > last, beyond, inside), LEAST_PROBABILITY, 1.0))


def _network(n_in: int, n_out: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(n_in, width), nn.GELU(), nn.Dropout(0.1), nn.Linear(width, width), nn.GELU(), nn.Linear(width, n_out)
    )
