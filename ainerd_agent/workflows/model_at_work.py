"""A latent model, its place in a catalog, and its results there: what live analysis, replay and reprocessing share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ainerd_agent.catalog import Catalog, DerivedWriter, ModelIdentity, ModelResults, SpooledWriter
from ainerd_agent.catalog.codec.columns import latent_columns
from ainerd_agent.catalog.codec.measured_points import measurements_in, noise_in
from ainerd_agent.catalog.codec.metadata import events_of
from ainerd_agent.catalog.layout import child
from ainerd_agent.catalog.read.points import points_of
from ainerd_agent.catalog.schema import MAPS
from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.latent import Analyst, Encoder
from ainerd_agent.records import Events, Exposure, Origin

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, eq=False)
class ModelAtWork:
    """A latent model, its place in a catalog, and what it has seen.

    Attributes
    ----------
    catalog : Catalog
    identity : ModelIdentity
        With what else decides its results: parameters of the analysis, and the geometry.
    results : ModelResults
        Its place in the catalog.
    analyst : Analyst
        With the atlas of what this process has seen.
    """

    catalog: Catalog
    identity: ModelIdentity
    results: ModelResults
    analyst: Analyst

    @classmethod
    def begin(
        cls,
        catalog: Catalog,
        encoder: Encoder,
        *,
        parameters: Mapping[str, Any] | None = None,
        geometry: Mapping[str, Any] | None = None,
    ) -> Self:
        """Give a model its place, or find it: before anything is measured, not at the first result.

        Raises
        ------
        CatalogError
            The catalog holds results of other weights by this name, or its server does not answer.
        """
        identity = ModelIdentity(
            name=encoder.name,
            weights_sha256=encoder.weights_sha256,
            n_clusters=len(encoder.clusters),
            parameters=parameters or {},
            geometry=geometry or {},
        )
        return cls(catalog, identity, catalog.model_for(identity), Analyst(encoder))

    @property
    def encoder(self) -> Encoder:
        """The model itself."""
        return self.analyst.encoder

    def writer(self) -> DerivedWriter:
        """A writer for its results."""
        return self.catalog.writer(self.identity)

    def spooled_writer(self, folder: Path) -> SpooledWriter:
        """The same, where results that cannot be delivered wait in a folder."""
        return self.catalog.spooled_writer(self.identity, folder)

    def with_parameters(self, parameters: Mapping[str, Any], geometry: Mapping[str, Any]) -> Self:
        """The same model and atlas, for maps that were made with other parameters."""
        return replace(self, identity=replace(self.identity, parameters=parameters, geometry=geometry))

    def points(self, raw_uid: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """What it found in a run, by measurement and bin: all columns or some; no rows where the run is not there."""
        with server_errors(self.catalog.address):
            return points_of(child(self.results.container, raw_uid), columns)

    def take_up(self, points: pd.DataFrame) -> None:
        """Count stored measurements as seen, as if this process had made them: what comes next is compared with them.

        Parameters
        ----------
        points : DataFrame
            One row per measurement and bin, with latents, noise, azimuth, q, and why the exposure ended.
        """
        columns = latent_columns(points)
        for _, rows in measurements_in(points):
            latents = rows[columns].to_numpy(np.float32)
            azimuth, q = rows["azimuth"].to_numpy(), rows["q"].to_numpy()
            early = Exposure(ended=str(rows["ended"].iloc[0])).ended_early
            self.analyst.atlas.judge(latents, azimuth, q, noise=noise_in(rows), joins=not early)


class StoredMeasurements:
    """Measurements that a model analysed before, taken up instead of being made again.

    Attributes
    ----------
    taken_up : int
        How many were.
    """

    def __init__(self, model: ModelAtWork) -> None:
        self.taken_up = 0
        self._model = model
        self._runs: dict[str, dict[Events, pd.DataFrame]] = {}

    def take_up(self, origin: Origin) -> bool:
        """Take a measurement up, if the catalog had its points and maps when its run was asked for first.

        Returns
        -------
        bool
            False where it has to be made.
        """
        if origin.raw_uid not in self._runs:
            self._runs[origin.raw_uid] = self._with_maps(origin.raw_uid)
        rows = self._runs[origin.raw_uid].get(origin.events)
        if rows is None:
            return False
        self._model.take_up(rows)
        self.taken_up += 1
        return True

    def _with_maps(self, raw_uid: str) -> dict[Events, pd.DataFrame]:
        points = self._model.points(raw_uid)
        if points.empty:
            return {}
        catalog = self._model.catalog
        with server_errors(catalog.address):
            maps = child(catalog[MAPS], raw_uid)
            mapped = [] if maps is None else events_of(maps.metadata_copy()[0]["derived_from"])
        return {events: rows for events, rows in measurements_in(points) if events in mapped}
