"""What the figures are drawn from: maps or latents of a file, of a catalog, or simulated."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.catalog.opening import open_catalog
from ainerd_agent.errors import MapError

if TYPE_CHECKING:
    from ainerd_agent.latent import Embedding, Encoder
    from ainerd_agent.records import FloatArray, MapStack

PART = 100


@dataclass(slots=True, kw_only=True)
class Material:
    """What there is to draw; None for what is not known.

    Attributes
    ----------
    latents : ndarray of float32, shape (n, 64)
    cluster : ndarray of int, shape (n,)
    n_clusters : int
    maps : ndarray of float32, shape (n, 256, 256), or None
        Scaled.
    azimuth, time : ndarray, shape (n,), or None
        Degrees and s.
    label : ndarray, shape (n,), or None
        What is alike has the same.
    """

    latents: NDArray[np.float32]
    cluster: NDArray[np.int64]
    n_clusters: int
    maps: MapStack | None = None
    azimuth: FloatArray | None = None
    time: FloatArray | None = None
    label: NDArray[Any] | None = None
    _embedding: Embedding | None = field(default=None)

    def embedding(self) -> FloatArray:
        """Where the points lie in the UMAP embedding, fitted once; (n, 2)."""
        if self._embedding is None:
            from ainerd_agent.latent import Embedding

            self._embedding = Embedding.fit(self.latents)
        return self._embedding.points


class MissingError(MapError):
    """A figure needs what the data do not have."""


def parts(items: NDArray[Any]) -> list[NDArray[Any]]:
    """Items, some at a time."""
    return [items[first : first + PART] for first in range(0, len(items), PART)]


def simulated_material(encoder: Encoder, count: int, seed: int) -> Material:
    """Simulated maps; the kind of their dynamics says what is alike."""
    from ainerd_agent.scattering.simulation.maps import simulate_maps

    made = simulate_maps(count, 77_000 + seed)
    return _encoded(encoder, made.c2, 0.0, made.contrast, label=made.kind)


def of_file(
    encoder: Encoder, path: Path, baseline: float | None, contrast: float | None, most: int, seed: int
) -> Material:
    """Maps of a file, at most so many of them at random, or its latents; `series` and `roi` say what is alike."""
    from ainerd_agent.latent.training.lessons import groups_of
    from ainerd_agent.scattering.files.map_files import read_maps

    if (latents := _latents_of(path, encoder)) is not None:
        return latents
    stored = read_maps(path)
    stored = stored.select(stored.finite)
    if "is_mean" in stored.columns:
        stored = stored.select(~stored.columns["is_mean"].astype(bool))
    if len(stored) > most:
        kept = np.zeros(len(stored), dtype=bool)
        kept[np.random.default_rng(seed).permutation(len(stored))[:most]] = True
        stored = stored.select(kept)
    level = stored.baseline() if baseline is None else baseline
    known = {name: stored.columns[name].astype(np.float64) for name in ("azimuth", "time") if name in stored.columns}
    divisor = np.full(len(stored), np.nan if contrast is None else contrast)
    return _encoded(encoder, stored.maps, level, divisor, label=groups_of(stored), **known)


def _latents_of(path: Path, encoder: Encoder) -> Material | None:
    """Latents of a file that has no maps; clusters of their own, since they may be of any model."""
    from ainerd_agent.latent import Clusters, load_latents

    try:
        with path.open("rb") as file:
            found = np.load(file, allow_pickle=False) if path.suffix == ".npz" else {}
            if "latents" not in found:
                return None
    except OSError as error:
        raise MapError(f"{path} cannot be read: {error.strerror}") from error
    latents, time, number = load_latents(path)
    n_clusters = 5
    cluster, _ = Clusters.fit(latents, time, n_clusters).predict(latents)
    azimuth = (number - 0.5) * 360 / number.max()
    return Material(latents=latents, cluster=cluster, n_clusters=n_clusters, azimuth=azimuth, time=time)


def of_catalog(where: str, model: str | None, most: int, weights: Path | None) -> tuple[Encoder, Material]:
    """The first points of a model in a catalog, with their maps, and the model: a shipped one, or that of a file."""
    from ainerd_agent.catalog.schema import latent_columns
    from ainerd_agent.latent import Encoder

    with open_catalog(where) as root:
        container = root.model(model).container
        points = container.points()
        if not len(points):
            raise MapError("the catalog holds no points of this model")
        points = points.sort_values(["raw_uid", "seq_num", "bin"]).head(most)
        maps = []
        for (uid, number), rows in points.groupby(["raw_uid", "seq_num"], sort=False):
            maps.append(root.c2(str(uid), int(str(number)))[rows["bin"].to_numpy() - 1])
        name = container.item["id"]
    encoder = Encoder.named(name, weights)
    stack = np.concatenate(maps)
    contrast = points["contrast"].to_numpy(dtype=np.float64)
    scaled = encoder.scale(stack, contrast=np.where(contrast > 0, contrast, np.nan)).maps
    return encoder, Material(
        latents=points[latent_columns(points)].to_numpy(dtype=np.float32),
        cluster=points["cluster"].to_numpy(dtype=np.int64),
        n_clusters=len(encoder.clusters),
        maps=scaled,
        azimuth=points["azimuth"].to_numpy(dtype=np.float64),
        time=points["elapsed"].to_numpy(dtype=np.float64),
    )


def _encoded(
    encoder: Encoder, maps: NDArray[Any], baseline: float, contrast: NDArray[np.float64], **columns: Any
) -> Material:
    scaled = np.concatenate(
        [
            encoder.scale(part, baseline=baseline, contrast=known).maps
            for part, known in zip(parts(maps), parts(contrast), strict=True)
        ]
    )
    latents = np.concatenate([encoder.encode_scaled(part) for part in parts(scaled)])
    cluster, _ = encoder.clusters.predict(latents)
    return Material(latents=latents, cluster=cluster, n_clusters=len(encoder.clusters), maps=scaled, **columns)
