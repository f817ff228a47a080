"""The relaxation of each map of a measurement, fitted while the experiment goes on.

The maps are those that the measurement has anyway, so that nothing is correlated twice and the fits take a fraction of
the second in which the maps must be in the catalog. The price: errors come from eight parts of the age (`g2_of_maps`),
which hold only where the exposure lasts many relaxation times. Beyond that it is said that they do not; the correlation
over age and lag (`Ages`) and `exact_g2` have errors for slow dynamics too.
"""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records import MapStack, Relaxations
from ainerd_agent.scattering.correlation.g2 import AGE_GROUPS, g2_of_maps
from ainerd_agent.scattering.fits.relaxation import Relaxation, fit_relaxation

logger = logging.getLogger(__name__)

PER_OCTAVE = 4
"""Points of g2 from one lag to its double: half of what a fit at leisure takes, for as good a result."""

MAX_STEPS = 20
"""Steps after which a fit is given up. Those that are determined by the data take about ten."""

SLOWEST = 0.5
"""Share of the exposure beyond which a relaxation time is not trusted: there the free baseline takes its place."""

FIELDS = ("tau", "exponent", "contrast", "baseline")


def fit_maps(
    maps: MapStack, duration: float, *, smoothing: float = 0.0, filled: NDArray[np.bool_] | None = None
) -> Relaxations:
    """Fit a stretched or compressed exponential to g2 of each map.

    Parameters
    ----------
    maps : ndarray, shape (n, size, size)
        C2, baseline 0.
    duration : float
        Seconds that a side of the map spans.
    smoothing : float
        Seconds over which the maps were smoothed along each axis, see `smoothing_of`.
    filled : ndarray of bool, shape (size,), optional
        Times that were interpolated: nothing was measured there.

    Returns
    -------
    Relaxations
        Nothing is raised: where a fit cannot be trusted, values are NaN and `problems` says why.
    """
    if not (np.isfinite(duration) and duration > 0):
        return Relaxations.unknown(len(maps), "not fitted: the duration of the exposure is not known")
    try:
        if filled is not None and filled.any():
            maps = maps.copy()
            maps[:, filled] = np.nan
            maps[:, :, filled] = np.nan
        g2 = g2_of_maps(maps, duration / maps.shape[1], smoothing=smoothing).coarse(PER_OCTAVE)
        found = fit_relaxation(g2, max_steps=MAX_STEPS)
    except Exception as error:
        # The maps are the measurement; a fit that breaks down must not cost them.
        logger.exception("relaxations could not be fitted")
        return Relaxations.unknown(len(maps), f"not fitted: {type(error).__name__}: {error}")
    return _judged(found, duration)


def _judged(found: tuple[Relaxation, ...], duration: float) -> Relaxations:
    """Values, errors and problems; a time that is long for the exposure loses its errors, or all."""
    values = np.full((len(FIELDS), len(found)), np.nan)
    errors = np.full((len(FIELDS), len(found)), np.nan)
    problems = []
    for number, fit in enumerate(found):
        share = fit.tau / duration
        if not fit.converged:
            problems.append(fit.message)
            continue
        if share > SLOWEST:
            problems.append(f"relaxes too slowly for the exposure: the fit gives {share:.1f} times its duration")
            continue
        values[:, number] = [getattr(fit, name) for name in FIELDS]
        if share > 1 / AGE_GROUPS:
            problems.append(f"errors are not known: the relaxation takes {share:.0%} of the exposure")
            continue
        errors[:, number] = [getattr(fit, f"{name}_error") for name in FIELDS]
        problems.append("")
    return Relaxations(
        **dict(zip(FIELDS, values, strict=True)),
        **dict(zip((f"{name}_error" for name in FIELDS), errors, strict=True)),
        problems=tuple(problems),
    )
