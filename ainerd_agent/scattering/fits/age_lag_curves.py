"""Fits of an age-lag map as it is kept: values and errors over lag, without the groups of pixels.

Lags share their noise, and a record does not say how much: taken as independent, they make errors of the relaxation
time two to three times too small where it is long. The noise of a gaussian field is correlated at two lags as
the intensity is over the time between them; that of photons is not. So the curve is fitted, the decay that was found
gives the correlation, and the larger of both errors is taken.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ainerd_agent.records import AgeLagMap, FloatArray
from ainerd_agent.scattering.correlation.age_lag_correlation import frame_of
from ainerd_agent.scattering.fits.relaxation import Curve, Relaxation, decay, evened, fit_curve, student_factor

N_GROUPS = 8
"""Groups of pixels that errors are taken to rest on, as by default in `Ages`: the record does not say."""

MAX_STEPS = 100
"""As of `fit_relaxation`."""

ERROR_UNKNOWN = "its error is not known"


def fit_record(
    record: AgeLagMap, age: int, *, baseline: float | None, exponent: float | None, smoothing: float
) -> tuple[Relaxation, ...]:
    """Fit each bin at one age; see `fit_ages`."""
    width = _width(record.lags, smoothing)
    return tuple(
        _fit(record.lags, values.astype(np.float64), errors.astype(np.float64), width, baseline, exponent)
        for values, errors in zip(record.values[:, age], record.errors[:, age], strict=True)
    )


def _width(lags: FloatArray, smoothing: float) -> FloatArray:
    """Standard deviation of the lags that each value averages over."""
    # Lags of 16 to 31 frames are of sums of 2 frames, of 32 to 63 of 4, and so on.
    frame = frame_of(lags)
    frames = np.maximum(np.round(lags / frame), 1)
    summed = 2 ** np.maximum(np.floor(np.log2(frames)) - 3, 0)
    return np.asarray(np.sqrt((summed**2 - 1) / 6 * frame**2 + 2 * smoothing**2))


def _fit(
    lags: FloatArray,
    values: FloatArray,
    errors: FloatArray,
    width: FloatArray,
    baseline: float | None,
    exponent: float | None,
) -> Relaxation:
    good = np.isfinite(values) & np.isfinite(errors) & (errors > 0)
    with_errors = good.sum() > 4
    if not with_errors:
        good = np.isfinite(values)
    lags, values, width = lags[good], values[good], width[good]
    sigma = evened(errors[good]) if with_errors else np.full(len(values), _noise(values))
    curve = Curve(lags=lags, values=1 + values, sigma=sigma, width=width, deviations=np.diag(sigma))
    alone = fit_curve(curve, baseline, exponent, MAX_STEPS)
    if not alone.converged:
        return alone
    log_tau = float(np.log(alone.tau))
    between = np.abs(lags[:, None] - lags) + 1e-9 * lags[0]
    shared = decay(between, log_tau, alone.exponent)[0] * np.outer(sigma, sigma)
    # Rows whose outer products add up to the covariance.
    strength, direction = np.linalg.eigh(shared)
    rows = (direction * np.sqrt(np.maximum(strength, 0))).T
    together = fit_curve(replace(curve, deviations=rows), baseline, exponent, MAX_STEPS)
    if not together.converged:
        return together
    return _widened(alone, together) if with_errors else _without_errors(together)


def _noise(values: FloatArray) -> float:
    """Noise of a smooth curve, from how far each value is from the middle of its neighbours."""
    if len(values) < 3:
        return 1.0
    bent = values[:-2] - 2 * values[1:-1] + values[2:]
    return float(max(np.sqrt((bent**2).mean() / 6), 1e-9))


def _widened(alone: Relaxation, together: Relaxation) -> Relaxation:
    """The larger error of independent lags and of those that share their noise, for few groups."""
    factor = student_factor(N_GROUPS)
    return replace(
        together,
        tau_error=factor * max(alone.tau_error, together.tau_error),
        exponent_error=factor * max(alone.exponent_error, together.exponent_error),
        contrast_error=factor * max(alone.contrast_error, together.contrast_error),
        baseline_error=factor * max(alone.baseline_error, together.baseline_error),
    )


def _without_errors(found: Relaxation) -> Relaxation:
    return replace(
        found,
        tau_error=np.nan,
        exponent_error=np.nan,
        contrast_error=np.nan,
        baseline_error=np.nan,
        reduced_chi2=np.nan,
        message=f"{found.message}; {ERROR_UNKNOWN}",
    )
