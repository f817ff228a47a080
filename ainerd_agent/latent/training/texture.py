"""Maps and latents that the texture of a `LagAutoencoder` is made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ainerd_agent.latent.lag_autoencoder import LagAutoencoder, coarse
from ainerd_agent.latent.training.batches import TrainingMaps

TEXTURE_MAPS = 4000
"""Maps of each kind, at most, that the components of the texture are found in."""

MAPS_AT_A_TIME = 100


def coarse_truths(kinds: Sequence[TrainingMaps], seed: int) -> NDArray[np.float32]:
    """Coarse maps with little noise, at most so many of each kind; (n, 4096)."""
    rng = np.random.default_rng(seed)
    parts = []
    for maps in kinds:
        for few in _some_at_a_time(rng.permutation(len(maps))[:TEXTURE_MAPS]):
            parts.append(coarse(torch.from_numpy(maps.draw(few, rng)[1])[:, None]).numpy())
    return np.concatenate(parts)


def latents_of(network: LagAutoencoder, maps: TrainingMaps) -> NDArray[np.float32]:
    """Latents of maps, (n, latent)."""
    with torch.inference_mode():
        return np.concatenate(
            [
                network.encode(torch.from_numpy(maps.draw(few, None)[0])[:, None]).numpy()
                for few in _some_at_a_time(np.arange(len(maps)))
            ]
        )


def _some_at_a_time(numbers: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return np.array_split(numbers, -(-len(numbers) // MAPS_AT_A_TIME))
