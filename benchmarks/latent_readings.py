"""What can be read from latents, for `benchmarks/latent.py`: parameters, the kind of dynamics, a single avalanche."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from latent_ways import Way, age_lag_images, g2
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from ainerd_agent.latent import Encoder
from ainerd_agent.latent.encoding import Encoding
from ainerd_agent.latent.resampling import Figure, interval
from ainerd_agent.latent.same_g2 import Level, Side, draw_sides, measure, random_level
from ainerd_agent.latent.same_g2.dynamics import TIMES, by_clock, by_phase, clock_of
from ainerd_agent.latent.same_g2.pairs import Kind, log_uniform, steps
from ainerd_agent.latent.same_g2.twins import stationary_twin
from ainerd_agent.scattering.simulation.maps import SimulatedMaps

Array = NDArray[Any]
NEIGHBOURS = 9
FOLDS = 4
SUPERVISED = {
    "supervised: boosted trees on age-lag images": HistGradientBoostingClassifier(
        max_iter=100, learning_rate=0.08, max_leaf_nodes=12, l2_regularization=1.0, max_features=0.2, random_state=0
    ),
    "supervised: randomised trees on age-lag images": ExtraTreesClassifier(
        300, min_samples_leaf=2, max_features=0.3, random_state=0
    ),
}
"""The better of them is the ceiling: from few maps, boosted trees learn less than randomised ones."""

HALF = float(np.log(2) / 2)
"""Clock units of an avalanche that takes half the correlation of C2."""

UNLIKELY = 0.01
"""`repeat_probability` below which a map is no repeat."""

AVALANCHE_LEVEL = Level(pixels=1500, counts=1.0, modes=2)


def rate(r: np.random.Generator) -> tuple[Side, float]:
    """Relaxation at any rate, evenly."""
    value = log_uniform(r, 0.5, 60)
    return Side.of(by_clock(value * TIMES)), np.log(value)


def exponent(r: np.random.Generator) -> tuple[Side, float]:
    """Stretched to compressed relaxation."""
    value = r.uniform(0.4, 2)
    return Side.of(by_clock(log_uniform(r, 2, 20) * TIMES, value)), value


def ageing_rate(r: np.random.Generator) -> tuple[Side, float]:
    """A rate that falls exponentially, more or less fast."""
    value = r.uniform(0, 5)
    return Side.of(by_clock(clock_of(log_uniform(r, 5, 60) * np.exp(-value * TIMES)))), value


def avalanche_time(r: np.random.Generator) -> tuple[Side, float]:
    """One avalanche at any time."""
    value = r.uniform(0.1, 0.9)
    jump = steps(np.array([value]), r.uniform(0.5, 1.6))
    return Side.of(by_clock(log_uniform(r, 0.08, 1.2) * TIMES + jump)), value


def fringe_frequency(r: np.random.Generator) -> tuple[Side, float]:
    """Heterodyne fringes."""
    value = r.uniform(2, 16)
    decay = by_clock(log_uniform(r, 0.2, 2) * TIMES)
    return Side.of(decay * by_phase(2 * np.pi * value * TIMES, r.uniform(0.25, 0.5))), value


PARAMETERS: Mapping[str, Callable[[np.random.Generator], tuple[Side, float]]] = {
    "rate": rate,
    "exponent": exponent,
    "ageing rate": ageing_rate,
    "avalanche time": avalanche_time,
    "fringe frequency": fringe_frequency,
}


def nearest_others(vectors: Array, k: int) -> Array:
    """Numbers of the k nearest other vectors of each, (n, k)."""
    square = (vectors.astype(np.float64) ** 2).sum(axis=1)
    distance = square[:, None] + square[None] - 2 * vectors.astype(np.float64) @ vectors.T
    np.fill_diagonal(distance, np.inf)
    return np.asarray(distance.argpartition(k, axis=1)[:, :k])


def r_squared(vectors: Array, value: Array) -> Figure:
    """R2 of the mean over the nine nearest others, and its interval, by drawing maps again."""
    found = value[nearest_others(vectors, NEIGHBOURS)].mean(axis=1)
    mean, low, high = interval((found - value) ** 2)
    spread = value.var()
    return 1 - mean / spread, 1 - high / spread, 1 - low / spread


def read_parameters(ways: Mapping[str, Way], n_maps: int, seed: int) -> dict[str, dict[str, Figure]]:
    """R2 of each parameter by representation, of maps of all noise levels."""
    found: dict[str, dict[str, Figure]] = {}
    for number, (parameter, make) in enumerate(PARAMETERS.items()):
        r = np.random.default_rng([seed, number])
        made = [(*make(r), random_level(r)) for _ in range(n_maps)]
        maps = np.stack([measure(side, level, r) for side, _, level in made])
        value = np.array([each for _, each, _ in made])
        contrast = np.array([level.contrast for _, _, level in made])
        found[parameter] = {name: r_squared(np.asarray(way(maps, contrast)), value) for name, way in ways.items()}
    return found


def in_equal_shares(maps: SimulatedMaps) -> Array:
    """Numbers of maps, as many of each kind as there are of the rarest."""
    kinds, count = np.unique(maps.kind, return_counts=True)
    return np.sort(np.concatenate([np.flatnonzero(maps.kind == kind)[: count.min()] for kind in kinds]))


def read_kinds(ways: Mapping[str, Way], maps: SimulatedMaps) -> dict[str, Figure]:
    """Balanced accuracy of the kind by vote of the nine nearest, and what supervision reaches on the same maps."""
    chosen = in_equal_shares(maps)
    kind = np.unique(maps.kind[chosen], return_inverse=True)[1]
    c2, contrast = maps.c2[chosen], maps.contrast[chosen]
    found = {}
    for name, way in ways.items():
        votes = kind[nearest_others(np.asarray(way(c2, contrast)), NEIGHBOURS)]
        counts = np.stack([(votes == each).sum(axis=1) for each in range(kind.max() + 1)], axis=1)
        found[name] = accuracy(kind, counts.argmax(axis=1))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    images = np.column_stack([age_lag_images(c2, contrast), g2(c2, contrast)])
    for name, trees in SUPERVISED.items():
        found[name] = accuracy(kind, cross_val_predict(trees, images, kind, cv=folds))
    return found


def accuracy(kind: Array, found: Array) -> Figure:
    """Balanced accuracy, and its interval, by drawing maps again; kinds have equal shares."""
    _, low, high = interval(kind == found)
    return float(balanced_accuracy_score(kind, found)), low, high


@dataclass(frozen=True, slots=True)
class Avalanche:
    """How far one avalanche takes a map from its twin, in units of the model's repeatability, one for all.

    Attributes
    ----------
    repeats : float
        Median distance of repeats of one dynamics.
    apart : tuple of float
        Mean distance of an avalanche from its twin, and its interval.
    seen : tuple of float
        Share of pairs that are farther apart than 99 % of the repeats, and its interval.
    told : tuple of float
        Share of pairs whose `repeat_probability` is below 1 %, and its interval; NaN of models that do not tell it.
    mistaken : float
        The same of the repeats: 0.01 is right.
    """

    repeats: float
    apart: Figure
    seen: Figure
    told: Figure
    mistaken: float


def half_jump(r: np.random.Generator) -> Side:
    """One avalanche that takes half the correlation."""
    jump = steps(np.array([r.uniform(0.25, 0.75)]), HALF)
    return Side.of(by_clock(log_uniform(r, 0.08, 1.2) * TIMES + jump))


def see_avalanches(encoders: Mapping[str, Encoder], n_pairs: int, seed: int) -> dict[str, Avalanche]:
    """An avalanche against its twin at 1,500 pixels, one count and contrast 0.5, each side measured twice."""
    r = np.random.default_rng(seed)
    distances: dict[str, list[Array]] = {name: [] for name in encoders}
    probabilities: dict[str, list[Array]] = {name: [] for name in encoders}
    pairs = [(0, 1), (2, 3), (0, 2), (1, 3)]
    for _ in range(n_pairs):
        sides = draw_sides(Kind(half_jump, stationary_twin), r)
        maps = np.stack([measure(side, AVALANCHE_LEVEL, r) for side in sides for _ in range(2)])
        for name, encoder in encoders.items():
            found = encoder.measure(maps, contrast=AVALANCHE_LEVEL.contrast)
            z = found.latents.astype(np.float64)
            apart = [np.linalg.norm(z[a] - z[b]) / encoder.repeatability for a, b in pairs]
            distances[name].append(np.array(apart))
            probabilities[name].append(_probabilities(encoder, found, pairs))
    return {name: _avalanche(np.stack(distances[name]), np.stack(probabilities[name])) for name in encoders}


def _probabilities(encoder: Encoder, found: Encoding, pairs: list[tuple[int, int]]) -> Array:
    if encoder.repeats is None:
        return np.full(len(pairs), np.nan)
    first, second = (list(side) for side in zip(*pairs, strict=True))
    compared = encoder.repeats.compare(
        found.latents[first], found.noise[first], found.latents[second], found.noise[second]
    )
    return encoder.repeats.probability(compared.surprise)


def _avalanche(distance: Array, probability: Array) -> Avalanche:
    """Of pairs (n, 4): two of repeats, and two of an avalanche and its twin."""
    limit = np.quantile(distance[:, :2], 0.99)
    seen = (distance[:, 2:] > limit).mean(axis=1)
    nothing = float("nan")
    told, mistaken = (nothing, nothing, nothing), nothing
    if np.isfinite(probability).all():
        told = interval((probability[:, 2:] < UNLIKELY).mean(axis=1), within=(0, 1))
        mistaken = float(np.mean(probability[:, :2] < UNLIKELY))
    return Avalanche(
        float(np.median(distance[:, :2])),
        interval(distance[:, 2:].mean(axis=1)),
        interval(seen, within=(0, 1)),
        told,
        mistaken,
    )
