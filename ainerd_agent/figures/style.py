"""What all figures share: the colours of the clusters, their legend, the look of axes, and saving."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.patches import Patch

from ainerd_agent.errors import SessionError

MAX_CLUSTERS = 12
INK = "#222222"
SOFT = "#8a8a8a"
SMALL, NORMAL = 8, 9


def cluster_colours(n_clusters: int) -> list[str]:
    """Give each cluster its colour, from slow (dark violet) to fast (yellow).

    The colours are evenly spaced samples of viridis: ordered by lightness, and distinct with any colour vision.

    Parameters
    ----------
    n_clusters : int
        1 to 12; more would look alike.

    Returns
    -------
    list of str
        "#rrggbb", cluster 0 first.
    """
    if not 1 <= n_clusters <= MAX_CLUSTERS:
        raise ValueError(f"There are colours for 1 to {MAX_CLUSTERS} clusters, not for {n_clusters}.")
    viridis = matplotlib.colormaps["viridis"]
    # The last few per cent of viridis are too pale on white paper.
    steps = [0.97 * i / max(n_clusters - 1, 1) for i in range(n_clusters)]
    return [matplotlib.colors.to_hex(viridis(step)) for step in steps]


def cluster_names(n_clusters: int) -> list[str]:
    """Name the clusters for a legend; the ends say which way the order goes."""
    names = [str(i) for i in range(n_clusters)]
    if n_clusters > 1:
        names[0] += " (slow)"
        names[-1] += " (fast)"
    return names


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure, in inches, that lays itself out."""
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def dress(axes: Axes, xlabel: str = "", ylabel: str = "") -> None:
    """Give axes the look of all figures."""
    axes.set_xlabel(xlabel, fontsize=NORMAL, color=INK)
    axes.set_ylabel(ylabel, fontsize=NORMAL, color=INK)
    axes.tick_params(labelsize=SMALL, color=INK, labelcolor=INK, width=0.7, length=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set(linewidth=0.7, color=INK)


def cluster_patches(n_clusters: int) -> list[Patch]:
    """Make the entries of the clusters for a legend, the fastest on top as in a stack of shares."""
    colours, names = cluster_colours(n_clusters), cluster_names(n_clusters)
    return [Patch(facecolor=c, edgecolor="none", label=n) for c, n in zip(colours, names, strict=True)][::-1]


def cluster_legend(figure: Figure, n_clusters: int) -> Legend:
    """Add the legend of the clusters to the right of all axes."""
    return legend(figure, cluster_patches(n_clusters), title="Cluster", loc="outside right center")


def legend(figure: Figure, handles: Sequence[Artist], **place: Any) -> Legend:
    """Add a legend without a frame; `place` goes to matplotlib."""
    drawn = figure.legend(
        handles=list(handles),
        frameon=False,
        fontsize=SMALL,
        title_fontsize=SMALL,
        labelcolor=INK,
        alignment="left",
        **place,
    )
    drawn.get_title().set_color(INK)
    return drawn


def save(figure: Figure, directory: str | Path, name: str) -> tuple[Path, Path]:
    """Write a figure as `name`.png (150 dpi) and `name`.svg.

    Each file appears whole: whoever looks at it during a session never sees half a figure.

    Returns
    -------
    png, svg : Path
    """
    directory = Path(directory)
    figure.draw_without_rendering()
    # The layout is found: to find it again for each file takes most of the time of a figure with many panels.
    figure.set_layout_engine("none")
    written = []
    for suffix in ("png", "svg"):
        content = io.BytesIO()
        # No date and a fixed salt: the same data make the same file.
        with matplotlib.rc_context({"svg.hashsalt": "ainerd"}):
            figure.savefig(content, format=suffix, dpi=150, metadata={"Date": None} if suffix == "svg" else None)
        path = directory / f"{name}.{suffix}"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_name(f".{path.name}.part")
            unfinished.write_bytes(content.getvalue())
            os.replace(unfinished, path)
        except OSError as error:
            raise SessionError(f"The figure {path} cannot be written: {error.strerror}.") from None
        written.append(path)
    return written[0], written[1]
