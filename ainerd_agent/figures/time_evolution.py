"""Clusters along time, beside the shear stress: the paper's Fig. 3."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.figures.style import (
    INK,
    NORMAL,
    SMALL,
    SOFT,
    cluster_colours,
    cluster_legend,
    dress,
    new_figure,
)
from ainerd_agent.records import FloatArray
from ainerd_agent.rheology import Relation

MINIMUM = "#d1495b"
"""Colour of the lines at the stress minima."""


def clusters_and_stress(
    time: ArrayLike,
    cluster: ArrayLike,
    stress_time: ArrayLike,
    stress: ArrayLike,
    *,
    n_clusters: int,
    minima: ArrayLike = (),
    duration: ArrayLike | None = None,
    time_label: str = "Time (s)",
) -> Figure:
    """Draw the shear stress above the share of each cluster, over time.

    Parameters
    ----------
    time, cluster : array_like, shape (n,)
        Start of the measurement (s) and cluster of each C2 map.
    stress_time, stress : array_like, shape (m,)
        Rheometer readings, s and Pa; m may be 0.
    n_clusters : int
    minima : array_like
        Times (s) of stress minima, drawn through both panels.
    duration : float, array_like of shape (n,), or None
        Seconds that a measurement lasted, the same for all or each its own; None takes it to last until the next one.
    time_label : str
    """
    figure = new_figure(7.2, 4.2)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1))
    span = draw_shares(below, time, cluster, n_clusters, duration=duration)
    draw_stress(above, stress_time, stress, span)
    finish([above, below], span, np.asarray(minima, dtype=np.float64), time_label)
    cluster_legend(figure, n_clusters)
    return figure


def azimuth_time(
    time: ArrayLike,
    azimuth: ArrayLike,
    cluster: ArrayLike,
    n_clusters: int,
    *,
    q: ArrayLike | None = None,
    bins: bool = False,
    duration: ArrayLike | None = None,
    time_label: str = "Time (s)",
) -> Figure:
    """Draw the cluster of each C2 map over time and azimuth, a panel for each ring of q, the largest q on top.

    Parameters
    ----------
    time, azimuth, cluster : array_like, shape (n,)
        Start of the measurement (s), azimuth, and cluster of each C2 map.
    n_clusters : int
    q : array_like, shape (n,), optional
        Mean q of each bin, 1/nm. Bins of one azimuth and different q are in different rings; without q, or where no
        two bins share an azimuth, there is one ring.
    bins : bool
        True where `azimuth` is the number of a bin, False where it is an angle in degrees.
    duration : float, array_like of shape (n,), or None
        Seconds that a measurement lasted, the same for all or each its own; None takes it to last until the next one.
    time_label : str
    """
    times, angles, clusters = np.asarray(time), np.asarray(azimuth), np.asarray(cluster)
    ring, means = _rings(angles, None if q is None else np.asarray(q, dtype=np.float64))
    figure = new_figure(7.2, 3.2 if len(means) == 1 else 1.0 + 1.7 * len(means))
    panels = list(figure.subplots(len(means), 1, sharex=True, squeeze=False)[:, 0])
    spans = []
    lasted = None if duration is None else np.broadcast_to(np.asarray(duration, dtype=np.float64), times.shape)
    for number, axes in enumerate(reversed(panels)):
        own = ring == number
        spans.append(
            draw_azimuth(
                axes,
                times[own],
                angles[own],
                clusters[own],
                n_clusters,
                bins=bins,
                duration=None if lasted is None else lasted[own],
            )
        )
        if len(means) > 1:
            name = f"q = {means[number]:#.3g} nm$^{{-1}}$" if np.isfinite(means[number]) else "q unknown"
            axes.set_title(name, loc="right", fontsize=SMALL, color=INK)
            axes.set_ylabel("")
    if len(means) > 1:
        figure.supylabel("Azimuthal bin" if bins else "Azimuth (°)", fontsize=NORMAL, color=INK)
        lowest, highest = (edge([axes.get_ylim()[k] for axes in panels]) for k, edge in enumerate((min, max)))
        for axes in panels:
            axes.set_ylim(lowest, highest)
    span = min(start for start, _ in spans), max(stop for _, stop in spans)
    finish(panels, span, np.empty(0), time_label)
    cluster_legend(figure, n_clusters)
    return figure


def relation_figure(relation: Relation) -> Figure:
    """Draw one relaxation: the shear stress, the share of each cluster, and the clusters over azimuth.

    All three panels share the time axis; red lines mark the stress minima.
    """
    figure = new_figure(7.2, 6.6)
    panels = figure.subplots(3, 1, sharex=True, height_ratios=(1, 1, 1.25))
    time, cluster, n_clusters = relation.start_time, relation.cluster, relation.n_clusters
    span = draw_shares(panels[1], time, cluster, n_clusters)
    draw_azimuth(panels[2], time, relation.azimuthal_bin, cluster, n_clusters, bins=True)
    draw_stress(panels[0], relation.samples.time, relation.samples.shear_stress, span)
    finish(list(panels), span, relation.minima, "XPCS time (s)")
    cluster_legend(figure, n_clusters)
    return figure


def draw_shares(
    axes: Axes,
    time: ArrayLike,
    cluster: ArrayLike,
    n_clusters: int,
    *,
    duration: ArrayLike | None = None,
    colours: Sequence[str] | None = None,
) -> tuple[float, float]:
    """Stack the share of each cluster at each time, slow at the bottom; return the time span that is filled.

    Other classes than clusters have `colours` of their own, (n_clusters,).
    """
    starts, index = np.unique(np.asarray(time, dtype=np.float64), return_inverse=True)
    counts = np.zeros((len(starts), n_clusters))
    np.add.at(counts, (index, np.asarray(cluster, dtype=np.int64)), 1)
    shares = counts / counts.sum(axis=1, keepdims=True)
    stops = _stops(starts, _longest(duration, index, len(starts)))
    floor = np.zeros(len(starts))
    for share, colour in zip(shares.T, colours or cluster_colours(n_clusters), strict=True):
        axes.bar(
            starts, share, stops - starts, bottom=floor, align="edge", color=colour, linewidth=0, antialiased=False
        )
        floor = floor + share
    axes.set_ylim(0, 1)
    dress(axes, ylabel="Share of C2 maps")
    return float(starts[0]), float(stops[-1])


def draw_azimuth(
    axes: Axes,
    time: ArrayLike,
    azimuth: ArrayLike,
    cluster: ArrayLike,
    n_clusters: int,
    *,
    bins: bool = False,
    duration: ArrayLike | None = None,
    colours: Sequence[str] | None = None,
) -> tuple[float, float]:
    """Colour each (time, azimuth) of a ring by its cluster, as wide as the measurement; return the time span.

    Bins whose azimuth is NaN have no place among the others and are left out; alone they are the whole ring.
    """
    starts, column = np.unique(np.asarray(time, dtype=np.float64), return_inverse=True)
    where = np.asarray(azimuth, dtype=np.float64)
    whole = not np.isfinite(where).any()
    placed = np.isfinite(where) | whole
    angles, row = np.unique(np.where(np.isfinite(where), where, 180.0)[placed], return_inverse=True)
    grid = np.full((len(angles), len(starts)), np.nan)
    grid[row, column[placed]] = np.asarray(cluster, dtype=np.float64)[placed]
    edges, filled = _columns(starts, _stops(starts, _longest(duration, column, len(starts))))
    spaced = np.full((len(angles), len(edges) - 1), np.nan)
    spaced[:, filled] = grid
    axes.pcolormesh(
        edges,
        np.array([0.0, 360.0]) if whole else _row_edges(angles),
        np.ma.masked_invalid(spaced),
        cmap=ListedColormap(list(colours or cluster_colours(n_clusters))),
        norm=BoundaryNorm(np.arange(n_clusters + 1) - 0.5, n_clusters),
        rasterized=True,  # or vector viewers show hairlines between the cells
    )
    dress(axes, ylabel="Azimuthal bin" if bins else "Azimuth (°)")
    if bins:
        axes.yaxis.set_major_locator(MaxNLocator(9, integer=True))
    else:
        axes.yaxis.set_major_locator(MaxNLocator(8, steps=[1, 3, 4.5, 6, 9, 10]))
    return float(edges[0]), float(edges[-1])


def draw_stress(axes: Axes, time: ArrayLike, stress: ArrayLike, span: tuple[float, float]) -> None:
    """Draw the stress readings around a time span so that its details can be seen.

    The axis is linear; logarithmic where most readings spread over more than a decade. Where a few readings tower
    above the others (the flow before its cessation), the axis ends above the others and a note says so.
    """
    times, values = np.asarray(time, dtype=np.float64), np.asarray(stress, dtype=np.float64)
    kept = np.isfinite(values)
    times, values = times[kept], values[kept]
    axes.plot(times, values, color=INK, linewidth=1, marker="o", markersize=1.8, markeredgewidth=0)
    dress(axes, ylabel="Shear stress (Pa)")
    inside = (times >= span[0]) & (times <= span[1])
    seen = values[inside]
    if not len(seen):
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no rheometer readings", transform=axes.transAxes, ha="center", color=SOFT, fontsize=NORMAL)
        return
    low, base, bulk, high = (float(level) for level in np.quantile(seen, (0, 0.05, 0.95, 1)))
    margin = 0.08
    if low > 0 and bulk > 10 * base:
        axes.set_yscale("log")
        axes.set_ylim(low / (high / low) ** margin, high * (high / low) ** margin)
    elif high - low > 3 * (bulk - low) > 0:
        top = low + 1.5 * (bulk - low)
        axes.set_ylim(low - margin * (top - low), top)
        peak = float(times[inside][seen.argmax()])
        note = f"The axis is cut: the stress reaches {high:,.0f} Pa at {peak:,.1f} s".replace("-", "\N{MINUS SIGN}")
        axes.set_title(note, loc="right", fontsize=SMALL, color=SOFT)
    else:
        reach = (high - low) or abs(high) or 1.0
        axes.set_ylim(low - margin * reach, high + margin * reach)


def finish(panels: Sequence[Axes], span: tuple[float, float], minima: FloatArray, time_label: str) -> None:
    """Give the panels one time axis and the lines of the minima; label the lowest."""
    start, stop = span
    margin = 0.01 * (stop - start)
    visible = minima[(minima >= start) & (minima <= stop)]
    for panel in panels:
        panel.set_xlim(start - margin, stop + margin)
        for minimum in visible:
            panel.axvline(minimum, color=MINIMUM, linewidth=1, linestyle=(0, (4, 2)), zorder=3)
    if len(visible):
        panels[0].set_title("dashed: stress minima", loc="left", fontsize=SMALL, color=MINIMUM)
    panels[-1].set_xlabel(time_label, fontsize=NORMAL, color=INK)


def _rings(azimuth: NDArray[np.generic], q: FloatArray | None) -> tuple[NDArray[np.int64], FloatArray]:
    """Sort bins into rings.

    The q of a bin is the mean over its pixels, so that the bins of one ring differ a little.

    Parameters
    ----------
    azimuth, q : ndarray, shape (n,)

    Returns
    -------
    ring : ndarray of int, shape (n,)
        From 0, the smallest q first; bins of unknown q last.
    q : ndarray, shape (n_rings,)
        Mean of each ring, NaN where it is not known.
    """
    known = np.zeros(len(azimuth), dtype=bool) if q is None else np.isfinite(q)
    ring = np.zeros(len(azimuth), dtype=np.int64)
    if q is None or not known.any():
        return ring, np.array([np.nan])
    angle = np.unique(azimuth[known], return_inverse=True)[1]
    bins, of_bin = np.unique(np.column_stack([angle, q[known]]), axis=0, return_inverse=True)
    per_angle = np.bincount(bins[:, 0].astype(np.int64))
    n_rings = int(per_angle.max())
    if (per_angle == n_rings).all():  # a complete grid has each ring once at every azimuth, and rows are sorted
        ring_of = np.tile(np.arange(n_rings), len(per_angle))
    else:  # where bins were dropped, the widest gaps part the rings
        values = np.sort(bins[:, 1])
        widest = np.sort(np.argsort(np.diff(values), kind="stable")[len(values) - n_rings :])
        ring_of = np.searchsorted((values[widest] + values[widest + 1]) / 2, bins[:, 1])
    ring[known] = ring_of[of_bin.ravel()]
    ring[~known] = n_rings
    means = [q[ring == number].mean() for number in range(n_rings)]
    return ring, np.array(means if known.all() else [*means, np.nan])


def _longest(duration: ArrayLike | None, measurement: NDArray[np.int64], n: int) -> FloatArray | None:
    """Return how long each of n measurements lasted, from how long those lasted that its maps are of."""
    if duration is None:
        return None
    longest = np.full(n, -np.inf)
    np.fmax.at(longest, measurement, np.broadcast_to(np.asarray(duration, dtype=np.float64), measurement.shape))
    return np.where(np.isfinite(longest), longest, np.nan)


def _stops(starts: FloatArray, duration: FloatArray | None) -> FloatArray:
    """Return when each measurement ended; where that is not known, when the next began, unless there was a pause."""
    gaps = np.diff(starts)
    usual = float(np.median(gaps)) if len(gaps) else 1.0
    lengths = np.append(np.where(gaps <= 1.5 * usual, gaps, usual), usual)
    if duration is not None:
        known = np.isfinite(duration)
        lengths[known] = np.minimum(np.append(gaps, np.inf), duration)[known]
    return np.asarray(starts + lengths, dtype=np.float64)


def _columns(starts: FloatArray, stops: FloatArray) -> tuple[FloatArray, NDArray[np.int64]]:
    """Return the edges of columns with an empty one at each pause, and which columns hold the measurements."""
    edges: list[float] = []
    filled: list[int] = []
    for start, stop in zip(starts, stops, strict=True):
        if not edges or start > edges[-1]:
            edges.append(float(start))
        filled.append(len(edges) - 1)
        edges.append(float(stop))
    return np.array(edges), np.array(filled)


def _row_edges(angles: FloatArray) -> FloatArray:
    """Return the edges half way between neighbouring azimuths."""
    if len(angles) == 1:
        return np.array([angles[0] - 0.5, angles[0] + 0.5])
    middle = (angles[1:] + angles[:-1]) / 2
    return np.concatenate([[2 * angles[0] - middle[0]], middle, [2 * angles[-1] - middle[-1]]])
