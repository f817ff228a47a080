"""A detector's mean image with its bad pixels."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from ainerd_agent.figures.style import INK, NORMAL, SMALL, dress, legend, new_figure
from ainerd_agent.records import BadPixels, FloatArray

MARKS = {"hot": ("#d62728", "o"), "dead": ("#1f77b4", "s"), "flickering": ("#ff7f0e", "^"), "full": ("#9467bd", "D")}
"""Colour and shape of each kind."""

MASKED = "#c8d3dc"
MOST_MARKS = 200
"""Of a kind; more are drawn as points."""


def bad_pixel_map(image: FloatArray, bad: BadPixels, mask: NDArray[np.bool_]) -> Figure:
    """Draw where a detector's bad pixels are.

    Parameters
    ----------
    image : ndarray, shape (H, W)
        Mean counts per frame; drawn on a logarithmic scale.
    bad : BadPixels
    mask : ndarray of bool, shape (H, W)
        Pixels that were masked before: drawn in grey.
    """
    height, width = image.shape
    figure = new_figure(7.0, max(2.5, min(9.0, 4.6 * height / width + 0.6)))
    axes = figure.subplots()
    found = np.zeros(image.shape, dtype=bool)
    found[bad.rows, bad.columns] = True
    good = image[(image > 0) & ~mask & ~found]
    lowest, highest = (np.percentile(good, 0.5), np.percentile(good, 99.9)) if good.size else (0.1, 1.0)
    shown = np.ma.masked_array(np.clip(image, lowest, None), mask)
    drawn = axes.imshow(
        shown,
        norm=LogNorm(lowest, max(highest, lowest * 1.01)),
        cmap=matplotlib.colormaps["viridis"].with_extremes(bad=MASKED),
        interpolation="nearest",
    )
    handles = [
        Line2D([], [], linestyle="none", marker="s", color=MASKED, label=f"masked before: {int(mask.sum())}")
    ] if mask.any() else []  # fmt: skip
    for kind, count in bad.counts().items():
        colour, shape = MARKS[kind]
        chosen = bad.kinds == kind
        many = count > MOST_MARKS  # as in a gap between modules: the marks would cover it
        axes.plot(
            bad.columns[chosen], bad.rows[chosen], linestyle="none", marker="," if many else shape,
            markersize=7, markerfacecolor="none", markeredgecolor=colour, markeredgewidth=1.3,
        )  # fmt: skip
        handles.append(
            Line2D(
                [],
                [],
                linestyle="none",
                marker=shape,
                markerfacecolor="none",
                markeredgecolor=colour,
                label=f"{kind}: {count}",
            )
        )
    dress(axes, "column", "row")
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    axes.set_title(f"{len(bad)} bad pixels of {image.size - int(mask.sum())}", fontsize=NORMAL, color=INK)
    bar = figure.colorbar(drawn, ax=axes, shrink=0.85, pad=0.02)
    bar.set_label("counts per frame", fontsize=NORMAL, color=INK)
    bar.ax.tick_params(which="both", labelsize=SMALL, color=INK, labelcolor=INK)
    if handles:
        legend(figure, handles, loc="outside lower center", ncols=min(5, len(handles)))
    return figure
