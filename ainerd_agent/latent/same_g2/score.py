"""How well a latent space tells pairs of one g2 apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.latent.resampling import Figure, interval, stratified_interval
from ainerd_agent.latent.same_g2.measurement import Level, measure, random_level
from ainerd_agent.latent.same_g2.pairs import KINDS, NULL, Pair, draw_pair
from ainerd_agent.records import FloatArray

LEVELS = 4
"""At which each side of a pair is measured."""

Representation = Callable[[NDArray[np.float32], FloatArray], ArrayLike]
"""Maps (n, size, size) of baseline 0 and their contrasts (n,) to vectors (n, d)."""


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A pair, measured.

    Attributes
    ----------
    pair : Pair
    levels : tuple of Level
        Of the measurements, the same for both sides.
    c2 : ndarray of float32, shape (2 * n_levels, 256, 256)
        All of the one side, then all of the other.
    """

    pair: Pair
    levels: tuple[Level, ...]
    c2: NDArray[np.float32]

    @property
    def contrast(self) -> FloatArray:
        """Of each map."""
        return np.array([level.contrast for level in self.levels] * 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class KindScore:
    """AUC of one kind.

    Attributes
    ----------
    kind : str
    unseen : bool
        Whether trainings must not contain it.
    auc : float
        Mean over the pairs.
    low, high : float
        95 % interval, by resampling pairs; NaN where there are fewer than three.
    each : tuple of float
        AUC of each pair.
    """

    kind: str
    unseen: bool
    auc: float
    low: float
    high: float
    each: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SameG2:
    """AUC of a representation.

    Attributes
    ----------
    kinds : tuple of KindScore
    null : KindScore
        Of the same dynamics on both sides: 0.5, but for chance.
    """

    kinds: tuple[KindScore, ...]
    null: KindScore

    @property
    def mean(self) -> float:
        """Over all kinds."""
        return float(np.mean([each.auc for each in self.kinds]))

    @property
    def figure(self) -> Figure:
        """Mean over all kinds, and its interval, by resampling pairs of each kind."""
        return stratified_interval([each.each for each in self.kinds])

    @property
    def worst(self) -> KindScore:
        """The kind that is told apart worst."""
        return min(self.kinds, key=lambda each: each.auc)

    def mean_of(self, *, unseen: bool) -> float:
        """Mean over the kinds that trainings must not contain, or over the others; NaN where there are none."""
        chosen = [each.auc for each in self.kinds if each.unseen == unseen]
        return float(np.mean(chosen)) if chosen else float("nan")


def trials(n_pairs: int, seed: int, *, kinds: Iterable[str] = (*KINDS, NULL)) -> Iterator[Trial]:
    """Pairs of each kind, each side measured at four levels of noise; of the null, twice as many."""
    for number, kind in enumerate(kinds):
        rng = np.random.default_rng([seed, number])
        for _ in range(2 * n_pairs if kind == NULL else n_pairs):
            pair = draw_pair(kind, rng)
            levels = tuple(random_level(rng) for _ in range(LEVELS))
            yield Trial(pair, levels, np.stack([measure(side, at, rng) for side in pair.sides for at in levels]))


def auc_of_pair(vectors: ArrayLike) -> float:
    """AUC of distances between two sides against those within them.

    A pair of measurements at one level is never compared: within a side there is none. So the null is 0.5 also for a
    representation that follows the noise.

    Parameters
    ----------
    vectors : array_like, shape (2 * n_levels, d)
        Of the one side, then of the other, at the same levels.
    """
    points = np.asarray(vectors, dtype=np.float64)
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
    n = len(points) // 2
    other_level = ~np.eye(n, dtype=bool)
    within = np.concatenate([distance[:n, :n][other_level], distance[n:, n:][other_level]])
    return auc(distance[:n, n:][other_level], within)


def auc(larger: ArrayLike, smaller: ArrayLike) -> float:
    """Probability that one of the first exceeds one of the second; equal ones count half."""
    a, b = np.asarray(larger).ravel()[:, None], np.asarray(smaller).ravel()[None]
    return float(np.mean((a > b) + 0.5 * (a == b)))


def score(scores: Mapping[str, ArrayLike]) -> SameG2:
    """Means and intervals of the AUC of pairs, by kind; those of `NULL` have to be among them."""
    found = {kind: _kind_score(kind, np.asarray(each, dtype=np.float64)) for kind, each in scores.items()}
    null = found.pop(NULL)
    return SameG2(kinds=tuple(found.values()), null=null)


def _kind_score(kind: str, each: FloatArray) -> KindScore:
    mean, low, high = interval(each, within=(0, 1))
    return KindScore(
        kind=kind, unseen=kind in KINDS and KINDS[kind].unseen, auc=mean, low=low, high=high, each=tuple(each.tolist())
    )
