"""The correlation of a measurement over age and lag, with the relaxation time at each age."""

from __future__ import annotations

import math
from dataclasses import dataclass
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from ainerd_agent.figures.maps import colour_limits
from ainerd_agent.figures.places import Places
from ainerd_agent.figures.style import INK, NORMAL, SMALL, SOFT, dress, legend, new_figure
from ainerd_agent.records import AgeLagMap, Fingerprints, FloatArray, Origin
from ainerd_agent.scattering.correlation.age_lag import USUAL_SMOOTHING, age_lag_of_maps
from ainerd_agent.scattering.correlation.g2 import smoothing_of
from ainerd_agent.scattering.fits.ages import AgeRelaxations, fit_ages

UNCERTAIN = 0.5
"""Share of the contrast that an error may be; cells with a larger one are hatched."""

POOR = 3.0
"""Reduced chi2 of a fit that does not describe the values: noise that lags share keeps it below 2 for one that does."""

MOST_COLUMNS = 6
FIRST_LAGS = 3
"""Lags at which the contrast is looked up."""

LETTERS = 15
"""Of a title in an inch."""

HATCH = "//////"
TAU = "#00b3c4"
"""Of the relaxation times: no colour of the map comes near it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AgedMeasurement:
    """A measurement over age and lag, as it is drawn.

    Attributes
    ----------
    age_lag : AgeLagMap
    azimuth, q : ndarray, shape (n_bins,)
        Degrees and 1/nm; NaN where they are not known.
    fits : AgeRelaxations or None
        The relaxation of each bin at each age.
    title : str
        Which measurement it is, and where.
    unit : str
        Of ages and lags.
    stored : bool
        Whether it was made of the stored C2 map, which does not resolve the shortest lags.
    """

    age_lag: AgeLagMap
    azimuth: FloatArray
    q: FloatArray
    fits: AgeRelaxations | None = None
    title: str = ""
    unit: str = "s"
    stored: bool = False

    @classmethod
    def of(cls, fingerprints: Fingerprints, *, sigma: float | None = None) -> AgedMeasurement:
        """The age-lag map of a measurement with its fits, made of the stored C2 maps where it has none.

        Parameters
        ----------
        fingerprints : Fingerprints
            With `c2`.
        sigma : float, optional
            Of the maps' anti-aliasing, as for `two_time`.
        """
        found, unit, smoothing = fingerprints.age_lag, "s", 0.0
        if found is None:
            size, frames = fingerprints.c2.shape[1], fingerprints.origin.exposure.frames
            duration = fingerprints.duration
            if not np.isfinite(duration):
                duration, unit = float(size), "map pixels"
            found = age_lag_of_maps(fingerprints.c2, duration, n_frames=frames, sigma=sigma)
            in_pixels = smoothing_of(frames, size, size / frames, sigma) if frames else USUAL_SMOOTHING
            smoothing = in_pixels * duration / size
        return cls(
            age_lag=found,
            azimuth=fingerprints.bins.azimuth,
            q=fingerprints.bins.q,
            fits=fit_ages(found, smoothing=smoothing),
            title=title_of(fingerprints.origin),
            unit=unit,
            stored=fingerprints.age_lag is None,
        )


def age_lag_figure(measurement: AgedMeasurement) -> Figure:
    """Draw g2 - 1 over lag and age, a panel for each bin, on one colour scale.

    Discs with error bars are the relaxation times of g1 at each age; open circles are those whose error is not known.
    Cells whose error is more than half of the bin's contrast are hatched, and those without a value are blank. The
    legend says so where there are any, and for which bins errors are not known. Crosses are fits that do not describe
    the values, as of fringes.
    """
    found = measurement.age_lag
    n_bins = len(found.values)
    n_rows, n_columns = _grid(n_bins)
    panel = (4.2, 3.4) if n_bins == 1 else (2.6, 2.1) if n_bins <= 4 else (1.75, 1.55)
    figure = new_figure(panel[0] * n_columns + 1.3, panel[1] * n_rows + 1.2)
    panels = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True).ravel()
    limits = _limits(found.values)
    edges = _edges(found.lags, log=True), _edges(found.ages, log=False)
    uncertain = found.errors > UNCERTAIN * np.maximum(contrast_of(found.values), 0)[:, None, None]
    image = None
    for number, axes in enumerate(panels):
        if number >= n_bins:
            axes.set_axis_off()
            continue
        values = np.ma.masked_invalid(found.values[number])
        image = axes.pcolormesh(*edges, values, vmin=limits[0], vmax=limits[1], cmap="inferno", rasterized=True)
        _hatch(axes, edges, uncertain[number] & ~values.mask)
        if measurement.fits is not None:
            _draw_times(axes, measurement.fits, number)
        _dress(axes, edges, _name(measurement, number))
        if number + n_columns >= n_bins:
            axes.set_xlabel(f"Lag ({measurement.unit})", fontsize=NORMAL, color=INK)
            axes.tick_params(labelbottom=True)
        if number % n_columns == 0:
            axes.set_ylabel(f"Age ({measurement.unit})", fontsize=NORMAL, color=INK)
    if image is not None:
        bar = figure.colorbar(image, ax=panels.tolist(), extend="both", fraction=0.05, pad=0.02, aspect=14 * n_rows)
        bar.set_label("$g_2 - 1$", fontsize=NORMAL, color=INK)
        bar.ax.tick_params(labelsize=SMALL, color=INK, labelcolor=INK, width=0.7, length=3)
        bar.outline.set_visible(False)
    _explain(figure, measurement, uncertain, n_rows)
    return figure


def title_of(origin: Origin) -> str:
    """Which measurement it is, and where on the sample."""
    number = f"{origin.stream}/{origin.seq_num}" if origin.stream != "primary" else str(origin.seq_num)
    where = Places(
        positions={axis: np.array([value]) for axis, value in origin.position.items()},
        cluster=np.zeros(1, dtype=np.int64),
        novelty=np.full(1, np.nan),
        units=origin.units,
    ).elsewhere(())
    return ", ".join(filter(None, [f"Run {origin.raw_uid[:8]}, measurement {number}", where]))


def contrast_of(values: NDArray[np.floating]) -> FloatArray:
    """Contrast of each bin, (n_bins,): the mean over age at the first lags that are known; NaN where none is."""
    contrast = np.full(len(values), np.nan)
    for number, of_bin in enumerate(values):
        known = np.isfinite(of_bin)
        first = np.flatnonzero(known.any(axis=0))[:FIRST_LAGS]
        if len(first):
            contrast[number] = of_bin[:, first][known[:, first]].mean(dtype=np.float64)
    return contrast


def _grid(n_panels: int) -> tuple[int, int]:
    """Rows and columns, wider than high, with as few empty places as there can be."""
    narrowest = min(MOST_COLUMNS, math.ceil(math.sqrt(n_panels)))
    widest = min(MOST_COLUMNS, max(narrowest, math.ceil(2 * math.sqrt(n_panels)) - 1))
    columns = min(range(narrowest, widest + 1), key=lambda count: (-n_panels % count, count))
    return math.ceil(n_panels / columns), columns


def _limits(values: NDArray[np.float32]) -> tuple[float, float]:
    """Colours from no correlation to the most of it, but not of noise."""
    known = [of_bin[np.isfinite(of_bin)] for of_bin in values]
    known = [of_bin for of_bin in known if of_bin.size]
    highest = [colour_limits(of_bin[None])[1] for of_bin in known]
    top = float(np.median(highest)) if highest else 1.0
    return 0.0, top if top > 0 else 1.0


def _edges(centres: FloatArray, *, log: bool) -> FloatArray:
    """Edges of cells around their centres."""
    at = np.log(centres) if log else centres
    if len(at) == 1:
        edges = np.array([at[0] - 0.35, at[0] + 0.35]) if log else np.array([0.0, 2 * at[0]])
    else:
        middle = (at[1:] + at[:-1]) / 2
        edges = np.concatenate([[2 * at[0] - middle[0]], middle, [2 * at[-1] - middle[-1]]])
    return np.exp(edges) if log else edges


def _hatch(axes: Axes, edges: tuple[FloatArray, FloatArray], cells: NDArray[np.bool_]) -> None:
    """Hatch cells, shape (n_ages, n_lags), without hiding their colour."""
    x, y = edges
    corners = [
        [(x[lag], y[age]), (x[lag + 1], y[age]), (x[lag + 1], y[age + 1]), (x[lag], y[age + 1])]
        for age, lag in zip(*np.nonzero(cells), strict=True)
    ]
    axes.add_collection(
        PolyCollection(corners, facecolor="none", edgecolor=SOFT, hatch=HATCH, linewidth=0), autolim=False
    )


def _draw_times(axes: Axes, fits: AgeRelaxations, number: int) -> None:
    """The relaxation time at each age."""
    sure, unsure, poor = (each[number] for each in _sorted(fits))
    tau, error, ages = fits.tau[number], fits.tau_error[number], fits.ages
    # An error bar on a logarithmic axis cannot reach zero.
    bars = np.stack([np.minimum(error, 0.9 * tau), error])[:, sure]
    axes.errorbar(
        tau[sure], ages[sure], xerr=bars, fmt="o", color=TAU, markersize=3.5, markeredgecolor="white",
        markeredgewidth=0.5, elinewidth=1.2, zorder=4,
    )  # fmt: skip
    axes.plot(tau[unsure], ages[unsure], "o", markersize=4, markerfacecolor="none", markeredgecolor=TAU, zorder=4)
    axes.plot(tau[poor], ages[poor], "x", markersize=4, markeredgecolor=TAU, zorder=4)


def _sorted(fits: AgeRelaxations) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Times with errors, times without, and those of curves that do not fit, each of shape (n_bins, n_ages)."""
    known = np.isfinite(fits.tau)
    chi2 = np.array([[fit.reduced_chi2 for fit in of_bin] for of_bin in fits.fits])
    poor = known & (chi2 > POOR)
    unsure = known & ~np.isfinite(fits.tau_error) & ~poor
    return known & ~unsure & ~poor, unsure, poor


def _dress(axes: Axes, edges: tuple[FloatArray, FloatArray], name: str) -> None:
    dress(axes)
    axes.set_title(name, fontsize=SMALL, color=INK)
    axes.set_xscale("log")
    axes.set_xlim(edges[0][0], edges[0][-1])
    axes.set_ylim(min(0.0, edges[1][0]) if edges[1][0] < edges[1][1] / 2 else edges[1][0], edges[1][-1])
    decades = math.log10(edges[0][-1] / edges[0][0])
    axes.xaxis.set_major_locator(LogLocator(10 if decades > 1 else 2, numticks=5))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.tick_params(labelbottom=False)


def _name(measurement: AgedMeasurement, number: int) -> str:
    """What is above a panel."""
    azimuth, q = measurement.azimuth[number], measurement.q[number]
    told = [f"bin {number + 1}"]
    if np.isfinite(azimuth):
        told.append(f"{azimuth:.0f}°")
    if np.isfinite(q) and not _one_q(measurement.q):
        told.append(f"{q:#.3g} nm$^{{-1}}$")
    return ", ".join(told)


def _one_q(q: FloatArray) -> bool:
    known = q[np.isfinite(q)]
    return bool(len(known) == len(q) and np.ptp(known) < 0.05 * abs(known.mean())) if len(known) else False


def _explain(figure: Figure, measurement: AgedMeasurement, uncertain: NDArray[np.bool_], n_rows: int) -> None:
    """Title and legend."""
    title = measurement.title
    if _one_q(measurement.q):
        title = ", ".join(filter(None, [title, f"q = {measurement.q.mean():#.3g} nm$^{{-1}}$"]))
    width = max(30, int(figure.get_figwidth() * LETTERS))
    if title:
        figure.suptitle(fill(title, width), fontsize=NORMAL, color=INK)
    handles = _handles(measurement, uncertain)
    if handles:
        legend(figure, handles, loc="outside lower center", ncols=1 if figure.get_figwidth() < 7 else 2)


def _handles(measurement: AgedMeasurement, uncertain: NDArray[np.bool_]) -> list[Artist]:
    found, fits = measurement.age_lag, measurement.fits
    known = np.isfinite(found.values)
    handles: list[Artist] = []
    if fits is not None:
        handles += _handles_of_times(fits, _edges(found.lags, log=True))
    if (uncertain & known).any():
        label = "error above half of the contrast"
        handles.append(Patch(facecolor="none", edgecolor=SOFT, hatch=HATCH, linewidth=0, label=label))
    if not known.all():
        why = "no pairs were averaged there" + (", or a lag too short for the stored map" if measurement.stored else "")
        handles.append(Patch(facecolor="white", edgecolor=INK, linewidth=0.6, label=f"no value: {why}"))
    if (lost := (known & ~np.isfinite(found.errors)).any(axis=(1, 2))).any():
        bins = "" if lost.all() else f" in bin {', '.join(map(str, np.flatnonzero(lost) + 1))}"
        all_cells = not np.isfinite(found.errors[lost]).any()
        handles.append(
            Line2D([], [], linewidth=0, label=f"errors of {'' if all_cells else 'some '}values not known{bins}")
        )
    return handles


def _handles_of_times(fits: AgeRelaxations, edges: FloatArray) -> list[Artist]:
    beyond = int(((fits.tau < edges[0]) | (fits.tau > edges[-1])).sum())
    sure, unsure, poor = (bool(each.any()) for each in _sorted(fits))
    told: dict[str, tuple[bool, dict[str, Any]]] = {
        "relaxation time of $g_1$ with its standard error": (sure, {"marker": "o", "color": TAU}),
        "relaxation time, error not known": (
            unsure,
            {"marker": "o", "color": TAU, "markerfacecolor": "none", "linewidth": 0},
        ),
        "relaxation time of a curve that does not fit": (poor, {"marker": "x", "color": TAU, "linewidth": 0}),
        f"relaxation times beyond the axis: {beyond}": (beyond > 0, {"linewidth": 0}),
        "no relaxation time could be fitted": (not (sure or unsure or poor), {"linewidth": 0}),
    }
    return [Line2D([], [], markersize=4, label=label, **look) for label, (there, look) in told.items() if there]
