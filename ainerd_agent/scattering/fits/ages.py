"""The relaxation at each age, and whether it changes with age.

Each section of age of the correlation over age and lag is fitted on its own (see `relaxation`), with the baseline of a
bin whose static image is right. How the logarithm of tau changes with age is a straight line through these, weighted by
their errors.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from ainerd_agent.records import Ageing, AgeLagMap, FloatArray
from ainerd_agent.scattering.correlation.age_lag_correlation import AgeLagCorrelation
from ainerd_agent.scattering.fits.age_lag_curves import N_GROUPS, fit_record
from ainerd_agent.scattering.fits.relaxation import MIN_GROUPS, Relaxation, fit_relaxation, student_factor

logger = logging.getLogger(__name__)

FEWEST_AGES = 3
"""Ages that a line through them rests on, at least."""

FARTHEST = 3.0
"""Reduced chi-squared of a fit that counts, at most: fringes are fitted worse, and their tau means nothing."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AgeRelaxations:
    """The relaxation of each bin at each age.

    Attributes
    ----------
    ages : ndarray, shape (n_ages,)
        In the unit of `AgeLagCorrelation.ages`.
    fits : tuple of tuple of Relaxation, shape (n_bins, n_ages)
    ageing_rate, ageing_rate_error : ndarray, shape (n_bins,)
        d(ln tau) / d(age): positive where the dynamics slow down. Its standard error is widened as those of the fits
        are. NaN with fewer than three ages that could be fitted.
    one_tau : ndarray, shape (n_bins,)
        Probability of relaxation times that scatter so much over age, or more, if there is only one: small where one
        is not enough. NaN as above.
    """

    ages: FloatArray
    fits: tuple[tuple[Relaxation, ...], ...]
    ageing_rate: FloatArray
    ageing_rate_error: FloatArray
    one_tau: FloatArray

    @property
    def tau(self) -> FloatArray:
        """Relaxation time, shape (n_bins, n_ages); NaN where it is not known."""
        return self._each("tau")

    @property
    def tau_error(self) -> FloatArray:
        """Its standard error."""
        return self._each("tau_error")

    @property
    def exponent(self) -> FloatArray:
        """Exponent, shape (n_bins, n_ages); NaN where it is not known."""
        return self._each("exponent")

    @property
    def exponent_error(self) -> FloatArray:
        """Its standard error."""
        return self._each("exponent_error")

    def record(self) -> Ageing:
        """What is kept with a measurement, where ages are in seconds."""
        return Ageing(rate=self.ageing_rate, rate_error=self.ageing_rate_error, one_tau=self.one_tau)

    def _each(self, name: str) -> FloatArray:
        return np.array([[getattr(fit, name) for fit in of_bin] for of_bin in self.fits], dtype=np.float64)


def fit_ages(
    correlation: AgeLagCorrelation | AgeLagMap,
    *,
    baseline: float | None = 1.0,
    exponent: float | None = None,
    smoothing: float = 0.0,
) -> AgeRelaxations:
    """Fit each bin at each age.

    Parameters
    ----------
    correlation : AgeLagCorrelation or AgeLagMap
        The record has lost the groups of pixels, and with them how lags share their noise and how many groups its
        errors rest on. It is taken to be shared as by gaussian fields that decay as fitted, and the groups to be eight.
        Where a record has no errors at an age, as of a stored map, the fit has none either, and that age has no part in
        the rate of ageing.
    baseline, exponent : float, optional
        Values that are known, as for `fit_relaxation`.
    smoothing : float
        Seconds over which stored maps were smoothed along each axis (standard deviation), see `smoothing_of`; of a
        record only.
    """
    by_age: list[tuple[Relaxation, ...]]
    if isinstance(correlation, AgeLagMap):
        by_age = [
            fit_record(correlation, age, baseline=baseline, exponent=exponent, smoothing=smoothing)
            for age in range(len(correlation.ages))
        ]
        # Their errors are widened for so many groups.
        n_groups = np.full(len(correlation.values), N_GROUPS)
    else:
        by_age = [
            fit_relaxation(correlation.g2_at(age), baseline=baseline, exponent=exponent)
            for age in range(len(correlation.ages))
        ]
        n_groups = (correlation.weights > 0).sum(axis=1)
    fits = tuple(zip(*by_age, strict=True))
    lines = [_line(correlation.ages, of_bin, max(MIN_GROUPS, int(n))) for of_bin, n in zip(fits, n_groups, strict=True)]
    rate, error, one = (np.array(each) for each in zip(*lines, strict=True))
    return AgeRelaxations(ages=correlation.ages, fits=fits, ageing_rate=rate, ageing_rate_error=error, one_tau=one)


def ageing_of(correlation: AgeLagCorrelation) -> Ageing | None:
    """Fit a measurement while the experiment goes on: nothing is raised.

    Parameters
    ----------
    correlation : AgeLagCorrelation
        In seconds.

    Returns
    -------
    Ageing or None
        None where the fits broke down, which the log tells.
    """
    try:
        return fit_ages(correlation).record()
    except Exception:
        # The maps are the measurement; a fit that breaks down must not cost them.
        logger.exception("the relaxation could not be fitted at each age")
        return None


def _line(ages: FloatArray, fits: tuple[Relaxation, ...], n_groups: int) -> tuple[float, float, float]:
    """Slope of ln(tau) over age, its error, and the probability that it needs none."""
    from scipy.special import chdtrc, ndtri, stdtr

    tau = np.array([fit.tau for fit in fits])
    error = np.array([fit.tau_error for fit in fits])
    far = np.array([fit.reduced_chi2 for fit in fits]) > FARTHEST
    known = np.isfinite(tau) & (error > 0) & ~far
    if known.sum() < FEWEST_AGES:
        return np.nan, np.nan, np.nan
    log_tau, sigma, age = np.log(tau[known]), (error / tau)[known], ages[known]
    # An error from few groups is uncertain by a quarter itself: weights by each would follow chance.
    weight = np.exp(-2 * np.polyval(np.polyfit(age - age.mean(), np.log(sigma), 1), age - age.mean()))
    mean = float((weight * log_tau).sum() / weight.sum())
    # Few groups know their own scatter badly: deviations follow Student's distribution, and are made normal ones.
    students = -np.abs(log_tau - mean) / sigma * student_factor(n_groups)
    deviations = ndtri(np.maximum(stdtr(n_groups - 1, students), 1e-300))
    one = float(chdtrc(known.sum() - 1, (deviations**2).sum()))
    centred = age - (weight * age).sum() / weight.sum()
    spread = float((weight * centred**2).sum())
    return float((weight * centred * log_tau).sum() / spread), float(spread**-0.5), one
