"""How much a position promises: expected novelty, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.spatial import KDTree

from ainerd_agent.agent.decision.surrogate import Prediction
from ainerd_agent.agent.limits import Limits
from ainerd_agent.records import FloatArray

N_SAMPLES = 32


@dataclass(frozen=True, slots=True, eq=False)
class ExpectedNovelty:
    """Distance to the nearest measurement so far, over posterior samples, per candidate.

    Attributes
    ----------
    mean, std : ndarray, shape (n_candidates,)
        In units of the latents.
    """

    mean: FloatArray
    std: FloatArray


def expected_novelty(
    prediction: Prediction, measured: FloatArray, noise: FloatArray, rng: np.random.Generator
) -> ExpectedNovelty:
    """Expected distance of a measurement from all that was seen (BEACON, arXiv 2406.03616, with one neighbour).

    What was seen is noisy, and would seem to be far from everything: the mean of that is taken off the squares.

    Parameters
    ----------
    prediction : Prediction
        Of the candidates.
    measured : ndarray, shape (n_seen, n_components)
        Components of the measurements so far.
    noise : ndarray, shape (n_components,)
        Variance of theirs.
    """
    random = rng.standard_normal((N_SAMPLES, *prediction.mean.shape))
    samples = prediction.mean + prediction.std * random
    nearest = KDTree(measured).query(samples)[0]
    distance = np.sqrt(np.maximum(np.square(nearest) - noise.sum(), 0))
    return ExpectedNovelty(distance.mean(axis=0), distance.std(axis=0))


@dataclass(frozen=True, slots=True)
class BeamtimeCost:
    """Seconds that a measurement takes.

    Attributes
    ----------
    speed : float
        Of each axis that has none of its own (`Axis.speed`), in its unit per second; all axes move at once.
    counting : float
        Exposure and overhead, seconds.

    Raises
    ------
    ValueError
        One of them is not more than 0.
    """

    speed: float
    counting: float

    def __post_init__(self) -> None:
        if not (self.speed > 0 and 0 < self.counting < np.inf):
            raise ValueError(
                f"a stage of {self.speed} mm/s and {self.counting} s for a measurement make no sense: both are more "
                "than 0"
            )

    def __call__(self, here: FloatArray | None, there: FloatArray) -> FloatArray:
        """Travel from `here` (n_axes,), None where nothing stands anywhere yet, to each of `there`, and counting."""
        travel = 0.0 if here is None else np.abs(there - here).max(axis=1) / self.speed
        return np.asarray(travel + np.full(len(there), self.counting))


class TravelCost:
    """Seconds that a measurement takes in a space whose axes have speeds of their own.

    Parameters
    ----------
    limits : Limits
    cost : BeamtimeCost

    Attributes
    ----------
    counting : float
        Exposure and overhead, seconds.

    Raises
    ------
    ValueError
        The axes have several units, and one that is not in mm has no speed.
    """

    def __init__(self, limits: Limits, cost: BeamtimeCost) -> None:
        self._space, self._speed, self.counting = limits.space, cost.speed, cost.counting
        axes = self._space.axes
        unknown = [name for name, axis in axes.items() if axis.speed is None and axis.unit != "mm"]
        if unknown and len(set(self._space.units.values())) > 1:
            raise ValueError(
                f"the axis {unknown[0]} has no speed, and the {cost.speed:g} of the cost are mm/s: give it one, in "
                f"{axes[unknown[0]].unit or 'its unit'} per second"
            )

    def __call__(self, here: FloatArray | None, there: FloatArray) -> FloatArray:
        """From `here` (n_axes,), None where nothing stands anywhere yet, to each of `there` (n, n_axes), and counting.

        Infinite where an axis that cannot go back would have to.
        """
        travel = 0.0 if here is None else self._space.travel(here, there, self._speed)
        return np.asarray(travel + np.full(len(there), self.counting))


def tour(here: FloatArray | None, positions: FloatArray, cost: BeamtimeCost | TravelCost) -> list[int]:
    """Order in which to visit positions (n, n_axes): the nearest next, then turned around wherever that is shorter.

    The order in which they are given, where an axis that cannot go back allows no shorter one.
    """
    left = list(range(len(positions)))
    order: list[int] = []
    at = here
    while left:
        seconds = cost(at, positions[left])
        order.append(left.pop(int(seconds.argmin())))
        at = positions[order[-1]]
    improved = True
    while improved:
        improved = False
        for first in range(len(order) - 1):
            for last in range(first + 1, len(order)):
                turned = order[:first] + order[first : last + 1][::-1] + order[last + 1 :]
                if _seconds(here, positions[turned], cost) < _seconds(here, positions[order], cost) - 1e-9:
                    order, improved = turned, True
    return order if np.isfinite(_seconds(here, positions[order], cost)) else list(range(len(positions)))


def _seconds(here: FloatArray | None, positions: FloatArray, cost: BeamtimeCost | TravelCost) -> float:
    stops = positions if here is None else np.concatenate([here[None], positions])
    return float(sum(cost(start, stop[None])[0] for start, stop in pairwise(stops)))
