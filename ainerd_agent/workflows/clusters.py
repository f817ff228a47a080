"""How many clusters the points of a catalog form, whether they are stable, and a model with new ones."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ainerd_agent.catalog import Catalog
from ainerd_agent.catalog.codec.columns import latent_columns
from ainerd_agent.errors import MapError, ModelError
from ainerd_agent.latent.clusters import Latents, check_latents
from ainerd_agent.latent.encoder import Encoder
from ainerd_agent.latent.stability import METHODS, SEEDS, Trial, choose, stability, try_numbers
from ainerd_agent.records import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelPoints:
    """All points of a model in a catalog.

    Attributes
    ----------
    model : str
    latents : ndarray of float32, shape (n, 64)
    slowness : ndarray, shape (n,)
        Logarithm of the relaxation time in seconds; NaN where it is not known.
    """

    model: str
    latents: Latents
    slowness: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClusterChoice:
    """Numbers of clusters that were tried, and the one that was chosen.

    Attributes
    ----------
    trials : sequence of Trial
    best : Trial
        The stable one nearest to the elbow.
    latents : ndarray of float32, shape (n, 64)
        Those that were clustered.
    """

    trials: Sequence[Trial]
    best: Trial
    latents: Latents


def read_latents(path: Path | str) -> Latents:
    """Latents (n, 64) of an .npz file with an array of this name.

    Raises
    ------
    MapError
        No such file or array, or latents that are not finite.
    """
    try:
        with Path(path).open("rb") as file:
            stored = np.load(file, allow_pickle=False)
            if not isinstance(stored, np.lib.npyio.NpzFile) or "latents" not in stored:
                raise MapError(f"{path} lacks the array latents")
            return check_latents(stored["latents"])
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise MapError(f"{path} cannot be read: {error}") from error


def points_of_model(catalog: Catalog, model: str | None = None) -> ModelPoints:
    """Points of a model in a catalog; without a name, of the only model there is.

    Parameters
    ----------
    catalog : Catalog
        From `ainerd_agent.catalog.connect`.

    Raises
    ------
    CatalogError
        No such model, or several where none is named.
    MapError
        A model without points.
    """
    results = catalog.model(model)
    points = results.points()
    if not len(points):
        raise MapError("the catalog holds no points of this model")
    tau = points["tau"].to_numpy(dtype=np.float64)
    return ModelPoints(
        model=results.name,
        latents=points[latent_columns(points)].to_numpy(dtype=np.float32),
        slowness=np.log(np.where(tau > 0, tau, np.nan)),
    )


def choose_clusters(latents: Latents, *, largest: int = 10, seeds: int = SEEDS, most: int = 3000) -> ClusterChoice:
    """Try numbers of clusters, from two on, with several seeds each.

    Parameters
    ----------
    latents : ndarray, shape (n, 64)
    largest : int
        Most clusters that are tried.
    seeds : int
        Whose labels are compared.
    most : int
        Points at most that the numbers are tried on, drawn at random.

    Returns
    -------
    ClusterChoice

    Raises
    ------
    MapError
        Fewer than three latents, or latents that are not finite.

    Examples
    --------
    >>> found = choose_clusters(read_latents("latents.npz"))        # doctest: +SKIP
    >>> found.best.n_clusters, found.best.stability                 # doctest: +SKIP
    """
    latents = check_latents(latents)
    few = latents[np.random.default_rng(0).permutation(len(latents))[:most]]
    trials = try_numbers(few, list(range(2, min(largest, len(few) - 1) + 1)), seeds=seeds)
    return ClusterChoice(trials=trials, best=choose(trials), latents=few)


def compare_methods(choice: ClusterChoice, *, seeds: int = SEEDS) -> dict[str, tuple[float, float]]:
    """Mean and least agreement (ARI) of labels between seeds for each method, at the chosen number of clusters."""
    number = choice.best.n_clusters
    return {name: stability(method, choice.latents, number, seeds=seeds) for name, method in METHODS.items()}


def refit_clusters(encoder: Encoder, points: ModelPoints, out: Path | str) -> Encoder:
    """Write a model of the same network whose clusters lie where the points do.

    It becomes a model of its own, named as its file. What the old clusters labelled stays as it is.

    Parameters
    ----------
    encoder : Encoder
        That of the points; it keeps its clusters.
    points : ModelPoints
        Those without a known relaxation time are left out, since clusters are numbered by it.
    out : Path or str
        File of the new model, .safetensors.

    Returns
    -------
    Encoder
        The new model, as it was written.

    Raises
    ------
    ModelError
        An encoder of other points, or a file with the name of the old model.
    MapError
        Fewer points than clusters.
    """
    out = Path(out)
    if encoder.name != points.model:
        raise ModelError(f"the points are of the model {points.model}, and this encoder is {encoder.name}")
    if out.stem == encoder.name:
        raise ModelError(f"the new model cannot be called {out.stem} like the old one: give the file another name")
    known = np.isfinite(points.slowness)
    new = Encoder(
        encoder.network,
        encoder.clusters.refit(points.latents[known], points.slowness[known]),
        name=out.stem,
        repeatability=encoder.repeatability,
        familiarity=encoder.familiarity,
        repeats=encoder.repeats,
        kinds=encoder.kinds,
    )
    new.save(out)
    return Encoder.load(out)
