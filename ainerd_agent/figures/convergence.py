"""How a measurement became known while it was counted: g2 and its relaxation time after parts of the exposure."""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from ainerd_agent.figures.style import INK, NORMAL, SMALL, SOFT, dress, new_figure
from ainerd_agent.records import AgeLagMap, FloatArray
from ainerd_agent.records.look import SHARES
from ainerd_agent.scattering.fits.ages import FARTHEST, fit_ages
from ainerd_agent.scattering.fits.relaxation import LIFETIMES


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Convergence:
    """A measurement after parts of its exposure.

    Attributes
    ----------
    seconds : ndarray, shape (n_looks,)
        Counted so far.
    lags : ndarray, shape (n_lags,)
        Seconds.
    g2, g2_error : ndarray, shape (n_bins, n_looks, n_lags)
        Mean over the ages so far; NaN where no pair of frames is so far apart.
    tau, tau_error : ndarray, shape (n_bins, n_looks)
        Of fits to them; NaN where a fit cannot be used.
    """

    seconds: FloatArray
    lags: FloatArray
    g2: FloatArray
    g2_error: FloatArray
    tau: FloatArray
    tau_error: FloatArray

    @classmethod
    def of(cls, age_lag: AgeLagMap, duration: float) -> Convergence:
        """From the correlation over age and lag, by the sections of age that were counted first.

        Errors of sections are taken as independent. What groups of pixels have apart throughout does not average out,
        and is not seen here: a verdict on a running exposure, which knows the groups, may find errors twice as large.

        Parameters
        ----------
        age_lag : AgeLagMap
            In seconds.
        duration : float
            Of the exposure, seconds.
        """
        n_ages = len(age_lag.ages)
        stops = sorted({max(1, round(share * n_ages)) for share in SHARES})
        values, errors = [], []
        for stop in stops:
            part, error = age_lag.values[:, :stop].astype(np.float64), age_lag.errors[:, :stop].astype(np.float64)
            # A pair belongs to the section of its middle: longer ones than all sections together have not come yet.
            there = np.isfinite(part) & (age_lag.lags <= stop * duration / n_ages)
            n = there.sum(axis=1)
            with np.errstate(invalid="ignore", divide="ignore"):
                values.append(np.where(n > 0, np.where(there, part, 0).sum(axis=1) / n, np.nan))
                errors.append(np.where(n > 0, np.sqrt((np.where(there, error, 0) ** 2).sum(axis=1)) / n, np.nan))
        seconds = np.array(stops) * duration / n_ages
        g2, g2_error = np.stack(values, axis=1), np.stack(errors, axis=1)
        looks = AgeLagMap(
            values=g2.astype(np.float32), errors=g2_error.astype(np.float32), ages=seconds, lags=age_lag.lags
        )
        found = fit_ages(looks)
        far = np.array([[fit.reduced_chi2 > FARTHEST for fit in of_bin] for of_bin in found.fits])
        return cls(
            seconds=seconds,
            lags=age_lag.lags,
            g2=1 + g2,
            g2_error=g2_error,
            tau=np.where(far, np.nan, found.tau),
            tau_error=np.where(far, np.nan, found.tau_error),
        )

    @property
    def relative_error(self) -> FloatArray:
        """Of tau, shape (n_bins, n_looks); NaN before five relaxation times."""
        with np.errstate(invalid="ignore"):
            return np.where(self.seconds >= LIFETIMES * self.tau, self.tau_error / self.tau, np.nan)


def convergence_figure(found: Convergence, bin: int | None = None, title: str = "") -> Figure:
    """Draw g2 of one bin after parts of the exposure, and the relative error of tau of all bins over time.

    Parameters
    ----------
    found : Convergence
    bin : int, optional
        From 1; by default the one whose relaxation time is in the middle.
    title : str
        Which measurement it is.
    """
    number = _middle(found) if bin is None else bin - 1
    figure = new_figure(8.4, 3.6)
    curves, errors = figure.subplots(1, 2)
    colours = mpl.colormaps["viridis"](np.linspace(0.9, 0.1, len(found.seconds)))
    for look, (seconds, colour) in enumerate(zip(found.seconds, colours, strict=True)):
        there = np.isfinite(found.g2[number, look])
        curves.errorbar(
            found.lags[there], found.g2[number, look, there], found.g2_error[number, look, there], color=colour,
            fmt="o-", markersize=2.2, linewidth=0.8, elinewidth=0.6, label=f"{seconds:.3g} s",
        )  # fmt: skip
    curves.set_xscale("log")
    dress(curves, "Lag (s)", "$g_2$")
    curves.set_title(f"bin {number + 1}", fontsize=NORMAL, color=INK)
    curves.legend(fontsize=SMALL, frameon=False, title="counted", title_fontsize=SMALL, labelcolor=INK)
    relative = found.relative_error
    for each in range(len(relative)):
        errors.plot(found.seconds, relative[each], "-", color=SOFT, linewidth=0.7, zorder=1)
    own = {"color": INK, "markersize": 4, "linewidth": 1.4, "label": f"bin {number + 1}"}
    errors.plot(found.seconds, relative[number], "o-", **own)
    dress(errors, "Counted (s)", "Relative error of $\\tau$")
    if np.isfinite(relative).any():
        errors.set_xscale("log")
        errors.set_yscale("log")
        for axis in (errors.xaxis, errors.yaxis):
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(LogFormatter(minor_thresholds=(1.5, 0.6)))
        errors.tick_params(which="minor", labelsize=SMALL, labelcolor=INK)
        errors.plot([], [], "-", color=SOFT, linewidth=0.7, label="other bins")
        errors.legend(fontsize=SMALL, frameon=False, labelcolor=INK)
    else:
        nothing = "no bin lasted five\nof its relaxation times"
        place = {"ha": "center", "va": "center", "transform": errors.transAxes}
        errors.text(0.5, 0.5, nothing, fontsize=NORMAL, color=INK, **place)
    if title:
        figure.suptitle(title, fontsize=NORMAL, color=INK)
    return figure


def _middle(found: Convergence) -> int:
    tau = found.tau[:, -1]
    known = np.flatnonzero(np.isfinite(tau))
    return int(known[np.argsort(tau[known])[len(known) // 2]]) if len(known) else 0
