"""Examples of the C2 maps of each cluster: the paper's Fig. 2B."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.figures.style import INK, NORMAL, SMALL, SOFT, cluster_colours, cluster_names, dress, new_figure


def c2_examples(
    maps: ArrayLike,
    cluster: ArrayLike,
    *,
    n_clusters: int,
    centre_distance: ArrayLike | None = None,
    duration: ArrayLike = np.nan,
    per_cluster: int = 3,
) -> Figure:
    """Draw the C2 maps nearest to the centre of each cluster, a column a cluster, on one colour scale.

    Parameters
    ----------
    maps : array_like, shape (n, size, size)
    cluster : array_like of int, shape (n,)
    n_clusters : int
    centre_distance : array_like, shape (n,), optional
        Distance to the centre of the own cluster; the smallest are drawn, the smallest of all on top. Without it, the
        first maps are drawn.
    duration : float or array_like, shape (n,)
        Seconds that a side of the map spans; where it is NaN, the axes count the map's pixels.
    per_cluster : int
        Rows.
    """
    stack, clusters = np.asarray(maps), np.asarray(cluster, dtype=np.int64)
    distance = np.arange(len(clusters)) if centre_distance is None else np.asarray(centre_distance)
    duration_of = np.broadcast_to(np.asarray(duration, dtype=np.float64), clusters.shape)
    examples = _nearest(clusters, distance, n_clusters, per_cluster)
    shown = np.concatenate(examples)
    limits = colour_limits(stack[shown])
    n_rows = max(1, max(len(chosen) for chosen in examples))
    first_column = next((column for column, chosen in enumerate(examples) if len(chosen)), 0)
    one_duration = len(np.unique(duration_of[shown])) <= 1

    figure = new_figure(1.3 * n_clusters + 1.2, 1.25 * n_rows + 0.8)
    grid = figure.subplots(n_rows, n_clusters, squeeze=False)
    colours, names = cluster_colours(n_clusters), cluster_names(n_clusters)
    for axes in grid.flat:
        axes.set_box_aspect(1)
    image = None
    for column, chosen in enumerate(examples):
        count = int(np.sum(clusters == column))
        grid[0, column].set_title(
            f"Cluster {names[column]}\n{count} map{'s' * (count != 1)}", fontsize=SMALL, color=INK
        )
        for row, axes in enumerate(grid[:, column]):
            if row >= len(chosen):
                _leave_empty(axes, row == 0)
                continue
            seconds = float(duration_of[chosen[row]])
            side = seconds if np.isfinite(seconds) else float(stack.shape[-1])
            image = axes.imshow(
                stack[chosen[row]], origin="lower", extent=(0, side, 0, side), vmin=limits[0], vmax=limits[1],
                cmap="inferno", interpolation="nearest",
            )  # fmt: skip
            dress(axes)
            axes.spines[:].set(visible=True, linewidth=1.5, color=colours[column])
            axes.xaxis.set_major_locator(MaxNLocator(2))
            axes.yaxis.set_major_locator(MaxNLocator(2))
            axes.tick_params(
                labelleft=column == first_column or not one_duration, labelbottom=row == n_rows - 1 or not one_duration
            )
    known = np.isfinite(duration_of[shown])
    unit = "s" if known.all() else "s or map pixels" if known.any() else "map pixels"
    figure.supxlabel(f"$t_1$ ({unit})", fontsize=NORMAL, color=INK)
    figure.supylabel(f"$t_2$ ({unit})", fontsize=NORMAL, color=INK)
    if image is not None:
        bar = figure.colorbar(image, ax=grid, extend="both", fraction=0.05, pad=0.02, aspect=12 * n_rows, shrink=0.9)
        bar.set_label("C2", fontsize=NORMAL, color=INK)
        bar.ax.tick_params(labelsize=SMALL, color=INK, labelcolor=INK, width=0.7, length=3)
        bar.outline.set_visible(False)
    return figure


def _nearest(
    clusters: NDArray[np.int64], distance: NDArray[np.generic], n_clusters: int, per_cluster: int
) -> list[NDArray[np.int64]]:
    """Numbers of the maps to draw of each cluster, the nearest to its centre first."""
    chosen = []
    for number in range(n_clusters):
        members = np.flatnonzero(clusters == number)
        chosen.append(members[np.argsort(distance[members], kind="stable")][:per_cluster])
    return chosen


def colour_limits(shown: NDArray[np.generic]) -> tuple[float, float]:
    """Find the range of most maps: a few that are mostly noise must not flatten all others.

    Each map's range leaves out one per cent at each end, and the range of all leaves out the wildest quarter of maps.
    """
    if not len(shown):
        return 0.0, 1.0
    each = np.nanquantile(shown.reshape(len(shown), -1).astype(np.float64), (0.01, 0.99), axis=1)
    return float(np.quantile(each[0], 0.25)), float(np.quantile(each[1], 0.75))


def _leave_empty(axes: Axes, first: bool) -> None:
    axes.set_axis_off()
    if first:
        axes.text(0.5, 0.5, "no map", transform=axes.transAxes, ha="center", va="center", fontsize=SMALL, color=SOFT)
