"""One spot again and again: measure when its dynamics must have changed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import numpy as np

from ainerd_agent.agent.limits import Limits
from ainerd_agent.agent.protocol import NoSuggestionError
from ainerd_agent.agent.space import LimitError
from ainerd_agent.records import Analysis, FloatArray, Suggestion

N_WAITS_SETTLED = 3
"""Longest waits in a row without a change before it is time to stop."""


class SpotAgent:
    """Suggests one spot again and again, each time when a change is expected that a measurement can show.

    The wait is the time over which the latents moved by `change`, at the pace between the last two measurements. Where
    they moved by less than a repeatability, it doubles: that is noise, or the dynamics have settled.

    Where people reject a measurement, it is left out, and the next wait is twice as long. Where they edit it, the spot
    is the new one from then on, and what was measured at the former one says nothing of it.

    Parameters
    ----------
    limits : Limits
        The spot lies within them. It is exposed again and again, so their exclusion does not hold for it; what was
        exposed within the exclusion of the spot counts for its dose. The budgets of samples hold.
    spot : mapping of str to float, or sequence of float
        A value for each axis, or all of them in the order of the axes.
    counting : float
        Seconds of exposure of a measurement, as the plan makes it.
    spot_dose : float
        Seconds of exposure that the spot stands.
    repeatability : float
        Distance between latents of repeated measurements.
    change : float
        That is waited for, in units of the repeatability.
    shortest, longest : float
        Seconds of a wait, at least and at most.
    model : str
        Name of the latent model.
    name : str
        By which its suggestions are found again; by default one that nobody else has.

    Raises
    ------
    LimitError
        The spot is outside of the limits, or forbidden.
    ValueError
        Times or changes that make no sense.
    """

    needs_results = True
    _wait: float
    _settled: int

    def __init__(
        self,
        limits: Limits,
        spot: Mapping[str, float] | Sequence[float],
        *,
        counting: float,
        spot_dose: float = math.inf,
        repeatability: float = 1.0,
        change: float = 2.0,
        shortest: float = 0.0,
        longest: float = 600.0,
        model: str = "",
        name: str = "",
    ) -> None:
        place = _by_axis(limits, spot)
        limits.check(place)
        if not 0 <= shortest < longest < math.inf or counting <= 0:
            raise ValueError(f"waits from {shortest} to {longest} s and a counting time of {counting} s make no sense")
        if not (repeatability > 0 and change > 0):
            raise ValueError(f"a change by {change} repeatabilities of {repeatability} is none that can be waited for")
        self.limits = limits
        self.model = model
        self.name = name or f"spot-{uuid4().hex[:8]}"
        self._first_spot = self._spot = _values(limits, place)
        self._counting, self._spot_dose = counting, spot_dose
        self._repeatability, self._change = repeatability, change
        self._shortest, self._longest = shortest, longest
        self._exposed: dict[str, tuple[float, ...]] = {}
        self._inputs: list[str] = []
        self._n_suggested = 0
        self._left_over: list[Suggestion] = []
        self._asked_to_stop = ""
        self._begin()

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> SpotAgent:
        """Make an agent again that has not suggested anything yet, from the settings of its suggestions.

        Raises
        ------
        ValueError
            These are not the settings of such an agent.
        """
        # JSON knows no infinity: None stands for no bound of the dose.
        given: dict[str, Any] = {key: math.inf if value is None else value for key, value in settings.items()}
        if (kind := given.pop("agent", None)) != "SpotAgent":
            raise ValueError(f"these are not the settings of a SpotAgent, but of a {kind or 'kind that they lack'}")
        try:
            spot = given.pop("spot")
            return cls(Limits.from_settings(given.pop("limits")), spot, **given)
        except (KeyError, TypeError) as error:
            raise ValueError(f"these are not the settings of a SpotAgent: {error}") from error

    @property
    def settings(self) -> dict[str, Any]:
        """How it was made, in plain values; `from_settings` makes it again."""
        return {
            "agent": "SpotAgent",
            "limits": self.limits.as_settings(),
            "spot": list(self._first_spot),
            "counting": float(self._counting),
            "spot_dose": float(self._spot_dose) if math.isfinite(self._spot_dose) else None,
            "repeatability": float(self._repeatability),
            "change": float(self._change),
            "shortest": float(self._shortest),
            "longest": float(self._longest),
            "model": self.model,
            "name": self.name,
        }

    def should_stop(self) -> str:
        """Why it is time to stop, in words; empty where it is not, or where something is under way since a restart."""
        if self._asked_to_stop or self._left_over:
            return self._asked_to_stop
        dose = self._dose()
        if dose + self._counting > self._spot_dose:
            return f"the dose of the spot is spent: {dose:g} s of exposure of {self._spot_dose:g} s"
        if spent := self._budget_spent(self._spot):
            return f"the budget is spent: {spent}"
        if self._settled >= N_WAITS_SETTLED:
            return f"the dynamics have settled: no change in {N_WAITS_SETTLED} waits of {self._longest:g} s"
        return ""

    def stop(self, reason: str = "somebody asked to stop") -> None:
        """Ask to stop before the next suggestion; from any thread."""
        self._asked_to_stop = reason

    def suggest(self) -> Suggestion:
        """The spot, and how long to wait before it.

        Raises
        ------
        NoSuggestionError
            Its dose is spent.
        """
        if self._left_over:
            return self._left_over.pop(0)
        if reason := self.should_stop():
            raise NoSuggestionError(reason)
        moved = "" if math.isnan(self._moved) else f", after a change by {self._moved:.1f} repeatabilities"
        suggestion = Suggestion(
            id=f"{self.name}-{self._n_suggested + 1}",
            position=self.limits.space.position(np.array(self._spot)),
            reason=f"the same spot after {self._wait:.1f} s{moved}",
            expected_novelty=self._change if len(self._times) > 1 else math.nan,
            cost=self._wait + self._counting,
            wait=self._wait,
            inputs=tuple(self._inputs),
            model=self.model,
            agent=self.name,
            terms={"moved": self._moved, "wait": self._wait},
            settings=self.settings,
            units=self.limits.space.units_told,
            sample=self._sample_and_well()[0],
            well=self._sample_and_well()[1],
        )
        self.recall(suggestion)
        return suggestion

    def recall(self, suggestion: Suggestion) -> None:
        """Take note of a suggestion, of another process too: the spot counts as exposed."""
        self._n_suggested += 1
        self._exposed[suggestion.id] = _values(self.limits, suggestion.position)

    def repeat(self, suggestion: Suggestion) -> None:
        """Suggest once more, before anything else, what nothing came of: its process ended first."""
        self._left_over.append(suggestion)

    def withdraw(self, suggestion: Suggestion) -> None:
        """Take note that a suggestion was rejected: nothing was exposed. The next wait is twice as long."""
        self._exposed.pop(suggestion.id, None)
        self._wait = self._within_bounds(2 * max(self._wait, self._counting))

    def edit(self, suggestion: Suggestion, position: Mapping[str, float]) -> Suggestion:
        """Take note that somebody wants another spot from now on; gives the suggestion for there, without a wait.

        Raises
        ------
        LimitError
            That is outside of the limits or forbidden. Nothing has changed then.
        """
        self.limits.check(position)
        there = _values(self.limits, position)
        if spent := self._budget_spent(there, beside=suggestion.id):
            raise LimitError(f"{self.limits.space.in_words(np.array(there))} cannot be measured: {spent}")
        if there != self._spot:
            self._spot = there
            self._begin()
        self._exposed[suggestion.id] = self._spot
        return replace(
            suggestion,
            position=self.limits.space.position(np.array(self._spot)),
            wait=self._wait,
            cost=self._wait + self._counting,
            sample=self._sample_and_well()[0],
            well=self._sample_and_well()[1],
        )

    def ingest(self, suggestion: Suggestion, analysis: Analysis | None) -> float:
        """Learn what became of a suggestion.

        Returns
        -------
        float
            How far the latents moved since the last measurement, in units of the repeatability; NaN for the first at a
            spot and for a failed one.

        Raises
        ------
        ValueError
            It has other bins than the measurement before it.
        """
        if analysis is None or not np.isfinite(analysis.latents).all() or self._left(suggestion):
            return math.nan
        vector = analysis.latents.astype(np.float64).ravel() / math.sqrt(len(analysis.latents))
        if self._latents and len(vector) != len(self._latents[-1]):
            raise ValueError(
                f"measurement {analysis.origin.raw_uid}/{analysis.origin.seq_num} has {len(analysis.latents)} bins, "
                "that before it has others: one agent learns from measurements of the same bins"
            )
        self._times.append(float(analysis.origin.start))
        self._latents.append(vector)
        self._inputs.append(analysis.origin.name)
        if len(self._times) < 2:
            return math.nan
        self._moved = float(np.linalg.norm(self._latents[-1] - self._latents[-2])) / self._repeatability
        passed = max(self._times[-1] - self._times[-2], self._counting)
        still = self._moved <= 1.0
        asked = 2 * passed if still else passed * self._change / self._moved
        self._wait = self._within_bounds(asked - self._counting)
        self._settled = self._settled + 1 if still and passed >= self._longest else 0
        return self._moved

    def _begin(self) -> None:
        """Nothing is known of the spot."""
        self._times: list[float] = []
        self._latents: list[FloatArray] = []
        self._inputs.clear()
        self._wait = self._shortest
        self._moved = math.nan
        self._settled = 0

    def _dose(self) -> float:
        """Seconds of exposure of the spot, and of what lies within the exclusion of it."""
        spots = np.array(list(self._exposed.values())).reshape(-1, len(self._spot))
        return int(np.count_nonzero(~self.limits.clear_of(spots, np.array(self._spot)))) * self._counting

    def _budget_spent(self, spot: tuple[float, ...], beside: str = "") -> str:
        """What the sample of a spot has had, where its budget does not allow another measurement; empty where it does.

        A suggestion that is measured there instead of elsewhere (`beside`) is not counted twice.
        """
        known = [each for name, each in self._exposed.items() if name != beside]
        number = int(self.limits.sample_numbers(np.array([spot]))[0])
        there = int(np.count_nonzero(self.limits.sample_numbers(np.array(known).reshape(-1, len(spot))) == number))
        sample = self.limits.parts[number].sample
        if sample is None:
            return ""
        if sample.measurements is not None and there >= sample.measurements:
            return f"sample {sample.name} has had {there} of {sample.measurements} measurements"
        seconds = there * self._counting
        if sample.seconds is not None and seconds + self._counting > sample.seconds:
            return f"sample {sample.name} has had {seconds:g} of {sample.seconds:g} s"
        return ""

    def _sample_and_well(self) -> tuple[str, str]:
        return self.limits.sample_and_well(self.limits.space.position(np.array(self._spot)))

    def _left(self, suggestion: Suggestion) -> bool:
        """Whether a suggestion was for a spot that is the agent's no more."""
        return _values(self.limits, suggestion.position) != self._spot

    def _within_bounds(self, wait: float) -> float:
        return float(np.clip(wait, self._shortest, self._longest))


def _by_axis(limits: Limits, spot: Mapping[str, float] | Sequence[float]) -> Mapping[str, float]:
    if isinstance(spot, Mapping):
        return spot
    names = limits.space.names
    if len(spot) != len(names):
        raise ValueError(f"the spot {tuple(spot)} has {len(spot)} values, and the axes are {', '.join(names)}")
    return dict(zip(names, spot, strict=True))


def _values(limits: Limits, position: Mapping[str, float]) -> tuple[float, ...]:
    return tuple(float(each) for each in limits.space.array(position))
