"""Fits of stretched and compressed exponentials to g2.

    g2(t) = baseline + contrast * exp(-2 (t / tau)**exponent)

which is |g1|**2 for g1 = exp(-(t / tau)**exponent): below 1 the exponent is called stretched, above 1 compressed.

The points of g2 share their noise, so that the usual errors of least squares are far too small. Errors here come from
the scatter of the groups of pixels that g2 carries: with A the linear map from data to parameters at the minimum, and
r_g the deviation of group g from the mean, the covariance is G / (G - 1) sum_g w_g**2 (A r_g)(A r_g)^T: the "sandwich"
of P. J. Huber (Proc. 5th Berkeley Symp. 1, 221, 1967) for G independent clusters, the linear form of the jackknife.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ainerd_agent.errors import MapError
from ainerd_agent.records import FloatArray
from ainerd_agent.scattering.correlation.g2 import G2
from ainerd_agent.scattering.fits.least_squares import Minimum, minimise, moved_by

EXPONENTS = (0.3, 2.0)
"""Bounds of the exponent."""

MIN_GROUPS = 4
"""Groups below which their scatter says too little for an error."""

SIGNIFICANT = 3.0
"""Standard errors that what is seen of a decay must be away from zero."""

STEP = 0.3
"""Share of the contrast that must be left at the first lag, and may be left at the last one if the baseline is free (if
it is given: one minus that)."""

BASELINE, CONTRAST, LOG_TAU, EXPONENT = range(4)

NAN = float("nan")

LIFETIMES = 5.0
"""Relaxation times that an exposure has to last before the error of tau is believed: in less, nobody has seen g2 decay
as the fit says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxation:
    """The relaxation of one bin.

    Each value has a standard error, widened for the number of groups it rests on (Student's t): two of them cover 95 %.
    NaN where the value is not known, error 0 where it was given.

    Attributes
    ----------
    baseline, contrast : float
    tau : float
        Relaxation time of g1, in the unit of the lags.
    exponent : float
    reduced_chi2 : float
        Mean squared deviation from the fit in units of the errors of g2. Noise that lags share makes it less than 1 for
        a fit that is right.
    n_lags : int
        Points that were fitted.
    converged : bool
        Whether the values can be used.
    message : str
        What was found, or why it cannot be used, in words.
    """

    baseline: float = NAN
    contrast: float = NAN
    tau: float = NAN
    exponent: float = NAN
    baseline_error: float = NAN
    contrast_error: float = NAN
    tau_error: float = NAN
    exponent_error: float = NAN
    reduced_chi2: float = NAN
    n_lags: int = 0
    converged: bool = False
    message: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """What is fitted of one bin: the points that can be used.

    Attributes
    ----------
    lags, values, sigma, width : ndarray, shape (n,)
        `sigma` are errors, evened out over neighbouring lags.
    deviations : ndarray, shape (n_groups, n)
        Of the groups from the mean, scaled so that the sum of their outer products is the covariance of `values`.
    """

    lags: FloatArray
    values: FloatArray
    sigma: FloatArray
    width: FloatArray
    deviations: FloatArray


def usable_curve(g2: G2, index: int, lag_range: tuple[float, float] | None = None) -> Curve:
    """The points of one bin that can be fitted."""
    low, high = lag_range or (0.0, np.inf)
    groups = g2.groups[index]
    good = (
        np.isfinite(g2.g2[index])
        & np.isfinite(g2.error[index])
        & (g2.error[index] > 0)
        & np.isfinite(groups).all(axis=0)
    )
    good &= (g2.lags >= low) & (g2.lags <= high) & (g2.lags > 0)
    n_groups = len(groups)
    groups = groups[:, good]
    return Curve(
        lags=g2.lags[good],
        values=g2.g2[index, good],
        sigma=evened(g2.error[index, good]),
        width=g2.width[good],
        deviations=(groups - groups.mean(axis=0)) / np.sqrt(n_groups * max(1, n_groups - 1)),
    )


def fit_relaxation(
    g2: G2,
    *,
    baseline: float | None = None,
    exponent: float | None = None,
    lag_range: tuple[float, float] | None = None,
    max_steps: int = 100,
) -> tuple[Relaxation, ...]:
    """Fit each bin.

    Parameters
    ----------
    g2 : G2
        With many evenly spaced lags, thin it first (`G2.coarse`).
    baseline, exponent : float, optional
        Values that are known; free by default. 1 is the baseline of a bin whose static image is right.
    lag_range : tuple of float, optional
        First and last lag that are used.
    max_steps : int
        After so many the relaxation time counts as not determined.

    Returns
    -------
    tuple of Relaxation
        One for each bin. Nothing is raised for a bin that cannot be fitted: its message says why.

    Raises
    ------
    MapError
        An exponent outside of [0.3, 2], or a range of lags that does not rise.
    """
    if exponent is not None and not EXPONENTS[0] <= exponent <= EXPONENTS[1]:
        raise MapError(f"the exponent must lie between {EXPONENTS[0]} and {EXPONENTS[1]}, not at {exponent:g}")
    if lag_range is not None and not 0 <= lag_range[0] < lag_range[1]:
        raise MapError(f"the range of lags must rise from 0 or more, not go from {lag_range[0]:g} to {lag_range[1]:g}")
    return tuple(
        fit_curve(usable_curve(g2, index, lag_range), baseline, exponent, max_steps) for index in range(g2.n_bins)
    )


def averaged_lags(lags: FloatArray, width: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Lags and weights that stand for each point, so that a model can be averaged as the data were.

    Three points with the weights of a gaussian (Gauss-Hermite), or the lag itself where nothing was averaged.

    Returns
    -------
    at : ndarray, shape (n, n_lags)
    share : ndarray, shape (n, 1)
    """
    if not width.any():
        return lags[None], np.ones((1, 1))
    spread = np.sqrt(3) * width
    at = np.abs(np.stack([lags, lags - spread, lags + spread])) + 1e-12 * lags
    return at, np.array([[2 / 3], [1 / 6], [1 / 6]])


def decay(at: FloatArray, log_tau: float, exponent: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """exp(-2 (t / tau)**exponent) and its slopes by log(tau) and by the exponent, each of the shape of `at`."""
    log_x = np.log(at) - log_tau
    u = np.exp(np.minimum(exponent * log_x, 6.0))
    value = np.exp(-2 * u)
    slope = 2 * u * value
    return value, exponent * slope, -log_x * slope


@lru_cache
def student_factor(n_groups: int) -> float:
    """How much wider an interval of two standard errors must be for so many groups."""
    from scipy.special import ndtr, stdtrit

    return float(stdtrit(n_groups - 1, ndtr(2.0)) / 2)


def fit_curve(curve: Curve, baseline: float | None, exponent: float | None, max_steps: int) -> Relaxation:
    """Fit what can be used of one bin; see `fit_relaxation`."""
    n = len(curve.lags)
    fixed = {BASELINE: baseline, EXPONENT: exponent}
    free = [number for number in range(4) if fixed.get(number) is None]
    if n < len(free) + 1:
        return Relaxation(
            n_lags=n,
            message=f"{n} lags can be used, too few for {len(free)} parameters: g2 or its errors are not known",
        )
    full, found = _minimum(curve, _start(curve, baseline, exponent), free, max_steps)
    errors, seen_error = _errors(curve, found.slopes, free)
    tau = float(np.exp(full[LOG_TAU]))
    result = {
        "baseline": float(full[BASELINE]),
        "contrast": float(full[CONTRAST]),
        "tau": tau,
        "exponent": float(full[EXPONENT]),
        "baseline_error": float(errors[BASELINE]),
        "contrast_error": float(errors[CONTRAST]),
        "tau_error": float(errors[LOG_TAU] * tau),
        "exponent_error": float(errors[EXPONENT]),
    }
    problem = _problem(curve, full, errors, seen_error, baseline is None, found.reached)
    if problem:
        result |= dict.fromkeys(("tau", "tau_error", "exponent", "exponent_error"), NAN)
        if baseline is None:
            result |= dict.fromkeys(("contrast", "contrast_error", "baseline", "baseline_error"), NAN)
    at_bound = exponent is None and not EXPONENTS[0] + 1e-6 < full[EXPONENT] < EXPONENTS[1] - 1e-6
    note = f"; the exponent is at its bound {full[EXPONENT]:g}" if at_bound else ""
    return Relaxation(
        **result,
        reduced_chi2=found.cost / (n - len(free)),
        n_lags=n,
        converged=not problem,
        message=problem or f"relaxes within the window{note}",
    )


def _minimum(curve: Curve, start: FloatArray, free: list[int], max_steps: int) -> tuple[FloatArray, Minimum]:
    """All four parameters at the minimum over those that are free, and what is known of it."""
    n, weight = len(curve.lags), 1 / curve.sigma
    at, share = averaged_lags(curve.lags, curve.width)

    def whole(parameters: FloatArray) -> FloatArray:
        full = start.copy()
        full[free] = parameters
        return full

    def model(parameters: FloatArray) -> tuple[FloatArray, FloatArray]:
        full = whole(parameters)
        value, by_tau, by_exponent = ((share * each).sum(axis=0) for each in decay(at, full[LOG_TAU], full[EXPONENT]))
        slopes = np.stack([np.ones(n), value, full[CONTRAST] * by_tau, full[CONTRAST] * by_exponent], axis=1)
        residuals = full[BASELINE] + full[CONTRAST] * value - curve.values
        return residuals * weight, slopes[:, free] * weight[:, None]

    low = np.array([-np.inf, -np.inf, np.log(float(curve.lags[0]) / 100), EXPONENTS[0]])
    high = np.array([np.inf, np.inf, np.log(float(curve.lags[-1]) * 100), EXPONENTS[1]])
    found = minimise(model, start[free], low[free], high[free], max_steps=max_steps)
    return whole(found.values), found


def _errors(curve: Curve, slopes: FloatArray, free: list[int]) -> tuple[FloatArray, float]:
    """Standard errors of the four parameters, and of what is seen of the decay from the first lag to the last."""
    # A parameter at its bound keeps the error that it would have without the bound, and lends it to the others.
    errors = np.zeros(4)
    changes = (curve.deviations / curve.sigma).T
    widened = student_factor(max(2, len(curve.deviations)))
    errors[free] = widened * np.sqrt((moved_by(slopes, changes) ** 2).sum(axis=1))
    # What is seen of the decay is known even where its parameters are not.
    basis = np.linalg.qr(slopes)[0]
    ends = curve.sigma[[0, -1], None] * (basis[[0, -1]] @ (basis.T @ changes))
    return errors, float(widened * np.sqrt(((ends[0] - ends[1]) ** 2).sum()))


def _start(curve: Curve, baseline: float | None, exponent: float | None) -> FloatArray:
    """The best of a grid of relaxation times and exponents; baseline and contrast follow by linear least squares."""
    lags, weight = curve.lags, 1 / curve.sigma
    log_taus = np.linspace(np.log(lags[0] / 2), np.log(lags[-1] * 4), 30)
    exponents = np.array([0.5, 1.0, 1.6]) if exponent is None else np.array([exponent])
    grid_tau, grid_exponent = (each.ravel() for each in np.meshgrid(log_taus, exponents))
    shape = np.exp(-2 * np.exp(np.minimum(grid_exponent[:, None] * (np.log(lags) - grid_tau[:, None]), 6.0))) * weight
    values = (curve.values - (baseline or 0)) * weight
    if baseline is None:
        ones = weight / np.linalg.norm(weight)
        shape_left = shape - (shape @ ones)[:, None] * ones
        values_left = values - (values @ ones) * ones
    else:
        shape_left, values_left = shape, values
    norm = np.maximum((shape_left**2).sum(axis=1), 1e-12 * float(weight @ weight))
    contrast = shape_left @ values_left / norm
    best = int(np.argmax(np.where(contrast > 0, contrast**2 * norm, -1)))
    level = (
        baseline
        if baseline is not None
        else float((values - contrast[best] * shape[best]) @ weight / (weight @ weight))
    )
    return np.array([level, contrast[best], grid_tau[best], grid_exponent[best]])


def _problem(
    curve: Curve, full: FloatArray, errors: FloatArray, seen_error: float, free_baseline: bool, reached: bool
) -> str:
    """Why the values cannot be used, in words; empty where they can."""
    first, last = curve.lags[0], curve.lags[-1]
    start, end = decay(np.array([first, last]), full[LOG_TAU], full[EXPONENT])[0]
    if len(curve.deviations) < MIN_GROUPS:
        return f"g2 rests on {len(curve.deviations)} groups, too few to know its errors"
    n_last = max(1, len(curve.lags) // 4)
    level = float(curve.values[-n_last:].mean())
    level_error = float(np.sqrt((curve.deviations[:, -n_last:].mean(axis=1) ** 2).sum()))
    seen = full[CONTRAST] * (start - end)
    if not seen > SIGNIFICANT * seen_error:
        if free_baseline and abs(level - 1) > SIGNIFICANT * level_error:
            return f"does not decay in the window: g2 - 1 stays at {level - 1:.3g}"
        if free_baseline or full[CONTRAST] * end < SIGNIFICANT * level_error:
            return f"no correlation above the noise: g2 falls by {seen:.2g} +- {seen_error:.2g}"
    if end > (STEP if free_baseline else 1 - STEP):
        return f"relaxes too slowly for the window: at the last lag {end:.0%} of the contrast are left"
    if start < STEP:
        return f"relaxes before the first lag: {start:.0%} of the contrast are left there"
    if not reached or not np.isfinite(errors[LOG_TAU]) or errors[LOG_TAU] > 1:
        return "the relaxation time is not determined by the data"
    return ""


def evened(error: FloatArray) -> FloatArray:
    """Geometric mean of the errors over five neighbouring lags: those of single lags are noisy themselves."""
    if len(error) < 5:
        return error
    padded = np.pad(np.log(error), 2, mode="edge")
    return np.asarray(np.exp(np.convolve(padded, np.full(5, 0.2), mode="valid")))
