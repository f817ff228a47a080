"""Maps side by side: what a model keeps of them, what it can make, and what it finds alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from ainerd_agent.figures.maps import colour_limits
from ainerd_agent.figures.style import INK, NORMAL, SMALL, new_figure
from ainerd_agent.records import MapStack

CELL = 1.15
"""Side of a map, inches."""


def reconstructions(maps: ArrayLike, reconstructed: ArrayLike, error: ArrayLike) -> Figure:
    """Draw maps over what the latent vectors keep of them (the paper's Supplement 1), the least faithful last.

    Parameters
    ----------
    maps, reconstructed : array_like, shape (n, size, size)
        Scaled: 0 without correlation, 1 without motion.
    error : array_like, shape (n,)
        Mean squared difference of each.
    """
    errors = np.asarray(error, dtype=np.float64)
    order = np.argsort(errors, kind="stable")
    titles = [f"{value:.2g}" for value in errors[order]]
    rows = [np.asarray(maps)[order], np.asarray(reconstructed)[order]]
    return _gallery(rows, ["measured", "reconstructed"], titles, above="mean squared error")


def generated(maps: ArrayLike) -> Figure:
    """Draw maps decoded from latent vectors drawn at random (the paper's Supplement 2, its generative check).

    Parameters
    ----------
    maps : array_like, shape (n, size, size)
    """
    stack = np.asarray(maps)
    per_row = int(np.ceil(np.sqrt(2 * len(stack))))
    rows = [stack[first : first + per_row] for first in range(0, len(stack), per_row)]
    return _gallery(rows, [""] * len(rows), [""] * per_row)


def nearest_maps(targets: ArrayLike, found: Sequence[tuple[str, ArrayLike]]) -> Figure:
    """Draw target maps, each with its nearest neighbours below (the paper's Figs 4 and S6).

    Parameters
    ----------
    targets : array_like, shape (n, size, size)
    found : sequence of (str, array_like of shape (n, k, size, size))
        By each way of comparing, its name and the maps found.
    """
    wanted = np.asarray(targets)
    rows, names = [wanted], ["target"]
    for name, neighbours in found:
        stack = np.asarray(neighbours)
        for place in range(stack.shape[1]):
            rows.append(stack[:, place])
            names.append(f"{name} {place + 1}")
    return _gallery(rows, names, [f"target {number + 1}" for number in range(len(wanted))], apart=1)


def _gallery(
    rows: Sequence[MapStack], names: Sequence[str], titles: Sequence[str], *, above: str = "", apart: int = 0
) -> Figure:
    """Rows of maps on one colour scale; the first `apart` rows are framed."""
    n_columns = max(len(row) for row in rows)
    figure = new_figure(CELL * n_columns + 1.3, CELL * len(rows) + (0.55 if above else 0.35))
    grid = figure.subplots(len(rows), n_columns, squeeze=False)

    low, high = colour_limits(np.concatenate(rows))
    image = None
    for line, (row, name) in enumerate(zip(rows, names, strict=True)):
        for column, axes in enumerate(grid[line]):
            if column >= len(row):
                axes.set_axis_off()
                continue
            image = axes.imshow(row[column], origin="lower", vmin=low, vmax=high, cmap="inferno")
            _bare(axes, framed=line < apart)
            if line == 0 and titles[column]:
                axes.set_title(titles[column], fontsize=SMALL, color=INK)
        grid[line, 0].set_ylabel(name, fontsize=SMALL, color=INK, rotation=0, ha="right", va="center")
    if above:
        figure.suptitle(above, fontsize=NORMAL, color=INK)
    if image is not None:
        bar = figure.colorbar(image, ax=grid, extend="both", fraction=0.05, pad=0.02, shrink=min(1.0, 3.0 / len(rows)))
        bar.set_label("C2, scaled", fontsize=NORMAL, color=INK)
        bar.ax.tick_params(labelsize=SMALL, color=INK, labelcolor=INK, width=0.7, length=3)
        bar.outline.set_visible(False)
    return figure


def _bare(axes: Axes, *, framed: bool) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set(visible=framed, linewidth=1.6, color=INK)
