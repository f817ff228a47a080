"""Maps to train on, drawn a batch at a time, as they are and in every way that leaves them what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import MapError
from ainerd_agent.latent.scaling import SIDE, resize
from ainerd_agent.records import MapStack

HalfMaps = NDArray[np.float16]
Numbers = NDArray[np.int64]


class TrainingMaps(Protocol):
    """Pairs of a scaled map and what it shall be reconstructed to."""

    def __len__(self) -> int:
        """How many."""

    def draw(self, numbers: Numbers, rng: np.random.Generator | None) -> tuple[MapStack, MapStack]:
        """Maps and targets, (n, 256, 256) each; varied where there is a generator."""


@dataclass(frozen=True, slots=True, eq=False)
class LongMaps:
    """Maps of at least 256 x 256, of which a window along the diagonal is taken.

    Another window is the same dynamics at other times (the paper's augmentation). It begins at a whole pixel, so that
    nothing is interpolated, and ends within the map, so that nothing is wrapped.

    Attributes
    ----------
    maps, targets : ndarray of float16, shape (n, side, side)
    """

    maps: HalfMaps
    targets: HalfMaps

    def __post_init__(self) -> None:
        if self.maps.shape != self.targets.shape or self.maps.shape[1] < SIDE:
            raise MapError(f"maps {self.maps.shape} and targets {self.targets.shape} must be alike, {SIDE} or larger")

    def __len__(self) -> int:
        return len(self.maps)

    def draw(self, numbers: Numbers, rng: np.random.Generator | None) -> tuple[MapStack, MapStack]:
        """As `TrainingMaps.draw`."""
        room = self.maps.shape[1] - SIDE
        begins = np.zeros(len(numbers), dtype=int) if rng is None else rng.integers(0, room + 1, len(numbers))
        pairs = np.empty((2, len(numbers), SIDE, SIDE), dtype=np.float32)
        for row, (number, begin) in enumerate(zip(numbers, begins, strict=True)):
            window = slice(begin, begin + SIDE)
            pairs[0, row] = self.maps[number, window, window]
            pairs[1, row] = self.targets[number, window, window]
        return _varied(pairs, rng)


@dataclass(frozen=True, slots=True, eq=False)
class SmallMaps:
    """Maps of less than 256 x 256, which are enlarged.

    Attributes
    ----------
    maps, targets : ndarray of float16, shape (n, side, side)
    """

    maps: HalfMaps
    targets: HalfMaps

    def __len__(self) -> int:
        return len(self.maps)

    def draw(self, numbers: Numbers, rng: np.random.Generator | None) -> tuple[MapStack, MapStack]:
        """As `TrainingMaps.draw`."""
        small = np.stack([self.maps[numbers], self.targets[numbers]]).astype(np.float32)
        large = resize(small.reshape(-1, *small.shape[2:]), SIDE)
        return _varied(large.reshape(2, len(numbers), SIDE, SIDE), rng)


@dataclass(frozen=True, slots=True, eq=False)
class MixedMaps:
    """Several kinds as one.

    Attributes
    ----------
    kinds : sequence of TrainingMaps
    """

    kinds: Sequence[TrainingMaps]

    def __len__(self) -> int:
        return sum(len(kind) for kind in self.kinds)

    def draw(self, numbers: Numbers, rng: np.random.Generator | None) -> tuple[MapStack, MapStack]:
        """As `TrainingMaps.draw`."""
        pairs = np.empty((2, len(numbers), SIDE, SIDE), dtype=np.float32)
        first = 0
        for kind in self.kinds:
            own = np.flatnonzero((numbers >= first) & (numbers < first + len(kind)))
            if len(own):
                pairs[:, own] = kind.draw(numbers[own] - first, rng)
            first += len(kind)
        return pairs[0], pairs[1]


def _varied(pairs: NDArray[np.float32], rng: np.random.Generator | None) -> tuple[MapStack, MapStack]:
    """Half of them with time running backwards, which is a map as possible as the first."""
    if rng is not None:
        turned = rng.random(pairs.shape[1]) < 0.5
        pairs[:, turned] = pairs[:, turned, ::-1, ::-1]
    return pairs[0], pairs[1]
