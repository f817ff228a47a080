"""Read or make what the figures of the paper are drawn from: maps or latents of a file, of a catalog, or simulated."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.catalog import Catalog
from ainerd_agent.catalog.codec.columns import latent_columns
from ainerd_agent.catalog.read.measurements import per_measurement
from ainerd_agent.errors import MapError
from ainerd_agent.figures.data import FigureData
from ainerd_agent.figures.places import Places
from ainerd_agent.latent import Clusters, Encoder, load_latents
from ainerd_agent.latent.training.lessons import groups_of
from ainerd_agent.records import Fingerprints, FloatArray
from ainerd_agent.records.run import RunName
from ainerd_agent.scattering.files.aps_results import RESULT_ENDINGS, read_results
from ainerd_agent.scattering.files.map_files import StoredMaps, read_maps
from ainerd_agent.scattering.simulation.maps import simulate_maps
from ainerd_agent.workflows.one_measurement import read_measurement

if TYPE_CHECKING:
    import pandas as pd

FIGURE_SEED = 77_000
"""Added to the seed of simulated maps, so that they are not those of a training."""

MAPS_AT_A_TIME = 100
CLUSTERS_OF_LATENTS = 5
"""Of latents without a model (paper)."""


def simulated_data(encoder: Encoder, count: int, *, seed: int = 0) -> FigureData:
    """Simulated maps; the kind of their dynamics says what is alike."""
    made = simulate_maps(count, FIGURE_SEED + seed)
    return _encoded(encoder, made.c2, 0.0, made.contrast, label=made.kind)


def data_of_file(
    encoder: Encoder,
    path: Path | str,
    *,
    baseline: float | None = None,
    contrast: float | None = None,
    most: int = 2000,
    seed: int = 0,
) -> FigureData:
    """Maps of a file, or its latents where it has no maps (see `ainerd_agent.latent.load_latents`).

    Parameters
    ----------
    encoder : Encoder
    path : Path or str
        Maps (.npy, .npz, APS results) with the columns azimuth (degrees) and time (s), where known; series and roi say
        what is alike.
    baseline, contrast : float, optional
        Value of uncorrelated times, and contrast of the speckles; by default estimated from the maps.
    most : int
        Maps at most, drawn at random.
    seed : int

    Returns
    -------
    FigureData

    Raises
    ------
    MapError
        A file that cannot be read, or has no finite map.
    """
    path = Path(path)
    if (without_maps := _latents_of(path)) is not None:
        return without_maps
    found, level = _read(path)
    stored = _windows(found, most, seed)
    if not len(stored):
        raise MapError(f"{path} holds no finite map of a single window")
    if baseline is not None:
        level = baseline
    elif level is None:
        level = stored.baseline()
    known = {name: stored.columns[name].astype(np.float64) for name in ("azimuth", "time") if name in stored.columns}
    divisor = np.full(len(stored), np.nan if contrast is None else contrast)
    return _encoded(encoder, stored.maps, level, divisor, label=groups_of(stored), **known)


def data_of_catalog(
    catalog: Catalog,
    model: str | None = None,
    *,
    run: RunName | None = None,
    measurement: int | None = None,
    stream: str | None = None,
    most: int = 2000,
    file: Path | None = None,
) -> tuple[Encoder, FigureData]:
    """The first points of a model in a catalog with their maps, and the model.

    Parameters
    ----------
    catalog : Catalog
        From `ainerd_agent.catalog.connect`.
    model : str, optional
        By default the only one there is.
    run : str or int, optional
        Only this one.
    measurement : int, optional
        The one that is drawn over age and lag, by the number of its first event; by default the latest, where there is
        one run.
    stream : str, optional
        Of this measurement.
    most : int
        Points at most, in order of run, measurement and bin.
    file : Path, optional
        Of the model, where it is not a shipped one.

    Raises
    ------
    CatalogError
        No such model, run or measurement, or several models where none is named.
    MapError
        A model without points, or a measurement of several runs.
    ModelError
        The model is neither shipped nor in the file.
    """
    results = catalog.model(model)
    points = results.points() if run is None else results.points(raw_uid=run)
    if not len(points):
        raise MapError("the catalog holds no points of this model")
    encoder = Encoder.named(results.name, file)
    places = _places(points, catalog.axes(model, raw_uid=points["raw_uid"].iloc[0]))
    chosen = _one_measurement(catalog, results.name, points["raw_uid"].unique().tolist(), measurement, stream)
    points = points.sort_values(["raw_uid", "stream", "seq_num", "bin"]).head(most)
    maps = []
    for (uid, of_stream, seq_num), rows in points.groupby(["raw_uid", "stream", "seq_num"], sort=False):
        of_measurement = catalog.c2(str(uid), int(str(seq_num)), stream=str(of_stream))
        maps.append(of_measurement[rows["bin"].to_numpy() - 1])
    contrast = points["contrast"].to_numpy(dtype=np.float64)
    return encoder, FigureData(
        latents=points[latent_columns(points)].to_numpy(dtype=np.float32),
        cluster=points["cluster"].to_numpy(dtype=np.int64),
        n_clusters=len(encoder.clusters),
        maps=encoder.scale(np.concatenate(maps), contrast=np.where(contrast > 0, contrast, np.nan)).maps,
        azimuth=points["azimuth"].to_numpy(dtype=np.float64),
        time=points["elapsed"].to_numpy(dtype=np.float64),
        duration=points["duration"].to_numpy(dtype=np.float64),
        places=places,
        fingerprints=chosen[0] if chosen else None,
        sigma=chosen[1].get("sigma") if chosen else None,
    )


def read_dimensions(path: Path | str) -> tuple[list[int], list[float]]:
    """Lengths of the latent vector and errors of autoencoders, as `benchmarks/latent_dimension.py --json` writes them.

    Raises
    ------
    MapError
        No such file, or another one.
    """
    try:
        found = json.loads(Path(path).read_text())
        return [int(each) for each in found["dimensions"]], [float(each) for each in found["errors"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MapError(f"{path} is not what benchmarks/latent_dimension.py --json writes: {error}") from error


def _one_measurement(
    catalog: Catalog, model: str, uids: Sequence[str], measurement: int | None, stream: str | None
) -> tuple[Fingerprints, Mapping[str, Any]] | None:
    if len(uids) > 1:
        if measurement is not None or stream is not None:
            raise MapError(f"there are {len(uids)} runs: name that of the measurement to draw over age and lag")
        return None
    return read_measurement(catalog, model, uids[0], measurement, stream)


def _places(points: pd.DataFrame, axes: Mapping[str, str]) -> Places | None:
    """Where the measurements were made, in order of time; None of several runs, whose axes and orders differ."""
    if points["raw_uid"].nunique() > 1:
        return None
    measured = per_measurement(points).sort_values("time", kind="stable")
    return Places(
        positions={axis: measured[axis].to_numpy(dtype=np.float64) for axis in axes},
        units=axes,
        cluster=measured["cluster"].to_numpy(dtype=np.int64),
        novelty=measured["novelty"].to_numpy(dtype=np.float64),
    )


def _latents_of(path: Path) -> FigureData | None:
    """Latents of a file that has no maps; clusters of their own, since they may be of any model."""
    if path.suffix != ".npz":
        return None
    try:
        with path.open("rb") as file:
            if "latents" not in np.load(file, allow_pickle=False):
                return None
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile):
        return None  # and no maps either: whoever reads those says what is wrong with the file
    latents, time, number = load_latents(path)
    cluster, _ = Clusters.fit(latents, time, CLUSTERS_OF_LATENTS).predict(latents)
    azimuth = (number - 0.5) * 360 / number.max()
    return FigureData(latents=latents, cluster=cluster, n_clusters=CLUSTERS_OF_LATENTS, azimuth=azimuth, time=time)


def _read(path: Path) -> tuple[StoredMaps, float | None]:
    """Maps of a file, and their baseline where its format says it."""
    if path.suffix.lower() in RESULT_ENDINGS:
        return read_results(path).stored, 1.0
    return read_maps(path), None


def _windows(stored: StoredMaps, most: int, seed: int) -> StoredMaps:
    """Finite maps of single windows, no means, at most so many at random."""
    stored = stored.select(stored.finite)
    if "is_mean" in stored.columns:
        stored = stored.select(~stored.columns["is_mean"].astype(bool))
    if len(stored) <= most:
        return stored
    kept = np.zeros(len(stored), dtype=bool)
    kept[np.random.default_rng(seed).permutation(len(stored))[:most]] = True
    return stored.select(kept)


def _encoded(
    encoder: Encoder,
    maps: NDArray[Any],
    baseline: float,
    contrast: FloatArray,
    *,
    label: NDArray[Any] | None,
    azimuth: FloatArray | None = None,
    time: FloatArray | None = None,
) -> FigureData:
    scaled = np.concatenate(
        [
            encoder.scale(maps[part], baseline=baseline, contrast=contrast[part]).maps
            for part in _some_at_a_time(len(maps))
        ]
    )
    latents = encoder.encode_scaled(scaled)
    cluster, _ = encoder.clusters.predict(latents)
    return FigureData(
        latents=latents,
        cluster=cluster,
        n_clusters=len(encoder.clusters),
        maps=scaled,
        azimuth=azimuth,
        time=time,
        label=label,
    )


def _some_at_a_time(length: int) -> Iterator[slice]:
    return (slice(first, first + MAPS_AT_A_TIME) for first in range(0, length, MAPS_AT_A_TIME))
