"""Where on the sample was measured, and what was found there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import blended_transform_factory
from numpy.typing import ArrayLike

from ainerd_agent.figures.style import (
    INK,
    SMALL,
    SOFT,
    cluster_colours,
    cluster_patches,
    dress,
    legend,
    new_figure,
)
from ainerd_agent.records import FloatArray

HALO = [withStroke(linewidth=2.5, foreground="white")]
"""Keeps text readable on top of points and lines."""

DASHES = (0, (1.5, 1.0))
"""Outline of a measurement whose novelty is not known."""

SMALLEST, LARGEST = 45.0, 320.0
"""Areas of the marks of the sample map, points squared."""


def sample_map(
    x: ArrayLike,
    y: ArrayLike,
    novelty: ArrayLike,
    dominant_cluster: ArrayLike,
    limits: tuple[tuple[float, float], tuple[float, float]],
    n_clusters: int,
    *,
    n_initial: int = 0,
) -> Figure:
    """Draw where on the sample was measured, in which order, and what was found.

    Colour is the dominant cluster, area the novelty (a dashed ring where it is not known), squares are the
    space-filling start and discs the agent's choices. Numbers and a thin path give the order.

    Parameters
    ----------
    x, y, novelty, dominant_cluster : array_like, shape (n,)
        In order of measurement; positions in mm.
    limits : ((x low, x high), (y low, y high))
        The range that may be measured, mm.
    n_clusters : int
    n_initial : int
        How many of the first measurements were the space-filling start.
    """
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    novelties, clusters = np.asarray(novelty, dtype=np.float64), np.asarray(dominant_cluster, dtype=np.int64)
    known = np.isfinite(novelties)
    top = float(novelties[known].max()) if known.any() else 1.0
    areas = _areas(novelties, top)
    colours = cluster_colours(n_clusters)

    steps = [value for value in MaxNLocator(3).tick_values(0, top) if 0 <= value <= top] if top > 0 else [0.0]
    sizes = [_mark("o", area, f"{value:.3g}") for value, area in zip(steps, _areas(np.array(steps), top), strict=True)]
    if not known.all():
        sizes.append(_mark("o", SMALLEST, "not known", dashed=True))
    choices = [_mark("s", SMALLEST, "space filling")] if n_initial else []
    if n_initial < len(xs):
        choices.append(_mark("o", SMALLEST, "agent"))
    figure, axes = _map_beside_legends(
        limits, [("Cluster", cluster_patches(n_clusters)), ("Novelty", sizes), ("Chosen by", choices)]
    )

    axes.plot(xs, ys, color=SOFT, linewidth=0.7, zorder=2)
    for number in np.argsort(-areas, kind="stable"):  # small marks on top of large ones
        axes.scatter(
            xs[number],
            ys[number],
            s=areas[number],
            marker="s" if number < n_initial else "o",
            facecolor=colours[clusters[number]],
            edgecolor=INK,
            linewidth=0.8,
            linestyle="-" if known[number] else DASHES,
            zorder=3,
        )
    _number(axes, np.column_stack([xs, ys]), areas)
    return figure


def _map_beside_legends(
    limits: tuple[tuple[float, float], tuple[float, float]], legends: Sequence[tuple[str, Sequence[Artist]]]
) -> tuple[Figure, Axes]:
    """Make a figure with the range that may be measured, and a column of legends (titles and handles) beside it."""
    (x_low, x_high), (y_low, y_high) = limits
    width, height = x_high - x_low, y_high - y_low
    # Inches: the map within 4.8 x 6.4; each legend is a title and lines of the text size and the space between them.
    map_width = float(np.clip(6.4 * width / height, 1.5, 4.8))
    spacing, gap, edge = 0.7, 0.2, 0.1
    line = SMALL * (1 + spacing) / 72
    begins = edge + np.cumsum([0] + [line * (len(handles) + 1) + gap for _, handles in legends])
    figure_height = max(0.6 + map_width * height / width, float(begins[-1]) - gap + edge)

    figure = new_figure(map_width + 1.8, figure_height)
    axes, side = figure.subplots(1, 2, width_ratios=(map_width, 1.2))
    side.set_axis_off()
    across = blended_transform_factory(side.transAxes, figure.transFigure)
    for (title, handles), begin in zip(legends, begins[:-1], strict=True):
        legend(
            figure, handles, title=title, labelspacing=spacing, borderaxespad=0, loc="upper left",
            bbox_to_anchor=(0, 1 - begin / figure_height), bbox_transform=across,
        ).set_in_layout(False)  # fmt: skip

    axes.add_patch(Rectangle((x_low, y_low), width, height, facecolor="#f6f6f4", edgecolor=SOFT, linewidth=0.7))
    axes.set_xlim(x_low - 0.04 * width, x_high + 0.04 * width)
    axes.set_ylim(y_low - 0.04 * height, y_high + 0.04 * height)
    axes.set_aspect("equal")
    dress(axes, "x (mm)", "y (mm)")
    return figure, axes


def _areas(novelty: FloatArray, top: float) -> FloatArray:
    """Area of each mark, growing linearly with novelty; the smallest where it is not known."""
    share = np.clip(np.nan_to_num(novelty, nan=0.0) / (top or 1.0), 0, 1)
    return SMALLEST + (LARGEST - SMALLEST) * share


def _number(axes: Axes, positions: FloatArray, areas: FloatArray) -> None:
    """Write the order of measurement beside each mark, on the side away from the others; one label a place."""
    places, place_of = np.unique(positions, axis=0, return_inverse=True)
    for place, here in enumerate(places):
        visits = np.flatnonzero(place_of == place)
        away = here - np.delete(places, place, axis=0)
        push = (away / (away**2).sum(axis=1, keepdims=True) ** 1.5).sum(axis=0)
        right, up = np.where(push >= 0, 1, -1)
        offset = 0.36 * np.sqrt(areas[visits].max()) + 1
        axes.annotate(
            ", ".join(str(visit + 1) for visit in visits), here, (right * offset, up * offset),
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
