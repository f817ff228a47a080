"""Training an autoencoder on scaled maps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ainerd_agent.latent.autoencoder import PaperAutoencoder

HalfMaps = NDArray[np.float16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """Progress after one epoch: mean squared errors, and maps per second of training."""

    number: int
    training_error: float
    validation_error: float
    maps_per_second: float


def train(
    maps: HalfMaps,
    targets: HalfMaps,
    validation: tuple[HalfMaps, HalfMaps],
    *,
    epochs: int,
    batch: int = 16,
    learning_rate: tuple[float, float] = (1e-4, 1e-3),
    seed: int = 0,
    on_epoch: Callable[[Epoch, PaperAutoencoder], None] | None = None,
) -> PaperAutoencoder:
    """Train the paper's autoencoder.

    As in the paper: mean squared error, Adam, a cyclic learning rate (triangular2) that rises and falls over six epochs
    each (over half the run where that is shorter). Where the noise-free map is known (simulations), it is the target,
    so that nothing is won by encoding the noise.

    Parameters
    ----------
    maps, targets : ndarray of float16, shape (n, 256, 256)
        Scaled maps, and what they shall be reconstructed to.
    validation : tuple of ndarray
        The same of other experiments.
    on_epoch : callable, optional
        Called after each epoch, for progress, checkpoints and early looks.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = PaperAutoencoder()
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(model.parameters(), lr=learning_rate[0])
    steps = len(maps) // batch
    rise = max(1, min(6, epochs // 2) * steps)
    schedule = torch.optim.lr_scheduler.CyclicLR(
        optimiser, *learning_rate, step_size_up=rise, mode="triangular2", cycle_momentum=False
    )
    for number in range(1, epochs + 1):
        model.train()
        begun, total = time.perf_counter(), 0.0
        for chosen in rng.permutation(len(maps))[: steps * batch].reshape(steps, batch):
            chosen.sort()
            optimiser.zero_grad(set_to_none=True)
            loss = _loss(model, maps[chosen], targets[chosen], device)
            loss.backward()
            optimiser.step()
            schedule.step()
            total += float(loss.detach())
        speed = steps * batch / (time.perf_counter() - begun)
        epoch = Epoch(
            number=number,
            training_error=total / steps,
            validation_error=_validate(model, validation, batch, device),
            maps_per_second=speed,
        )
        if on_epoch is not None:
            on_epoch(epoch, model)
    return model.to("cpu").eval()


def _loss(model: PaperAutoencoder, maps: HalfMaps, targets: HalfMaps, device: str) -> torch.Tensor:
    inputs = torch.from_numpy(maps.astype(np.float32))[:, None].to(device, memory_format=torch.channels_last)
    wanted = torch.from_numpy(targets.astype(np.float32))[:, None].to(device)
    with torch.autocast(device, dtype=torch.bfloat16):
        reconstructed = model(inputs)
    return nn.functional.mse_loss(reconstructed.float(), wanted)


@torch.no_grad()
def _validate(model: PaperAutoencoder, validation: tuple[HalfMaps, HalfMaps], batch: int, device: str) -> float:
    model.eval()
    maps, targets = validation
    errors = [
        float(_loss(model, maps[start : start + batch], targets[start : start + batch], device))
        * len(maps[start : start + batch])
        for start in range(0, len(maps), batch)
    ]
    return sum(errors) / len(maps)
