"""C2 maps in the latent space, in two dimensions."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from ainerd_agent.figures.style import INK, SMALL, cluster_colours, cluster_legend, dress, new_figure


def embedding(
    coordinates: ArrayLike,
    cluster: ArrayLike,
    *,
    n_clusters: int,
    centres: ArrayLike | None = None,
    method: str = "UMAP",
) -> Figure:
    """Draw a two-dimensional embedding of the latents, coloured by cluster.

    Parameters
    ----------
    coordinates : array_like, shape (n, 2)
    cluster : array_like of int, shape (n,)
    n_clusters : int
    centres : array_like, shape (n_clusters, 2), optional
        Where the clusters' centres lie, drawn as numbered discs.
    method : str
        Name for the axes. An embedding has no unit, and distances in it are only qualitative.
    """
    points, clusters = np.asarray(coordinates, dtype=np.float64), np.asarray(cluster, dtype=np.int64)
    colours = cluster_colours(n_clusters)
    figure = new_figure(5.2, 4.2)
    axes = figure.subplots()
    # One collection in shuffled order, so that no cluster covers another.
    order = np.random.default_rng(0).permutation(len(points))
    axes.scatter(
        points[order, 0],
        points[order, 1],
        s=float(np.clip(9000 / max(len(points), 1), 4, 40)),
        c=[colours[i] for i in clusters[order]],
        edgecolors=INK,
        linewidths=0.2,
    )
    for number, (x, y) in enumerate(() if centres is None else np.asarray(centres, dtype=np.float64)):
        axes.plot(x, y, "o", markersize=15, color="white", markeredgecolor=colours[number], markeredgewidth=3)
        axes.text(x, y, str(number), ha="center", va="center_baseline", fontsize=SMALL, color=INK, weight="bold")
    dress(axes, f"{method} 1 (no unit)", f"{method} 2 (no unit)")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_aspect("equal", adjustable="datalim")
    cluster_legend(figure, n_clusters)
    return figure
