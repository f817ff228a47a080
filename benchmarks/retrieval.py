"""Leak-free retrieval on real maps: which representation finds windows of an experiment and q region.

    python benchmarks/retrieval.py chx_c2_50.npz [--quick] [--json FILE] [--markdown FILE]

Each window is asked for by the mean of those of its group that share no frame with it; the figure is the mean
R-precision among 1,000 windows (`ainerd_agent.latent.retrieval`). A quarter of the experiments is held out by the hash
of their name (`ainerd_agent.latent.held_out`); all that is learnt from real maps is learnt from the others. Shipped
models are not among what is compared, because they were trained on most of these experiments: see
`benchmarks/latent.py`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from latent_ways import noise_statistics
from measuring import machine, n_processors
from numpy.typing import NDArray
from rich.console import Console
from sklearn.decomposition import PCA
from tables import Row, Table, write_figures

from ainerd_agent.latent.evaluation import WINDOW_COLUMNS, windows_of
from ainerd_agent.latent.g2_discriminant import G2Discriminant, binned_g2
from ainerd_agent.latent.held_out import held_out
from ainerd_agent.latent.lag_autoencoder import LagAutoencoder
from ainerd_agent.latent.resampling import Figure
from ainerd_agent.latent.retrieval import Retrieval, leak_free, retrieve
from ainerd_agent.latent.scaling import scale
from ainerd_agent.latent.training.contrast import Repeats, raw_profiles, train_decay
from ainerd_agent.latent.training.lessons import groups_of, simulated_lessons
from ainerd_agent.scattering.correlation.age_lag import age_average
from ainerd_agent.scattering.files.map_files import StoredMaps, read_maps

PART = 250
"""Maps that are enlarged at a time."""

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """Maps in all that the ways look at.

    Attributes
    ----------
    maps : ndarray of float32, shape (n, size, size)
    g2 : ndarray, shape (n, size)
    profiles : ndarray of float32, shape (n, n_lags)
        What the decay of a `LagAutoencoder` is made of.
    """

    maps: Array
    g2: Array
    profiles: Array

    @classmethod
    def of(cls, maps: Array) -> Views:
        """Of maps with baseline 1 and contrast 1."""
        model = LagAutoencoder()
        parts = [maps[first : first + PART] for first in range(0, len(maps), PART)]
        scaled = (scale(part, baseline=1.0, contrast=1.0, clip=False).maps for part in parts)
        lifted = maps.astype(np.float32) - 1
        return cls(lifted, age_average(lifted), np.concatenate([raw_profiles(model, part) for part in scaled]))

    @property
    def pixels(self) -> Array:
        """Values of each map in a row."""
        return self.maps.reshape(len(self.maps), -1)


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What may be learnt from: windows of other experiments, and simulated maps."""

    views: Views
    group: Array
    simulated: list[Repeats]


Represent = Callable[[Views], Array]
Way = Callable[[Known], Represent]


def components(known: Known) -> Represent:
    """Eight principal components of the pixels."""
    model = PCA(8, random_state=0).fit(known.views.pixels)
    return lambda views: np.asarray(model.transform(views.pixels))


def whitened(known: Known) -> Represent:
    """g2 in seven bins, decorrelated."""
    bins = binned_g2(known.views.maps, 7)
    weights = np.linalg.cholesky(np.linalg.inv(np.cov(bins.T)))
    return lambda views: np.asarray((binned_g2(views.maps, 7) - bins.mean(axis=0)) @ weights)


def discriminants(known: Known) -> Represent:
    """Six linear discriminants of g2 in 13 bins."""
    model = G2Discriminant(known.views.maps, known.group)
    return lambda views: model(views.maps)


def noise(known: Known) -> Represent:
    """Four statistics of the noise alone, in units of their spread."""
    found = noise_statistics(known.views.maps)
    return lambda views: (noise_statistics(views.maps) - found.mean(axis=0)) / found.std(axis=0)


def decay(known: Known) -> Represent:
    """The numbers of the decay, learnt by contrast."""
    torch.manual_seed(0)
    model = LagAutoencoder()
    train_decay(model, [Repeats.of_groups(known.views.profiles, known.group), *known.simulated])

    def represent(views: Views) -> Array:
        with torch.inference_mode():
            units = torch.from_numpy(views.profiles)
            return model.encode_profile((units - model.centre) / model.spread).numpy()

    return represent


def random(known: Known) -> Represent:
    """Vectors that know nothing."""
    rng = np.random.default_rng(0)
    return lambda views: rng.standard_normal((len(views.maps), 64))


WAYS: dict[str, Way] = {
    "null: random vectors": random,
    "noise statistics alone": noise,
    "raw pixels": lambda _: lambda views: views.pixels,
    "g2": lambda _: lambda views: views.g2,
    "PCA, 8 components": components,
    "g2 in 7 logarithmic bins, whitened": whitened,
    "g2 in 13 bins, 6 linear discriminants": discriminants,
    "decay, by contrast (LagAutoencoder)": decay,
}
MARK = "g2 in 13 bins, 6 linear discriminants"
"""What others are compared with."""


def compare(stored: StoredMaps, n_simulated: int) -> dict[str, tuple[Retrieval, Retrieval]]:
    """What each way finds among experiments that are held out, by distance and with local scaling."""
    apart = held_out(stored.columns["series"])
    asked, others = stored.select(apart), stored.select(~apart)
    group = groups_of(others)
    assert group is not None
    lessons = simulated_lessons(n_simulated, seed=1000)
    repeats = [lesson.repeats for lesson in lessons if lesson.repeats is not None]
    known = Known(Views.of(others.maps), group, repeats)
    task = leak_free(*(asked.columns[name] for name in WINDOW_COLUMNS))
    windows, queries = Views.of(asked.maps), Views.of(task.queries(asked.maps))
    found: dict[str, tuple[Retrieval, Retrieval]] = {}
    for name, way in WAYS.items():
        represent = way(known)
        vectors = represent(windows), represent(queries)
        found[name] = retrieve(task, *vectors), retrieve(task, *vectors, local_scaling=True)
    return found


def main() -> None:
    """Measure, print the table, write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("real", type=Path, help="npz with c2, series, roi, window; baseline 1, contrast 1")
    parser.add_argument("--quick", action="store_true", help="few simulated maps beside the real ones")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    found = compare(windows_of(read_maps(options.real)), 100 if options.quick else 1500)
    one = found[MARK][0]
    table = Table(
        f"Mean R-precision: {one.n_experiments} experiments held out, {one.n_groups} places, archive {one.archive:,}",
        ["representation", "R-precision", "above the discriminants", "with local scaling"],
    )
    for name, (plain, scaled) in found.items():
        above = "" if name == MARK else told(plain.over(one))
        cells = [name, told((plain.mean, plain.low, plain.high)), above, told((scaled.mean, scaled.low, scaled.high))]
        table.add(Row(cells, strong=name == MARK))
    table.show()
    on = machine(n_processors())
    line = ", ".join(f"{key} {value}" for key, value in on.items())
    Console().print(f"Measured on: {line}", highlight=False)
    if options.json is not None:
        figures = {name: {"plain": plain.mean, "scaled": scaled.mean} for name, (plain, scaled) in found.items()}
        options.json.write_text(json.dumps({"machine": on, "r_precision": figures}, indent=1))
    if options.markdown is not None:
        write_figures(options.markdown, [f"Measured on: {line}.", table.markdown()])


def told(figure: Figure) -> str:
    """A figure with its interval."""
    return "{:.3f} ({:.3f} to {:.3f})".format(*figure)


if __name__ == "__main__":
    main()
