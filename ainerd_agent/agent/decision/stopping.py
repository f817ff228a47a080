"""When it is time to stop, and why."""

from __future__ import annotations

import math

from ainerd_agent.agent.decision.budget import Ledger

N_WITHOUT_NOVELTY = 3
"""Suggestions in a row without expected novelty before it is time to stop: one may be bad luck."""


class Stopping:
    """Budgets, an expected novelty that is too low, and what somebody asked for.

    Parameters
    ----------
    time_budget, dose_budget : float
        Seconds of beamtime, and of exposure.
    stop_below : float
        Expected novelty, in units of the repeatability; 0 for never.

    Attributes
    ----------
    asked : str
        Why somebody asked to stop; empty where nobody did.

    Raises
    ------
    ValueError
        A budget that is none.
    """

    def __init__(self, time_budget: float, dose_budget: float, stop_below: float) -> None:
        if not (time_budget > 0 and dose_budget > 0):
            raise ValueError(
                f"budgets are seconds, more than 0; got {time_budget} of beamtime and {dose_budget} of dose"
            )
        self._time_budget, self._dose_budget, self._stop_below = time_budget, dose_budget, stop_below
        self._expected: list[float] = []
        self.asked = ""

    def as_settings(self) -> dict[str, float | None]:
        """Its parameters as JSON has them: None for no budget."""
        return {
            "time_budget": _finite(self._time_budget),
            "dose_budget": _finite(self._dose_budget),
            "stop_below": float(self._stop_below),
        }

    def expect(self, novelty: float) -> None:
        """Note the most novelty that was expected anywhere when a suggestion was made."""
        self._expected.append(novelty)

    def ask(self, reason: str) -> None:
        """Stop for a reason of somebody else's; from any thread."""
        self.asked = reason

    def reason(self, ledger: Ledger) -> str:
        """Why it is time to stop, in words; empty where it is not."""
        if self.asked:
            return self.asked
        if ledger.spent >= self._time_budget:
            return f"the beamtime is spent: {ledger.spent:.0f} s of {self._time_budget:.0f} s"
        if ledger.dose >= self._dose_budget:
            return f"the dose is spent: {ledger.dose:.0f} s of exposure of {self._dose_budget:.0f} s"
        last = self._expected[-N_WITHOUT_NOVELTY:]
        if len(last) == N_WITHOUT_NOVELTY and max(last) < self._stop_below:
            return (
                f"nothing new is expected: {max(last):.1f} repeatabilities at most in the last {N_WITHOUT_NOVELTY} "
                f"suggestions, {self._stop_below:g} is the limit"
            )
        return ""


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
