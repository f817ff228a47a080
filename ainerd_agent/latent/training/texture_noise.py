"""Teaching the architecture "ages" how strong the noise in the texture of a map is, from maps whose noise is known.

Of simulated maps it is known; of real ones it is what they differ in from those of their group that share no frame
with them. Too low an estimate lets noise pass for dynamics, so that a quantile of what is likely is learnt, and a high
one for real maps: they are stationary, most of them, and their repeats lie together then.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ainerd_agent.latent.ages_autoencoder import AgesAutoencoder
from ainerd_agent.latent.training.age_lessons import PairImages, RealImages

STEPS, STEPS_PER_PAIR = 900, 5
"""Of the training: as many, or fewer where there are so few pairs that more would learn them by heart."""

SIMULATED_PER_STEP, REAL_PER_STEP = 512, 256
LEARNING_RATE = 2e-3
"""Highest of the one-cycle schedule."""

WEIGHT_DECAY = 1e-2

SIMULATED_QUANTILE, REAL_QUANTILE = 0.6, 0.98
"""Of the noise that is likely: what is taken for the noise of a map."""

LEAST_POWER = 1e-8
"""Of noise, in units of a usual texture: less is rounding."""


@torch.random.fork_rng(devices=())  # the caller's random numbers go on as they were
def learn_noise(
    model: AgesAutoencoder, pairs: PairImages, real: RealImages | None, *, steps: int | None = None, seed: int = 0
) -> list[float]:
    """Train the noise network of the texture, whose directions must be fixed already.

    Parameters
    ----------
    model : AgesAutoencoder
        Changed in place.
    pairs : PairImages
    real : RealImages or None
    steps : int, optional
        By default as many as the pairs are worth.

    Returns
    -------
    list of float
        Loss of each step.
    """
    torch.manual_seed(seed)
    steps = min(STEPS, STEPS_PER_PAIR * len(pairs)) if steps is None else steps
    rng = np.random.default_rng([seed, 1])
    network = model.texture.noise
    optimiser = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps)
    kinds = [_Known(pairs.noisy, pairs.noise, SIMULATED_PER_STEP, SIMULATED_QUANTILE)]
    if real is not None and len(real.residuals):
        known = np.isfinite(real.others).all(axis=1)
        kinds.append(_Known(real.images[known], real.residuals, REAL_PER_STEP, REAL_QUANTILE))
    losses = []
    network.train()
    for _ in range(steps):
        loss = torch.zeros(())
        for kind in kinds:
            loss = loss + noise_loss(model, *kind.drawn(rng), kind.quantile)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
    network.eval()
    return losses


def noise_loss(model: AgesAutoencoder, images: Tensor, noise: Tensor, quantile: float) -> Tensor:
    """How badly the logarithm of the noise is known, of images and their noise (n, n_values); least at the quantile."""
    view = model.image
    power = model.texture.raw(view.texture(noise)).square().mean(dim=1)
    short = torch.log(power + LEAST_POWER) - model.texture.log_noise(view.texture(images), model.profile(images))
    loss: Tensor = torch.maximum(quantile * short, (quantile - 1) * short).mean()
    return loss


class _Known:
    """Images of one kind, and their noise."""

    def __init__(self, images: NDArray[np.float32], noise: NDArray[np.float32], n: int, quantile: float) -> None:
        self._images, self._noise = (each.reshape(-1, each.shape[-1]) for each in (images, noise))
        self._n, self.quantile = n, quantile

    def drawn(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        rows = rng.integers(0, len(self._images), self._n)
        return torch.from_numpy(self._images[rows]), torch.from_numpy(self._noise[rows])
