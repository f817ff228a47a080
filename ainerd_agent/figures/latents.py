"""The latent space in figures of the paper: how many clusters, how many dimensions, and which points lie where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from matplotlib.ticker import FuncFormatter, NullLocator
from numpy.typing import ArrayLike

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
from ainerd_agent.latent.stability import Trial
from ainerd_agent.records import FloatArray

PALE = "#d9d9d6"
THUMBNAIL = 0.16
"""Size of an example map, in units of its pixels."""


def number_of_clusters(trials: Sequence[Trial], chosen: int) -> Figure:
    """Draw what the number of clusters is chosen by (the paper's Supplement 3): elbow, silhouette, and stability.

    Parameters
    ----------
    trials : sequence of Trial
        From `ainerd_agent.latent.stability.try_numbers`.
    chosen : int
        Number of clusters, marked.
    """
    numbers = [trial.n_clusters for trial in trials]
    figure = new_figure(7.2, 2.5)
    panels = figure.subplots(1, 3)
    inertia = np.array([trial.inertia for trial in trials])
    panels[0].plot(numbers, inertia / inertia[0], color=INK, marker="o", markersize=3, linewidth=1)
    dress(panels[0], "Clusters", "Distortion, relative")
    panels[1].plot(numbers, [trial.silhouette for trial in trials], color=INK, marker="o", markersize=3, linewidth=1)
    dress(panels[1], "Clusters", "Silhouette")
    panels[2].plot(numbers, [trial.stability for trial in trials], color=INK, marker="o", markersize=3, linewidth=1)
    panels[2].plot(numbers, [trial.worst for trial in trials], color=SOFT, marker="v", markersize=3, linewidth=0)
    panels[2].set_title("mean, and least (\N{WHITE DOWN-POINTING SMALL TRIANGLE})", fontsize=SMALL, color=SOFT)
    panels[2].set_ylim(top=1.03)
    dress(panels[2], "Clusters", "ARI between seeds")
    for panel in panels:
        panel.axvline(chosen, color=SOFT, linewidth=0.8, linestyle=(0, (4, 2)), zorder=0)
        panel.xaxis.get_major_locator().set_params(integer=True)
    return figure


def embedding_with_examples(
    coordinates: ArrayLike, cluster: ArrayLike, maps: ArrayLike, examples: ArrayLike, *, n_clusters: int
) -> Figure:
    """Draw the embedding by cluster, with an example map of each (the paper's Fig. 2).

    Parameters
    ----------
    coordinates : array_like, shape (n, 2)
    cluster : array_like of int, shape (n,)
    maps : array_like, shape (n_examples, size, size)
    examples : array_like of int, shape (n_examples,)
        Which points they are.
    n_clusters : int
    """
    points, clusters = np.asarray(coordinates, dtype=np.float64), np.asarray(cluster, dtype=np.int64)
    chosen, stack = np.asarray(examples, dtype=np.int64), np.asarray(maps)
    colours = cluster_colours(n_clusters)
    figure = new_figure(6.6, 5.0)
    axes = figure.subplots()
    _scatter(axes, points, [colours[number] for number in clusters])
    centre = points.mean(axis=0)
    reach = 1.25 * np.abs(points - centre).max(axis=0)
    places = _around(points[chosen], centre, reach)
    for place, number, each in zip(places, chosen, stack, strict=True):
        picture = OffsetImage(each[::-1], zoom=THUMBNAIL * 256 / each.shape[0], cmap="inferno")
        axes.add_artist(
            AnnotationBbox(
                picture,
                tuple(points[number]),
                xybox=tuple(place),
                pad=0.08,
                arrowprops={"arrowstyle": "-", "color": INK, "lw": 0.8},
                bboxprops={"edgecolor": colours[clusters[number]], "linewidth": 2.0},
            )
        )
    _frame(axes, centre, 1.35 * reach)
    cluster_legend(figure, n_clusters)
    return figure


def embedding_at_times(
    coordinates: ArrayLike, time: ArrayLike, cluster: ArrayLike, moments: Sequence[float], *, n_clusters: int
) -> Figure:
    """Draw where the maps of a few moments lie among all (the paper's Fig. 3D).

    Parameters
    ----------
    coordinates : array_like, shape (n, 2)
    time : array_like, shape (n,)
        s.
    cluster : array_like of int, shape (n,)
    moments : sequence of float
        The measurements nearest to these are drawn, a panel each.
    n_clusters : int
    """
    points, times = np.asarray(coordinates, dtype=np.float64), np.asarray(time, dtype=np.float64)
    clusters, colours = np.asarray(cluster, dtype=np.int64), cluster_colours(n_clusters)
    figure = new_figure(2.6 * len(moments) + 1.0, 2.9)
    panels = figure.subplots(1, len(moments), squeeze=False, sharex=True, sharey=True)[0]
    known = np.unique(times)
    for axes, moment in zip(panels, moments, strict=True):
        nearest = known[np.abs(known - moment).argmin()]
        here = times == nearest
        axes.scatter(points[:, 0], points[:, 1], s=4, color=PALE, linewidths=0)
        axes.scatter(
            points[here, 0],
            points[here, 1],
            s=28,
            c=[colours[number] for number in clusters[here]],
            edgecolors=INK,
            linewidths=0.5,
        )
        axes.set_title(f"{nearest:,.0f} s".replace("-", "\N{MINUS SIGN}"), fontsize=NORMAL, color=INK)
        dress(axes, "UMAP 1 (no unit)")
        axes.set_xticks([])
        axes.set_yticks([])
    panels[0].set_ylabel("UMAP 2 (no unit)", fontsize=NORMAL, color=INK)
    cluster_legend(figure, n_clusters)
    return figure


def direction_share(coordinates: ArrayLike, share: ArrayLike, expected: float) -> Figure:
    """Draw the embedding coloured by the share of the flow direction among each point's neighbours (Supplement 4).

    Parameters
    ----------
    coordinates : array_like, shape (n, 2)
    share : array_like, shape (n,)
        Flow over flow and vorticity among the neighbours; NaN where neither is.
    expected : float
        That of all points: the colour between blue (vorticity) and yellow (flow).
    """
    points, shares = np.asarray(coordinates, dtype=np.float64), np.asarray(share, dtype=np.float64)
    figure = new_figure(5.4, 4.2)
    axes = figure.subplots()
    scale = Normalize(0, 2 * expected) if expected <= 0.5 else Normalize(2 * expected - 1, 1)
    axes.scatter(
        points[:, 0], points[:, 1], s=_area(len(points)), c=shares, cmap="cividis", norm=scale, edgecolors=INK,
        linewidths=0.15, plotnonfinite=False,
    )  # fmt: skip
    bar = figure.colorbar(ScalarMappable(scale, "cividis"), ax=axes, pad=0.02, shrink=0.9)
    bar.set_label("Flow direction among the neighbours\n(share of flow and vorticity)", fontsize=NORMAL, color=INK)
    bar.ax.axhline(expected, color="white", linewidth=1.2)
    bar.ax.tick_params(labelsize=SMALL, color=INK, labelcolor=INK, width=0.7, length=3)
    bar.outline.set_visible(False)
    dress(axes, "UMAP 1 (no unit)", "UMAP 2 (no unit)")
    axes.set_xticks([])
    axes.set_yticks([])
    return figure


def latent_against_raw(neighbours: ArrayLike, latent: Mapping[str, ArrayLike]) -> Figure:
    """Draw how much alike the maps are that each way of comparing finds (Supplement 7).

    Parameters
    ----------
    neighbours : array_like of int, shape (n,)
        Numbers of neighbours looked at.
    latent : mapping of str to array_like, shape (n,)
        Of each way, the mean share that is alike.
    """
    figure = new_figure(4.6, 3.2)
    axes = figure.subplots()
    styles = ((INK, "-"), (SOFT, "--"), ("#3b7a8c", ":"), ("#a05a2c", "-."))
    for (name, values), (colour, line) in zip(latent.items(), styles, strict=False):
        axes.plot(np.asarray(neighbours), np.asarray(values), color=colour, linestyle=line, linewidth=1.5, label=name)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(0, 1.02)
    dress(axes, "Nearest neighbours", "Share that is alike")
    axes.legend(frameon=False, fontsize=SMALL, labelcolor=INK)
    return figure


def error_against_dimension(errors: Mapping[str, tuple[ArrayLike, ArrayLike]], shipped: int = 64) -> Figure:
    """Draw the reconstruction error against the length of the latent vector (Supplement 9).

    Parameters
    ----------
    errors : mapping of str to (dimensions, mean squared errors)
        Of each kind of model.
    shipped : int
        The length in use, marked.
    """
    figure = new_figure(4.6, 3.2)
    axes = figure.subplots()
    for (name, (dimension, error)), marker in zip(errors.items(), "osv^", strict=False):
        axes.plot(np.asarray(dimension), np.asarray(error), marker=marker, markersize=4, linewidth=1.2, label=name)
    axes.axvline(shipped, color=SOFT, linewidth=0.8, linestyle=(0, (4, 2)), zorder=0)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    dress(axes, "Latent numbers", "Mean squared error")
    axes.legend(frameon=False, fontsize=SMALL, labelcolor=INK)
    return figure


def _scatter(axes: Axes, points: FloatArray, colours: Sequence[str]) -> None:
    order = np.random.default_rng(0).permutation(len(points))  # so that no cluster covers another
    axes.scatter(
        points[order, 0],
        points[order, 1],
        s=_area(len(points)),
        c=[colours[number] for number in order],
        edgecolors=INK,
        linewidths=0.2,
    )


def _area(n_points: int) -> float:
    return float(np.clip(9000 / max(n_points, 1), 4, 40))


def _around(points: FloatArray, centre: FloatArray, reach: FloatArray) -> FloatArray:
    """Places on an ellipse around all points for the examples, in the order of their directions."""
    direction = np.arctan2(*((points - centre) / reach)[:, ::-1].T)
    order = np.argsort(direction, kind="stable")
    even = np.empty(len(points))
    even[order] = np.linspace(-np.pi, np.pi, len(points), endpoint=False)
    # Turned so that they are as near to their points as the even spacing allows.
    even += np.angle(np.exp(1j * (direction - even)).mean())
    return np.asarray(centre + 1.12 * reach * np.stack([np.cos(even), np.sin(even)], axis=1))


def _frame(axes: Axes, centre: FloatArray, reach: FloatArray) -> None:
    axes.set_xlim(centre[0] - reach[0], centre[0] + reach[0])
    axes.set_ylim(centre[1] - reach[1], centre[1] + reach[1])
    axes.set_xticks([])
    axes.set_yticks([])
    dress(axes, "UMAP 1 (no unit)", "UMAP 2 (no unit)")
