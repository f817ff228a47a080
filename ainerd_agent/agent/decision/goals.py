"""What an agent looks for: the gain of measuring at a candidate, to be weighed against its cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike

from ainerd_agent.agent.decision.acquisition import N_SAMPLES, expected_novelty
from ainerd_agent.agent.decision.surrogate import Surrogate
from ainerd_agent.records import FloatArray

REACH = 0.2
"""Distance over which a place is taken to say something of another one, in units of the sample's length."""

FADING = 0.2
"""The same in time, in units of the time over which the surrogate finds that things change: smooth changes of more than
a few standard deviations are seen long before."""


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """What is known when a candidate is chosen.

    Attributes
    ----------
    places : ndarray, shape (n, n_coordinates + 1)
        The candidates: their coordinates (`Limits.coordinates`), and when they would be measured, in seconds.
    exposed : ndarray, shape (m, n_coordinates + 1)
        What was measured or is about to be, in the same way.
    extent : float
        Length of the sample, in the unit of the coordinates.
    surrogate : Surrogate
    rng : Generator
        For posterior samples.
    """

    places: FloatArray
    exposed: FloatArray
    extent: float
    surrogate: Surrogate
    rng: np.random.Generator


class Goal(Protocol):
    """A goal: plain data, so that it can be written down with a suggestion and made again."""

    name: ClassVar[str]

    def gain(self, outlook: Outlook) -> FloatArray:
        """What measuring at each candidate is worth, shape (n,); never negative."""
        ...


@dataclass(frozen=True, slots=True)
class Coverage:
    """Fill the largest hole: 1 - exp(-(d / (reach L))^2), d being the distance to the nearest measurement.

    Where the surrogate has learnt that things change with time, a measurement fades: its age counts as a distance.
    """

    name: ClassVar[str] = "coverage"
    reach: float = REACH
    fading: float = FADING

    def gain(self, outlook: Outlook) -> FloatArray:
        """See `Goal`."""
        apart = np.square(outlook.places[:, None, :-1] - outlook.exposed[None, :, :-1]).sum(axis=-1)
        apart /= (self.reach * outlook.extent) ** 2
        fades = outlook.surrogate.fades
        if np.isfinite(fades):
            apart += np.square((outlook.places[:, None, -1] - outlook.exposed[None, :, -1]) / (self.fading * fades))
        return np.asarray(1 - np.exp(-apart.min(axis=1)))


@dataclass(frozen=True, slots=True)
class Novelty:
    """The expected distance to everything seen (BEACON, arXiv 2406.03616)."""

    name: ClassVar[str] = "novelty"

    def gain(self, outlook: Outlook) -> FloatArray:
        """See `Goal`."""
        surrogate = outlook.surrogate
        return expected_novelty(
            surrogate.predict(outlook.places), surrogate.measured, surrogate.noise, outlook.rng
        ).mean


@dataclass(frozen=True, slots=True)
class Alike:
    """Find more like one map: the expected similarity exp(-(d / scale)^2 / 2) to its latents, d being the distance.

    Attributes
    ----------
    target : sequence of float
        Latents, of a map or of a measurement's maps one after the other.
    scale : float
        Distance between latents of maps at which they are no longer alike; 0 for half of the usual distance between
        the measurements so far.
    """

    name: ClassVar[str] = "alike"
    target: Sequence[float] | FloatArray
    scale: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "target", _numbers(self.target))

    def gain(self, outlook: Outlook) -> FloatArray:
        """See `Goal`."""
        surrogate = outlook.surrogate
        centre, rest = surrogate.components(np.asarray(self.target))
        scale = self.scale or 0.5 * surrogate.usual_distance
        apart = np.square(_samples(outlook) - centre).sum(axis=-1) + rest
        # From the nearest that can be hoped for: otherwise all would be 0 as long as nothing like it was seen.
        apart -= apart.min()
        return np.asarray(np.exp(-apart / max(2 * scale**2, np.finfo(float).tiny)).mean(axis=0))


@dataclass(frozen=True, slots=True)
class Boundary:
    """Map the boundary between two kinds of dynamics: how uncertain it is which of them is nearer, in bits.

    Attributes
    ----------
    one, other : sequence of float
        Latents of their centres, of a map or of a measurement's maps one after the other.
    """

    name: ClassVar[str] = "boundary"
    one: Sequence[float] | FloatArray
    other: Sequence[float] | FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "one", _numbers(self.one))
        object.__setattr__(self, "other", _numbers(self.other))

    def gain(self, outlook: Outlook) -> FloatArray:
        """See `Goal`."""
        (first, rest_first), (second, rest_second) = (
            outlook.surrogate.components(np.asarray(each)) for each in (self.one, self.other)
        )
        samples = _samples(outlook)
        margin = np.square(samples - first).sum(axis=-1) + rest_first
        margin -= np.square(samples - second).sum(axis=-1) + rest_second
        # Of normal margins (they are linear in the samples), as few samples would give steps.
        spread = np.maximum(margin.std(axis=0), np.finfo(float).tiny)
        chance = np.clip(_normal(margin.mean(axis=0) / spread), 1e-12, 1 - 1e-12)
        return np.asarray(-chance * np.log2(chance) - (1 - chance) * np.log2(1 - chance))


GOALS: Mapping[str, type[Any]] = {each.name: each for each in (Coverage, Novelty, Alike, Boundary)}


def as_settings(goal: Goal) -> dict[str, Any]:
    """The goal as plain values."""
    return {"name": goal.name, **asdict(goal)}  # type: ignore[call-overload]


def from_settings(settings: Mapping[str, Any] | str) -> Goal:
    """Make a goal again, or by its name where it needs nothing else.

    Raises
    ------
    ValueError
        There is no such goal, or it lacks values.
    """
    given = {"name": settings} if isinstance(settings, str) else dict(settings)
    name = str(given.pop("name", ""))
    if name not in GOALS:
        raise ValueError(f"the goal is {name!r}, not one of {', '.join(GOALS)}")
    values = {key: tuple(each) if isinstance(each, list) else each for key, each in given.items()}
    try:
        goal: Goal = GOALS[name](**values)
    except TypeError as error:
        raise ValueError(f"the goal {name!r} cannot be made: {error}") from error
    return goal


def _numbers(latents: ArrayLike) -> tuple[float, ...]:
    """Latents as plain numbers, which can be written down: an array holds numbers that JSON does not know."""
    return tuple(np.asarray(latents, dtype=np.float64).tolist())


def _samples(outlook: Outlook) -> FloatArray:
    prediction = outlook.surrogate.predict(outlook.places)
    random = outlook.rng.standard_normal((N_SAMPLES, *prediction.mean.shape))
    return np.asarray(prediction.mean + prediction.std * random)


def _normal(z: FloatArray) -> FloatArray:
    from scipy.special import ndtr

    return np.asarray(ndtr(z))
