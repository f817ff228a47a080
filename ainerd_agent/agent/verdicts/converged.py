"""Whether enough is known of an exposure: the relative errors of fits to g2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ainerd_agent.agent.verdicts.until import Until
from ainerd_agent.scattering.fits.ages import FARTHEST
from ainerd_agent.scattering.fits.relaxation import LIFETIMES, Relaxation


@dataclass(frozen=True, slots=True, kw_only=True)
class Convergence:
    """How well an exposure is known.

    Attributes
    ----------
    share : float
        Of the bins, that are known as well as was asked.
    errors : mapping of str to float
        Relative error of each wanted quantity, in the bin at the wanted share: as many bins are known better.
    """

    share: float
    errors: dict[str, float]


def convergence(fits: Sequence[Relaxation], seconds: float, until: Until) -> Convergence | None:
    """How well the relaxation is known; None where nobody asked.

    A bin without a fit that can be used, that lasted less than five of its relaxation times, or whose g2 is no single
    relaxation, is not known.

    Parameters
    ----------
    fits : sequence of Relaxation
        Of each bin, in seconds.
    seconds : float
        So far.
    until : Until
    """
    wanted = {name: limit for name, limit in (("tau", until.tau), ("contrast", until.contrast)) if limit is not None}
    if not wanted:
        return None
    errors = {name: np.array([_relative(fit, name, seconds) for fit in fits]) for name in wanted}
    known = np.logical_and.reduce([errors[name] <= limit for name, limit in wanted.items()])
    place = min(len(fits), max(1, int(np.ceil(until.share * len(fits))))) - 1
    return Convergence(
        share=float(known.mean()), errors={name: float(np.sort(each)[place]) for name, each in errors.items()}
    )


def _relative(fit: Relaxation, name: str, seconds: float) -> float:
    """Relative error; infinite where the value cannot be used."""
    usable = fit.converged and fit.reduced_chi2 <= FARTHEST and seconds >= LIFETIMES * fit.tau
    value, error = getattr(fit, name), getattr(fit, f"{name}_error")
    if not usable or not value > 0 or not np.isfinite(error):
        return float("inf")
    return float(error / value)
