"""Maps side by side: what a model keeps of them, what it can make, and what it finds alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from ainerd_agent.figures.maps import colour_limits
from ainerd_agent.figures.style import INK, NORMAL, SMALL, new_figure
from ainerd_agent.records import FloatArray, MapStack

CELL = 1.15
"""Side of a map, inches."""


def reconstructions(
    maps: ArrayLike, reconstructed: ArrayLike, error: ArrayLike, *, duration: ArrayLike = np.nan
) -> Figure:
    """Draw maps over what the latent vectors keep of them (the paper's Supplement 1), the least faithful last.

    Parameters
    ----------
    maps, reconstructed : array_like, shape (n, size, size)
        Scaled: 0 without correlation, 1 without motion.
    error : array_like, shape (n,)
        Mean squared difference of each.
    duration : float or array_like, shape (n,)
        Seconds that a side of each map spans; NaN where it is not known.
    """
    errors = np.asarray(error, dtype=np.float64)
    order = np.argsort(errors, kind="stable")
    titles = [f"{value:.2g}" for value in errors[order]]
    rows = [np.asarray(maps)[order], np.asarray(reconstructed)[order]]
    sides = np.broadcast_to(np.asarray(duration, dtype=np.float64), errors.shape)[order]
    return _gallery(rows, ["measured", "reconstructed"], titles, sides=[sides] * 2, above="mean squared error")


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


def nearest_maps(
    targets: ArrayLike,
    found: Sequence[tuple[str, ArrayLike]],
    *,
    duration: ArrayLike = np.nan,
    durations: Sequence[ArrayLike] = (),
) -> Figure:
    """Draw target maps, each with its nearest neighbours below (the paper's Figs 4 and S6).

    Parameters
    ----------
    targets : array_like, shape (n, size, size)
    found : sequence of (str, array_like of shape (n, k, size, size))
        By each way of comparing, its name and the maps found.
    duration : float or array_like, shape (n,)
        Seconds that a side of each target spans; NaN where it is not known.
    durations : sequence of array_like, shape (n, k)
        The same of the maps found.
    """
    wanted = np.asarray(targets)
    rows, names = [wanted], ["target"]
    sides = [np.broadcast_to(np.asarray(duration, dtype=np.float64), len(wanted))]
    for way, (name, neighbours) in enumerate(found):
        stack = np.asarray(neighbours)
        spans = np.asarray(durations[way] if durations else np.nan, dtype=np.float64)
        for place in range(stack.shape[1]):
            rows.append(stack[:, place])
            sides.append(np.broadcast_to(spans, stack.shape[:2])[:, place])
            names.append(f"{name} {place + 1}")
    titles = [f"target {number + 1}" for number in range(len(wanted))]
    return _gallery(rows, names, titles, sides=sides, apart=1)


def _gallery(
    rows: Sequence[MapStack],
    names: Sequence[str],
    titles: Sequence[str],
    *,
    sides: Sequence[FloatArray] = (),
    above: str = "",
    apart: int = 0,
) -> Figure:
    """Rows of maps on one colour scale; the first `apart` rows are framed.

    Where the seconds that a side of each map spans are known (`sides`, row by row) and the same for all, the first map
    of the last row has the axes of all; where they differ, each map says its own.
    """
    n_columns = max(len(row) for row in rows)
    figure = new_figure(CELL * n_columns + 1.6, CELL * len(rows) + (0.75 if above else 0.55))
    # For maps are squares: by any other layout, what is left of them is not reckoned with, and names are cut.
    figure.set_layout_engine("compressed")
    grid = figure.subplots(len(rows), n_columns, squeeze=False)
    seconds = np.concatenate(sides) if len(sides) else np.array([np.nan])
    known = bool(np.isfinite(seconds).all())
    one = known and bool(np.allclose(seconds, seconds[0]))

    low, high = colour_limits(np.concatenate(rows))
    image = None
    for line, (row, name) in enumerate(zip(rows, names, strict=True)):
        for column, axes in enumerate(grid[line]):
            if column >= len(row):
                axes.set_axis_off()
                continue
            side = float(sides[line][column]) if known else float(len(row[column]))
            image = axes.imshow(
                row[column], origin="lower", vmin=low, vmax=high, cmap="inferno", extent=(0, side, 0, side)
            )
            _bare(axes, framed=line < apart)
            if one and column == 0 and line == len(rows) - 1:
                _seconds(axes, side)
            elif known and not one:
                axes.set_xlabel(f"{side:.3g} s", fontsize=SMALL, color=INK, labelpad=1)
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


def _seconds(axes: Axes, side: float) -> None:
    """Give a map the axes of all: they span the same time."""
    axes.set_xticks([0, side], ["0", f"{side:.3g}"])
    axes.set_yticks([0, side], ["0", f"{side:.3g}"])
    axes.tick_params(labelsize=SMALL, color=INK, labelcolor=INK, width=0.7, length=3)
    axes.set_xlabel("$t_1$, $t_2$ (s)", fontsize=SMALL, color=INK, labelpad=1)


def _bare(axes: Axes, *, framed: bool) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set(visible=framed, linewidth=1.6, color=INK)
