"""Following one spot in time: measure again when its dynamics must have changed."""

from __future__ import annotations

import math
from uuid import uuid4

import numpy as np

from ainerd_agent.agent.limits import Limits
from ainerd_agent.agent.protocol import NoSuggestionError
from ainerd_agent.records import Analysis, FloatArray, Suggestion

SETTLED = 3
"""Longest waits in a row without a change before it is time to stop."""


class SpotAgent:
    """Suggests one spot again and again, each time when a change is expected that a measurement can tell.

    The wait is the time over which the latents moved by `change`, at the pace between the last two measurements. Where
    they moved by less than a repeatability, it doubles: that is noise, or the dynamics have settled.

    Parameters
    ----------
    limits : Limits
        The spot lies within them. Their exclusion does not hold for it, as it is exposed again and again: `spot_dose`
        protects it.
    spot : (x, y)
        mm.
    counting : float
        Seconds of exposure of a measurement.
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
        Times that make no sense.
    """

    needs_results = True

    def __init__(
        self,
        limits: Limits,
        spot: tuple[float, float],
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
        limits.check(*spot)
        if not 0 <= shortest < longest < math.inf or counting <= 0:
            raise ValueError(f"waits from {shortest} to {longest} s and a counting time of {counting} s make no sense")
        if not (repeatability > 0 and change > 0):
            raise ValueError(f"a change by {change} repeatabilities of {repeatability} is none that can be waited for")
        self.limits = limits
        self.name = name or f"spot-{uuid4().hex[:8]}"
        self._spot = spot
        self._counting, self._spot_dose = counting, spot_dose
        self._repeatability, self._change = repeatability, change
        self._shortest, self._longest = shortest, longest
        self._model = model
        self._times: list[float] = []
        self._latents: list[FloatArray] = []
        self._inputs: list[str] = []
        self._n_suggested = 0
        self._wait = shortest
        self._moved = math.nan
        self._settled = 0
        self._asked_to_stop = ""

    def should_stop(self) -> str:
        """Why it is time to stop, in words; empty where it is not."""
        if self._asked_to_stop:
            return self._asked_to_stop
        dose = self._n_suggested * self._counting
        if dose + self._counting > self._spot_dose:
            return f"the dose of the spot is spent: {dose:g} s of exposure of {self._spot_dose:g} s"
        if self._settled >= SETTLED:
            return f"the dynamics have settled: no change in {SETTLED} waits of {self._longest:g} s"
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
        if reason := self.should_stop():
            raise NoSuggestionError(reason)
        self._n_suggested += 1
        moved = "" if math.isnan(self._moved) else f", after a change by {self._moved:.1f} repeatabilities"
        return Suggestion(
            id=f"{self.name}-{self._n_suggested}",
            position={"x": float(self._spot[0]), "y": float(self._spot[1])},
            reason=f"the same spot after {self._wait:.1f} s{moved}",
            expected_novelty=self._change if len(self._times) > 1 else math.nan,
            cost=self._wait + self._counting,
            wait=self._wait,
            inputs=tuple(self._inputs),
            model=self._model,
            agent=self.name,
            terms={"moved": self._moved, "wait": self._wait},
            settings={"agent": "SpotAgent", "limits": self.limits.as_settings(), "spot": list(self._spot)},
        )

    def ingest(self, suggestion: Suggestion, analysis: Analysis | None) -> float:
        """Learn what became of a suggestion.

        Returns
        -------
        float
            How far the latents moved since the last measurement, in units of the repeatability; NaN for the first and
            for a failed one.
        """
        if analysis is None or not np.isfinite(analysis.latents).all():
            return math.nan
        vector = analysis.latents.astype(np.float64).ravel() / math.sqrt(len(analysis.latents))
        self._times.append(float(analysis.origin.start))
        self._latents.append(vector)
        self._inputs.append(f"{analysis.origin.raw_uid}/{analysis.origin.seq_num}")
        if len(self._times) < 2:
            return math.nan
        self._moved = float(np.linalg.norm(self._latents[-1] - self._latents[-2])) / self._repeatability
        passed = max(self._times[-1] - self._times[-2], self._counting)
        still = self._moved <= 1.0
        asked = 2 * passed if still else passed * self._change / self._moved
        self._wait = float(np.clip(asked - self._counting, self._shortest, self._longest))
        self._settled = self._settled + 1 if still and passed >= self._longest else 0
        return self._moved
