"""Maps with something wrong, to see whether the flag "unlike the training" tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.records import FloatArray, MapStack

Flag = Callable[[MapStack], NDArray[np.bool_]]
"""Maps (n, size, size) in their own units to which of them are flagged, (n,)."""

Damage = Callable[[FloatArray, float, np.random.Generator], FloatArray]
"""A map (size, size) of baseline 0 and contrast 1, and what a stored zero is in these units, to the damaged map."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagScore:
    """How often a flag is wrong.

    Attributes
    ----------
    n_maps : int
        As many sound maps, and as many of each damage.
    false_alarms : float
        Share of the sound maps that are flagged.
    missed : mapping of str to float
        By damage, the share of maps that are not flagged.
    """

    n_maps: int
    false_alarms: float
    missed: Mapping[str, float]

    def interval(self, share: float) -> tuple[float, float]:
        """Of 95 % (Wilson), for a share of `n_maps`."""
        n, z = self.n_maps, 1.96
        middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
        return float(max(middle - half, 0.0)), float(min(middle + half, 1.0))


def gap_of_zeros(scaled: FloatArray, zero: float, rng: np.random.Generator) -> FloatArray:
    """2 to 30 % of the frames, in one piece, were not there, and zeros were stored in their place."""
    size = len(scaled)
    length = max(1, round(rng.uniform(0.02, 0.3) * size))
    first = rng.integers(size - length + 1)
    scaled[first : first + length] = scaled[:, first : first + length] = zero
    return scaled


def gap_of_a_constant(scaled: FloatArray, zero: float, rng: np.random.Generator) -> FloatArray:
    """The same with another value in place of the zeros."""
    return gap_of_zeros(scaled, float(rng.uniform(-1, 1)), rng)


def stripes(scaled: FloatArray, zero: float, rng: np.random.Generator) -> FloatArray:
    """One to three frames correlate more with all others, as where the beam was not stable."""
    for frame in rng.choice(len(scaled), rng.integers(1, 4), replace=False):
        scaled[frame] += 0.7
        scaled[:, frame] += 0.7
    return scaled


def strong_stripes(scaled: FloatArray, zero: float, rng: np.random.Generator) -> FloatArray:
    """One to three bands of one to three frames that correlate much more, or less, with all others."""
    height = rng.uniform(1, 2) * rng.choice([-1, 1])
    for first in rng.choice(len(scaled) - 2, rng.integers(1, 4), replace=False):
        band = slice(first, first + rng.integers(1, 4))
        scaled[band] += height
        scaled[:, band] += height
    return scaled


def shuffled_frames(scaled: FloatArray, zero: float, rng: np.random.Generator) -> FloatArray:
    """Frames in a wrong order."""
    order = rng.permutation(len(scaled))
    return scaled[np.ix_(order, order)]


def upside_down(scaled: FloatArray, zero: float, rng: np.random.Generator) -> FloatArray:
    """Correlation that is low where it should be high."""
    return 1 - scaled


def negated(scaled: FloatArray, zero: float, rng: np.random.Generator) -> FloatArray:
    """Below the baseline what should be above it."""
    return -scaled


def white_noise(scaled: FloatArray, zero: float, rng: np.random.Generator) -> FloatArray:
    """Nothing but noise, symmetric, as strong as the map's own spread or the contrast's third."""
    noise = np.triu(rng.normal(0, max(0.3, float(scaled.std())), scaled.shape))
    return np.asarray(noise + np.triu(noise, 1).T)


def asymmetric(scaled: FloatArray, zero: float, rng: np.random.Generator) -> FloatArray:
    """One side of the diagonal is half as high as the other."""
    return np.triu(scaled) + 0.5 * np.tril(scaled, -1)


def wrong_scale(scaled: FloatArray, zero: float, rng: np.random.Generator) -> FloatArray:
    """A contrast that is wrong by a factor of 2.5 to 4, the map being too high."""
    return scaled * rng.uniform(2.5, 4)


DAMAGES: Mapping[str, Damage] = {
    "gap": gap_of_zeros,
    "constant": gap_of_a_constant,
    "stripes": stripes,
    "strong": strong_stripes,
    "shuffled": shuffled_frames,
    "inverted": upside_down,
    "negated": negated,
    "noise": white_noise,
    "asymmetric": asymmetric,
    "scale": wrong_scale,
}


def damaged(
    maps: MapStack, damage: Damage, *, baseline: float, contrast: ArrayLike, rng: np.random.Generator
) -> MapStack:
    """Maps (n, size, size) with a damage, in their own units; `contrast` is one number, or one of each map."""
    divisor = np.broadcast_to(np.asarray(contrast, dtype=np.float64), len(maps))
    made = [
        damage((each.astype(np.float64) - baseline) / by, -baseline / by, rng) * by + baseline
        for each, by in zip(maps, divisor, strict=True)
    ]
    return np.stack(made).astype(np.float32)


def score_flag(flag: Flag, maps: MapStack, *, baseline: float, contrast: ArrayLike, seed: int = 0) -> FlagScore:
    """False alarms of a flag on sound maps (n, size, size), and what it misses when they are damaged."""
    missed = {}
    for number, (name, damage) in enumerate(DAMAGES.items()):
        rng = np.random.default_rng([seed, number])
        missed[name] = 1 - float(np.mean(flag(damaged(maps, damage, baseline=baseline, contrast=contrast, rng=rng))))
    return FlagScore(n_maps=len(maps), false_alarms=float(np.mean(flag(maps.astype(np.float32)))), missed=missed)
