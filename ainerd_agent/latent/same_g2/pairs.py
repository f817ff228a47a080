"""Kinds of pairs with one g2: what a training may contain, and what it has to leave out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ainerd_agent.latent.same_g2.dynamics import (
    TIMES,
    Side,
    by_clock,
    by_displacement,
    by_phase,
    clock_of,
    g2_of,
    truth_of,
)
from ainerd_agent.latent.same_g2.twins import reversed_in_time, stationary_twin
from ainerd_agent.records import FloatArray

LARGEST_G2_DIFFERENCE = 0.02
"""In units of the contrast. A pair with more is drawn again: it could be distinguished without any ages."""

LEAST_DIFFERENCE = 0.04
"""Root mean square of the difference of the two truths, in units of the contrast; pairs with less are drawn again."""

DRAWS = 500
"""After so many pairs that do not do, something is wrong with the kind."""

NULL = "null: the same dynamics"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of non-stationary dynamics, and what it is compared with.

    Attributes
    ----------
    make : callable
        Draws one side, from a random generator.
    other : callable
        Makes the other side: `stationary_twin` or `reversed_in_time`.
    unseen : bool
        Whether it is kept for judging: no training may contain it.
    """

    make: Callable[[np.random.Generator], Side]
    other: Callable[[Side], Side]
    unseen: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two sides of one g2."""

    kind: str
    sides: tuple[Side, Side]


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Between two positive numbers, any factor as likely."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def steps(at: FloatArray, height: FloatArray | float) -> FloatArray:
    """A clock (256,) that jumps by heights at times."""
    return np.asarray((np.broadcast_to(height, at.shape)[:, None] * (at[:, None] < TIMES)).sum(axis=0))


def ageing(rng: np.random.Generator) -> Side:
    """A rate that falls exponentially with the age."""
    return Side.of(by_clock(clock_of(log_uniform(rng, 5, 60) * np.exp(-rng.uniform(1, 3.5) * TIMES))))


def one_jump(rng: np.random.Generator, low: float = 0.25, high: float = 0.75) -> Side:
    """One avalanche, between two times, on slow relaxation."""
    jump = steps(np.array([rng.uniform(low, high)]), rng.uniform(0.5, 1.6))
    return Side.of(by_clock(TIMES * log_uniform(rng, 0.08, 1.2) + jump))


def early_jump(rng: np.random.Generator) -> Side:
    """One avalanche in the first third."""
    return one_jump(rng, 0.15, 0.35)


def many_jumps(rng: np.random.Generator) -> Side:
    """Three to seven avalanches at any times."""
    at = rng.uniform(0.1, 0.9, rng.integers(3, 8))
    return Side.of(by_clock(TIMES * log_uniform(rng, 0.08, 1.2) + steps(at, rng.uniform(0.5, 1.6, len(at)))))


def chirped_fringes(rng: np.random.Generator) -> Side:
    """Heterodyne fringes whose frequency falls with the age."""
    slowing = rng.uniform(1, 4)
    phase = 2 * np.pi * rng.uniform(4, 14) * (1 - np.exp(-slowing * TIMES)) / slowing
    return Side.of(by_clock(TIMES * log_uniform(rng, 0.2, 2)) * by_phase(phase, rng.uniform(0.25, 0.5)))


def stopping_flow(rng: np.random.Generator) -> Side:
    """Flow that comes to rest."""
    slowing = rng.uniform(1.5, 5)
    place = log_uniform(rng, 6, 30) * (1 - np.exp(-slowing * TIMES)) / slowing
    return Side.of(by_clock(TIMES * log_uniform(rng, 0.2, 2)) * by_displacement(place))


def pulsed_rate(rng: np.random.Generator) -> Side:
    """A rate that rises and falls some times during the exposure, as under pulsed shear."""
    wave = np.sin(2 * np.pi * (rng.uniform(1, 4) * TIMES + rng.uniform()))
    return Side.of(by_clock(clock_of(log_uniform(rng, 4, 20) * np.exp(rng.uniform(1, 2) * wave))))


def two_step_ageing(rng: np.random.Generator) -> Side:
    """A rate that falls to a plateau, and later to a second one."""
    drops = [rng.uniform(0.1, 0.35), rng.uniform(0.5, 0.8)]
    fall = sum(rng.uniform(0.8, 1.8) / (1 + np.exp(-(TIMES - drop) / 0.03)) for drop in drops)
    return Side.of(by_clock(clock_of(log_uniform(rng, 8, 50) * np.exp(-fall))))


def rejuvenation(rng: np.random.Generator) -> Side:
    """Ageing that begins again, once, from a part of its first rate."""
    again = rng.uniform(0.3, 0.7)
    age = np.where(again > TIMES, TIMES, TIMES - again + rng.uniform(0, 0.1))
    return Side.of(
        by_clock(clock_of(log_uniform(rng, 8, 50) * np.exp(-rng.uniform(3, 8) * age)), rng.uniform(0.8, 1.3))
    )


def regular_avalanches(rng: np.random.Generator) -> Side:
    """Avalanches with a refractory time: after each, none for most of the mean interval."""
    interval = rng.uniform(0.15, 0.35)
    gaps = interval * (0.7 + rng.exponential(0.3, 8))
    at = np.cumsum(gaps) - gaps[0] * rng.uniform()
    return Side.of(
        by_clock(TIMES * log_uniform(rng, 0.1, 1.5) + steps(at[(at > 0.05) & (at < 0.95)], rng.uniform(0.3, 1)))
    )


def jump_of_some_pixels(rng: np.random.Generator) -> Side:
    """Heterogeneous: an avalanche that a part of the pixels sees, and the others do not."""
    clock = TIMES * log_uniform(rng, 0.1, 1.5)
    jump = steps(np.array([rng.uniform(0.2, 0.8)]), rng.uniform(1, 2.5))
    share = rng.uniform(0.4, 0.7)
    return Side((share, 1 - share), (by_clock(clock + jump), by_clock(clock)))


def phase_drift_over_q(rng: np.random.Generator) -> Side:
    """Fringes of a drift that slows down, in a bin wide in q: each part of it has a frequency of its own."""
    slowing = rng.uniform(1, 4)
    path = (1 - np.exp(-slowing * TIMES)) / slowing
    frequency = 2 * np.pi * rng.uniform(4, 10) * np.linspace(1 - rng.uniform(0.1, 0.3), 1 + rng.uniform(0.1, 0.3), 5)
    decay, fraction = by_clock(TIMES * log_uniform(rng, 0.2, 1.5)), rng.uniform(0.3, 0.5)
    return Side((0.2,) * 5, tuple(decay * by_phase(each * path, fraction) for each in frequency))


def fading_echo(rng: np.random.Generator) -> Side:
    """Rearrangement that is reversible under oscillatory shear: correlation comes back, ever less as it yields."""
    strain = rng.uniform(0.8, 2) * np.sin(2 * np.pi * (rng.uniform(2, 6) * TIMES + rng.uniform()))
    yielding = clock_of(log_uniform(rng, 0.1, 1) * np.exp(rng.uniform(1, 3) * TIMES))
    return Side.of(by_displacement(strain) * by_clock(yielding))


KINDS: Mapping[str, Kind] = {
    "ageing and its twin": Kind(ageing, stationary_twin),
    "ageing and its reversal": Kind(ageing, reversed_in_time),
    "one avalanche and its twin": Kind(one_jump, stationary_twin),
    "avalanche early or late": Kind(early_jump, reversed_in_time),
    "many avalanches and their twin": Kind(many_jumps, stationary_twin),
    "chirped fringes and their twin": Kind(chirped_fringes, stationary_twin),
    "flow stops or starts": Kind(stopping_flow, reversed_in_time),
    "pulsed rate and its twin": Kind(pulsed_rate, stationary_twin, unseen=True),
    "two-step ageing and its reversal": Kind(two_step_ageing, reversed_in_time, unseen=True),
    "rejuvenation and its reversal": Kind(rejuvenation, reversed_in_time, unseen=True),
    "regular avalanches and their twin": Kind(regular_avalanches, stationary_twin, unseen=True),
    "some pixels jump, and the twin": Kind(jump_of_some_pixels, stationary_twin, unseen=True),
    "phase drift over q and its twin": Kind(phase_drift_over_q, stationary_twin, unseen=True),
    "fading echo and its reversal": Kind(fading_echo, reversed_in_time, unseen=True),
}
"""By name. Trainings may contain the first seven, in their own way; the others they must not."""


def draw_pair(kind: str, rng: np.random.Generator) -> Pair:
    """A random pair of a kind of `KINDS`, or of `NULL`, whose sides are the same dynamics, of any kind.

    Raises
    ------
    KeyError
        No such kind.
    RuntimeError
        No pair of this kind has one g2 and truths that differ.
    """
    if kind == NULL:
        side = list(KINDS.values())[rng.integers(len(KINDS))].make(rng)
        return Pair(kind, (side, side))
    return Pair(kind, draw_sides(KINDS[kind], rng))


def draw_sides(kind: Kind, rng: np.random.Generator) -> tuple[Side, Side]:
    """Both sides of a random pair of a kind, which may be one of your own; `RuntimeError` where none is found."""
    for _ in range(DRAWS):
        side = kind.make(rng)
        other = kind.other(side)
        difference = np.sqrt(np.mean((truth_of(side) - truth_of(other)) ** 2))
        if difference >= LEAST_DIFFERENCE and np.abs(g2_of(side) - g2_of(other)).max() <= LARGEST_G2_DIFFERENCE:
            return side, other
    raise RuntimeError(f"none of {DRAWS} pairs of this kind has one g2 and truths that differ: {kind}")
