"""Cross-noise retrieval on real maps: which representation finds the windows of an experiment and q region.

    python benchmarks/retrieval.py chx_c2_50.npz [--quick] [--splits N] [--json FILE] [--markdown FILE]

Query is the mean map of a series and q region, searched are single windows; the figure is the mean R-precision (see
`ainerd_agent.latent.retrieval`). In each split, 30 % of the series are kept apart; all that is learnt from real maps is
learnt from the others. Splits differ a lot, because series do: compare ways within a split.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import machine, n_processors
from numpy.typing import NDArray
from rich.console import Console
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from tables import Row, Table, write_figures

from ainerd_agent.latent import Encoder
from ainerd_agent.latent.lag_autoencoder import LagAutoencoder
from ainerd_agent.latent.retrieval import r_precision
from ainerd_agent.latent.scaling import scale
from ainerd_agent.latent.training.contrast import Repeats, raw_profiles, train_decay
from ainerd_agent.latent.training.lessons import simulated_lessons
from ainerd_agent.scattering.correlation.age_lag import age_average
from ainerd_agent.scattering.files.map_files import StoredMaps, read_maps

KEPT_APART = 0.3
FIRST_SPLIT = 5
PART = 250
"""Maps that are enlarged at a time."""

Array = NDArray[Any]


class Archive:
    """Real maps, and what all splits share of their representations."""

    def __init__(self, stored: StoredMaps, n_simulated: int) -> None:
        self.series = stored.columns["series"]
        self.group = self.series.astype(np.int64) * 1000 + stored.columns["roi"]
        self.is_mean = stored.columns["is_mean"].astype(bool)
        self.maps = stored.maps.astype(np.float32) - 1
        self.pixels = self.maps.reshape(len(self.maps), -1)
        self.g2 = age_average(self.maps)
        encoder = Encoder.load()
        self.model_name = encoder.name
        model = LagAutoencoder()
        latents, profiles = [], []
        for first in range(0, len(self.maps), PART):
            part = stored.maps[first : first + PART]
            latents.append(encoder.encode(part, baseline=1.0, contrast=1.0))
            profiles.append(raw_profiles(model, scale(part, baseline=1.0, contrast=1.0, clip=False).maps))
        self.latents, self.profiles = np.concatenate(latents), np.concatenate(profiles)
        lessons = simulated_lessons(n_simulated, seed=1000)
        self.simulated = [lesson.repeats for lesson in lessons if lesson.repeats is not None]


def log_bins(g2: Array, n_bins: int) -> Array:
    """Means of g2 over logarithmic bins of the lag, lag zero left out."""
    edges = np.unique(np.round(np.geomspace(1, g2.shape[1], n_bins + 1)).astype(int))
    return np.stack([g2[:, a:b].mean(axis=1) for a, b in pairwise(edges)], axis=1)


def components(archive: Archive, train: Array) -> Array:
    """Eight principal components of the pixels."""
    return np.asarray(PCA(8, random_state=0).fit(archive.pixels[train]).transform(archive.pixels))


def whitened(archive: Archive, train: Array) -> Array:
    """g2 in seven bins, decorrelated."""
    bins = log_bins(archive.g2, 7)
    weights = np.linalg.cholesky(np.linalg.inv(np.cov(bins[train].T)))
    return np.asarray((bins - bins[train].mean(axis=0)) @ weights)


def discriminants(archive: Archive, train: Array) -> Array:
    """Six linear discriminants of g2 in twelve bins."""
    bins = log_bins(archive.g2, 12)
    model = LinearDiscriminantAnalysis(n_components=6, solver="eigen", shrinkage=1e-3)
    return np.asarray(model.fit(bins[train], archive.group[train]).transform(bins))


def noise_level(archive: Archive, train: Array) -> Array:
    """Spread far from the diagonal alone."""
    return np.asarray(np.log(archive.maps[:, :12, -12:].std(axis=(1, 2)))[:, None])


def decay(archive: Archive, train: Array) -> Array:
    """The numbers of the decay, learnt by contrast."""
    windows = train & ~archive.is_mean
    torch.manual_seed(0)
    model = LagAutoencoder()
    train_decay(model, [Repeats.of_groups(archive.profiles[windows], archive.group[windows]), *archive.simulated])
    with torch.inference_mode():
        units = torch.from_numpy(archive.profiles)
        return model.encode_profile((units - model.centre) / model.spread).numpy()


Way = Callable[[Archive, Array], Array]
WAYS: dict[str, Way] = {
    "noise level alone": noise_level,
    "raw pixels": lambda archive, train: archive.pixels,
    "shipped model": lambda archive, train: archive.latents,
    "g2": lambda archive, train: archive.g2,
    "PCA, 8 components": lambda archive, train: (
        PCA(8, random_state=0).fit(archive.pixels[train]).transform(archive.pixels)
    ),
    "g2 in 7 logarithmic bins, whitened": whitened,
    "g2 in 12 bins, 6 linear discriminants": discriminants,
    "decay, by contrast (LagAutoencoder)": decay,
}


def main() -> None:
    """Measure, print the table, write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("real", type=Path, help="npz with c2, series, roi, is_mean; baseline 1, contrast 1")
    parser.add_argument("--quick", action="store_true", help="one split, few simulated maps")
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    archive = Archive(read_maps(options.real), 250 if options.quick else 1500)
    splits = range(FIRST_SPLIT, FIRST_SPLIT + (1 if options.quick else options.splits))
    found: dict[str, list[float]] = {name: [] for name in WAYS}
    sizes = []
    for split in splits:
        names = np.random.default_rng(split).permutation(np.unique(archive.series))
        test = np.isin(archive.series, names[: int(KEPT_APART * len(names))])
        for name, way in WAYS.items():
            vectors = way(archive, ~test)
            scores = r_precision(vectors[test], archive.group[test], archive.is_mean[test])
            found[name].append(float(scores.mean()))
        sizes.append(f"{len(scores)} queries among {np.count_nonzero(test & ~archive.is_mean):,} maps")
    table = Table("Mean R-precision, series kept apart", ["representation", *sizes])
    for name, each in found.items():
        title = f"{name} ({archive.model_name})" if name == "shipped model" else name
        table.add(Row([title, *(f"{value:.3f}" for value in each)], strong=name.startswith("decay")))
    table.show()
    told = machine(n_processors())
    line = ", ".join(f"{key} {value}" for key, value in told.items())
    Console().print(f"Measured on: {line}", highlight=False)
    if options.json is not None:
        options.json.write_text(json.dumps({"machine": told, "r_precision": found, "splits": sizes}, indent=1))
    if options.markdown is not None:
        write_figures(options.markdown, [f"Measured on: {line}.", table.markdown()])


if __name__ == "__main__":
    main()
