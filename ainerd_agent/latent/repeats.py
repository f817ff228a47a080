"""How far apart two measurements of the same dynamics fall, by noise alone, at any place of the latent space.

It differs tenfold between dynamics and levels of noise. A small network says how uncertain each number of a latent is,
from the latent and the noise of its map. Distances are taken in these units, for each part of the latent apart: an
avalanche moves the texture alone, and repeats differ by their decay most of all. What they come to for repeats, and how
they scatter, a second network says. What is left is compared with that of known repeats, so that no shape of the
distribution has to be assumed. The least probable part decides; how probable that is, known repeats say again.
"""

from __future__ import annotations

from collections.abc import Sequence
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
"""Smaller ones cannot be known from a finite number of repeats."""

LEAST_LOG_VARIANCE = -7.0
"""Of a number of the decay, in units of what it is on average."""

LEAST_SQUARE = 1e-2
"""Added to mean squares of the decay, in units of the uncertainty."""

LEAST_SQUARE_OF_TEXTURE = 1.0
"""Added to those of the texture, in units of what they are for repeats. Most textures of repeats are exactly alike, for
what is within the noise is left out of them; of one in ten a little stands out, which makes it no other dynamics."""

LEAST_LOG_SCATTER = 0.0
"""Of the logarithm of a square. Where all known repeats are exactly alike, one that is not would pass for a miracle,
and many of these would make all others probable."""

SURE = 20.0
"""Partners whose word on the unit of a session counts as much as that of the model."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Maps, each against one other.

    Attributes
    ----------
    distance : ndarray, shape (n,)
        In units of that of repeats there: half of the repeats are nearer than 1.
    surprise : ndarray, shape (n, n_parts)
        Logarithm of the square of each part's, in units of the scatter that it has among repeats there.
    scatter : ndarray, shape (n, n_parts)
        That scatter.
    """

    distance: FloatArray
    surprise: FloatArray
    scatter: FloatArray


class RepeatModel(nn.Module):
    """Expected distances of repeats, and their distribution.

    Parameters
    ----------
    parts : sequence of int
        Lengths of the parts of a latent vector, which are looked at apart: its decay and its texture.
    noises : int
        How many numbers describe the noise of a map (`ainerd_agent.latent.map_noise`).
    width : int
        Of the hidden layers.
    """

    centre: Tensor
    spread: Tensor
    axes: Tensor
    usual: Tensor
    quantiles: Tensor
    mean_squares: Tensor

    def __init__(self, parts: Sequence[int], noises: int, width: int = 32) -> None:
        super().__init__()
        latent = sum(parts)
        self.configuration = {"parts": list(parts), "noises": noises, "width": width}
        self.parts = tuple(parts)
        self.register_buffer("centre", torch.zeros(latent + noises))
        self.register_buffer("spread", torch.ones(latent + noises))
        self.register_buffer("axes", torch.eye(latent))
        self.register_buffer("usual", torch.ones(()))
        self.register_buffer("quantiles", torch.linspace(-3, 3, N_QUANTILES).repeat(len(parts) + 1, 1))
        self.register_buffer("mean_squares", torch.ones(len(self.parts)))
        self.uncertainty = _network(latent + noises, latent, width)
        self.typical = _network(latent + 2 * noises, 2 * len(parts), width)

    def known(self, latents: Latents, noise: Noise) -> Tensor:
        """What is known of maps, in units of what it was for those learnt from; (n, latent + noises).

        Where the noise of a map is not known (NaN), it is taken to be as usual.
        """
        both = torch.from_numpy(np.concatenate([latents, noise], axis=1).astype(np.float32))
        units: Tensor = ((both - self.centre) / self.spread).nan_to_num(0.0).clamp(-6, 6)
        return units

    def log_variance(self, known: Tensor) -> Tensor:
        """Of each number along the axes, shape (n, latent)."""
        found: Tensor = torch.logaddexp(self.uncertainty(known), torch.tensor(LEAST_LOG_VARIANCE))
        return found

    def log_squares(self, apart: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """Logarithm of the mean square of differences (n, latent), shape (n, n_parts).

        Of the decay, or of a latent that has no parts, in units of their uncertainty there. Of the texture, in units of
        what it is for repeats anywhere: it is shrunk by the noise of the map already, and zero for most.
        """
        variance = torch.logaddexp(self.log_variance(first), self.log_variance(second))
        square = (apart @ self.axes) ** 2 / variance.exp()
        means = [part.mean(dim=1) for part in square.split(self.parts, dim=1)]
        plain = [part.square().mean(dim=1) for part in apart.split(self.parts, dim=1)]
        means[1:] = [each / unit for each, unit in zip(plain[1:], self.mean_squares[1:], strict=True)]
        least = torch.tensor([LEAST_SQUARE, *[LEAST_SQUARE_OF_TEXTURE] * (len(self.parts) - 1)])
        return torch.log(torch.stack(means, dim=1) + least)

    def expected(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Mean of `log_squares` for repeats, and the logarithm of its scatter, shape (n, n_parts) each.

        That of repeats of the one map or of the other, whichever is larger. What lies between the two need not be a
        place where maps are: there is none between an avalanche and its stationary twin.
        """
        noise = (first - second)[:, sum(self.parts) :].abs()
        of_each = [self.typical(torch.cat([one, noise], dim=1)).chunk(2, dim=1) for one in (first, second)]
        (middle, log_scatter), (other, other_scatter) = of_each
        larger = middle >= other
        log_scatter = torch.where(larger, log_scatter, other_scatter)
        middle = torch.where(larger, middle, other)
        return middle, torch.logaddexp(log_scatter, torch.tensor(LEAST_LOG_SCATTER))

    @torch.inference_mode()
    def compare(self, latents: Latents, noise: Noise, others: Latents, their_noise: Noise) -> Comparison:
        """Compare maps with others, one by one: latents (n, 64) and noise (n, noises) of either."""
        first, second = self.known(latents, noise), self.known(others, their_noise)
        apart = torch.from_numpy(np.asarray(latents - others, dtype=np.float32))
        found = self.log_squares(apart, first, second)
        middle, log_scatter = self.expected(first, second)
        scatter = log_scatter.exp()
        distance = (found - middle).exp().mean(dim=1).sqrt() / self.usual
        values = (distance, (found - middle) / scatter, scatter)
        return Comparison(*(each.numpy().astype(np.float64) for each in values))

    def probability(self, surprise: FloatArray) -> FloatArray:
        """Probability that a repeat is as surprisingly far away or farther in any part; (n, n_parts) to (n,)."""
        return self._beyond(-1, self.rareness(surprise))

    def rareness(self, surprise: FloatArray) -> FloatArray:
        """How seldom the most surprising part of repeats is as far away, as a logarithm; (n, n_parts) to (n,)."""
        each = [self._beyond(part, surprise[:, part]) for part in range(len(self.parts))]
        return np.asarray(-np.log(np.min(each, axis=0)))

    def _beyond(self, row: int, values: FloatArray) -> FloatArray:
        """Share of known repeats beyond values (n,), by a row of the quantiles.

        Beyond the farthest of them it falls exponentially, as it does before.
        """
        steps = self.quantiles[row].numpy().astype(np.float64)
        levels = (np.arange(len(steps)) + 0.5) / len(steps)
        before = -1 - len(steps) // 50
        decay = np.log((1 - levels[before]) / (1 - levels[-1])) / max(steps[-1] - steps[before], 1e-6)
        outside = (1 - levels[-1]) * np.exp(-decay * np.maximum(values - steps[-1], 0))
        found = np.where(values > steps[-1], outside, 1 - np.interp(values, steps, levels))
        return np.asarray(np.clip(found, LEAST_PROBABILITY, 1.0))


def _network(n_in: int, n_out: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(n_in, width), nn.GELU(), nn.Dropout(0.1), nn.Linear(width, width), nn.GELU(), nn.Linear(width, n_out)
    )
