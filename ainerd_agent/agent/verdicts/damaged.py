"""Whether the beam changes the sample: dynamics that change with dose, or an intensity that drifts.

Dose and age grow together within one exposure, so a change of the relaxation time with age can be either. What ages by
itself ages alike in the exposures around it; only a change beyond theirs is damage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ainerd_agent.records import Ageing, FloatArray
from ainerd_agent.scattering.correlation.age_lag_correlation import AgeLagCorrelation
from ainerd_agent.scattering.fits.ages import fit_ages

SURE = 1e-3
"""Probability of a chance change below which it is taken for one."""

GROUPS = 8
"""Of pixels in each bin, from whose scatter errors are known."""

SECTIONS = 4
"""Of age, in which the relaxation time is compared: few, so that a verdict is quick."""

FEWEST_ELSEWHERE = 3
"""Exposures from which it is known how the sample ages by itself."""

MOST_ELSEWHERE = 10
"""Latest exposures that count: ageing slows down with time."""


FEWEST_SECTIONS = 5
"""Sections of time that a drift of the intensity is known from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeingRate:
    """d(ln tau) / d(age) of all bins together, 1/s; NaN where it is not known.

    Attributes
    ----------
    rate, error : float
    """

    rate: float
    error: float

    @property
    def known(self) -> bool:
        """Whether it can be compared."""
        return bool(np.isfinite(self.rate) and self.error > 0)


def rate_of(correlation: AgeLagCorrelation) -> AgeingRate:
    """The rate of ageing of all bins together, by fits of the mean over bins in each section of age.

    Parameters
    ----------
    correlation : AgeLagCorrelation
        In seconds.
    """
    there = (correlation.n_pairs > 0).any(axis=1)
    parts = np.array_split(np.flatnonzero(there), min(SECTIONS, int(there.sum())))
    # A group all of whose pixels are bad has no value.
    weights = correlation.weights[..., None, None] / correlation.weights.sum(axis=0)[:, None, None]
    together = np.where(weights > 0, weights * correlation.groups, 0).sum(axis=0)
    n_pairs = np.stack([correlation.n_pairs[part].sum(axis=0) for part in parts])
    shares = [correlation.n_pairs[part] / np.maximum(n, 1e-12) for part, n in zip(parts, n_pairs, strict=True)]
    groups = np.stack(
        [(share * together[:, part]).sum(axis=1) for part, share in zip(parts, shares, strict=True)], axis=1
    )[None]
    mean = replace(
        correlation,
        values=groups.mean(axis=1),
        errors=correlation.errors[:1, : len(parts)],
        groups=groups,
        weights=correlation.weights.sum(axis=0, keepdims=True),
        n_pairs=n_pairs,
        ages=np.array([correlation.ages[part].mean() for part in parts]),
    )
    found: Ageing = fit_ages(mean).record()
    return AgeingRate(rate=float(found.rate[0]), error=float(found.rate_error[0]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """What speaks for damage, in words; empty where nothing does.

    Attributes
    ----------
    sure : str
        A change that is beyond ageing, or a drift.
    doubtful : str
        A change that may be ageing: too few exposures elsewhere tell.
    """

    sure: str = ""
    doubtful: str = ""


def damage(
    now: AgeingRate | None, elsewhere: Sequence[AgeingRate], intensity: FloatArray | None, largest_drift: float
) -> Damage:
    """What speaks for damage.

    Parameters
    ----------
    now : AgeingRate or None
        Of this exposure.
    elsewhere : sequence of AgeingRate
        Of exposures before it, in order.
    intensity : ndarray, shape (n_bins, n_sections), or None
        Counts per pixel and frame so far, in sections of time.
    largest_drift : float
        Relative change of the intensity over the exposure.
    """
    drift = drift_of(intensity)
    sure = f"the intensity changed by {drift:+.0%}" if abs(drift) > largest_drift else ""
    if now is None or not now.known:
        return Damage(sure=sure)
    from scipy.stats import t

    others = np.array([each.rate for each in elsewhere if each.known][-MOST_ELSEWHERE:])
    if len(others) < FEWEST_ELSEWHERE:
        # Its error is from the scatter of few groups of pixels.
        if 2 * t.sf(abs(now.rate) / now.error, GROUPS - 1) < SURE:
            doubtful = (
                f"tau changes by {now.rate:+.2g} of itself a second: ageing or damage, which fewer than "
                f"{FEWEST_ELSEWHERE} exposures elsewhere cannot tell"
            )
            return Damage(sure=sure, doubtful=doubtful)
        return Damage(sure=sure)
    scatter = float(others.std(ddof=1))
    apart = float(now.rate - others.mean())
    own = np.hypot(now.error, scatter * np.sqrt(1 + 1 / len(others)))
    # The scatter of few exposures is uncertain itself.
    if 2 * t.sf(abs(apart) / own, len(others) - 1) < SURE:
        changed = (
            f"tau changes by {now.rate:+.2g} of itself a second, elsewhere by {others.mean():+.2g}: more than ageing"
        )
        sure = f"{sure}; {changed}" if sure else changed
    return Damage(sure=sure)


def drift_of(intensity: FloatArray | None) -> float:
    """Relative change of the intensity from the beginning to now, by a straight line.

    0 where it is not known, or within three standard errors of the line.
    """
    if intensity is None or not intensity.size:
        return 0.0
    course = np.array([each[np.isfinite(each)].mean() if np.isfinite(each).any() else np.nan for each in intensity.T])
    known = np.flatnonzero(np.isfinite(course))
    if len(known) < FEWEST_SECTIONS or not (mean := float(course[known].mean())) > 0:
        return 0.0
    (slope, _), covariance = np.polyfit(known, course[known], 1, cov=True)
    if abs(slope) < 3 * np.sqrt(covariance[0, 0]):
        return 0.0
    return float(slope * (known[-1] - known[0] + 1) / mean)
