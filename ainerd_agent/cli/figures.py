"""`ainerd figures`: the figures of the AI-NERD paper, of your own maps."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.console import Console

from ainerd_agent.cli.material import Material, MissingError, of_catalog, of_file, parts, simulated_material
from ainerd_agent.errors import MapError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ainerd_agent.latent import Encoder
    from ainerd_agent.records import MapStack

SHOWN = 8
"""Maps in a gallery of reconstructions."""

TARGETS, NEIGHBOURS = 4, 4
GENERATED = 18
AROUND = 30
"""Neighbours whose directions are counted."""

NUMBERS = range(2, 13)
CLUSTERING = 2000
"""Points at most that the number of clusters is tried on."""

SEEDS = 5
ALIKE = (1, 2, 5, 10, 20, 50)


class Which(StrEnum):
    """The figures."""

    RECONSTRUCTIONS = "reconstructions"
    GENERATED = "generated"
    CLUSTERS = "clusters"
    EMBEDDING = "embedding"
    NEIGHBOURS = "neighbours"
    DIRECTIONS = "directions"
    COMPARISON = "comparison"
    DIMENSIONS = "dimensions"
    TIMES = "times"


def figures(
    data: Annotated[
        Path | None, typer.Argument(help="Maps (.npy, .npz, APS result), or latents (.npz as for ainerd relate).")
    ] = None,
    catalog: Annotated[
        str | None, typer.Option(metavar="WHERE", help="Folder or address of a catalog instead of a file.")
    ] = None,
    simulated: Annotated[int | None, typer.Option(min=50, help="So many simulated maps instead of a file.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the figures.")] = Path("figures"),
    which: Annotated[list[Which] | None, typer.Option(help="Only these; may be given several times.")] = None,
    model: Annotated[str | None, typer.Option(help="A model's file or name; of a catalog, whose results.")] = None,
    baseline: Annotated[float | None, typer.Option(help="Value of uncorrelated times; estimated by default.")] = None,
    contrast: Annotated[float | None, typer.Option(help="Speckle contrast of the maps, where known.")] = None,
    flow_azimuth: Annotated[float, typer.Option(help="Direction of the flow on the detector, degrees.")] = 90.0,
    at: Annotated[
        list[float] | None, typer.Option(help="Times (s) to draw the embedding at; three by default.")
    ] = None,
    most: Annotated[int, typer.Option(min=50, help="Most maps to take.")] = 2000,
    dimensions: Annotated[
        Path | None, typer.Option(help="What benchmarks/latent_dimension.py --json wrote, to be drawn beside PCA.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of all that is drawn at random.")] = 0,
) -> None:
    """Draw the figures of the AI-NERD paper.

    Of maps: reconstructions, generated maps, the choice of clusters, the embedding with examples, targets with their
    nearest neighbours, latent against raw, and the error against the number of components. Where the azimuth is known:
    flow and vorticity among the neighbours; where the time is: the embedding at three times.
    """
    from ainerd_agent.figures import save
    from ainerd_agent.latent import Encoder
    from ainerd_agent.settings import Settings

    if [data, catalog, simulated].count(None) != 2:
        raise MapError("give a file, or --catalog, or --simulated: one of the three")
    console = Console()
    if catalog is not None:
        encoder, material = of_catalog(catalog, model, most, Settings().model)
    else:
        encoder = Encoder.load(model)
        if data is not None:
            material = of_file(encoder, data, baseline, contrast, most, seed)
        else:
            material = simulated_material(encoder, simulated or 0, seed)
    rng = np.random.default_rng(seed)
    trained = None if dimensions is None else json.loads(dimensions.read_text())
    makers: dict[Which, Callable[[], Figure]] = {
        Which.RECONSTRUCTIONS: lambda: _reconstructions(encoder, material, rng),
        Which.GENERATED: lambda: _generated(encoder, material, rng),
        Which.CLUSTERS: lambda: _clusters(material, rng),
        Which.EMBEDDING: lambda: _embedding(encoder, material),
        Which.NEIGHBOURS: lambda: _neighbours(material, rng),
        Which.DIRECTIONS: lambda: _directions(material, flow_azimuth),
        Which.COMPARISON: lambda: _comparison(material),
        Which.DIMENSIONS: lambda: _dimensions(material, trained),
        Which.TIMES: lambda: _times(material, at),
    }
    console.print(f"{len(material.latents)} points of {encoder.name}")
    for each in which or list(Which):
        with console.status(f"drawing {each.value}"):
            try:
                picture, _ = save(makers[each](), out, each.value)
            except MissingError as missing:
                console.print(f"{each.value}: left out, {missing}", highlight=False)
                continue
        console.print(f"{each.value}: {picture}", highlight=False, soft_wrap=True)


def _reconstructions(encoder: Encoder, material: Material, rng: np.random.Generator) -> Figure:
    from ainerd_agent.figures.galleries import reconstructions
    from ainerd_agent.latent.scaling import CLIP

    maps = _maps(material)
    decoded = np.concatenate([encoder.decode(part) for part in parts(material.latents)])
    error = np.mean((decoded - maps.clip(*CLIP)) ** 2, axis=(1, 2))
    # Evenly from the most to the least faithful.
    chosen = np.argsort(error)[np.linspace(0, len(maps) - 1, min(SHOWN, len(maps))).astype(int)]
    return reconstructions(maps[chosen], decoded[chosen], error[chosen])


def _generated(encoder: Encoder, material: Material, rng: np.random.Generator) -> Figure:
    from ainerd_agent.figures.galleries import generated

    _maps(material)  # latents without maps may be of another model, which alone can decode them
    # The paper's check: noise of one standard deviation of the latents, with their own covariance, around a real one.
    seeds = material.latents[rng.choice(len(material.latents), GENERATED)]
    noise = rng.multivariate_normal(np.zeros(seeds.shape[1]), np.cov(material.latents.T), GENERATED)
    return generated(encoder.decode(seeds + noise / np.sqrt(seeds.shape[1])))


def _clusters(material: Material, rng: np.random.Generator) -> Figure:
    from ainerd_agent.figures.latents import number_of_clusters
    from ainerd_agent.latent.stability import choose, try_numbers

    latents = material.latents[rng.permutation(len(material.latents))[:CLUSTERING]]
    trials = try_numbers(latents, [number for number in NUMBERS if number < len(latents)], seeds=SEEDS)
    return number_of_clusters(trials, choose(trials).n_clusters)


def _embedding(encoder: Encoder, material: Material) -> Figure:
    from ainerd_agent.figures.latent_embedding import embedding
    from ainerd_agent.figures.latents import embedding_with_examples

    if material.maps is None:
        return embedding(material.embedding(), material.cluster, n_clusters=material.n_clusters)
    _, distance = encoder.clusters.predict(material.latents)
    present = np.unique(material.cluster)
    examples = np.array([np.where(material.cluster == number, distance, np.inf).argmin() for number in present])
    return embedding_with_examples(
        material.embedding(), material.cluster, material.maps[examples], examples, n_clusters=material.n_clusters
    )


def _neighbours(material: Material, rng: np.random.Generator) -> Figure:
    from ainerd_agent.figures.galleries import nearest_maps
    from ainerd_agent.latent.atlas.neighbours import NeighbourIndex

    maps = _maps(material)
    # Targets far apart from each other: each the farthest from those before.
    targets = [int(rng.integers(len(maps)))]
    while len(targets) < min(TARGETS, len(maps)):
        apart = np.linalg.norm(material.latents[:, None] - material.latents[targets][None], axis=2).min(axis=1)
        targets.append(int(np.argsort(apart)[int(0.95 * len(apart))]))  # not the outliers
    pixels = maps[:, ::4, ::4].reshape(len(maps), -1)
    found = []
    for name, vectors in (("latent", material.latents), ("raw", pixels)):
        nearest, _ = NeighbourIndex(vectors).nearest(vectors[targets], NEIGHBOURS + 1)
        found.append((name, maps[nearest[:, 1:]]))
    return nearest_maps(maps[targets], found)


def _directions(material: Material, flow_azimuth: float) -> Figure:
    from ainerd_agent.figures.latents import direction_share
    from ainerd_agent.latent.atlas.neighbours import NeighbourIndex

    if material.azimuth is None or len(np.unique(material.azimuth[np.isfinite(material.azimuth)])) < 4:
        raise MissingError("the azimuth of the maps is not known")
    along = np.abs(np.cos(np.radians(material.azimuth - flow_azimuth)))
    flow, vorticity = along > np.cos(np.pi / 6), along < np.cos(np.pi / 3)
    k = min(AROUND, len(material.latents) - 1)
    nearest = NeighbourIndex(material.latents).nearest(material.latents, k + 1)[0][:, 1:]
    flows, both = flow[nearest].sum(axis=1), (flow | vorticity)[nearest].sum(axis=1)
    share = np.divide(flows, both, out=np.full(len(both), np.nan), where=both > 0)
    return direction_share(material.embedding(), share, float(flow.sum() / max(1, (flow | vorticity).sum())))


def _comparison(material: Material) -> Figure:
    from ainerd_agent.figures.latents import latent_against_raw
    from ainerd_agent.latent.atlas.neighbours import NeighbourIndex

    maps = _maps(material)
    if material.label is None:
        raise MissingError("nothing says which maps are alike (a column series)")
    label = material.label
    numbers = [number for number in ALIKE if number < len(maps)]
    shares = {}
    for name, vectors in (
        ("latent distance", material.latents),
        ("raw maps", maps[:, ::4, ::4].reshape(len(maps), -1)),
    ):
        nearest = NeighbourIndex(vectors).nearest(vectors, numbers[-1] + 1)[0][:, 1:]
        alike = label[nearest] == label[:, None]
        shares[name] = [float(alike[:, :number].mean()) for number in numbers]
    return latent_against_raw(numbers, shares)


def _dimensions(material: Material, trained: dict[str, Any] | None) -> Figure:
    from sklearn.decomposition import PCA

    from ainerd_agent.figures.latents import error_against_dimension

    pixels = _maps(material)[:, ::4, ::4].reshape(len(material.latents), -1)
    half = len(pixels) // 2
    numbers = [2**power for power in range(1, 11) if 2**power <= min(half, pixels.shape[1])]
    model = PCA(numbers[-1], svd_solver="randomized", random_state=0).fit(pixels[:half])
    rest = pixels[half:] - model.mean_
    weights = rest @ model.components_.T
    total = (rest**2).sum(axis=1)
    kept = np.cumsum(weights**2, axis=1)
    errors = [float((total - kept[:, number - 1]).mean() / pixels.shape[1]) for number in numbers]
    curves: dict[str, tuple[Any, Any]] = {"principal components, other half of the maps": (numbers, errors)}
    if trained is not None:
        curves["paper's autoencoder"] = (trained["dimensions"], trained["errors"])
    return error_against_dimension(curves)


def _times(material: Material, at: list[float] | None) -> Figure:
    from ainerd_agent.figures.latents import embedding_at_times

    if material.time is None or len(known := np.unique(material.time)) < 3:
        raise MissingError("the times of the maps are not known, or fewer than three")
    moments = at or [float(known[int(share * (len(known) - 1))]) for share in (0.05, 0.4, 0.95)]
    return embedding_at_times(
        material.embedding(), material.time, material.cluster, moments, n_clusters=material.n_clusters
    )


def _maps(material: Material) -> MapStack:
    if material.maps is None:
        raise MissingError("it needs maps, and there are only latents")
    return material.maps
