"""What an agent has spent: exposed spots, beamtime and dose."""

from __future__ import annotations

import math

import numpy as np

from ainerd_agent.agent.decision.acquisition import BeamtimeCost
from ainerd_agent.records import FloatArray, Suggestion


class Ledger:
    """Every suggestion, in order: its spot counts as exposed, and is paid for, from the moment that it is made.

    Parameters
    ----------
    cost : BeamtimeCost

    Attributes
    ----------
    spent, dose : float
        Seconds of beamtime, and of exposure.
    """

    def __init__(self, cost: BeamtimeCost) -> None:
        self._cost = cost
        self._spots: list[FloatArray] = []
        self._ids: list[str] = []
        self._when: dict[str, float] = {}
        self.spent = 0.0
        self.dose = 0.0

    def __len__(self) -> int:
        return len(self._spots)

    @property
    def here(self) -> FloatArray | None:
        """Where the stage will stand, (2,); None before the first suggestion."""
        return self._spots[-1] if self._spots else None

    @property
    def spots(self) -> FloatArray:
        """Exposed spots, shape (n, 2)."""
        return np.array(self._spots).reshape(-1, 2)

    def exposed(self, now: float) -> FloatArray:
        """Exposed spots and when, shape (n, 3); what was not measured, or not yet, counts as new."""
        return np.column_stack([self.spots, [self._when.get(each, now) for each in self._ids]])

    def cost_of(self, there: FloatArray, counting: float = math.nan) -> float:
        """Seconds to measure at a position (2,), after the last one; for `counting` seconds where that is given."""
        usual = float(self._cost(self.here, there[None])[0])
        return usual if math.isnan(counting) else usual - self._cost.counting + counting

    def count(self, suggestion: Suggestion) -> None:
        """Add one."""
        self._spots.append(_spot(suggestion))
        self._ids.append(suggestion.id)
        self._pay(suggestion, 1)

    def take_back(self, suggestion: Suggestion) -> None:
        """Undo `count` of the last one."""
        self._spots.pop()
        self._ids.pop()
        self._pay(suggestion, -1)

    def refund(self, suggestion: Suggestion) -> None:
        """It was not measured after all; its spot stays what it is."""
        self._pay(suggestion, -1)

    def move(self, suggestion_id: str, x: float, y: float) -> None:
        """It is measured elsewhere."""
        self._spots[self._ids.index(suggestion_id)] = np.array([x, y])

    def measured(self, suggestion_id: str, when: float) -> None:
        """Note when it was measured, in seconds."""
        self._when[suggestion_id] = when

    def _pay(self, suggestion: Suggestion, sign: int) -> None:
        counting = self._cost.counting if math.isnan(suggestion.counting) else suggestion.counting
        self.spent += sign * suggestion.cost
        self.dose += sign * counting


def _spot(suggestion: Suggestion) -> FloatArray:
    return np.array([suggestion.position["x"], suggestion.position["y"]])
