"""Learning how far apart repeats fall, from simulated repeats and real ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ainerd_agent.errors import MapError
from ainerd_agent.latent.clusters import Latents
from ainerd_agent.latent.repeats import N_QUANTILES, Noise, RepeatModel
from ainerd_agent.records import FloatArray

SHARES = (0.5, 0.3, 0.2)
"""Of the dynamics: those that uncertainties are learnt from, that distances in these units are, and that the rest is
compared with. Each would be too sure of itself on what the one before has seen."""

STEPS, RATE, DECAY = 500, 3e-3, 5e-2
PAIRS_PER_STEP = 256
FREEDOM = 5.0
"""Degrees of freedom of the t distribution that differences are fitted by: some repeats are none."""


@dataclass(frozen=True, slots=True, eq=False)
class RepeatPairs:
    """Pairs of measurements of the same dynamics.

    Attributes
    ----------
    first, second : ndarray, shape (n, 64)
        Latents.
    first_noise, second_noise : ndarray, shape (n, noises)
    dynamics : ndarray of int, shape (n,)
        Whose repeats they are, or of which experiment: pairs of one are never parted.
    """

    first: Latents
    second: Latents
    first_noise: Noise
    second_noise: Noise
    dynamics: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.first)

    def select(self, chosen: NDArray[np.bool_]) -> RepeatPairs:
        """Some of them."""
        return RepeatPairs(
            self.first[chosen], self.second[chosen], self.first_noise[chosen], self.second_noise[chosen],
            self.dynamics[chosen],
        )  # fmt: skip

    def shares(self, rng: np.random.Generator) -> list[RepeatPairs]:
        """Split by `SHARES`, at random."""
        names = rng.permutation(np.unique(self.dynamics))
        bounds = np.round(np.cumsum(SHARES)[:-1] * len(names)).astype(int)
        return [self.select(np.isin(self.dynamics, some)) for some in np.split(names, bounds)]


def learn_repeats(
    sources: Sequence[RepeatPairs], *, parts: Sequence[int] | None = None, steps: int = STEPS, seed: int = 0
) -> RepeatModel:
    """Fit a model to pairs of repeats; each source, such as simulated and real ones, counts alike.

    Parameters
    ----------
    sources : sequence of RepeatPairs
    parts : sequence of int, optional
        Lengths of the parts of a latent vector, as for `RepeatModel`; by default it is one.
    steps : int
        Of each of the two networks.
    """
    rng = np.random.default_rng(seed)
    shares = [each.shares(rng) for each in sources]
    # Of fewer than three experiments, or dynamics, one share would be empty: nothing could be calibrated on others.
    shares = [each for each in shares if all(len(share.first) for share in each)]
    if not shares:
        raise MapError("distances of repeats are learnt from three dynamics or experiments at least")
    n_latents, n_noises = sources[0].first.shape[1], sources[0].first_noise.shape[1]
    with torch.random.fork_rng(devices=()):  # the caller's random numbers go on as they were
        torch.manual_seed(seed)
        model = RepeatModel(parts or (n_latents,), n_noises)
        _fix_units(model, [each[0] for each in shares])
        _fit(model, model.uncertainty, [each[0] for each in shares], _uncertainty_loss, rng, steps)
        _fit(model, model.typical, [each[1] for each in shares], _distance_loss, rng, steps)
    model.eval()
    _keep_quantiles(model, [each[2] for each in shares])
    return model


@torch.no_grad()
def _fix_units(model: RepeatModel, sources: Sequence[RepeatPairs]) -> None:
    each = [
        np.concatenate([np.concatenate([p.first, p.first_noise], 1), np.concatenate([p.second, p.second_noise], 1)])
        for p in sources
    ]
    centre = np.mean([part.mean(axis=0) for part in each], axis=0)
    spread = np.sqrt(np.mean([((part - centre) ** 2).mean(axis=0) for part in each], axis=0)) + 1e-6
    model.centre.copy_(torch.from_numpy(centre))
    model.spread.copy_(torch.from_numpy(spread))
    _fix_axes(model, sources)


@torch.no_grad()
def _fix_axes(model: RepeatModel, sources: Sequence[RepeatPairs]) -> None:
    """Axes of each part along which differences of repeats are independent, and of one size on average."""
    model.axes.zero_()
    first = 0
    for number, length in enumerate(model.parts):
        own = slice(first, first + length)
        scatter = np.zeros((length, length))
        for pairs in sources:
            apart = (pairs.first - pairs.second)[:, own].astype(np.float64)
            apart /= np.sqrt(np.maximum((apart**2).mean(axis=1, keepdims=True), 1e-12))  # loud ones do not decide alone
            scatter += apart.T @ apart / len(apart)
        values, vectors = np.linalg.eigh(scatter / len(sources))
        white = vectors / np.sqrt(np.maximum(values, 1e-4 * values.max()))
        model.axes[own, own] = torch.from_numpy(white.astype(np.float32))
        model.mean_squares[number] = float(np.mean([((p.first - p.second)[:, own] ** 2).mean() for p in sources]))
        first = own.stop


def _fit(
    model: RepeatModel,
    part: torch.nn.Module,
    sources: Sequence[RepeatPairs],
    loss_of: Callable[[RepeatModel, Tensor, Tensor, Tensor], Tensor],
    rng: np.random.Generator,
    steps: int,
) -> None:
    known = [(model.known(p.first, p.first_noise), model.known(p.second, p.second_noise)) for p in sources]
    apart = [torch.from_numpy(np.asarray(p.first - p.second, dtype=np.float32)) for p in sources]
    optimiser = torch.optim.AdamW(part.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    model.eval()
    part.train()
    for _ in range(steps):
        loss = torch.zeros(())
        for (first, second), difference in zip(known, apart, strict=True):
            rows = torch.from_numpy(rng.integers(0, len(difference), PAIRS_PER_STEP))
            loss = loss + loss_of(model, difference[rows], first[rows], second[rows])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
    model.eval()


def _uncertainty_loss(model: RepeatModel, apart: Tensor, first: Tensor, second: Tensor) -> Tensor:
    log_variance = torch.logaddexp(model.log_variance(first), model.log_variance(second))
    square = (apart @ model.axes) ** 2
    loss: Tensor = log_variance + (FREEDOM + 1) * torch.log1p(square / log_variance.exp() / FREEDOM)
    return loss.mean()


def _distance_loss(model: RepeatModel, apart: Tensor, first: Tensor, second: Tensor) -> Tensor:
    with torch.no_grad():
        found = model.log_squares(apart, first, second)
    middle, log_scatter = model.expected(first, second)
    surprise = (found - middle) / log_scatter.exp()
    loss: Tensor = 2 * log_scatter + (FREEDOM + 1) * torch.log1p(surprise**2 / FREEDOM)
    return loss.mean()


@torch.no_grad()
def _keep_quantiles(model: RepeatModel, sources: Sequence[RepeatPairs]) -> None:
    found = [model.compare(p.first, p.first_noise, p.second, p.second_noise) for p in sources]
    weight = np.concatenate([np.full(len(each.distance), 1 / len(each.distance) / len(found)) for each in found])
    model.usual.fill_(float(_quantiles(np.concatenate([each.distance for each in found]), weight, np.array([0.5]))[0]))
    levels = (np.arange(N_QUANTILES) + 0.5) / N_QUANTILES
    surprise = np.concatenate([each.surprise for each in found])
    for part, values in enumerate(surprise.T):
        model.quantiles[part] = torch.from_numpy(_quantiles(values, weight, levels))
    model.quantiles[-1] = torch.from_numpy(_quantiles(model.rareness(surprise), weight, levels))


def _quantiles(values: FloatArray, weight: FloatArray, levels: FloatArray) -> FloatArray:
    order = np.argsort(values)
    return np.interp(levels, np.cumsum(weight[order]) - weight[order] / 2, values[order])
