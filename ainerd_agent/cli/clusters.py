"""`ainerd clusters`: how many clusters an archive has, whether they are stable, and a model with new ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from ainerd_agent.catalog.opening import open_catalog
from ainerd_agent.errors import MapError, ModelError

if TYPE_CHECKING:
    from ainerd_agent.latent import Encoder


def clusters(
    latents: Annotated[Path | None, typer.Argument(help=".npz with latents (n, 64).")] = None,
    catalog: Annotated[
        str | None, typer.Option(metavar="WHERE", help="Folder or address of a catalog instead of a file.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Whose results, where a catalog has several.")] = None,
    largest: Annotated[int, typer.Option(min=3, max=12, help="Most clusters that are tried.")] = 10,
    seeds: Annotated[int, typer.Option(min=2, help="Seeds whose labels are compared.")] = 20,
    most: Annotated[int, typer.Option(min=50, help="Points at most that they are tried on.")] = 3000,
    compare: Annotated[bool, typer.Option("--compare", help="Other methods at the chosen number, too.")] = False,
    refit: Annotated[
        Path | None,
        typer.Option(metavar="OUT", help="Write a model whose clusters follow this archive; needs --catalog."),
    ] = None,
) -> None:
    """Try numbers of clusters: distortion (the elbow), silhouette, and the agreement of labels between seeds (ARI).

    The number that is chosen is stable (ARI of 0.95 or more) and nearest to the elbow. With --refit, the clusters of
    the model move to where the archive's points lie. It becomes a model of its own, named as its file: label with it
    by ainerd reprocess. What the old clusters labelled stays as it is.
    """
    from ainerd_agent.latent import Encoder
    from ainerd_agent.latent.clusters import check_latents
    from ainerd_agent.latent.stability import METHODS, choose, stability, try_numbers
    from ainerd_agent.settings import Settings

    if (latents is None) == (catalog is None) or (refit is not None and catalog is None):
        raise MapError("give a file of latents, or --catalog; --refit needs a catalog")
    console = Console()
    name, slowness = "", np.empty(0)
    if catalog is not None:
        name, vectors, slowness = _of_catalog(catalog, model)
    else:
        assert latents is not None  # noqa: S101 (one of both, as checked above)
        vectors = check_latents(_latents_in(latents))
    few = vectors[np.random.default_rng(0).permutation(len(vectors))[:most]]
    with console.status("clustering"):
        trials = try_numbers(few, list(range(2, min(largest, len(few) - 1) + 1)), seeds=seeds)
    best = choose(trials)
    table = Table("clusters", "distortion", "silhouette", "ARI, mean", "ARI, least", title=f"{len(few)} points")
    for trial in trials:
        cells = [f"{trial.inertia:.4g}", *(f"{x:.3f}" for x in (trial.silhouette, trial.stability, trial.worst))]
        table.add_row(str(trial.n_clusters), *cells, style="bold" if trial is best else None)
    console.print(table)
    console.print(f"chosen: {best.n_clusters}")
    if compare:
        others = Table("method", "ARI, mean", "ARI, least", title=f"methods, {best.n_clusters} clusters")
        for method, make in METHODS.items():
            mean, least = stability(make, few, best.n_clusters, seeds=seeds)
            others.add_row(method, f"{mean:.3f}", f"{least:.3f}")
        console.print(others)
    if refit is not None:
        _refit(Encoder.named(name, Settings().model), vectors, slowness, refit)
        console.print(f"wrote {refit}; label with it: ainerd reprocess", soft_wrap=True)


def _refit(encoder: Encoder, latents: NDArray[Any], slowness: NDArray[Any], out: Path) -> None:
    if out.stem == encoder.name:
        raise ModelError(f"the new model cannot be called {out.stem} like the old one: give the file another name")
    known = np.isfinite(slowness)
    encoder.clusters = encoder.clusters.refit(latents[known], slowness[known])
    encoder.name = out.stem
    encoder.save(out)


def _of_catalog(where: str, model: str | None) -> tuple[str, NDArray[Any], NDArray[Any]]:
    """Name of the model, latents of all points, and the logarithm of their relaxation times."""
    from ainerd_agent.catalog.schema import latent_columns

    with open_catalog(where) as root:
        container = root.model(model).container
        points = container.points()
        if not len(points):
            raise MapError("the catalog holds no points of this model")
        vectors = points[latent_columns(points)].to_numpy(dtype=np.float32)
        tau = points["tau"].to_numpy(dtype=np.float64)
        return str(container.item["id"]), vectors, np.log(np.where(tau > 0, tau, np.nan))


def _latents_in(path: Path) -> NDArray[Any]:
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile) or "latents" not in archive:
                raise MapError(f"{path} lacks the array latents")
            return np.asarray(archive["latents"])
    except (OSError, ValueError) as error:
        raise MapError(f"{path} cannot be read: {error}") from error
