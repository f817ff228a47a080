"""How well the shipped latent model tells dynamics apart, against raw pixels, g2 and PCA.

    python benchmarks/latent.py [--quick] [--json FILE] [--real chx_c2_50.npz]

Simulated maps: share of the five nearest neighbours that are of the same kind of dynamics (seven kinds). Real maps,
where a file is given: cross-noise retrieval on experiments that training never saw; query is the mean map of a series
and q-region, relevant are its single windows; the figure is the mean R-precision over queries with three or more.
"""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.decomposition import PCA

from ainerd_agent.cli.train import HELD_OUT
from ainerd_agent.instrument.training_maps import simulate_maps
from ainerd_agent.latent import Encoder, scale
from ainerd_agent.latent.scaling import resize
from ainerd_agent.scattering.fingerprint import age_average
from ainerd_agent.scattering.stored_maps import read_maps


def representations(encoder: Encoder, maps: np.ndarray, baseline: float) -> dict[str, np.ndarray]:
    """Vectors of maps by every method, each of shape (n, something)."""
    scaled = np.concatenate(
        [scale(part, baseline=baseline).maps for part in np.array_split(maps, len(maps) // 100 + 1)]
    )
    small = resize(scaled, 50)
    pixels = small.reshape(len(small), -1)
    return {
        f"latent ({encoder.name})": encoder.encode_scaled(scaled),
        "raw pixels (50 x 50)": pixels,
        "g2": age_average(small)[:, :40],
        "PCA, 8 components": PCA(8, random_state=0).fit_transform(pixels),
    }


def same_kind(vectors: np.ndarray, kind: np.ndarray, k: int = 5) -> float:
    """Share of the k nearest neighbours that are of the same kind."""
    squares = (vectors**2).sum(axis=1)
    distance = squares[:, None] + squares[None] - 2 * vectors @ vectors.T
    np.fill_diagonal(distance, np.inf)
    nearest = distance.argsort(axis=1)[:, :k]
    return float(np.mean(kind[nearest] == kind[:, None]))


def r_precision(vectors: np.ndarray, group: np.ndarray, is_mean: np.ndarray) -> tuple[float, int]:
    """Mean R-precision of finding a group's windows from its mean map, and the number of queries."""
    database, owners = vectors[~is_mean], group[~is_mean]
    scores = []
    for query, owner in zip(vectors[is_mean], group[is_mean], strict=True):
        relevant = int(np.sum(owners == owner))
        if relevant >= 3:
            nearest = np.linalg.norm(database - query, axis=1).argsort()[:relevant]
            scores.append(np.mean(owners[nearest] == owner))
    return float(np.mean(scores)), len(scores)


def held_out(path: Path, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Maps of the experiments that `ainerd train` keeps apart, their group, and which are mean maps."""
    stored = read_maps(path)
    series = stored.columns["series"]
    names = np.random.default_rng(seed).permutation(np.unique(series))
    chosen = np.isin(series, names[: int(HELD_OUT * len(names))])
    group = series.astype(np.int64) * 1000 + stored.columns["roi"]
    return stored.maps[chosen], group[chosen], stored.columns["is_mean"][chosen].astype(bool)


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer maps, under a minute")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--real", type=Path, help="real maps: c2, series, roi, is_mean")
    parser.add_argument("--model", type=Path)
    options = parser.parse_args()

    encoder = Encoder.load(options.model)
    simulated = simulate_maps(300 if options.quick else 1500, seed=987_654)
    vectors = representations(encoder, simulated.c2, 0.0)
    results = {name: {"same_kind": same_kind(found, simulated.kind)} for name, found in vectors.items()}
    maps = simulated.c2.astype(np.float32)
    truth = simulated.truth.astype(np.float32)
    scaled = scale(maps).maps
    decoded = encoder.decode(vectors[f"latent ({encoder.name})"])
    errors = {
        "measured map": float(np.mean((scaled - truth) ** 2)),
        "reconstruction": float(np.mean((decoded - truth) ** 2)),
    }
    n_queries = 0
    if options.real is not None:
        maps, group, is_mean = held_out(options.real)
        for name, found in representations(encoder, maps, 1.0).items():
            results[name]["r_precision"], n_queries = r_precision(found, group, is_mean)

    console = Console()
    table = Table("representation", "same kind (chance 0.14)", f"R-precision ({n_queries} queries)")
    for name, row in results.items():
        table.add_row(name, f"{row['same_kind']:.3f}", f"{row['r_precision']:.3f}" if "r_precision" in row else "-")
    console.print(table)
    ratio = errors["reconstruction"] / errors["measured map"]
    console.print(f"mean squared distance to the noise-free map: reconstruction / measured = {ratio:.3f}")
    console.print(f"machine: {platform.processor() or platform.machine()}, Python {platform.python_version()}")
    if options.json is not None:
        options.json.write_text(json.dumps({"results": results, "errors": errors, "n_queries": n_queries}, indent=1))


if __name__ == "__main__":
    main()
