"""Why a position was suggested: where it lies, what was expected there, and what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.figures.maps import colour_limits
from ainerd_agent.figures.places import MOST_ELONGATED, ORDER
from ainerd_agent.figures.style import INK, NORMAL, SMALL, SOFT, dress, new_figure
from ainerd_agent.records import FloatArray

CHOSEN = "#c1272d"

LETTERS = 45
"""In a line below the figure."""


def suggestion_figure(
    limits: Mapping[str, tuple[float, float]],
    measured: ArrayLike,
    chosen: Sequence[float],
    alternatives: ArrayLike,
    scores: Sequence[float],
    *,
    expected: ArrayLike | None = None,
    found: ArrayLike | None = None,
    azimuth: Sequence[float] = (),
    suggested: Sequence[float] | None = None,
    elsewhere: str = "",
    duration: float = np.nan,
) -> Figure:
    """Draw the sample with what was known, the position that was chosen and those that were not; and the maps.

    Parameters
    ----------
    limits : mapping of str to (low, high)
        Of one or two axes (k), by what is written beside each, such as "x (mm)". One is drawn across, the order of the
        measurements upwards.
    measured : array_like, shape (n, k)
        The measurements it was inferred from, in order.
    chosen : sequence of float, of k
        Where it was measured, or is to be.
    alternatives : array_like, shape (m, k)
    scores : sequence of float
        Of the chosen one, then of the alternatives.
    expected, found : array_like, shape (k, size, size), optional
        Scaled maps (contrast 1, baseline 0) of some bins.
    azimuth : sequence of float
        Of these bins, degrees.
    suggested : sequence of float, of k, optional
        What the agent had suggested, where somebody decided otherwise.
    elsewhere : str
        Where the other axes are for the chosen position, in words. The other positions are drawn wherever they are on
        these axes, which the figure says.
    duration : float
        Seconds that a side of the maps spans; NaN where it is not known.
    """
    rows = [(name, np.asarray(maps)) for name, maps in (("expected", expected), ("found", found)) if maps is not None]
    n_maps = max((len(maps) for _, maps in rows), default=0)
    figure = new_figure(4.2 + 1.5 * n_maps, 3.6)
    if rows:
        left, right = np.ravel(figure.subfigures(1, 2, squeeze=False, width_ratios=[4.2, 1.5 * n_maps]))
        _maps(right.subplots(len(rows), n_maps, squeeze=False), rows, azimuth, duration)
        axes = left.subplots()
    else:
        axes = figure.subplots()
    now = len(np.asarray(measured)) + 1
    if len(limits) == 1:
        limits = {**limits, ORDER: (0.5, now + 0.5)}
    _dress(axes, limits, elsewhere)
    _sample(
        axes,
        _on_paper(measured, np.arange(1, now)),
        _on_paper(alternatives, now),
        _on_paper([chosen], now),
        _on_paper([] if suggested is None else [suggested], now),
        scores,
    )
    return figure


def _on_paper(places: ArrayLike, order: ArrayLike) -> FloatArray:
    """Places on one or two axes as points of a picture, shape (n, 2): those on one with their order."""
    found = np.asarray(places, dtype=np.float64)
    if not len(found):
        return np.empty((0, 2))
    return np.column_stack([found, np.broadcast_to(order, len(found))])[:, :2]


def _dress(axes: Axes, limits: Mapping[str, tuple[float, float]], elsewhere: str) -> None:
    (across, x), (up, y) = limits.items()
    told = wrap(f"stars at {elsewhere}, others at any", LETTERS) if elsewhere else []
    dress(axes, "\n".join([across, *told]), up)
    axes.set_xlim(x)
    axes.set_ylim(y)
    if up == ORDER:
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    # Lengths are drawn to scale, unless their points would overlap.
    elif _unit(across) == _unit(up) and 1 / MOST_ELONGATED <= (y[1] - y[0]) / (x[1] - x[0]) <= MOST_ELONGATED:
        axes.set_aspect("equal")
    axes.spines[:].set(visible=True, linewidth=0.7, color=SOFT)


def _unit(label: str) -> str:
    return label.rpartition("(")[2]


def _sample(
    axes: Axes,
    measured: FloatArray,
    alternatives: FloatArray,
    chosen: FloatArray,
    suggested: FloatArray,
    scores: Sequence[float],
) -> None:
    """Draw places, each of shape (n, 2); `suggested` is empty where nobody decided otherwise."""
    axes.plot(*measured.T, color=SOFT, linewidth=0.6, zorder=1)
    axes.scatter(measured[:, 0], measured[:, 1], s=22, color=SOFT, label="measured before", zorder=2)
    axes.scatter(
        alternatives[:, 0],
        alternatives[:, 1],
        s=45,
        facecolor="none",
        edgecolor=INK,
        label="not taken",
        zorder=3,
        clip_on=False,
    )
    axes.scatter(
        chosen[:, 0], chosen[:, 1], s=130, marker="*", color=CHOSEN, zorder=5, clip_on=False,
        label="decided" if len(suggested) else "suggested",
    )  # fmt: skip
    if len(suggested):
        axes.scatter(
            suggested[:, 0],
            suggested[:, 1],
            s=130,
            marker="*",
            facecolor="none",
            edgecolor=CHOSEN,
            label="suggested",
            zorder=4,
            clip_on=False,
        )
    best = scores[0] if scores else np.nan
    for (x, y), score in zip(alternatives, scores[1:], strict=False):
        # Towards the middle, where neither the legend nor the numbers of the axes are.
        right, upper = x > np.mean(axes.get_xlim()), y > np.mean(axes.get_ylim())
        axes.annotate(
            f"{score / best:.0%}",
            (x, y),
            xytext=(-6 if right else 6, -4 if upper else 4),
            textcoords="offset points",
            ha="right" if right else "left",
            va="top" if upper else "bottom",
            fontsize=SMALL,
            color=INK,
        )
    axes.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2 if len(suggested) else 3, fontsize=SMALL,
        frameon=False, handletextpad=0.2, columnspacing=1.0,
    )  # fmt: skip


def _maps(
    grid: NDArray[np.object_],
    rows: list[tuple[str, NDArray[np.generic]]],
    azimuth: Sequence[float],
    duration: float,
) -> None:
    low, high = colour_limits(np.concatenate([maps for _, maps in rows]))
    for row, (name, maps) in enumerate(rows):
        for column, axes in enumerate(grid[row]):
            axes.set_xticks([])
            axes.set_yticks([])
            if column >= len(maps):
                axes.set_axis_off()
                continue
            side = duration if np.isfinite(duration) else float(len(maps[column]))
            axes.imshow(
                maps[column], origin="lower", extent=(0, side, 0, side), vmin=low, vmax=high, cmap="inferno",
                interpolation="nearest",
            )  # fmt: skip
            if np.isfinite(duration) and column == 0 and row == len(rows) - 1:
                axes.set_xticks([0, side], ["0", f"{side:.3g}"], fontsize=SMALL)
                axes.set_yticks([0, side], ["0", f"{side:.3g}"], fontsize=SMALL)
                axes.set_xlabel("$t_1$, $t_2$ (s)", fontsize=SMALL, color=INK, labelpad=1)
            if row == 0 and column < len(azimuth):
                axes.set_title(f"{azimuth[column]:.0f}°", fontsize=NORMAL, color=INK)
        grid[row, 0].set_ylabel(name, fontsize=NORMAL, color=INK)
