"""From a look at an exposure to a verdict on it."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from ainerd_agent.agent.verdicts.converged import Convergence, convergence
from ainerd_agent.agent.verdicts.damaged import MOST_ELSEWHERE, AgeingRate, Damage, damage, drift_of, rate_of
from ainerd_agent.agent.verdicts.until import Until
from ainerd_agent.records.look import Look
from ainerd_agent.records.verdict import Verdict
from ainerd_agent.scattering.correlation.age_lag_correlation import AgeLagCorrelation
from ainerd_agent.scattering.fits.relaxation import Relaxation, fit_relaxation


@dataclass(slots=True, eq=False)
class Judge:
    """Says whether exposures may end, and remembers how the sample ages by itself.

    Parameters
    ----------
    until : Until
        What somebody wants to know.
    elsewhere : deque of AgeingRate, optional
        Of exposures before, also of another judge's.
    """

    until: Until
    elsewhere: deque[AgeingRate] = field(default_factory=lambda: deque(maxlen=MOST_ELSEWHERE))

    def verdict(self, exposure: int, look: Look, correlation: AgeLagCorrelation | None) -> Verdict:
        """What a look says.

        Parameters
        ----------
        exposure : int
            Number of the exposure in its run.
        look : Look
        correlation : AgeLagCorrelation or None
            Of its frames, in seconds; without it nothing is known to have converged.
        """
        fits: tuple[Relaxation, ...] = ()
        if correlation is not None and correlation.lags.size:
            fits = fit_relaxation(correlation.g2(), baseline=1.0)
        known = convergence(fits, look.seconds, self.until) if fits else None
        harm = self._harm(look, correlation)
        ended, reason = self._ended(known, harm, look)
        at_end = look.frames >= look.planned_frames
        warnings = tuple(filter(None, (harm.doubtful, "" if ended == "damaged" else harm.sure)))
        return Verdict(
            raw_uid=look.origin.raw_uid,
            exposure=exposure,
            look=look.number,
            frames=look.frames,
            planned=look.planned_frames,
            time=time.time(),
            stop=bool(ended) and not at_end,
            ended="" if at_end else ended,
            reason=reason,
            warnings=warnings,
            values=_values(known, look),
        )

    def learn(self, correlation: AgeLagCorrelation | None) -> None:
        """Take note of how an exposure aged that has ended, and was not found to be damaged."""
        if correlation is not None and correlation.lags.size and self.until.damaged != "ignore":
            self.elsewhere.append(rate_of(correlation))

    def _harm(self, look: Look, correlation: AgeLagCorrelation | None) -> Damage:
        if self.until.damaged == "ignore":
            return Damage()
        now = None if correlation is None or not correlation.lags.size else rate_of(correlation)
        return damage(now, list(self.elsewhere), look.intensity, self.until.drift)

    def _ended(self, known: Convergence | None, harm: Damage, look: Look) -> tuple[str, str]:
        """Why it may end, and that in words."""
        if harm.sure and self.until.damaged == "stop":
            return "damaged", f"damaged: {harm.sure}"
        if known is None:
            return "", "nothing was asked for"
        errors = " and ".join(f"{name} to {error:.2g}" for name, error in known.errors.items() if np.isfinite(error))
        what = f"{errors or 'nothing'} of itself in {self.until.share:.0%} of the bins, after {look.seconds:.3g} s"
        if known.share >= self.until.share:
            return "converged", f"converged: it is known {what}"
        return "", f"{known.share:.0%} of the bins are known well enough; {what}"


def _values(known: Convergence | None, look: Look) -> dict[str, float]:
    found = {"drift": drift_of(look.intensity)}
    if known is not None:
        found |= {"share_known": known.share} | {f"{name}_error": error for name, error in known.errors.items()}
    return {name: value if np.isfinite(value) else float("nan") for name, value in found.items()}
