"""Least squares of heterodyne fringes in g2: where to begin, the model with its slopes, and errors from groups.

The parameters are those of `heterodyne`: what all bins share, 2 x (1 - x) and the motion, and then baseline, contrast,
log tau and exponent of each bin. A bin that is wide in q or azimuth averages over several frequencies; its *design*
tells what these are in terms of the motion.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from ainerd_agent.records import FloatArray
from ainerd_agent.scattering.fits.least_squares import minimise, moved_by
from ainerd_agent.scattering.fits.relaxation import (
    BASELINE,
    CONTRAST,
    EXPONENT,
    EXPONENTS,
    LOG_TAU,
    Curve,
    averaged_lags,
    decay,
    student_factor,
)

STEPS = (np.arange(5) - 2) / 5
"""Middles of five equal parts of a width of one."""


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """Parameters of a bin to begin with: of its relaxation, shape (4,), and 2 x (1 - x)."""

    relaxation: FloatArray
    depth: float


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """2 x (1 - x), the motion, and four parameters of each bin, with their covariance.

    Attributes
    ----------
    values : ndarray, shape (n,)
        n = 1 + len(motion) + 4 n_bins, in that order.
    covariance : ndarray, shape (n, n)
        From the scatter of the groups of pixels, widened for their number.
    """

    values: FloatArray
    covariance: FloatArray

    @property
    def errors(self) -> FloatArray:
        """Standard errors of the values."""
        return np.sqrt(np.diag(self.covariance))


def best_start(curve: Curve, candidates: FloatArray) -> tuple[Start, int]:
    """The best of a grid of relaxations and of given frequencies; what enters linearly follows by least squares.

    Parameters
    ----------
    curve : Curve
    candidates : ndarray, shape (n, m)
        Frequencies, rad per unit of lag; each candidate averages over m of them.

    Returns
    -------
    start : Start
    best : int
        Which of the candidates.
    """
    lags, square = curve.lags, curve.sigma**-2.0
    grid = np.array(list(product(np.linspace(np.log(lags[-1] / 20), np.log(lags[-1] * 10), 16), (0.6, 1.0, 1.6))))
    shape = np.stack([decay(lags, *each)[0] for each in grid])
    beat = np.mean([np.cos(np.multiply.outer(each, lags)) for each in candidates.T], axis=0) - 1
    # The normal equations of values = baseline + contrast * shape + contrast * depth * shape * beat, for all at once.
    normal, right = np.empty((len(grid), len(beat), 3, 3)), np.empty((len(grid), len(beat), 3))
    normal[..., 0, 0] = square.sum()
    normal[..., 0, 1] = normal[..., 1, 0] = (shape @ square)[:, None]
    normal[..., 1, 1] = (shape**2 @ square)[:, None]
    normal[..., 0, 2] = normal[..., 2, 0] = shape @ (square * beat).T
    normal[..., 1, 2] = normal[..., 2, 1] = shape**2 @ (square * beat).T
    normal[..., 2, 2] = shape**2 @ (square * beat**2).T
    right[..., 0] = square @ curve.values
    right[..., 1] = (shape @ (square * curve.values))[:, None]
    right[..., 2] = shape @ (square * curve.values * beat).T
    normal += 1e-9 * np.trace(normal, axis1=2, axis2=3)[..., None, None] / 3 * np.eye(3)
    linear = np.linalg.solve(normal, right[..., None])[..., 0]
    gain = np.where(linear[..., 1] > 0, (linear * right).sum(axis=-1), -np.inf)
    relaxation, best = (int(each) for each in np.unravel_index(gain.argmax(), gain.shape))
    baseline, contrast, product_ = linear[relaxation, best]
    contrast = max(float(contrast), 1e-6)
    return Start(
        np.array([baseline, contrast, *grid[relaxation]]), float(np.clip(product_ / contrast, 0.02, 0.48))
    ), best


def fit_fringes(curves: list[Curve], designs: list[FloatArray], motion: FloatArray, starts: list[Start]) -> Fit:
    """Least squares over one or many bins, which share the fraction and the motion.

    Parameters
    ----------
    curves : list of Curve
        One a bin.
    designs : list of ndarray, shape (m, len(motion))
        Frequencies that a bin averages over are `design @ motion`, rad per unit of lag.
    motion : ndarray
        To begin with: the velocity (nm/s) in two directions, or the frequency of a bin alone.
    starts : list of Start
        One a bin.
    """
    n_shared = 1 + len(motion)
    rows = np.cumsum([0, *(len(curve.lags) for curve in curves)])
    points = [averaged_lags(curve.lags, curve.width) for curve in curves]

    def model(parameters: FloatArray) -> tuple[FloatArray, FloatArray]:
        residuals, slopes = np.empty(rows[-1]), np.zeros((rows[-1], len(parameters)))
        for index, curve in enumerate(curves):
            own = slice(n_shared + 4 * index, n_shared + 4 * index + 4)
            part = slice(rows[index], rows[index + 1])
            value, by_shared, by_own = _model(
                *points[index], parameters[own], parameters[0], parameters[1:n_shared], designs[index]
            )
            residuals[part] = (value - curve.values) / curve.sigma
            slopes[part, :n_shared] = by_shared / curve.sigma[:, None]
            slopes[part, own] = by_own / curve.sigma[:, None]
        return residuals, slopes

    start = np.concatenate(
        [[np.median([each.depth for each in starts])], motion, *(each.relaxation for each in starts)]
    )
    low, high = np.full(len(start), -np.inf), np.full(len(start), np.inf)
    low[0], high[0] = 0.0, 0.5
    for index, curve in enumerate(curves):
        at = n_shared + 4 * index
        low[at + CONTRAST] = 0.0
        low[at + LOG_TAU], high[at + LOG_TAU] = np.log(curve.lags[0] / 100), np.log(curve.lags[-1] * 1000)
        low[at + EXPONENT], high[at + EXPONENT] = EXPONENTS
    found = minimise(model, start, low, high)
    changes = np.zeros((rows[-1], sum(len(curve.deviations) for curve in curves)))
    column = 0
    for index, curve in enumerate(curves):  # the groups of different bins are independent
        stop = column + len(curve.deviations)
        changes[rows[index] : rows[index + 1], column:stop] = (curve.deviations / curve.sigma).T
        column = stop
    moved = moved_by(found.slopes, changes)
    n_groups = column - len(curves) + 1
    return Fit(found.values, moved @ moved.T * student_factor(n_groups) ** 2)


def _model(
    at: FloatArray, share: FloatArray, own: FloatArray, depth: float, motion: FloatArray, design: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """g2 of a bin, and its slopes by what bins share (the depth and the motion) and by what is the bin's own."""
    shape, by_tau, by_exponent = decay(at, own[LOG_TAU], own[EXPONENT])
    phase = np.multiply.outer(design @ motion, at)
    fringe = np.cos(phase).mean(axis=0)
    turning = np.einsum("jk,jml->kml", design, np.sin(phase)) / len(design) * at
    factor = 1 - depth * (1 - fringe)

    def averaged(values: FloatArray) -> FloatArray:
        return np.asarray((share * values).sum(axis=0))

    value, contrast = averaged(shape * factor), own[CONTRAST]
    by_own = [
        np.ones(len(value)),
        value,
        contrast * averaged(by_tau * factor),
        contrast * averaged(by_exponent * factor),
    ]
    by_shared = [
        -contrast * averaged(shape * (1 - fringe)),
        *(-contrast * depth * averaged(shape * each) for each in turning),
    ]
    return own[BASELINE] + contrast * value, np.stack(by_shared, axis=1), np.stack(by_own, axis=1)


def designs_of(q: FloatArray, azimuth: FloatArray, q_width: float, azimuth_width: float) -> list[FloatArray]:
    """What the frequencies of each bin are in terms of the velocity: q times the unit vectors it spans."""
    q_steps = STEPS * q_width if q_width else np.zeros(1)
    azimuth_steps = STEPS * azimuth_width if azimuth_width else np.zeros(1)
    designs = []
    for each_q, each_azimuth in zip(q, azimuth, strict=True):
        angles = np.radians(each_azimuth + azimuth_steps)
        units = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        designs.append(((each_q + q_steps)[:, None, None] * units).reshape(-1, 2))
    return designs


def fractions_of(fit: Fit) -> dict[str, float]:
    """The fraction x and its error, from 2 x (1 - x), which hardly changes with x near 1/2."""
    depth, error = float(fit.values[0]), float(fit.errors[0])

    def fraction(at: float) -> float:
        return float((1 - np.sqrt(1 - 2 * np.clip(at, 0, 0.5))) / 2)

    value = fraction(depth)
    return {
        "fraction": value,
        "fraction_error": max(fraction(depth + error) - value, value - fraction(depth - error)),
    }
