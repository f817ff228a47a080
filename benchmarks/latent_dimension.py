"""Reconstruction error against the length of the latent vector (the paper's Supplement 9), on simulated maps.

    python benchmarks/latent_dimension.py [--quick] [--epochs N] [--maps N] [--json FILE]

The paper's autoencoder is trained anew for each length from 2 to 1024, on the same maps with the same seed; beside it,
as many principal components of the same maps. Errors are those of unseen maps against their noise-free truth. What
`--json` writes, `ainerd figures --dimensions` draws.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from measuring import machine, n_processors
from numpy.typing import NDArray
from rich.console import Console
from sklearn.decomposition import PCA
from tables import Row, Table

from ainerd_agent.latent.paper_autoencoder import PaperAutoencoder
from ainerd_agent.latent.training.batches import LongMaps
from ainerd_agent.latent.training.reconstruction import train
from ainerd_agent.scattering.simulation.maps import simulate_maps

DIMENSIONS = tuple(2**power for power in range(1, 11))
SEEDS = (50_001, 50_002)


def components(known: LongMaps, unseen: LongMaps, dimension: int) -> float:
    """Error of unseen maps as so many principal components of the known targets keep them."""
    model = PCA(dimension, svd_solver="randomized", random_state=0).fit(_flat(known.targets))
    found = model.inverse_transform(model.transform(_flat(unseen.maps)))
    return float(np.mean((found - _flat(unseen.targets)) ** 2))


def _flat(maps: NDArray[np.float16]) -> NDArray[np.float32]:
    return maps[:, ::4, ::4].reshape(len(maps), -1).astype(np.float32)


def main() -> None:
    """Train, print the table, write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three lengths, few maps, one epoch")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--maps", type=int, default=3000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    n_maps, epochs = (200, 1) if options.quick else (options.maps, options.epochs)
    dimensions = (2, 16, 64) if options.quick else DIMENSIONS
    lessons = []
    for seed, count in zip(SEEDS, (n_maps, max(50, n_maps // 10)), strict=True):
        made = simulate_maps(count, seed)
        scaled = (made.c2 / made.contrast[:, None, None]).clip(-1, 2).astype(np.float16)
        lessons.append(LongMaps(scaled, made.truth))
    known, unseen = lessons
    errors, by_components = [], []
    for dimension in dimensions:
        torch.manual_seed(0)
        history = train(PaperAutoencoder(latent=dimension), known, unseen, epochs=epochs)
        errors.append(history[-1].validation_error)
        by_components.append(components(known, unseen, dimension) if dimension < len(known) else float("nan"))
        Console(stderr=True).print(f"{dimension}: {errors[-1]:.5f}")
    table = Table(
        f"Mean squared error against the truth, {len(unseen)} unseen maps",
        ["latent numbers", f"autoencoder, {epochs} epochs of {len(known)} maps", "principal components"],
    )
    for dimension, error, other in zip(dimensions, errors, by_components, strict=True):
        table.add(Row([f"{dimension}", f"{error:.5f}", f"{other:.5f}"], strong=dimension == 64))
    table.show()
    told = machine(n_processors())
    Console().print(f"Measured on: {', '.join(f'{key} {value}' for key, value in told.items())}", highlight=False)
    if options.json is not None:
        content = {"machine": told, "dimensions": dimensions, "errors": errors, "components": by_components}
        options.json.write_text(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
