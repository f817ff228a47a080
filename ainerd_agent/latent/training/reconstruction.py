"""Training an autoencoder to reconstruct maps; it goes on where it was stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ainerd_agent.errors import ModelError
from ainerd_agent.latent.paper_autoencoder import PaperAutoencoder
from ainerd_agent.latent.training.batches import Numbers, TrainingMaps
from ainerd_agent.latent.training.checkpoint import Recipe, load_checkpoint, save_checkpoint
from ainerd_agent.records import MapStack

RISE_EPOCHS = 6
"""Epochs over which the learning rate rises, and falls again (paper)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """Progress after one epoch: mean squared errors, and maps per second of training."""

    number: int
    training_error: float
    validation_error: float
    maps_per_second: float


@torch.random.fork_rng(devices=())  # the caller's random numbers go on as they were
def train(
    network: PaperAutoencoder,
    maps: TrainingMaps,
    validation: TrainingMaps,
    *,
    epochs: int,
    batch: int = 32,
    learning_rate: tuple[float, float] = (1e-4, 1e-3),
    seed: int = 0,
    checkpoint: Path | None = None,
    on_epoch: Callable[[Epoch, PaperAutoencoder], None] | None = None,
    on_batch: Callable[[int, int], None] | None = None,
) -> list[Epoch]:
    """Train a network to reconstruct.

    As in the paper: mean squared error, Adam, a cyclic learning rate (triangular2) that rises and falls over six epochs
    each (over half the run where that is shorter). Where the noise-free map is known (simulations), it is the target,
    so that nothing is won by encoding the noise. On a GPU it computes in mixed precision.

    Parameters
    ----------
    network : PaperAutoencoder
        Changed in place.
    maps, validation : TrainingMaps
        The validation is of other experiments.
    checkpoint : Path, optional
        Written after each epoch. Where it is there already, training goes on from it, as if it had never stopped.
    on_epoch : callable, optional
        Called after each epoch, for progress and early looks.
    on_batch : callable, optional
        Called with the maps done and to do in this epoch.

    Returns
    -------
    list of Epoch
        Those before the checkpoint included.

    Raises
    ------
    ModelError
        A checkpoint of another training.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(network.parameters(), lr=learning_rate[0])
    steps = len(maps) // batch
    if steps == 0:
        raise ModelError(
            f"{len(maps)} maps do not fill one batch of {batch}: give more maps or ask for smaller batches"
        )
    rise = max(1, min(RISE_EPOCHS, epochs // 2) * steps)
    schedule = torch.optim.lr_scheduler.CyclicLR(
        optimiser, *learning_rate, step_size_up=rise, mode="triangular2", cycle_momentum=False
    )
    recipe: Recipe = {"epochs": epochs, "batch": batch, "rates": list(learning_rate), "seed": seed, "maps": len(maps)}
    history: list[Epoch] = []
    if checkpoint is not None and checkpoint.exists():
        history = [Epoch(**epoch) for epoch in load_checkpoint(checkpoint, network, optimiser, schedule, recipe=recipe)]
    for number in range(len(history) + 1, epochs + 1):
        # Each epoch has random numbers of its own, so that one after a checkpoint is what it would have been.
        rng = np.random.default_rng([seed, number])
        torch.manual_seed(int(rng.integers(2**31)))
        network.train()
        begun = time.perf_counter()
        chosen = rng.permutation(len(maps))[: steps * batch].reshape(steps, batch)
        error = _train_epoch(network, optimiser, schedule, _drawn(maps, chosen, rng, on_batch), device)
        epoch = Epoch(
            number=number,
            training_error=error,
            maps_per_second=steps * batch / (time.perf_counter() - begun),
            validation_error=_validate(network, validation, batch, device),
        )
        history.append(epoch)
        if checkpoint is not None:
            so_far = [asdict(each) for each in history]
            save_checkpoint(checkpoint, network, optimiser, schedule, recipe=recipe, history=so_far)
        if on_epoch is not None:
            on_epoch(epoch, network)
    network.to("cpu").eval()
    return history


def _drawn(
    maps: TrainingMaps, chosen: Numbers, rng: np.random.Generator, on_batch: Callable[[int, int], None] | None
) -> Iterator[tuple[MapStack, MapStack]]:
    """Maps and targets of each batch (steps, batch); it is counted when the next one is asked for."""
    for done, batch in enumerate(chosen, 1):
        yield maps.draw(batch, rng)
        if on_batch is not None:
            on_batch(done * chosen.shape[1], chosen.size)


def _train_epoch(
    network: PaperAutoencoder,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    batches: Iterable[tuple[MapStack, MapStack]],
    device: str,
) -> float:
    """One step for each batch; the mean error."""
    losses = []
    for maps, targets in batches:
        optimiser.zero_grad(set_to_none=True)
        loss = _loss(network, maps, targets, device)
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
    return float(np.mean(losses))


def _loss(network: PaperAutoencoder, maps: MapStack, targets: MapStack, device: str) -> Tensor:
    inputs = torch.from_numpy(maps)[:, None].to(device, memory_format=torch.channels_last)
    wanted = torch.from_numpy(targets)[:, None].to(device)
    # Processors without instructions for it emulate half precision, eight times as slow as single.
    with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
        return network.loss(inputs, wanted)


@torch.no_grad()
def _validate(network: PaperAutoencoder, validation: TrainingMaps, batch: int, device: str) -> float:
    network.eval()
    total = 0.0
    for chosen in np.array_split(np.arange(len(validation)), -(-len(validation) // batch)):
        total += len(chosen) * float(_loss(network, *validation.draw(chosen, None), device))
    return total / len(validation)
