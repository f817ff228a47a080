"""Teaching the architecture "ages" which maps are repeats of one another, and to draw.

The *decay* learns by contrast from real maps, each with the mean of those of its group that share no frame with it, and
from simulated ones with their truth. Distances are squared, as in `ainerd_agent.latent.training.contrast`.

The *texture*, and the components that maps are drawn on, are fixed before (`age_units`, `texture_noise`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ainerd_agent.latent.ages_autoencoder import AgesAutoencoder
from ainerd_agent.latent.short_lags import N_SHORT
from ainerd_agent.latent.training.age_lessons import Images, PairImages, RealImages
from ainerd_agent.latent.training.checkpoint import Recipe, load_checkpoint, save_checkpoint
from ainerd_agent.latent.training.contrast import STEPS_PER_CHECKPOINT, contrast_loss

SHARE = 1.4
"""How far apart a usual texture and none are, in units of the root mean square of the decay's numbers. With more, pairs
of the same g2 are distinguished more surely, and real, mostly stationary maps are found less well."""

PAIRS_PER_STEP = 160
GROUPS_PER_STEP = 384
LEARNING_RATE = 1.5e-3
"""Highest of the one-cycle schedule."""

WEIGHT_DECAY = 1e-2

SIMULATED_DECAY, DRAWING = 0.3, 1.0
"""Weights of the parts of the loss; that of the decay of real maps is 1."""

OTHER_NOISE = 0.5
"""Share of the simulated measurements that get the noise of the other of their pair, of any strength."""

MIXED_GROUPS = 0.5
"""Share of the real pairs that are mixed with another: a sum of two maps is a map, of a sample of two regions."""


@dataclass(frozen=True, slots=True, eq=False)
class AgeLessons:
    """What is learnt from.

    Attributes
    ----------
    pairs : PairImages
    real : RealImages or None
    drawn : ndarray, shape (n_pairs, 2, n_components)
        What the truth of each shall be drawn by, each component in units of its spread.
    drawn_weight : ndarray, shape (n_components,)
        Variance of the components, as a share of all.
    """

    pairs: PairImages
    real: RealImages | None
    drawn: Images
    drawn_weight: Images


@torch.random.fork_rng(devices=())  # the caller's random numbers go on as they were
def train_ages(
    model: AgesAutoencoder,
    lessons: AgeLessons,
    *,
    steps: int,
    rate: float = LEARNING_RATE,
    seed: int = 0,
    checkpoint: Path | None = None,
    on_step: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Train all of the network, whose units must be fixed already.

    Parameters
    ----------
    model : AgesAutoencoder
        Changed in place.
    lessons : AgeLessons
    rate : float
        Highest learning rate.
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
    optimiser = torch.optim.AdamW(model.parameters(), rate, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    n_real = 0 if lessons.real is None else len(lessons.real.images)
    recipe: Recipe = {"steps": steps, "rate": rate, "seed": seed, "pairs": len(lessons.pairs), "real": n_real}
    losses: list[float] = []
    if checkpoint is not None and checkpoint.exists():
        losses = load_checkpoint(checkpoint, model, optimiser, schedule, recipe=recipe)
    batches = _Batches(lessons)
    model.train()
    model.texture.eval()  # it does not change
    for step in range(len(losses) + 1, steps + 1):
        if step % STEPS_PER_CHECKPOINT == 1:
            # Each part has random numbers of its own, so that one after a checkpoint is what it would have been.
            rng = np.random.default_rng([seed, step])
            torch.manual_seed(int(rng.integers(2**31)))
        loss = _simulated_loss(model, lessons, *batches.simulated(rng))
        if (repeats := batches.real(rng)) is not None:
            loss = loss + _real_loss(model, *repeats)
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
    _set_share(model, lessons)
    return losses


@torch.no_grad()
def _set_share(model: AgesAutoencoder, lessons: AgeLessons) -> None:
    """Weigh the texture by how far apart decays are, of real maps where there are some."""
    images = lessons.pairs.noisy.reshape(-1, model.image.n_values) if lessons.real is None else lessons.real.images
    decay = model.encode_decay(torch.from_numpy(images))
    model.share.copy_(SHARE * (decay - decay.mean(dim=0)).square().sum(dim=1).mean().sqrt())


class _Batches:
    """Draws what one step learns from."""

    def __init__(self, lessons: AgeLessons) -> None:
        self._pairs, self._drawn = lessons.pairs, lessons.drawn
        self._real = lessons.real
        if self._real is not None:
            known = np.flatnonzero(np.isfinite(self._real.others).all(axis=1))
            order = known[np.argsort(self._real.group[known], kind="stable")]
            _, starts = np.unique(self._real.group[order], return_index=True)
            self._members = np.split(order, starts[1:]) if len(order) else []

    def simulated(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Truth (n, 2, c), measurements (n, 2, r, c), and what to draw (n, 2, d)."""
        chosen = rng.choice(len(self._pairs), min(PAIRS_PER_STEP, len(self._pairs)), replace=False)
        truth, noisy = self._pairs.truth[chosen], self._pairs.noisy[chosen].copy()
        noise = (noisy - truth[:, :, None])[:, ::-1]
        other = rng.random(noisy.shape[:3]) < OTHER_NOISE
        strength = rng.uniform(0.3, 1.3, noisy.shape[:3])[..., None].astype(np.float32)
        of_map = slice(0, noisy.shape[-1] - 2 * N_SHORT)  # what is known of short lags stays their own
        swapped = (truth[:, :, None] + strength * noise)[..., of_map]
        noisy[..., of_map] = np.where(other[..., None], swapped, noisy[..., of_map])
        drawn = self._drawn[chosen]
        return torch.from_numpy(truth), torch.from_numpy(noisy.astype(np.float32)), torch.from_numpy(drawn)

    def real(self, rng: np.random.Generator) -> tuple[Tensor, Tensor] | None:
        """Means of others (n, c), and maps (n, c), one of each group."""
        if self._real is None or len(self._members) < 2:
            return None
        groups = rng.choice(len(self._members), min(GROUPS_PER_STEP, len(self._members)), replace=False)
        rows = np.array([rng.choice(self._members[group]) for group in groups])
        others, images = self._real.others[rows], self._real.images[rows]
        share = np.where(rng.random(len(rows)) < MIXED_GROUPS, rng.uniform(0, 0.5, len(rows)), 0)[:, None]
        mate = np.roll(np.arange(len(rows)), 1)
        mixed = [(1 - share) * each + share * each[mate] for each in (others, images)]
        return torch.from_numpy(mixed[0].astype(np.float32)), torch.from_numpy(mixed[1].astype(np.float32))


def _simulated_loss(model: AgesAutoencoder, lessons: AgeLessons, truth: Tensor, noisy: Tensor, drawn: Tensor) -> Tensor:
    n, _, repeats, values = noisy.shape
    # One of each pair: the decay does not tell the two apart, and shall not try to.
    own = model.encode_decay(torch.cat([truth[:, :1], noisy[:, 0]], dim=1).view(-1, values)).view(n, 1 + repeats, -1)
    loss = SIMULATED_DECAY * contrast_loss(own[:, 0], own[:, 1:])
    images = noisy.view(-1, values)
    with torch.no_grad():
        latents = torch.cat([model.encode_decay(images), model.encode_texture(images)], dim=1)
    found = model.drawer(latents).view(n, 2, repeats, -1)
    weight = torch.from_numpy(lessons.drawn_weight)
    drawing: Tensor = ((found - drawn[:, :, None]) ** 2 * weight).sum(dim=-1).mean()
    return loss + DRAWING * drawing


def _real_loss(model: AgesAutoencoder, others: Tensor, images: Tensor) -> Tensor:
    decay = model.encode_decay(torch.cat([others, images]))
    return contrast_loss(decay[: len(others)], decay[len(others) :, None])
