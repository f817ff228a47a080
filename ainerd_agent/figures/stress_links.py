"""Tests of a link, drawn: what was found, over the band in which chance stays."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ainerd_agent.figures.style import INK, NORMAL, SMALL, SOFT, cluster_colours, cluster_legend, dress, new_figure
from ainerd_agent.rheology.anisotropy import Anisotropy
from ainerd_agent.rheology.event_average import EventAverage
from ainerd_agent.rheology.lagged_correlation import LaggedCorrelation
from ainerd_agent.rheology.links import Links

BAND = "#e4e4e0"


def links_figure(links: Links) -> Figure:
    """Draw the cluster shares around stress minima, their correlation with the stress, and the anisotropy.

    Grey bands hold 95 % of what chance gives; around the minima, that of the cluster that varies the most. A p-value
    stands on each panel: for clusters, that of the strongest of all.
    """
    n_clusters = len(links.shares)
    figure = new_figure(6.4, 6.6)
    panels = figure.subplots(3, 1)
    colours = cluster_colours(n_clusters)
    if links.events is None:
        _nothing(panels[0], links.missing["events"])
    else:
        _draw_events(panels[0], links.events, colours)
    if links.lagged is None:
        _nothing(panels[1], links.missing["lagged"])
    else:
        _draw_lagged(panels[1], links.lagged, colours)
    if links.anisotropy is None:
        _nothing(panels[2], links.missing["anisotropy"])
    else:
        _draw_anisotropy(panels[2], links.anisotropy)
    if links.events is not None or links.lagged is not None:
        cluster_legend(figure, n_clusters)
    return figure


def _draw_events(axes: Axes, events: EventAverage, colours: list[str]) -> None:
    axes.fill_between(events.lag, events.low.min(axis=0), events.high.max(axis=0), color=BAND, linewidth=0)
    for row, colour in zip(events.average, colours, strict=True):
        axes.plot(events.lag, row, color=colour, linewidth=1.5)
    axes.axvline(0, color=SOFT, linewidth=0.7)
    dress(axes, "Time since a stress minimum (s)", "Share, trend off")
    _title(axes, f"Around {events.n_events} stress minima", events.p_any)


def _draw_lagged(axes: Axes, lagged: LaggedCorrelation, colours: list[str]) -> None:
    for row, colour in zip(lagged.correlation, colours, strict=True):
        axes.plot(lagged.lag, row, color=colour, linewidth=1.5)
    axes.axhline(0, color=SOFT, linewidth=0.7)
    axes.axvline(0, color=SOFT, linewidth=0.7)
    axes.set_ylim(-1, 1)
    dress(axes, "Time of the share after the stress (s)", "Correlation")
    _title(axes, "With the stress", lagged.p_any)


def _draw_anisotropy(axes: Axes, found: Anisotropy) -> None:
    axes.fill_between(found.time, np.full(len(found.time), 1e-3), found.high, color=BAND, linewidth=0)
    axes.plot(found.time, found.ratio, color=INK, linewidth=1, marker="o", markersize=3)
    axes.axhline(1, color=SOFT, linewidth=0.7)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(0.5 * min(1.0, found.ratio.min()), 1.6 * max(2.0, found.ratio.max()))
    dress(axes, "Time (s)", "Between directions\n/ within pairs")
    _title(axes, "Anisotropy", found.p_any)


def _title(axes: Axes, text: str, p: float) -> None:
    axes.set_title(f"{text}: p = {p:.2g}", loc="left", fontsize=NORMAL, color=INK)


def _nothing(axes: Axes, why: str) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", wrap=True, fontsize=SMALL, color=SOFT)
