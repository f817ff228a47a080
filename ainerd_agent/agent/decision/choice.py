"""Which position comes next, and why."""

from __future__ import annotations

from typing import Any

import numpy as np

from ainerd_agent.agent.decision.acquisition import ExpectedNovelty, expected_novelty
from ainerd_agent.agent.decision.budget import Ledger
from ainerd_agent.agent.decision.candidates import Candidates
from ainerd_agent.agent.decision.goals import Goal, Outlook
from ainerd_agent.agent.decision.measured import Measured
from ainerd_agent.agent.decision.surrogate import Surrogate
from ainerd_agent.agent.limits import Limits
from ainerd_agent.agent.protocol import NoSuggestionError
from ainerd_agent.records import FloatArray, Suggestion

N_LOOKED_AT = 500
"""Candidates at most whose expected novelty says whether it is time to stop."""


class Choice:
    """Chooses the next position from what was measured and what is spent.

    First a space-filling start, then the candidate whose gain by the goal is worth its cost most. What it gives are
    suggestions with their reasons that bear no name yet. The same seed and the same measurements give the same choice.

    Parameters
    ----------
    limits : Limits
    candidates : Candidates
    counting : float
        Seconds that a measurement takes without travel.
    goal : Goal
    repeatability : float
        Distance between latents of repeated measurements: the unit of novelty.
    seed : int
    """

    def __init__(
        self, limits: Limits, candidates: Candidates, counting: float, goal: Goal, *, repeatability: float, seed: int
    ) -> None:
        self._limits, self._candidates, self._counting, self._goal = limits, candidates, counting, goal
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
            There is no unexposed candidate left, or none that can be reached within the budgets of the samples.
        """
        number = len(ledger)
        if number < self.n_start:
            return self._start(number, ledger)
        free = self._free(ledger)
        if len(measured) < 2:
            return self._far_away(free, ledger)
        return self._best(free, measured, ledger)

    def soon(self, measured: Measured) -> float:
        """When the next measurement will be, in seconds: a little after the last one."""
        return measured.latest + self._counting

    def _free(self, ledger: Ledger) -> FloatArray:
        """Candidates that were not exposed, and that can be reached and paid for, shape (n, n_axes)."""
        free = self._candidates.free(ledger.spots)
        left = free[ledger.affordable(free, ledger.cost(ledger.here, free))]
        if not len(left):
            told = ledger.in_words() or "what is left lies behind on an axis that cannot go back"
            raise NoSuggestionError(f"nothing is left that can be reached within the budgets: {told}")
        return left

    def _start(self, number: int, ledger: Ledger) -> Suggestion:
        """A position of the space-filling start; the most distant candidate where that may not be measured any more.

        Such as where people had a spot near it exposed, or the budget of its sample is spent.
        """
        position = self._candidates.start[number]
        cost = ledger.cost(ledger.here, position[None])
        if not (self._candidates.is_free(position, ledger.spots) and ledger.affordable(position[None], cost)[0]):
            position = self._candidates.most_distant(self._free(ledger), ledger.spots)[0]
        return self._unnamed(position, f"space-filling start, {number + 1} of {self.n_start}", ledger)

    def _far_away(self, free: FloatArray, ledger: Ledger) -> Suggestion:
        """The most distant candidate, as long as too little succeeded to learn from."""
        position, distance = self._candidates.most_distant(free, ledger.spots)
        reason = f"too few measurements to learn from yet: {self._away_from('any exposed spot', distance)}"
        return self._unnamed(position, reason, ledger)

    def _away_from(self, spots: str, distance: float) -> str:
        told = self._limits.distance_in_words(distance)
        return f"{told} from {spots}" if told else "nothing was measured on this sample yet"

    def _best(self, free: FloatArray, measured: Measured, ledger: Ledger) -> Suggestion:
        """The candidate whose gain is worth its cost most, and the best ones that are not its neighbours."""
        surrogate, soon = measured.surrogate(), self.soon(measured)
        places = np.column_stack([self._limits.coordinates(free), np.full(len(free), soon)])
        outlook = Outlook(places, ledger.exposed(soon), measured.extent, surrogate, self._rng(ledger))
        gain, cost = self._goal.gain(outlook), ledger.cost(ledger.here, free)
        score = gain / cost
        chosen = self._candidates.best_apart(free, score)
        best = chosen[0]
        some = places[:: -(-len(free) // N_LOOKED_AT)]
        novelty = self._novelty(surrogate, np.concatenate([places[chosen], some]), ledger)
        hole = self._candidates.most_distant(free[[best]], ledger.spots)[1]
        return self._unnamed(
            free[best],
            f"{self._away_from('any spot', hole)}, novelty {novelty.mean[0]:.1f} ± {novelty.std[0]:.1f} expected",
            ledger,
            expected_novelty=float(novelty.mean[0]),
            uncertainty=float(novelty.std[0]),
            score=float(score[best]),
            predicted=measured.maps_of(surrogate.imagine(places[best])),
            predicted_std=float(np.sqrt(np.square(surrogate.predict(places[[best]]).std).sum())),
            terms={
                "gain": float(gain[best]),
                "travel": float(cost[best] - self._counting),
                "counting": float(self._counting),
                **({"hole": hole} if self._limits.distance_in_words(hole) else {}),
                "most_expected": float(novelty.mean.max()),
                **self._lengths(surrogate),
                **surrogate.learnt,
            },
            alternatives=tuple(
                {
                    **self._limits.space.position(free[each]),
                    "score": float(score[each]),
                    "cost": float(cost[each]),
                    "expected_novelty": float(expected),
                }
                for each, expected in zip(chosen[1:], novelty.mean[1:], strict=False)
            ),
        )

    def _novelty(self, surrogate: Surrogate, places: FloatArray, ledger: Ledger) -> ExpectedNovelty:
        """Expected novelty at coordinates and times (n, n_coordinates + 1), in units of the repeatability."""
        found = expected_novelty(surrogate.predict(places), surrogate.measured, surrogate.noise, self._rng(ledger))
        return ExpectedNovelty(found.mean / self._repeatability, found.std / self._repeatability)

    def _rng(self, ledger: Ledger) -> np.random.Generator:
        return np.random.default_rng([self._seed, len(ledger)])

    def _lengths(self, surrogate: Surrogate) -> dict[str, float]:
        """Over what lengths things change: one where all axes have one unit, else that of each axis in its unit."""
        space = self._limits.space
        if space.unit is not None:
            return {"length": surrogate.lengths[0]}
        return {
            f"length {name}": surrogate.lengths[group if len(surrogate.lengths) > 1 else 0] * float(scale)
            for name, group, scale in zip(space.names, space.groups, space.scales, strict=True)
        }

    def _unnamed(self, values: FloatArray, reason: str, ledger: Ledger, **more: Any) -> Suggestion:
        position = self._limits.space.position(values)
        sample, well = self._limits.sample_and_well(position)
        where = ", ".join(told for told in (sample and f"sample {sample}", well and f"well {well}") if told)
        return Suggestion(
            id="",
            position=position,
            reason=f"{where}: {reason}" if where else reason,
            cost=ledger.cost_of(values),
            seed=self._seed,
            sample=sample,
            well=well,
            units=self._limits.space.units_told,
            **more,
        )
