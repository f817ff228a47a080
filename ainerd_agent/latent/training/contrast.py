"""Teaching a model, by contrast, that maps of one dynamics belong together whatever their noise.

A repeat of a measurement has the same dynamics and other noise. Of many dynamics, what each looks like without noise
(the truth of a simulation, or the mean of the repeats) asks for its repeats among those of all others: they should be
the nearest. The loss is the cross-entropy of that choice with the softmax of minus the squared distance (neighbourhood
components, Goldberger et al., NeurIPS 2004; with a mean as the partner, Snell et al., NeurIPS 2017), both ways.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from ainerd_agent.errors import MapError
from ainerd_agent.latent.lag_autoencoder import LagAutoencoder, diagonal_means
from ainerd_agent.latent.training.checkpoint import Recipe, load_checkpoint, save_checkpoint

Profiles = NDArray[np.float32]

DYNAMICS_PER_STEP = 512
"""Dynamics among which each repeat has to find its own."""

REPEATS_PER_STEP = 4
"""Repeats of each of these dynamics."""

MIN_REPEATS = 3
"""Repeats of one dynamics whose mean can stand for the truth."""

STEPS_PER_CHECKPOINT = 100
"""Steps from one checkpoint to the next."""

LEARNING_RATE = 2e-3
"""Highest rate of the one-cycle schedule."""

WEIGHT_DECAY = 1e-2
"""Of AdamW."""


@dataclass(frozen=True, slots=True, eq=False)
class Repeats:
    """Profiles of many dynamics, with and without noise.

    Attributes
    ----------
    clean : ndarray of float32, shape (n_dynamics, n_lags)
    noisy : ndarray of float32, shape (n, n_lags)
    members : list of ndarray of int
        Of each dynamics, its rows of `noisy`; one or more.
    weight : float
        Of their loss.
    """

    clean: Profiles
    noisy: Profiles
    members: list[NDArray[np.int64]]
    weight: float = 1.0

    @classmethod
    def of_groups(cls, noisy: Profiles, group: ArrayLike, *, weight: float = 1.0) -> Repeats:
        """Repeats of which each group's mean stands for the truth; groups of fewer than three are left out.

        Profiles are linear in the map: the mean of profiles is that of the mean map.
        """
        label = np.asarray(group)
        order = np.argsort(label, kind="stable")
        _, starts = np.unique(label[order], return_index=True)
        members = [each for each in np.split(order, starts[1:]) if len(each) >= MIN_REPEATS]
        if not members:
            raise MapError(f"no group has the {MIN_REPEATS} repeats that a model learns from")
        return cls(np.stack([noisy[each].mean(axis=0) for each in members]), noisy, members, weight)


def contrast_loss(clean: Tensor, noisy: Tensor) -> Tensor:
    """How badly each dynamics finds its repeats, and each repeat its dynamics.

    Parameters
    ----------
    clean : Tensor, shape (n, d)
    noisy : Tensor, shape (n, r, d)
    """
    n, repeats, length = noisy.shape
    squared = torch.cdist(clean, noisy.reshape(n * repeats, length)) ** 2
    own = torch.arange(n, device=clean.device)
    of_dynamics = torch.log_softmax(-squared, dim=1).view(n, n, repeats)[own, own].mean()
    return nn.functional.cross_entropy(-squared.T, own.repeat_interleave(repeats)) - of_dynamics


@torch.random.fork_rng(devices=())  # the caller's random numbers go on as they were
def train_decay(
    model: LagAutoencoder,
    sets: Sequence[Repeats],
    *,
    steps: int = 1000,
    rate: float = LEARNING_RATE,
    seed: int = 0,
    fix_units: bool = True,
    checkpoint: Path | None = None,
    on_step: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Train the numbers of the decay, and fix the units of the profile.

    More steps than a thousand learn the experiments by heart: on maps of others, retrieval gets no better.

    Parameters
    ----------
    model : LagAutoencoder
        Changed in place.
    sets : sequence of Repeats
        Kinds of maps (real, simulated). The model learns to distinguish maps within a set. Maps of different sets
        are not compared: their noise alone would give them away.
    rate : float
        Highest learning rate.
    fix_units : bool
        Take the units of the profile from these maps; not where a trained model is only refined.
    checkpoint : Path, optional
        File that is written every hundred steps. Where it is there already, its training goes on.
    on_step : callable, optional
        Called with the number of the step and its loss.

    Returns
    -------
    list of float
        Loss of each step.

    Raises
    ------
    ModelError
        A checkpoint of another training.
    """
    if fix_units:
        centre, spread = _units(sets)
        model.centre.copy_(torch.from_numpy(centre))
        model.spread.copy_(torch.from_numpy(spread))
    parameters = [*model.decay.parameters(), *model.decay_line.parameters()]
    optimiser = torch.optim.AdamW(parameters, rate, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    recipe: Recipe = {"steps": steps, "rate": rate, "seed": seed, "repeats": [len(each.noisy) for each in sets]}
    losses: list[float] = []
    if checkpoint is not None and checkpoint.exists():
        losses = load_checkpoint(checkpoint, model, optimiser, schedule, recipe=recipe)
    model.train()
    for step in range(len(losses) + 1, steps + 1):
        if step % STEPS_PER_CHECKPOINT == 1:
            # Each part has random numbers of its own, so that one after a checkpoint is what it would have been.
            rng = np.random.default_rng([seed, step])
            torch.manual_seed(int(rng.integers(2**31)))
        loss = torch.zeros(())
        for each in sets:
            clean, noisy = (torch.from_numpy(part) for part in _drawn(each, rng))
            numbers = model.encode_profile((noisy - model.centre) / model.spread)
            asked = model.encode_profile((clean - model.centre) / model.spread)
            loss = loss + each.weight * contrast_loss(asked, numbers)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
        if checkpoint is not None and step % STEPS_PER_CHECKPOINT == 0:
            save_checkpoint(checkpoint, model, optimiser, schedule, recipe=recipe, history=losses)
        if on_step is not None:
            on_step(step, losses[-1])
    model.eval()
    return losses


def raw_profiles(model: LagAutoencoder, scaled: NDArray[np.floating]) -> Profiles:
    """Means of scaled maps in the bins of lags, not in any units of spread; (n, 256, 256) to (n, n_lags).

    Scale the maps with their contrast where it is known, and with `clip=False`.
    """
    with torch.inference_mode():
        parts = [
            diagonal_means(torch.from_numpy(scaled[first : first + 64].astype(np.float32))) @ model.lag_bins.T
            for first in range(0, len(scaled), 64)
        ]
        return torch.cat(parts).numpy()


def _units(sets: Sequence[Repeats]) -> tuple[Profiles, Profiles]:
    """Mean and spread of the noisy profiles, each set counting by its weight; (n_lags,) each."""
    share = np.array([each.weight for each in sets])[:, None] / sum(each.weight for each in sets)
    mean = np.stack([each.noisy.mean(axis=0) for each in sets])
    variance = np.stack([each.noisy.var(axis=0) for each in sets])
    centre = (share * mean).sum(axis=0)
    spread = np.sqrt((share * (variance + (mean - centre) ** 2)).sum(axis=0)) + 1e-6
    return centre.astype(np.float32), spread.astype(np.float32)


def _drawn(repeats: Repeats, rng: np.random.Generator) -> tuple[Profiles, Profiles]:
    """Some dynamics (g, n_lags), and some repeats of each (g, r, n_lags); one that has fewer gives some twice."""
    chosen = rng.choice(len(repeats.members), min(DYNAMICS_PER_STEP, len(repeats.members)), replace=False)
    most = min(REPEATS_PER_STEP, max(len(repeats.members[number]) for number in chosen))
    rows = np.stack([np.resize(rng.permutation(repeats.members[number]), most) for number in chosen])
    return repeats.clean[chosen], repeats.noisy[rows]
