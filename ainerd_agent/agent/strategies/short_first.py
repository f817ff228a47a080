"""A short count first, a long one where it looks new."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from ainerd_agent.agent.limits import Limits
from ainerd_agent.agent.strategies.novelty import NoveltyAgent
from ainerd_agent.records import Analysis, FloatArray, Suggestion


class ShortFirst:
    """Lets an agent choose spots, measures each one shortly, and once more for long where that looks new.

    Short counts are compared with short counts only: their maps span another time, and are noisier. What is new among
    them is new in units of their own repeatability, which the Friedel pairs tell. The agent learns from long counts.

    A run has maps of one duration: measure each suggestion in a run of its own (`plans.measure_at`, a queue server).

    Parameters
    ----------
    agent : NoveltyAgent
        Its cost counts the short exposure, and what comes on top of it.
    short, long : float
        Seconds of exposure.
    looks_new : float
        Novelty of a short count from which the long one follows, in units of the repeatability of short counts.

    Raises
    ------
    ValueError
        The long count is not longer than the short one, or the agent counts less than the short one.
    """

    needs_results = True

    def __init__(self, agent: NoveltyAgent, *, short: float, long: float, looks_new: float = 3.0) -> None:
        if not 0 < short < long < math.inf:
            raise ValueError(f"a short count of {short} s and a long one of {long} s make no sense")
        if agent.cost.counting < short:
            raise ValueError(
                f"the agent's cost has {agent.cost.counting:g} s for a measurement, less than the short count of "
                f"{short:g} s"
            )
        self._agent = agent
        self._short, self._long, self._looks_new = short, long, looks_new
        self._again: list[Suggestion] = []
        self._seen: list[FloatArray] = []
        self._noise: list[float] = []

    @property
    def limits(self) -> Limits:
        """Those of the agent."""
        return self._agent.limits

    @property
    def name(self) -> str:
        """That of the agent."""
        return self._agent.name

    @property
    def settings(self) -> dict[str, Any]:
        """How it was made: those of the agent, by which it alone could not be made again, and its own."""
        return {
            "agent": "ShortFirst",
            "limits": self.limits.as_settings(),
            "short": self._short,
            "long": self._long,
            "looks_new": self._looks_new,
            "chooser": dict(self._agent.settings),
        }

    def should_stop(self) -> str:
        """Why it is time to stop; not between a short count and its long one."""
        return "" if self._again else self._agent.should_stop()

    def suggest(self) -> Suggestion:
        """A long count where the last short one looked new, else a short one where the agent says.

        Raises
        ------
        NoSuggestionError
            The sample is used up.
        """
        if self._again:
            return self._again.pop(0)
        return replace(self._agent.suggest(), counting=self._short, settings=self.settings)

    def ingest(self, suggestion: Suggestion, analysis: Analysis | None) -> float:
        """Learn what became of a suggestion; gives its novelty, among counts of its own length."""
        if suggestion.counting == self._long:
            return self._agent.ingest(suggestion, analysis)
        if analysis is None or not np.isfinite(analysis.latents).all():
            return math.nan
        latents = analysis.latents.astype(np.float64)
        half = len(latents) // 2
        if half and len(latents) % 2 == 0:
            self._noise.append(float(np.median(np.square(latents[:half] - latents[half:]).sum(axis=1))))
        vector = latents.ravel() / math.sqrt(len(latents))
        nearest = min((float(np.linalg.norm(vector - seen)) for seen in self._seen), default=math.inf)
        self._seen.append(vector)
        repeatability = math.sqrt(float(np.median(self._noise))) if self._noise else 1.0
        novelty = nearest / max(repeatability, np.finfo(float).tiny)
        if novelty >= self._looks_new:
            x, y = suggestion.position["x"], suggestion.position["y"]
            told = "the first short count" if math.isinf(novelty) else f"novelty {novelty:.1f} in a short count"
            exposed = self._agent.expose(x, y, f"{suggestion.id}-long", told, counting=self._long)
            self._again.append(replace(exposed, settings=self.settings))
        return novelty if math.isfinite(novelty) else math.nan
