"""The pictures of the page "what the latent space sees": pairs of the same g2, and how far apart models put them.

    python benchmarks/latent_page.py [--out docs/images/same-g2.png] [--model NAME_OR_FILE ...]

Each row is a pair of dynamics whose g2 are the same: a measured C2 map of either side, both g2 without noise, and the
distance between the sides, in units of that between two measurements of one side, for each model.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from numpy.typing import NDArray
from rich.console import Console
from tables import Row, Table

from ainerd_agent.figures.style import INK, NORMAL, SMALL, SOFT, new_figure
from ainerd_agent.latent import Encoder
from ainerd_agent.latent.same_g2 import Level, measure
from ainerd_agent.latent.same_g2.dynamics import g2_of
from ainerd_agent.latent.same_g2.pairs import Pair, draw_pair

SEED = 11
MODELS = ("lag-v1", "ages-v1")
LEVEL = Level(pixels=1000, counts=2.0, modes=2)
REPEATS = 6
SHOWN = {
    "ageing and its twin": ("ageing", "stationary"),
    "one avalanche and its twin": ("one avalanche", "stationary"),
    "avalanche early or late": ("avalanche early", "avalanche late"),
    "chirped fringes and their twin": ("fringes that slow down", "stationary"),
    "flow stops or starts": ("flow that stops", "flow that starts"),
}
"""Kinds of pairs, and what to call their sides."""

Array = NDArray[Any]


def distances(encoder: Encoder, maps: Array) -> float:
    """Mean distance between sides over that within them; maps (2, n, 256, 256)."""
    latents = encoder.encode(maps.reshape(-1, *maps.shape[2:]), contrast=LEVEL.contrast).reshape(2, len(maps[0]), -1)
    apart = np.linalg.norm(latents[:, None, :, None] - latents[None, :, None], axis=-1)
    other = ~np.eye(len(maps[0]), dtype=bool)
    within = np.mean([apart[side, side][other].mean() for side in range(2)])
    return float(apart[0, 1].mean() / within)


def draw_row(axes: Sequence[Axes], names: tuple[str, str], pair: Pair, maps: Array, found: Sequence[float]) -> None:
    """One pair: two maps, two g2, a bar for each model."""
    for axis, name, each in zip(axes, names, maps[:, 0], strict=False):
        axis.imshow(each / LEVEL.contrast, origin="lower", extent=(0, 1, 0, 1), vmin=0, vmax=1, cmap="magma")
        axis.set_title(name, fontsize=NORMAL, color=INK)
        axis.set_xticks([0, 1])
        axis.set_yticks([0, 1])
    lag = np.arange(256) / 256
    for side, style in zip(pair.sides, ("-", "--"), strict=True):
        axes[2].plot(lag[1:], g2_of(side)[1:], style, color=INK, linewidth=1.2)
    axes[2].set_xscale("log")
    axes[2].set_ylim(-0.05, 1.05)
    axes[3].barh(range(len(found)), found, color=[SOFT, "#35608d"][: len(found)])
    axes[3].axvline(1, color=INK, linewidth=0.8)
    axes[3].set_xlim(0, None)
    axes[3].invert_yaxis()
    for axis in axes:
        axis.tick_params(labelsize=SMALL)


def main() -> None:
    """Draw the picture and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/images/same-g2.png"))
    parser.add_argument("--model", action="append", help="a name or a file, twice")
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = options.model or MODELS
    encoders = [Encoder.load(name) for name in names]
    figure = new_figure(9.2, 1.9 * len(SHOWN))
    axes = figure.subplots(len(SHOWN), 4, width_ratios=(1, 1, 1.2, 1.1))
    table = Table("Distance between sides, in units of that of repeats", ["pair", *names])
    for number, (kind, sides) in enumerate(SHOWN.items()):
        rng = np.random.default_rng([SEED, number])
        pair = draw_pair(kind, rng)
        maps = np.stack([[measure(side, LEVEL, rng) for _ in range(REPEATS)] for side in pair.sides])
        found = [distances(encoder, maps) for encoder in encoders]
        draw_row(axes[number], sides, pair, maps, found)
        axes[number, 3].set_yticks(range(len(names)), names)
        table.add(Row([kind, *(f"{each:.1f}" for each in found)]))
    for axis, label in zip(axes[-1], ("t1", "t1", "lag", "distance / repeats"), strict=True):
        axis.set_xlabel(label, fontsize=SMALL)
    for row in axes:
        row[0].set_ylabel("t2", fontsize=SMALL)
    axes[0, 2].set_title("g2 of both", fontsize=NORMAL, color=INK)
    axes[0, 3].set_title("how far apart", fontsize=NORMAL, color=INK)
    figure.savefig(options.out, dpi=110)
    table.show()
    Console().print(f"wrote {options.out}", highlight=False)


if __name__ == "__main__":
    main()
