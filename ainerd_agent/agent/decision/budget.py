"""What an agent has spent: exposed spots, beamtime and dose, in all and on each sample."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.agent.decision.acquisition import BeamtimeCost, TravelCost
from ainerd_agent.agent.limits import Limits
from ainerd_agent.agent.space import LimitError
from ainerd_agent.records import FloatArray, Suggestion


class Ledger:
    """Every suggestion, in order: its spot counts as exposed, and is paid for, from the moment that it is made.

    Parameters
    ----------
    limits : Limits
        With the samples and their budgets.
    cost : BeamtimeCost

    Attributes
    ----------
    spent, dose : float
        Seconds of beamtime, and of exposure.

    Raises
    ------
    ValueError
        The speed of an axis is not known.
    """

    def __init__(self, limits: Limits, cost: BeamtimeCost) -> None:
        self._limits, self.cost = limits, TravelCost(limits, cost)
        self._spots: list[FloatArray] = []
        self._ids: list[str] = []
        self._when: dict[str, float] = {}
        self.spent = 0.0
        self.dose = 0.0
        budgets = [part.sample for part in limits.parts]
        self._most = np.array([_most(None if each is None else each.measurements) for each in budgets])
        self._most_seconds = np.array([_most(None if each is None else each.seconds) for each in budgets])
        self._counts, self._seconds = np.zeros(len(budgets)), np.zeros(len(budgets))

    def __len__(self) -> int:
        return len(self._spots)

    @property
    def here(self) -> FloatArray | None:
        """Where the axes will stand, (n_axes,); None before the first suggestion."""
        return self._spots[-1] if self._spots else None

    @property
    def spots(self) -> FloatArray:
        """Exposed spots, shape (n, n_axes)."""
        return np.array(self._spots).reshape(-1, len(self._limits.space.names))

    def exposed(self, now: float) -> FloatArray:
        """Coordinates of exposed spots (see `Limits.coordinates`), and when, shape (n, n_coordinates + 1).

        What was not measured, or not yet, counts as new.
        """
        return np.column_stack(
            [self._limits.coordinates(self.spots), [self._when.get(each, now) for each in self._ids]]
        )

    def cost_of(self, there: FloatArray, counting: float = math.nan) -> float:
        """Seconds to measure at a position (n_axes,) after the last one; for `counting` seconds where that is given."""
        usual = float(self.cost(self.here, there[None])[0])
        return usual if math.isnan(counting) else usual - self.cost.counting + counting

    def affordable(self, positions: FloatArray, seconds: FloatArray) -> NDArray[np.bool_]:
        """Whether the budgets of their samples suffice for positions (n, n_axes) that take so many seconds (n,) each.

        What cannot be reached, which takes for ever, is not affordable either.
        """
        samples = self._limits.sample_numbers(positions)
        left = (self._counts < self._most)[samples] & (self._seconds[samples] + seconds <= self._most_seconds[samples])
        return np.asarray(left & np.isfinite(seconds) & (samples >= 0))

    def check(self, position: FloatArray, seconds: float, suggestion_id: str = "") -> None:
        """Refuse a position (n_axes,) that cannot be reached, or whose sample has no budget left for so many seconds.

        Parameters
        ----------
        suggestion_id : str
            Of a suggestion that is moved there: what it has cost on the same sample is not counted twice.

        Raises
        ------
        LimitError
        """
        told, number = self._limits.space.in_words(position), self._sample(position)
        known = suggestion_id in self._ids
        place = self._ids.index(suggestion_id) if known else len(self._ids)
        before = self._spots[place - 1] if place else None
        if not np.isfinite(self.cost(before, position[None])).all():
            raise LimitError(f"{told} cannot be reached: it lies behind on an axis that cannot go back")
        if known and self._sample(self._spots[place]) == number:
            return
        if not self.affordable(position[None], np.array([seconds]))[0]:
            raise LimitError(f"{told} cannot be paid for: {self.in_words(number)}")

    def suffices_for(self, positions: FloatArray) -> bool:
        """Whether positions (n, n_axes) can be paid for in this order: what a sample costs depends on the way to it."""
        here, seconds = self.here, self._seconds.copy()
        for there, number in zip(positions, self._limits.sample_numbers(positions), strict=True):
            seconds[number] += float(self.cost(here, there[None])[0])
            here = there
        return bool((seconds <= self._most_seconds).all())

    def count(self, suggestion: Suggestion) -> None:
        """Add one."""
        self._spots.append(self._limits.space.array(suggestion.position))
        self._ids.append(suggestion.id)
        self._pay(suggestion, self._spots[-1], 1)

    def take_back(self, suggestion: Suggestion) -> None:
        """Undo `count` of the last one."""
        spot = self._spots.pop()
        self._ids.pop()
        self._pay(suggestion, spot, -1)

    def refund(self, suggestion: Suggestion) -> None:
        """It was not measured after all; its spot stays what it is."""
        known = suggestion.id in self._ids
        spot = self._spots[self._ids.index(suggestion.id)] if known else self._limits.space.array(suggestion.position)
        self._pay(suggestion, spot, -1)

    def move(self, suggestion: Suggestion, position: FloatArray) -> None:
        """It is measured elsewhere (n_axes,), and paid for by the sample there."""
        place = self._ids.index(suggestion.id)
        self._charge(self._spots[place], -1, suggestion.cost)
        self._spots[place] = position
        self._charge(position, 1, suggestion.cost)

    def measured(self, suggestion_id: str, when: float) -> None:
        """Note when it was measured, in seconds."""
        self._when[suggestion_id] = when

    def in_words(self, number: int | None = None) -> str:
        """What is spent of the budgets of a sample, or of all samples; empty where there are no budgets."""
        told = []
        for each in range(len(self._counts)) if number is None else [number]:
            spent = []
            if np.isfinite(self._most[each]):
                spent.append(f"{self._counts[each]:.0f} of {self._most[each]:.0f} measurements")
            if np.isfinite(self._most_seconds[each]):
                spent.append(f"{self._seconds[each]:.0f} of {self._most_seconds[each]:.0f} s")
            if spent:
                told.append(f"sample {self._limits.parts[each].name} has had {' and '.join(spent)}")
        return "; ".join(told)

    def _pay(self, suggestion: Suggestion, spot: FloatArray, sign: int) -> None:
        counting = self.cost.counting if math.isnan(suggestion.counting) else suggestion.counting
        self.spent += sign * suggestion.cost
        self.dose += sign * counting
        self._charge(spot, sign, suggestion.cost)

    def _charge(self, spot: FloatArray, sign: int, seconds: float) -> None:
        if (number := self._sample(spot)) >= 0:
            self._counts[number] += sign
            self._seconds[number] += sign * seconds

    def _sample(self, spot: FloatArray) -> int:
        return int(self._limits.sample_numbers(spot[None])[0])


def _most(budget: float | None) -> float:
    return math.inf if budget is None else float(budget)
