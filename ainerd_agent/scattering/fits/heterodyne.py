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
from ainerd_agent.scattering.correlation.g2 import G2
from ainerd_agent.scattering.fits.fringe_fit import STEPS, best_start, designs_of, fit_fringes, fractions_of
from ainerd_agent.scattering.fits.fringe_significance import Rises, chance, frequencies, rises, significance
from ainerd_agent.scattering.fits.relaxation import EXPONENT, LOG_TAU, MIN_GROUPS, NAN, Curve, usable_curve

ALPHA = 0.01
"""Rate of false alarms: how often fringes are reported where there are none."""

SPREADS = (0.0, 0.05, 0.1, 0.2, 0.4)
"""Relative widths of the frequencies in a bin that are tried where the direction of the flow is not known."""

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
        designs_of(q[usable], azimuth[usable], q_width, azimuth_width),
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
    start, best = best_start(curve, candidates[:, :1] * (1 + candidates[:, 1:] * STEPS))
    frequency, spread = candidates[best]
    found = fit_fringes([curve], [(1 + spread * STEPS)[:, None]], np.array([frequency]), [start])
    log_tau, exponent = found.values[2 + LOG_TAU], found.values[2 + EXPONENT]
    frequency = abs(float(found.values[1]))
    return Fringes(
        frequency=frequency,
        frequency_error=float(found.errors[1]),
        **fractions_of(found),
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
    motions = _motions(grid, q)
    groups = _at_motions(found, motions, q, azimuth)
    p_value = chance(groups)
    if p_value > alpha:
        return Heterodyne(
            p_value=p_value,
            message=f"no fringes: a rise like the largest one comes by chance, p = {p_value:.2g}",
            bins=bins,
        )
    strength = significance(groups, np.ones((1, len(groups))))[0]
    motion = motions[np.unravel_index(strength.argmax(), strength.shape)[1]]
    fit = fit_fringes(
        curves,
        designs,
        motion,
        [best_start(each, (design @ motion)[None])[0] for each, design in zip(curves, designs, strict=True)],
    )
    velocity, flow_azimuth, errors = _polar(fit.values[1:3], fit.covariance[1:3, 1:3])
    return Heterodyne(
        velocity=velocity,
        velocity_error=errors[0],
        flow_azimuth=flow_azimuth,
        flow_azimuth_error=errors[1],
        **fractions_of(fit),
        p_value=p_value,
        significant=True,
        message=f"relative motion of {velocity:.3g} nm/s along {flow_azimuth:.0f} degrees, p = {p_value:.2g}",
        bins=bins,
    )


def _motions(grid: FloatArray, q: FloatArray) -> FloatArray:
    """Velocities (x, y) that are tried, nm/s, shape (n, 2)."""
    # Every frequency of a bin is reached by some velocity; then the direction is the bin's own.
    velocities = np.geomspace(grid[0] / q.max(), grid[-1] / q.min(), len(grid) // 2 + 1)
    directions = np.radians(np.arange(N_AZIMUTHS) * 180 / N_AZIMUTHS)
    motions = np.stack([np.outer(velocities, np.cos(directions)), np.outer(velocities, np.sin(directions))], axis=-1)
    return motions.reshape(-1, 2)


def _at_motions(found: list[Rises], motions: FloatArray, q: FloatArray, azimuth: FloatArray) -> FloatArray:
    """The rises of all groups of all bins at the frequencies that each motion has in a bin; 0 where it has none."""
    grid = found[0].frequency
    columns = []
    for told, each_q, each_azimuth in zip(found, q, np.radians(azimuth), strict=True):
        frequency = each_q * np.abs(motions @ [np.cos(each_azimuth), np.sin(each_azimuth)])
        with np.errstate(divide="ignore"):
            nearest = np.rint(np.log(frequency / grid[0]) / np.log(grid[1] / grid[0]))
        inside = (nearest >= 0) & (nearest < len(grid))
        columns.append(told.groups[:, :, np.where(inside, nearest, 0).astype(np.int64)] * inside)
    return np.concatenate(columns)


def _polar(motion: FloatArray, covariance: FloatArray) -> tuple[float, float, tuple[float, float]]:
    """Velocity and azimuth (degrees in [0, 180)) of a motion (x, y), and their standard errors."""
    x, y = motion
    velocity = float(np.hypot(x, y))
    along, across = np.array([x, y]) / velocity, np.array([-y, x]) / velocity
    errors = float(np.sqrt(along @ covariance @ along)), np.sqrt(across @ covariance @ across) / velocity
    return velocity, float(np.degrees(np.arctan2(y, x)) % 180), (errors[0], float(np.degrees(errors[1])))
