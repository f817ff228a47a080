"""A short count first, a long one where it looks new."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ainerd_agent.agent.limits import Limits
from ainerd_agent.agent.space import LimitError
from ainerd_agent.agent.strategies.novelty import NoveltyAgent
from ainerd_agent.records import Analysis, FloatArray, Suggestion

_log = logging.getLogger(__name__)


class ShortFirst:
    """Lets an agent choose spots, measures each one shortly, and once more for long where that looks new.

    Short counts are compared with short counts only: their maps span another time, and are noisier. What is new among
    them is new in units of their own repeatability, which the Friedel pairs show. The agent learns from long counts.

    A run has maps of one duration: measure each suggestion in a run of its own (`plans.measure_at`, a queue server).

    Parameters
    ----------
    agent : NoveltyAgent
        A new one, which chooses the spots. Its cost counts the short exposure, and what comes on top of it.
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
        self._short, self._long, self._looks_new = float(short), float(long), float(looks_new)
        self._left_over: list[Suggestion] = []
        self._long_ones: list[Suggestion] = []
        self._seen: list[FloatArray] = []
        self._noise: list[float] = []

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> ShortFirst:
        """Make an agent again that has not suggested anything yet, from the settings of its suggestions.

        Raises
        ------
        ValueError
            These are not the settings of such an agent.
        """
        given = dict(settings)
        if (kind := given.pop("agent", None)) != "ShortFirst":
            raise ValueError(f"these are not the settings of a ShortFirst, but of a {kind or 'kind that they lack'}")
        try:
            agent = NoveltyAgent.from_settings(given.pop("chooser"))
            del given["limits"]  # those of the chooser
            return cls(agent, **given)
        except (KeyError, TypeError) as error:
            raise ValueError(f"these are not the settings of a ShortFirst: {error}") from error

    @property
    def limits(self) -> Limits:
        """Those of the agent."""
        return self._agent.limits

    @property
    def name(self) -> str:
        """That of the agent."""
        return self._agent.name

    @property
    def model(self) -> str:
        """That of the agent."""
        return self._agent.model

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
        """Why it is time to stop; between a short count and its long one only where somebody asked to."""
        under_way = self._left_over or self._long_ones
        return self._agent.asked_to_stop if under_way else self._agent.should_stop()

    def stop(self, reason: str = "somebody asked to stop") -> None:
        """Ask to stop before the next suggestion; from any thread."""
        self._agent.stop(reason)

    def suggest(self) -> Suggestion:
        """A long count where the last short one looked new, else a short one where the agent says.

        Raises
        ------
        NoSuggestionError
            The sample is used up.
        """
        for waiting in (self._left_over, self._long_ones):
            if waiting:
                return waiting.pop(0)
        return replace(self._agent.suggest(), counting=self._short, settings=self.settings)

    def recall(self, suggestion: Suggestion) -> None:
        """Take note of a suggestion that this agent made in another process: its spot counts as exposed."""
        for place, long_one in enumerate(self._long_ones):
            if long_one.id == suggestion.id:  # it was counted when its short one was measured
                del self._long_ones[place]
                return
        self._agent.recall(self._as_counted(suggestion))

    def repeat(self, suggestion: Suggestion) -> None:
        """Suggest once more, before anything else, what nothing came of: its process ended first."""
        self._left_over.append(suggestion)

    def withdraw(self, suggestion: Suggestion) -> None:
        """Take note that a suggestion was rejected: nothing was spent, and the spot is not suggested again."""
        self._agent.withdraw(self._as_counted(suggestion))

    def edit(self, suggestion: Suggestion, position: Mapping[str, float]) -> Suggestion:
        """Take note that somebody wants to measure elsewhere instead; gives the suggestion for there.

        A long count follows its short one to where that was measured.

        Raises
        ------
        LimitError
            That is outside of the limits or forbidden, or the budget of the sample there is spent. Nothing has changed
            then.
        """
        return self._agent.edit(suggestion, position)

    def ingest(self, suggestion: Suggestion, analysis: Analysis | None) -> float:
        """Learn what became of a suggestion; gives its novelty, among counts of its own length."""
        if suggestion.counting == self._long:
            return self._agent.ingest(suggestion, analysis)
        if analysis is None or not np.isfinite(analysis.latents).all():
            return math.nan
        novelty = self._novelty(analysis)
        if novelty >= self._looks_new:
            why = "the first short count" if math.isinf(novelty) else f"novelty {novelty:.1f} in a short count"
            try:
                exposed = self._agent.expose(suggestion.position, f"{suggestion.id}-long", why, counting=self._long)
            except LimitError as error:  # the budget of its sample is spent
                _log.warning("No long count follows %s, which looks new: %s.", suggestion.id, error)
            else:
                self._long_ones.append(replace(exposed, settings=self.settings))
        return novelty if math.isfinite(novelty) else math.nan

    def _novelty(self, analysis: Analysis) -> float:
        """Distance of a short count to the nearest one before, in units of their repeatability; infinite for the first.

        The count is one of those before from now on.
        """
        latents = analysis.latents.astype(np.float64)
        vector = latents.ravel() / math.sqrt(len(latents))
        if self._seen and len(vector) != len(self._seen[0]):
            origin = analysis.origin
            raise ValueError(
                f"measurement {origin.raw_uid}/{origin.seq_num} has {len(latents)} bins, those before it have others: "
                "one agent learns from measurements of the same bins"
            )
        nearest = min((float(np.linalg.norm(vector - seen)) for seen in self._seen), default=math.inf)
        half = len(latents) // 2
        if half and len(latents) % 2 == 0:
            self._noise.append(float(np.median(np.square(latents[:half] - latents[half:]).sum(axis=1))))
        self._seen.append(vector)
        repeatability = math.sqrt(float(np.median(self._noise))) if self._noise else 1.0
        return nearest / max(repeatability, np.finfo(float).tiny)

    def _as_counted(self, suggestion: Suggestion) -> Suggestion:
        """The suggestion as the agent counted it: a short count is its usual measurement."""
        return replace(suggestion, counting=math.nan) if suggestion.counting == self._short else suggestion
