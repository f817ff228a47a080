"""Which position comes next, and why."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial import KDTree

from ainerd_agent.agent.decision.acquisition import BeamtimeCost, ExpectedNovelty, expected_novelty
from ainerd_agent.agent.decision.budget import Ledger
from ainerd_agent.agent.decision.candidates import Candidates
from ainerd_agent.agent.decision.goals import Goal, Outlook
from ainerd_agent.agent.decision.measured import Measured
from ainerd_agent.agent.decision.surrogate import Surrogate
from ainerd_agent.records import FloatArray, Suggestion

N_LOOKED_AT = 500
"""Candidates at most whose expected novelty says whether it is time to stop."""


class Choice:
    """Chooses the next position from what was measured and what is spent.

    First a space-filling start, then the candidate whose gain by the goal is worth its cost most. What it gives are
    suggestions with their reasons that bear no name yet. The same seed and the same measurements give the same choice.

    Parameters
    ----------
    candidates : Candidates
    cost : BeamtimeCost
    goal : Goal
    repeatability : float
        Distance between latents of repeated measurements: the unit of novelty.
    seed : int
    """

    def __init__(
        self, candidates: Candidates, cost: BeamtimeCost, goal: Goal, *, repeatability: float, seed: int
    ) -> None:
        self._candidates, self._cost, self._goal = candidates, cost, goal
        self._repeatability = repeatability
        self._seed = seed

    @property
    def n_start(self) -> int:
        """Positions of the space-filling start."""
        return len(self._candidates.start)

    def next(self, measured: Measured, ledger: Ledger) -> Suggestion:
        """The next position.

        Raises
        ------
        NoSuggestionError
            Where the sample has no unexposed candidate left.
        """
        number = len(ledger)
        if number < self.n_start:
            return self._start(number, ledger)
        free = self._candidates.free(ledger.spots)
        if len(measured) < 2:
            return self._far_away(free, ledger)
        return self._best(free, measured, ledger)

    def soon(self, measured: Measured) -> float:
        """When the next measurement will be, in seconds: a little after the last one."""
        return measured.latest + self._cost.counting

    def _start(self, number: int, ledger: Ledger) -> Suggestion:
        """A position of the space-filling start; the most distant candidate where people had a spot near it exposed."""
        position = self._candidates.start[number]
        if not self._candidates.is_free(position, ledger.spots):
            position = _most_distant(self._candidates.free(ledger.spots), ledger.spots)[0]
        return self._unnamed(position, f"space-filling start, {number + 1} of {self.n_start}", ledger)

    def _far_away(self, free: FloatArray, ledger: Ledger) -> Suggestion:
        """The most distant candidate, as long as too little succeeded to learn from."""
        position, distance = _most_distant(free, ledger.spots)
        reason = f"too few measurements to learn from yet: {distance:.1f} mm from any exposed spot"
        return self._unnamed(position, reason, ledger)

    def _best(self, free: FloatArray, measured: Measured, ledger: Ledger) -> Suggestion:
        """The candidate whose gain is worth its cost most, and the best ones that are not its neighbours."""
        surrogate, soon = measured.surrogate(), self.soon(measured)
        places = np.column_stack([free, np.full(len(free), soon)])
        outlook = Outlook(places, ledger.exposed(soon), measured.extent, surrogate, self._rng(ledger))
        gain, cost = self._goal.gain(outlook), self._cost(ledger.here, free)
        score = gain / cost
        chosen = self._candidates.best_apart(free, score)
        best = chosen[0]
        some = places[:: -(-len(free) // N_LOOKED_AT)]
        novelty = self._novelty(surrogate, np.concatenate([places[chosen], some]), ledger)
        hole = float(KDTree(ledger.spots).query(free[best])[0])
        return self._unnamed(
            free[best],
            f"{hole:.1f} mm from any spot, novelty {novelty.mean[0]:.1f} ± {novelty.std[0]:.1f} expected",
            ledger,
            expected_novelty=float(novelty.mean[0]),
            uncertainty=float(novelty.std[0]),
            score=float(score[best]),
            predicted=measured.maps_of(surrogate.imagine(places[best])),
            predicted_std=float(np.sqrt(np.square(surrogate.predict(places[[best]]).std).sum())),
            terms={
                "gain": float(gain[best]),
                "travel": float(cost[best] - self._cost.counting),
                "counting": float(self._cost.counting),
                "hole": hole,
                "most_expected": float(novelty.mean.max()),
                **surrogate.learnt,
            },
            alternatives=tuple(
                {
                    "x": float(free[each, 0]),
                    "y": float(free[each, 1]),
                    "score": float(score[each]),
                    "cost": float(cost[each]),
                    "expected_novelty": float(expected),
                }
                for each, expected in zip(chosen[1:], novelty.mean[1:], strict=False)
            ),
        )

    def _novelty(self, surrogate: Surrogate, places: FloatArray, ledger: Ledger) -> ExpectedNovelty:
        """Expected novelty at places and times (n, 3), in units of the repeatability."""
        found = expected_novelty(surrogate.predict(places), surrogate.measured, surrogate.noise, self._rng(ledger))
        return ExpectedNovelty(found.mean / self._repeatability, found.std / self._repeatability)

    def _rng(self, ledger: Ledger) -> np.random.Generator:
        return np.random.default_rng([self._seed, len(ledger)])

    def _unnamed(self, position: FloatArray, reason: str, ledger: Ledger, **more: Any) -> Suggestion:
        return Suggestion(
            id="",
            position={"x": float(position[0]), "y": float(position[1])},
            reason=reason,
            cost=ledger.cost_of(position),
            seed=self._seed,
            **more,
        )


def _most_distant(free: FloatArray, spots: FloatArray) -> tuple[FloatArray, float]:
    """The candidate (2,) that is the farthest from any exposed spot, and how far."""
    distance = KDTree(spots).query(free)[0]
    best = int(distance.argmax())
    return free[best], float(distance[best])
