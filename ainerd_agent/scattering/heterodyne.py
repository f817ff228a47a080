"""Heterodyne fits: the relative velocity of two parts of a sample, from the fringes in g2.

Two parts that move against each other with the velocity v add fields whose phases drift apart. With the share x of the
field from one of them, and one relaxation for both,

    g2(t) = baseline + contrast * ((1 - x)**2 + x**2 + 2 x (1 - x) cos(w t)) * exp(-2 (t / tau)**exponent),

    w = q v cos(azimuth - flow azimuth)

(F. Livet, F. Bley, F. Ehrburger-Dolle, I. Morfin, E. Geissler and M. Sutton, J. Synchrotron Rad. 13, 453, 2006).
Fringes are widest apart across the flow, where there are none, and closest along it. The sense of the flow cannot be
told, nor which part has the larger share.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike

from ainerd_agent.errors import MapError
from ainerd_agent.records import FloatArray
from ainerd_agent.scattering.fringes import Rises, chance, frequencies, rises, significance
from ainerd_agent.scattering.g2 import G2
from ainerd_agent.scattering.least_squares import minimise, moved_by
from ainerd_agent.scattering.relaxation import (
    BASELINE,
    CONTRAST,
    EXPONENT,
    EXPONENTS,
    LOG_TAU,
    MIN_GROUPS,
    NAN,
    Curve,
    averaged_lags,
    decay,
    student_factor,
    usable_curve,
)

ALPHA = 0.01
"""Rate of false alarms: how often fringes are reported where there are none."""

SPREADS = (0.0, 0.05, 0.1, 0.2, 0.4)
"""Relative widths of the frequencies in a bin that are tried where the direction of the flow is not known."""

STEPS = (np.arange(5) - 2) / 5
"""Middles of five equal parts of a width of one."""

N_AZIMUTHS = 24
"""Flow directions that are tried, over half a turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fringes:
    """The fringes of one bin; values are NaN where they are not significant, errors as in `Relaxation`.

    Attributes
    ----------
    frequency : float
        w, rad/s (per unit of lag), not negative.
    fraction : float
        x, the smaller share of the field: 0 to 1/2.
    tau, exponent : float
        Of the relaxation beside the fringes.
    p_value : float
        Probability of so clear a rise of g2 without fringes.
    significant : bool
    message : str
    """

    frequency: float = NAN
    frequency_error: float = NAN
    fraction: float = NAN
    fraction_error: float = NAN
    tau: float = NAN
    tau_error: float = NAN
    exponent: float = NAN
    exponent_error: float = NAN
    p_value: float = 1.0
    significant: bool = False
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heterodyne:
    """The relative motion that all bins tell together; values are NaN where fringes are not significant.

    Attributes
    ----------
    velocity : float
        nm/s, for q in 1/nm and lags in seconds.
    flow_azimuth : float
        Degrees in [0, 180); the sense is not known.
    fraction : float
        x, the smaller share of the field: 0 to 1/2.
    p_value : float
        Probability of so clear a rise of g2, over all bins, without fringes.
    significant : bool
        Whether that is below the rate of false alarms.
    message : str
    bins : tuple of Fringes
        Each bin for itself.
    """

    velocity: float = NAN
    velocity_error: float = NAN
    flow_azimuth: float = NAN
    flow_azimuth_error: float = NAN
    fraction: float = NAN
    fraction_error: float = NAN
    p_value: float = 1.0
    significant: bool = False
    message: str = ""
    bins: tuple[Fringes, ...] = ()


def fit_heterodyne(
    g2: G2,
    q: ArrayLike,
    azimuth: ArrayLike,
    *,
    q_width: float = 0.0,
    azimuth_width: float = 0.0,
    lag_range: tuple[float, float] | None = None,
    alpha: float = ALPHA,
) -> Heterodyne:
    """Look for fringes in each bin and in all of them together, and fit those that are significant.

    Parameters
    ----------
    g2 : G2
        With groups of pixels, and lags that are dense enough for the fringes: those of maps, or multi-tau with 16
        channels or more.
    q, azimuth : array_like, shape (n_bins,)
        1/nm and degrees, as in `Bins`.
    q_width, azimuth_width : float
        1/nm and degrees that each bin spans (20 degrees for 18 sectors): the frequency varies across it, and fringes
        wash out with the lag.
    lag_range : tuple of float, optional
        First and last lag that are used; by default up to three quarters of the longest.
    alpha : float
        Rate of false alarms for each test (per bin, and for all bins together).

    Returns
    -------
    Heterodyne
        Its message says what was found. Fringes of less than one full period in the window are not seen.

    Raises
    ------
    MapError
        q and azimuth of another number of bins.
    """
    q, azimuth = np.asarray(q, dtype=np.float64), np.asarray(azimuth, dtype=np.float64)
    if q.shape != (g2.n_bins,) or azimuth.shape != (g2.n_bins,):
        raise MapError(f"q and azimuth of {q.shape} and {azimuth.shape} were given for {g2.n_bins} bins")
    if lag_range is None and len(g2.lags):
        lag_range = 0.0, 0.75 * float(g2.lags[-1])
    curves = [usable_curve(g2, index, lag_range) for index in range(g2.n_bins)]
    enough = [len(curve.lags) >= 8 and len(curve.deviations) >= MIN_GROUPS for curve in curves]
    if not any(enough):
        nothing = "g2 or its errors are not known at enough lags"
        return Heterodyne(message=nothing, bins=tuple(Fringes(message=nothing) for _ in curves))
    longest = max(float(curve.lags[-1]) for curve in curves if len(curve.lags))
    grid = frequencies(min(float(curve.lags[0]) for curve in curves if len(curve.lags)), longest)
    found: list[Rises | None] = [rises(each, grid) if fine else None for each, fine in zip(curves, enough, strict=True)]
    bins = tuple(_of_bin(curve, told, alpha) for curve, told in zip(curves, found, strict=True))
    usable = [index for index, told in enumerate(found) if told is not None and np.isfinite(q[index] + azimuth[index])]
    if not usable:
        return Heterodyne(message="q or azimuth of the bins are not known", bins=bins)
    return _together(
        [curves[index] for index in usable],
        [told for index in usable if (told := found[index]) is not None],
        _designs(q[usable], azimuth[usable], q_width, azimuth_width),
        q[usable],
        azimuth[usable],
        alpha,
        bins,
    )


def _of_bin(curve: Curve, told: Rises | None, alpha: float) -> Fringes:
    if told is None:
        return Fringes(message="g2 or its errors are not known at enough lags")
    p_value = chance(told.groups)
    if p_value > alpha:
        return Fringes(
            p_value=p_value, message=f"no fringes: a rise like the largest one comes by chance, p = {p_value:.2g}"
        )
    strongest = told.frequency[np.unravel_index(told.strength.argmax(), told.strength.shape)[1]]
    # The direction of the bin to the flow is not known here, so how far its fringes wash out is tried.
    candidates = np.array(list(product(strongest * np.linspace(0.75, 1.33, 30), SPREADS)))
    start, best = _start(curve, candidates[:, :1] * (1 + candidates[:, 1:] * STEPS))
    frequency, spread = candidates[best]
    found = _fit([curve], [(1 + spread * STEPS)[:, None]], np.array([frequency]), [start])
    log_tau, exponent = found.values[2 + LOG_TAU], found.values[2 + EXPONENT]
    frequency = abs(float(found.values[1]))
    return Fringes(
        frequency=frequency,
        frequency_error=float(found.errors[1]),
        **_fractions(found),
        tau=float(np.exp(log_tau)),
        tau_error=float(np.exp(log_tau) * found.errors[2 + LOG_TAU]),
        exponent=float(exponent),
        exponent_error=float(found.errors[2 + EXPONENT]),
        p_value=p_value,
        significant=True,
        message=f"fringes with a period of {2 * np.pi / frequency:.3g} in lag, p = {p_value:.2g}",
    )


def _together(
    curves: list[Curve],
    found: list[Rises],
    designs: list[FloatArray],
    q: FloatArray,
    azimuth: FloatArray,
    alpha: float,
    bins: tuple[Fringes, ...],
) -> Heterodyne:
    """Test and fit all bins at once."""
    grid = found[0].frequency
    if len(grid) == 0:
        return Heterodyne(message="there are too few lags for fringes", bins=bins)
    # Every frequency of a bin is reached by some velocity; then the direction is the bin's own.
    velocities = np.geomspace(grid[0] / q.max(), grid[-1] / q.min(), len(grid) // 2 + 1)
    directions = np.radians(np.arange(N_AZIMUTHS) * 180 / N_AZIMUTHS)
    motions = np.stack([np.outer(velocities, np.cos(directions)), np.outer(velocities, np.sin(directions))], axis=-1)
    motions = motions.reshape(-1, 2)
    columns = []
    for told, each_q, each_azimuth in zip(found, q, np.radians(azimuth), strict=True):
        frequency = each_q * np.abs(motions @ [np.cos(each_azimuth), np.sin(each_azimuth)])
        with np.errstate(divide="ignore"):
            nearest = np.rint(np.log(frequency / grid[0]) / np.log(grid[1] / grid[0]))
        inside = (nearest >= 0) & (nearest < len(grid))
        columns.append(told.groups[:, :, np.where(inside, nearest, 0).astype(np.int64)] * inside)
    groups = np.concatenate(columns)
    p_value = chance(groups)
    if p_value > alpha:
        return Heterodyne(
            p_value=p_value,
            message=f"no fringes: a rise like the largest one comes by chance, p = {p_value:.2g}",
            bins=bins,
        )
    strength = significance(groups, np.ones((1, len(groups))))[0]
    motion = motions[np.unravel_index(strength.argmax(), strength.shape)[1]]
    fit = _fit(
        curves,
        designs,
        motion,
        [_start(each, (design @ motion)[None])[0] for each, design in zip(curves, designs, strict=True)],
    )
    x, y = fit.values[1:3]
    covariance = fit.covariance[1:3, 1:3]
    velocity = float(np.hypot(x, y))
    along, across = np.array([x, y]) / velocity, np.array([-y, x]) / velocity
    flow_azimuth = float(np.degrees(np.arctan2(y, x)) % 180)
    velocity_error = float(np.sqrt(along @ covariance @ along))
    return Heterodyne(
        velocity=velocity,
        velocity_error=velocity_error,
        flow_azimuth=flow_azimuth,
        flow_azimuth_error=float(np.degrees(np.sqrt(across @ covariance @ across) / velocity)),
        **_fractions(fit),
        p_value=p_value,
        significant=True,
        message=f"relative motion of {velocity:.3g} nm/s along {flow_azimuth:.0f} degrees, p = {p_value:.2g}",
        bins=bins,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Start:
    """Parameters of a bin to begin with: of its relaxation, shape (4,), and 2 x (1 - x)."""

    relaxation: FloatArray
    depth: float


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """2 x (1 - x), the motion, and four parameters of each bin, with their covariance."""

    values: FloatArray
    covariance: FloatArray

    @property
    def errors(self) -> FloatArray:
        return np.sqrt(np.diag(self.covariance))


def _start(curve: Curve, frequencies_: FloatArray) -> tuple[_Start, int]:
    """The best of a grid of relaxations and of given frequencies; what enters linearly follows by least squares.

    Parameters
    ----------
    frequencies_ : ndarray, shape (n, m)
        Candidates, each of which averages over m frequencies.

    Returns
    -------
    start : _Start
    best : int
        Which of the candidates.
    """
    lags, square = curve.lags, curve.sigma**-2.0
    grid = np.array(list(product(np.linspace(np.log(lags[-1] / 20), np.log(lags[-1] * 10), 16), (0.6, 1.0, 1.6))))
    shape = np.stack([decay(lags, *each)[0] for each in grid])
    beat = np.mean([np.cos(np.multiply.outer(each, lags)) for each in frequencies_.T], axis=0) - 1
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
    return _Start(
        np.array([baseline, contrast, *grid[relaxation]]), float(np.clip(product_ / contrast, 0.02, 0.48))
    ), best


def _fit(curves: list[Curve], designs: list[FloatArray], motion: FloatArray, starts: list[_Start]) -> _Fit:
    """Least squares over one or many bins, which share the fraction and the motion.

    Parameters
    ----------
    designs : list of ndarray, shape (n, len(motion))
        Frequencies that a bin averages over are `design @ motion`.
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
    return _Fit(found.values, moved @ moved.T * student_factor(n_groups) ** 2)


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


def _designs(q: FloatArray, azimuth: FloatArray, q_width: float, azimuth_width: float) -> list[FloatArray]:
    """What the frequencies of each bin are in terms of the velocity: q times the unit vectors it spans."""
    q_steps = STEPS * q_width if q_width else np.zeros(1)
    azimuth_steps = STEPS * azimuth_width if azimuth_width else np.zeros(1)
    designs = []
    for each_q, each_azimuth in zip(q, azimuth, strict=True):
        angles = np.radians(each_azimuth + azimuth_steps)
        units = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        designs.append(((each_q + q_steps)[:, None, None] * units).reshape(-1, 2))
    return designs


def _fractions(fit: _Fit) -> dict[str, float]:
    """The fraction x and its error, from 2 x (1 - x), which hardly changes with x near 1/2."""
    depth, error = float(fit.values[0]), float(fit.errors[0])

    def fraction(at: float) -> float:
        return float((1 - np.sqrt(1 - 2 * np.clip(at, 0, 0.5))) / 2)

    value = fraction(depth)
    return {
        "fraction": value,
        "fraction_error": max(fraction(depth + error) - value, value - fraction(depth - error)),
    }
