"""The agent: from the measurements so far to the next position."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

import numpy as np

from ainerd_agent.agent.decision.acquisition import BeamtimeCost, tour
from ainerd_agent.agent.decision.budget import Ledger
from ainerd_agent.agent.decision.candidates import Candidates
from ainerd_agent.agent.decision.choice import Choice
from ainerd_agent.agent.decision.goals import Goal, as_settings, from_settings
from ainerd_agent.agent.decision.measured import Measured
from ainerd_agent.agent.decision.stopping import Stopping
from ainerd_agent.agent.limits import Limits
from ainerd_agent.agent.protocol import NoSuggestionError
from ainerd_agent.agent.space import Axis
from ainerd_agent.records import Analysis, Suggestion


class NoveltyAgent:
    """Suggests where to find dynamics that were not seen yet, soon.

    It starts with a space-filling design. Then a gaussian process maps positions and times to latents, and gives for
    each candidate how far from all that was measured its latents are expected to be. What is maximised per second of
    beamtime is the gain by the goal. The same seed and the same measurements give the same suggestions.

    Parameters
    ----------
    limits : Limits or mapping
        The axes with their lowest and highest positions, the samples with their budgets, and what is forbidden. No
        suggestion leaves them. A mapping has the axes alone.
    cost : BeamtimeCost
    goal : Goal or str
        "coverage" weighs the hole around a candidate that nothing was measured in, "novelty" its expected novelty
        (BEACON). Novelty finds more where dynamics change smoothly, coverage where there are phases
        (`benchmarks/agent.py`): between two of them, a surrogate expects something in between, which is not there.
        `goals.Alike` looks for more like a map, `goals.Boundary` maps the boundary between two kinds of dynamics.
    n_start : int
        Positions of the space-filling start; it is shorter where no more fit, and with several samples there is one on
        each at least.
    exclusion : float, optional
        No position is suggested closer than this to an exposed spot (radiation damage); by default 0.1 mm. `Limits`
        have an exclusion of their own: then it may not be given here.
    repeatability : float
        Distance between latents of repeated measurements: the unit of novelty.
    time_budget, dose_budget : float
        Seconds of beamtime (travel and counting), and of counting alone, after which it is time to stop.
    stop_below : float
        Expected novelty below which it is time to stop, in units of the repeatability; 0 for never.
    model : str
        Name of the latent model.
    seed : int
    name : str
        By which its suggestions are found again; by default one that nobody else has.

    Raises
    ------
    ValueError
        Limits without room, also where everything is forbidden; an exclusion beside `Limits`; an axis whose speed is
        not known; no position to start with; a repeatability, budget or goal that is none.
    """

    def __init__(
        self,
        limits: Limits | Mapping[str, tuple[float, float] | Axis],
        cost: BeamtimeCost,
        *,
        goal: Goal | str = "coverage",
        n_start: int = 5,
        exclusion: float | None = None,
        repeatability: float = 1.0,
        time_budget: float = np.inf,
        dose_budget: float = np.inf,
        stop_below: float = 0.0,
        model: str = "",
        seed: int = 0,
        name: str = "",
    ) -> None:
        self.limits = _limits(limits, exclusion)
        if n_start < 1:
            raise ValueError(f"the space-filling start needs at least one position, got {n_start}")
        if not 0 < repeatability < np.inf:
            raise ValueError(f"the repeatability is a distance between latents, more than 0; got {repeatability}")
        self.goal = from_settings(goal) if isinstance(goal, str) else goal
        self.name = name or f"agent-{uuid4().hex[:8]}"
        self.cost = cost
        self._repeatability = repeatability
        self._stopping = Stopping(time_budget, dose_budget, stop_below)
        self.model = model
        self._seed = seed
        self._choice = Choice(
            self.limits,
            Candidates(self.limits, n_start, seed),
            cost.counting,
            self.goal,
            repeatability=repeatability,
            seed=seed,
        )
        self._ledger = Ledger(self.limits, cost)
        self._measured = Measured(self.limits)
        self._left_over: list[Suggestion] = []
        self._settings = {
            "agent": "NoveltyAgent",
            "limits": self.limits.as_settings(),
            "cost": {"speed": float(cost.speed), "counting": float(cost.counting)},
            "goal": as_settings(self.goal),
            "n_start": n_start,
            "repeatability": float(repeatability),
            **self._stopping.as_settings(),
            "model": model,
            "seed": seed,
            "name": self.name,
        }

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> NoveltyAgent:
        """Make an agent again that has not suggested anything yet, from the settings of its suggestions.

        Raises
        ------
        ValueError
            These are not the settings of such an agent.
        """
        # JSON knows no infinity: None stands for no budget.
        given: dict[str, Any] = {key: math.inf if value is None else value for key, value in settings.items()}
        if (kind := given.pop("agent", None)) != "NoveltyAgent":
            raise ValueError(f"these are not the settings of a NoveltyAgent, but of a {kind or 'kind that they lack'}")
        try:
            return cls(
                Limits.from_settings(given.pop("limits")),
                BeamtimeCost(**given.pop("cost")),
                goal=from_settings(given.pop("goal")),
                **given,
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"these are not the settings of a NoveltyAgent: {error}") from error

    @property
    def settings(self) -> Mapping[str, Any]:
        """How it was made, in plain values; `from_settings` makes it again."""
        return dict(self._settings)

    @property
    def n_start(self) -> int:
        """Positions of the space-filling start."""
        return self._choice.n_start

    @property
    def needs_results(self) -> bool:
        """Whether the next suggestion depends on the measurements before it: not in the space-filling start."""
        return len(self._ledger) >= self.n_start

    def should_stop(self) -> str:
        """Why it is time to stop, in words; empty where it is not, or where something is under way since a restart."""
        return self.asked_to_stop if self._left_over else self._stopping.reason(self._ledger)

    @property
    def asked_to_stop(self) -> str:
        """Why somebody asked to stop; empty where nobody did."""
        return self._stopping.asked

    def stop(self, reason: str = "somebody asked to stop") -> None:
        """Ask to stop before the next suggestion; from any thread."""
        self._stopping.ask(reason)

    def suggest(self) -> Suggestion:
        """The next position, which counts as exposed from now on.

        Raises
        ------
        NoSuggestionError
            There is no unexposed candidate left, or none that can be reached within the budgets of the samples.
        """
        if self._left_over:
            return self._left_over.pop(0)
        return self._signed(self._choice.next(self._measured, self._ledger))

    def suggest_batch(self, n: int) -> list[Suggestion]:
        """Several positions that do not wait for each other's results, in the order of a short tour.

        Each is chosen as if the ones before it had been measured and had given what is predicted there. Fewer than `n`
        where the sample is used up.

        Raises
        ------
        NoSuggestionError
            Where there is not even one.
        """
        if n < 1:
            raise ValueError(f"a batch has at least one position, got {n}")
        known, here = len(self._measured), self._ledger.here
        before = len(self._ledger)
        chosen: list[Suggestion] = []
        while len(chosen) < n:
            try:
                chosen.append(self.suggest())
            except NoSuggestionError:
                if not chosen:
                    raise
                break
            if known >= 2:
                self._measured.imagine(chosen[-1].position, self._choice.soon(self._measured))
        self._measured.forget(known)
        n_fresh = len(self._ledger) - before
        left_over, fresh = chosen[: len(chosen) - n_fresh], chosen[len(chosen) - n_fresh :]
        spots = self._ledger.spots[before:]
        order = tour(here, spots, self._ledger.cost)
        # Exposed and paid for in that order.
        for each in reversed(fresh):
            self._ledger.take_back(each)
        if not self._ledger.suffices_for(spots[order]):
            order = list(range(n_fresh))
        return [*left_over, *(self._in_turn(fresh[number]) for number in order)]

    def _in_turn(self, suggestion: Suggestion) -> Suggestion:
        """Count a suggestion as the next one, with what it costs then."""
        cost = self._ledger.cost_of(self.limits.space.array(suggestion.position))
        suggestion = replace(suggestion, cost=cost)
        if suggestion.terms:
            terms = {**suggestion.terms, "travel": cost - self.cost.counting}
            suggestion = replace(suggestion, terms=terms, score=terms["gain"] / cost)
        self._ledger.count(suggestion)
        return suggestion

    def recall(self, suggestion: Suggestion) -> None:
        """Take note of a suggestion, of another process too: its spot counts as exposed."""
        self._ledger.count(suggestion)
        if "most_expected" in suggestion.terms:
            self._stopping.expect(float(suggestion.terms["most_expected"]))

    def repeat(self, suggestion: Suggestion) -> None:
        """Suggest once more, before anything else, what nothing came of: its process ended first."""
        self._left_over.append(suggestion)

    def withdraw(self, suggestion: Suggestion) -> None:
        """Take note that a suggestion was rejected: nothing was spent, and the spot is not suggested again."""
        self._ledger.refund(suggestion)

    def edit(self, suggestion: Suggestion, position: Mapping[str, float]) -> Suggestion:
        """Take note that somebody wants to measure elsewhere instead; gives the suggestion for there.

        Parameters
        ----------
        suggestion : Suggestion
        position : mapping of str to float
            A value for each axis, in its unit.

        Raises
        ------
        LimitError
            That is outside of the limits or forbidden, or the budget of the sample there is spent. Nothing has changed
            then.
        """
        self.limits.check(position)
        there = self.limits.space.array(position)
        self._ledger.check(there, suggestion.cost, suggestion.id)
        self._ledger.move(suggestion, there)
        return self._at(suggestion, position)

    def expose(
        self,
        position: Mapping[str, float],
        suggestion_id: str,
        reason: str = "somebody asked for it",
        *,
        counting: float = math.nan,
    ) -> Suggestion:
        """Take note of a position that somebody else chose; gives it as a suggestion.

        Parameters
        ----------
        position : mapping of str to float
            A value for each axis, in its unit; the spot may have been exposed before.
        suggestion_id, reason : str
        counting : float
            Seconds of exposure, where it is not the usual one.

        Raises
        ------
        LimitError
            That is outside of the limits or forbidden, or the budget of the sample there is spent.
        """
        self.limits.check(position)
        there = self.limits.space.array(position)
        cost = self._ledger.cost_of(there, counting)
        self._ledger.check(there, cost)
        suggestion = Suggestion(
            id=suggestion_id, position={}, reason=reason, cost=cost, counting=counting, seed=self._seed,
            units=self.limits.space.units_told,
        )  # fmt: skip
        return self._signed(self._at(suggestion, position))

    def _at(self, suggestion: Suggestion, position: Mapping[str, float]) -> Suggestion:
        """The suggestion at another position."""
        sample, well = self.limits.sample_and_well(position)
        there = self.limits.space.position(self.limits.space.array(position))
        return replace(suggestion, position=there, sample=sample, well=well)

    def ingest(self, suggestion: Suggestion, analysis: Analysis | None) -> float:
        """Learn what became of a suggestion.

        Parameters
        ----------
        suggestion : Suggestion
        analysis : Analysis or None
            None where the measurement failed. Its spot is not suggested again.

        Returns
        -------
        float
            Novelty found: distance to the nearest earlier measurement (root mean square over the bins) in units of the
            repeatability, to be held against what was expected. NaN for the first and for a failed one.
        """
        if analysis is None or not np.isfinite(analysis.latents).all():
            return float("nan")
        nearest = self._measured.add(suggestion.position, analysis)
        self._ledger.measured(suggestion.id, float(analysis.origin.start))
        return nearest / self._repeatability

    def _signed(self, suggestion: Suggestion) -> Suggestion:
        """A suggestion with its name and where it comes from, which counts from now on."""
        signed = replace(
            suggestion,
            id=suggestion.id or f"{self.name}-{len(self._ledger) + 1}",
            inputs=tuple(self._measured.inputs),
            model=self.model,
            agent=self.name,
            settings=self._settings,
        )
        self.recall(signed)
        return signed


def _limits(limits: Limits | Mapping[str, tuple[float, float] | Axis], exclusion: float | None) -> Limits:
    if not isinstance(limits, Limits):
        return Limits(limits, exclusion=exclusion)
    if exclusion is not None:
        raise ValueError(
            f"the limits already have an exclusion of {limits.exclusion_in_words or 0}: leave out the agent's "
            f"exclusion of {exclusion:g}, or give it to Limits"
        )
    return limits
