"""Where on the sample was measured, and what was found there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import blended_transform_factory

from ainerd_agent.figures.places import MOST_ELONGATED, ORDER, STILL, Places
from ainerd_agent.figures.style import (
    INK,
    NORMAL,
    SMALL,
    SOFT,
    cluster_colours,
    cluster_patches,
    dress,
    legend,
    new_figure,
)
from ainerd_agent.records import FloatArray
from ainerd_agent.records.arrays import IntArray

HALO = [withStroke(linewidth=2.5, foreground="white")]
"""Keeps text readable on top of points and lines."""

DASHES = (0, (1.5, 1.0))
"""Outline of a measurement whose novelty is not known."""

SMALLEST, LARGEST = 45.0, 320.0
"""Areas of the marks of the sample map, points squared."""

LETTERS = 13
"""Of a title in an inch."""

Span = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """What the map spans: positions, or on the second axis of a strip the order of the measurements."""

    x: Span
    y: Span
    allowed: tuple[Span, Span] | None
    """What may be measured, where that is known."""
    labels: tuple[str, str]
    title: Sequence[str]
    strip: bool = False
    to_scale: bool = False

    def size(self) -> tuple[float, float]:
        """Width and height in inches."""
        if not self.to_scale:
            return 4.8, 4.0
        ratio = (self.y[1] - self.y[0]) / (self.x[1] - self.x[0])
        width = float(np.clip(6.4 / ratio, 1.5, 4.8))
        return width, width * ratio


def sample_map(
    places: Places,
    n_clusters: int,
    *,
    axes: Sequence[str] = (),
    limits: Mapping[str, Span] | None = None,
    n_initial: int | None = None,
) -> Figure:
    """Draw where on the sample was measured, in which order, and what was found.

    Colour is the dominant cluster, area the novelty (a dashed ring where it is not known). Numbers and a thin path give
    the order. Where an agent chose, squares are the space-filling start and discs its choices. One axis alone is drawn
    as a strip: the position across, the order of the measurements upwards.

    Parameters
    ----------
    places : Places
    n_clusters : int
    axes : sequence of str
        One or two, across and up; by default the first two that moved, or the one. Where the others were is the title.
    limits : mapping of str to (low, high), optional
        Which positions on an axis may be measured, in its unit.
    n_initial : int, optional
        How many of the first measurements were the space-filling start; by default no agent chose.

    Raises
    ------
    MapError
        There are no such axes.
    MissingError
        No axes are asked for, and none moved; or no position is known on them.
    """
    shown = places.shown(axes)
    order = np.arange(1, len(places.cluster) + 1)
    points = np.column_stack([*(places.positions[axis] for axis in shown), order])[:, :2]
    there = np.flatnonzero(np.isfinite(points).all(axis=1))
    top = float(np.nanmax(places.novelty)) if np.isfinite(places.novelty).any() else 1.0
    areas = _areas(places.novelty, top)

    frame = _frame(places, shown, limits or {}, _unshown(places, shown, len(order) - len(there)))
    figure, drawn = _beside_legends(frame, _legends(places, n_clusters, top, n_initial))
    drawn.plot(*points[there].T, color=SOFT, linewidth=0.7, zorder=2)
    colours = cluster_colours(n_clusters)
    for number in there[np.argsort(-areas[there], kind="stable")]:  # small marks on top of large ones
        drawn.scatter(
            points[number, 0],
            points[number, 1],
            s=areas[number],
            marker="s" if number < (n_initial or 0) else "o",
            facecolor=colours[places.cluster[number]],
            edgecolor=INK,
            linewidth=0.8,
            linestyle="-" if np.isfinite(places.novelty[number]) else DASHES,
            zorder=3,
        )
    if len(shown) == 2:
        _number(drawn, points[there], areas[there], order[there])
    return figure


def _frame(places: Places, shown: Sequence[str], limits: Mapping[str, Span], title: Sequence[str]) -> _Frame:
    """Show the range that may be measured, and everything that was: neither is ever cut off."""
    spans = []
    for axis in shown:
        ends = [*places.extent(axis), *limits.get(axis, ())]
        low, high = float(np.nanmin(ends)), float(np.nanmax(ends))
        spans.append((low, high) if high - low > STILL else (low - 0.5, high + 0.5))
    allowed = [limits[axis] for axis in shown if axis in limits]
    labels = [places.label(axis) for axis in shown]
    if strip := len(shown) == 1:
        spans.append((1.0, float(len(places.cluster))) if len(places.cluster) > 1 else (0.5, 1.5))
        allowed, labels = [*allowed, spans[1]], [*labels, ORDER]
    x, y = spans
    ratio = (y[1] - y[0]) / (x[1] - x[0])
    comparable = not strip and places.unit(shown[0]) == places.unit(shown[1])
    to_scale = comparable and 1 / MOST_ELONGATED <= ratio <= MOST_ELONGATED
    return _Frame(
        x=x,
        y=y,
        allowed=(allowed[0], allowed[1]) if len(allowed) == 2 else None,
        labels=(labels[0], labels[1]),
        title=[*title, *(["not to scale"] if comparable and not to_scale else [])],
        strip=strip,
        to_scale=to_scale,
    )


def _unshown(places: Places, shown: Sequence[str], missing: int) -> list[str]:
    """Say for the title what the axes do not show."""
    told = [f"at {elsewhere}"] if (elsewhere := places.elsewhere(shown)) else []
    told += [f"{missing} of {len(places.cluster)} measurements left out: position not known"] if missing else []
    return told


def _legends(places: Places, n_clusters: int, top: float, n_initial: int | None) -> list[tuple[str, Sequence[Artist]]]:
    """Titles and handles."""
    steps = [value for value in MaxNLocator(3).tick_values(0, top) if 0 <= value <= top] if top > 0 else [0.0]
    known = np.isfinite(places.novelty)
    sizes = [_mark("o", area, f"{value:.3g}") for value, area in zip(steps, _areas(np.array(steps), top), strict=True)]
    sizes = (sizes if known.any() else []) + ([] if known.all() else [_mark("o", SMALLEST, "not known", dashed=True)])
    legends: list[tuple[str, Sequence[Artist]]] = [("Cluster", cluster_patches(n_clusters)), ("Novelty", sizes)]
    if n_initial is None:
        return legends
    choices = [_mark("s", SMALLEST, "space filling")] if n_initial else []
    if n_initial < len(places.cluster):
        choices.append(_mark("o", SMALLEST, "agent"))
    return [*legends, ("Chosen by", choices)]


def _beside_legends(frame: _Frame, legends: Sequence[tuple[str, Sequence[Artist]]]) -> tuple[Figure, Axes]:
    """Make a figure with room for the map, and a column of legends (titles and handles) beside it."""
    width, height = frame.size()
    # Inches; each legend is a title and lines of the text size and the space between them.
    spacing, gap, edge = 0.7, 0.2, 0.1
    line = SMALL * (1 + spacing) / 72
    begins = edge + np.cumsum([0] + [line * (len(handles) + 1) + gap for _, handles in legends])
    told = [part for line in frame.title for part in wrap(line, int(LETTERS * width))]
    figure_height = max(0.6 + height + len(told) * 1.6 * NORMAL / 72, float(begins[-1]) - gap + edge)

    figure = new_figure(width + 1.8, figure_height)
    axes, side = figure.subplots(1, 2, width_ratios=(width, 1.2))
    side.set_axis_off()
    across = blended_transform_factory(side.transAxes, figure.transFigure)
    for (title, handles), begin in zip(legends, begins[:-1], strict=True):
        legend(
            figure, handles, title=title, labelspacing=spacing, borderaxespad=0, loc="upper left",
            bbox_to_anchor=(0, 1 - begin / figure_height), bbox_transform=across,
        ).set_in_layout(False)  # fmt: skip

    for (low, high), set_limits in ((frame.x, axes.set_xlim), (frame.y, axes.set_ylim)):
        set_limits(low - 0.04 * (high - low), high + 0.04 * (high - low))
    if frame.allowed is not None:
        (left, right), (low, high) = frame.allowed
        ground = Rectangle((left, low), right - left, high - low, facecolor="#f6f6f4", edgecolor=SOFT, linewidth=0.7)
        axes.add_patch(ground)
    if frame.to_scale:
        axes.set_aspect("equal")
    if frame.strip:
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    dress(axes, *frame.labels)
    axes.set_title("\n".join(told), fontsize=NORMAL, color=INK, loc="left", pad=14)
    return figure, axes


def _areas(novelty: FloatArray, top: float) -> FloatArray:
    """Area of each mark, growing linearly with novelty; the smallest where it is not known."""
    share = np.clip(np.nan_to_num(novelty, nan=0.0) / (top or 1.0), 0, 1)
    return SMALLEST + (LARGEST - SMALLEST) * share


def _number(axes: Axes, positions: FloatArray, areas: FloatArray, order: IntArray) -> None:
    """Write the order of measurement beside each mark, on the side away from the others; one label a place."""
    places, place_of = np.unique(positions, axis=0, return_inverse=True)
    # Distances on paper: axes without a scale in common are each taken by what they span.
    spans = (1.0, 1.0) if axes.get_aspect() == 1 else (np.ptp(axes.get_xlim()), np.ptp(axes.get_ylim()))
    for place, here in enumerate(places):
        visits = np.flatnonzero(place_of == place)
        away = (here - np.delete(places, place, axis=0)) / spans
        push = (away / (away**2).sum(axis=1, keepdims=True) ** 1.5).sum(axis=0)
        right, up = np.where(push >= 0, 1, -1)
        offset = 0.36 * np.sqrt(areas[visits].max()) + 1
        axes.annotate(
            ", ".join(str(order[visit]) for visit in visits), here, (right * offset, up * offset),
            textcoords="offset points", ha="left" if right > 0 else "right", va="bottom" if up > 0 else "top",
            fontsize=SMALL, color=INK, path_effects=HALO, zorder=4,
        )  # fmt: skip


def _mark(marker: str, area: float, label: str, *, dashed: bool = False) -> PathCollection:
    """Make a grey mark for a legend, drawn just as on the map."""
    axes = Figure().subplots()
    return axes.scatter(
        [], [], s=float(area), marker=marker, facecolor="#d8d8d8", edgecolor=INK, linewidth=0.8,
        linestyle=DASHES if dashed else "-", label=label,
    )  # fmt: skip
