"""Learning the kind of dynamics from latents of simulated maps, and how sure to be of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from torch import nn

from ainerd_agent.latent.clusters import Latents
from ainerd_agent.latent.kinds import KindModel
from ainerd_agent.latent.repeats import Noise
from ainerd_agent.records.analysis import KINDS

TRAINED_SHARE = 0.75
"""Of the dynamics; the others say how sure to be."""

STEPS, RATE, DECAY = 600, 3e-3, 3e-2
MAPS_PER_STEP = 512
TEMPERATURES = np.geomspace(0.5, 4, 60)
FARTHEST = 0.995
"""Share of known maps that are not too far from what was learnt from."""


@dataclass(frozen=True, slots=True, eq=False)
class KindLessons:
    """Maps whose kind is known.

    Attributes
    ----------
    latents : ndarray, shape (n, 64)
    noise : ndarray, shape (n, noises)
    kind : ndarray of int, shape (n,)
        Number in `KINDS`.
    dynamics : ndarray of int, shape (n,)
        Maps of the same dynamics are never parted.
    """

    latents: Latents
    noise: Noise
    kind: NDArray[np.int64]
    dynamics: NDArray[np.int64]

    def select(self, chosen: NDArray[np.bool_]) -> KindLessons:
        """Some of them."""
        return KindLessons(self.latents[chosen], self.noise[chosen], self.kind[chosen], self.dynamics[chosen])


def learn_kinds(lessons: KindLessons, *, seed: int = 0) -> KindModel:
    """Fit a classifier in which each kind is as likely beforehand, and calibrate it on dynamics not seen."""
    rng = np.random.default_rng(seed)
    names = rng.permutation(np.unique(lessons.dynamics))
    seen = np.isin(lessons.dynamics, names[: round(TRAINED_SHARE * len(names))])
    known, apart = lessons.select(seen), lessons.select(~seen)
    with torch.random.fork_rng(devices=()):  # the caller's random numbers go on as they were
        torch.manual_seed(seed)
        model = KindModel(known.latents.shape[1], known.noise.shape[1])
        both = np.concatenate([known.latents, known.noise], axis=1)
        model.centre.copy_(torch.from_numpy(both.mean(axis=0)))
        model.spread.copy_(torch.from_numpy(both.std(axis=0) + 1e-6))
        _fit(model, known, rng)
    model.eval()
    model.temperature.fill_(_temperature(model, apart))
    _keep_references(model, known, apart, seed)
    return model


def kind_weights(kind: NDArray[np.int64]) -> NDArray[np.float32]:
    """Of each map, such that each kind weighs as much, one on average; shape (n,)."""
    count = np.bincount(kind, minlength=len(KINDS))
    return (len(kind) / np.count_nonzero(count) / np.maximum(count, 1))[kind].astype(np.float32)


def _fit(model: KindModel, lessons: KindLessons, rng: np.random.Generator) -> None:
    optimiser = torch.optim.AdamW(model.network.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS)
    weight, kind = torch.from_numpy(kind_weights(lessons.kind)), torch.from_numpy(lessons.kind)
    model.train()
    for _ in range(STEPS):
        rows = rng.integers(0, len(kind), MAPS_PER_STEP)
        scores = model.scores(lessons.latents[rows], lessons.noise[rows])
        each = nn.functional.cross_entropy(scores, kind[rows], reduction="none")
        loss = (weight[rows] * each).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()


@torch.inference_mode()
def _temperature(model: KindModel, lessons: KindLessons) -> float:
    """The one by which what really is the case was most probable (Guo et al., ICML 2017)."""
    scores, kind = model.scores(lessons.latents, lessons.noise), torch.from_numpy(lessons.kind)
    weight = torch.from_numpy(kind_weights(lessons.kind))
    loss = [
        float((weight * nn.functional.cross_entropy(scores / each, kind, reduction="none")).mean())
        for each in TEMPERATURES
    ]
    return float(TEMPERATURES[int(np.argmin(loss))])


def _keep_references(model: KindModel, known: KindLessons, apart: KindLessons, seed: int) -> None:
    wanted = len(model.references)
    centres = known.latents[:wanted]
    if len(known.latents) > wanted:
        centres = KMeans(wanted, n_init=1, random_state=seed).fit(known.latents).cluster_centers_.astype(np.float32)
    model.references[:] = torch.from_numpy(np.resize(centres, model.references.shape))
    model.farthest.fill_(float(np.quantile(model.distance(apart.latents), FARTHEST)))
