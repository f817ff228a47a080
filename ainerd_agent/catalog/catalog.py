"""The catalog as an object: what `connect` gives.

`Catalog` offers what reading and writing know how to do with Tiled's containers, under names for people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ainerd_agent.catalog.layout import UnknownModelError, address_of, model_names, model_of
from ainerd_agent.catalog.model_results import ModelResults
from ainerd_agent.catalog.queries import Conditions, narrowed
from ainerd_agent.catalog.read import points as read_points
from ainerd_agent.catalog.read.maps import read_maps
from ainerd_agent.catalog.read.run_names import (
    RAW_RUNS,
    RUNS_WITH_MAPS,
    UnknownRunError,
    run_named,
    uid_named,
    with_uid,
)
from ainerd_agent.catalog.read.runs import read_axes, read_runs, units_with
from ainerd_agent.catalog.schema import C2, MAPS, RAW
from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.catalog.write import notes
from ainerd_agent.catalog.write.containers import model_container
from ainerd_agent.catalog.write.spool import SpooledWriter
from ainerd_agent.catalog.write.writer import DerivedWriter
from ainerd_agent.records import AgeLagMap, Annotation, BadPixels, StressVersion
from ainerd_agent.records.analysis import ModelIdentity
from ainerd_agent.records.run import RunName

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from ainerd_agent.catalog.tiled_clients import MapsClient
    from ainerd_agent.catalog.tiled_types import Container, Query


class Catalog:
    """Runs, their C2 maps, and what models found in them, on a Tiled server.

    Use it with `with`, or close it: it keeps a connection.

    Parameters
    ----------
    tiled : Container
        Its root, as Tiled's client gives it. `catalog[...]` looks up what Tiled has at a path.
    """

    def __init__(self, tiled: Container) -> None:
        self.tiled = tiled

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Catalog at {self.address}>"

    def __getitem__(self, path: str | tuple[str, ...]) -> Any:
        """Look up what Tiled has there, as `catalog["raw", uid]`."""
        with server_errors(self.address):
            return self.tiled[path]

    @property
    def address(self) -> str:
        """Where the server is, without the API key: fit for logs."""
        return address_of(self.tiled)

    def close(self) -> None:
        """Give up the connection. Closing twice is harmless."""
        self.tiled.context.http_client.close()

    def models(self) -> list[str]:
        """Names of the models that analysed something."""
        with server_errors(self.address):
            return model_names(self.tiled)

    def model(self, name: str | None = None) -> ModelResults:
        """What a model found.

        Parameters
        ----------
        name : str, optional
            May be left out where there is one model only.

        Raises
        ------
        UnknownModelError
            There is no such model, or several to choose from.
        """
        with server_errors(self.address):
            if name is None:
                names = model_names(self.tiled)
                if len(names) != 1:
                    raise UnknownModelError(
                        f"The catalog holds results of {len(names)} models ({', '.join(names) or 'none'}): "
                        + ("choose one with --model." if names else "analyse something first.")
                    )
                (name,) = names
            return ModelResults(self, model_of(self.tiled, name))

    def model_for(self, identity: ModelIdentity) -> ModelResults:
        """The place for what a model finds, made where there is none.

        Raises
        ------
        CatalogError
            The name belongs to other weights.
        """
        with server_errors(self.address):
            return ModelResults(self, model_container(self.tiled, identity))

    def runs(self, model: str | None = None, **conditions: Any) -> pd.DataFrame:
        """List the analysed runs.

        Parameters
        ----------
        model : str, optional
            By default all models.
        **conditions
            Those of `ModelResults.find`, such as `sample="PEO"`, `cluster=3` or `stress=(10, 20)`.

        Returns
        -------
        DataFrame
            One row per run and model, in order of time; the columns are the metadata.
        """
        return read_runs(self._containers(model), Conditions.of(self._with_uid(conditions)).runs())

    def points(self, model: str | None = None, columns: Sequence[str] | None = None, **conditions: Any) -> pd.DataFrame:
        """Points of all analysed runs that fit the conditions.

        Parameters
        ----------
        model : str, optional
            By default all models.
        columns : sequence of str, optional
            Beside those that name a point, and `model`; by default all.
        **conditions
            Those of `ModelResults.find`.

        Returns
        -------
        DataFrame
            One row per measurement and bin.
        """
        return read_points.read_points(self._containers(model), columns, **self._with_uid(conditions))

    def axes(self, model: str | None = None, **conditions: Any) -> dict[str, str]:
        """Axes that the runs were measured on which may hold points that fit the conditions.

        Parameters
        ----------
        model : str, optional
            By default all models.
        **conditions
            Those of `ModelResults.find`.

        Returns
        -------
        dict of str to str
            Unit by column of the points; of an axis with other units in other runs, all of them.
        """
        queries = Conditions.of(self._with_uid(conditions)).runs_with_rows()
        with server_errors(self.address):
            return read_axes((container, queries) for container in self._containers(model))

    def units(self, points: pd.DataFrame) -> dict[str, str]:
        """Units of the columns of points; of an axis with other units in other runs, all of them.

        Parameters
        ----------
        points : DataFrame
            Rows as `points`, `novel` or `similar` give them.
        """
        from tiled.queries import In

        models = {} if points.empty else dict(points.groupby("model")["raw_uid"].unique())
        with server_errors(self.address):
            runs = ((model_of(self.tiled, str(name)), [In("raw_uid", list(uids))]) for name, uids in models.items())
            return units_with(read_axes(runs))

    def c2(
        self, raw_uid: RunName, measurement: int | None = None, bin: int | None = None, stream: str | None = None
    ) -> NDArray[np.float32]:
        """C2 maps of a run, or some of them.

        Parameters
        ----------
        raw_uid : str or int
            As for `uid`.
        measurement, bin, stream
            As for `ainerd_agent.catalog.read.maps.read_maps`.

        Returns
        -------
        ndarray of float32, shape (n_measurements, n_bins, size, size)
            Without the axes of which one element was asked for.
        """
        with server_errors(self.address):
            return read_maps(self.maps(raw_uid), C2, measurement, bin, stream)

    def age_lag(self, raw_uid: RunName, measurement: int, stream: str | None = None) -> AgeLagMap | None:
        """The correlation of a measurement over age and lag, with errors.

        Parameters
        ----------
        raw_uid : str or int
            As for `uid`.
        measurement, stream
            As for `c2`.

        Returns
        -------
        AgeLagMap or None
            Ages and lags in seconds, of all bins. None where there is none, as of measurements that an older version
            analysed.
        """
        return self.maps(raw_uid).age_lag(measurement, stream)

    def bad_pixels(self, raw_uid: RunName, measurement: int, stream: str | None = None) -> BadPixels | None:
        """Pixels that a measurement was analysed without.

        Parameters
        ----------
        raw_uid : str or int
            As for `uid`.
        measurement, stream
            As for `c2`.

        Returns
        -------
        BadPixels or None
            None where it is not known, as of measurements that an older version analysed.
        """
        return self.maps(raw_uid).bad_pixels(measurement, stream)

    def maps(self, raw_uid: RunName) -> MapsClient:
        """The maps of a run, with g2 and bins.

        Raises
        ------
        CatalogError
            There are none, or the name fits several runs.
        """
        try:
            with server_errors(self.address):
                found: MapsClient = run_named(self.tiled[MAPS], raw_uid, RUNS_WITH_MAPS)
        except UnknownRunError as error:
            raise UnknownRunError(f"The catalog holds no C2 maps of a run {raw_uid}: {error}") from error
        return found

    def raw(self, raw_uid: RunName) -> Container | None:
        """A raw run, None where it is not there."""
        with server_errors(self.address):
            try:
                found: Container = run_named(self.tiled[RAW], raw_uid, RAW_RUNS)
            except UnknownRunError:
                return None
            return found

    def uid(self, name: RunName) -> str:
        """The uid of an analysed run by what people call it.

        Parameters
        ----------
        name : str or int
            Its uid or at least four letters of the beginning, its scan id (of several runs, the latest), or -1 for the
            latest run, -2 for the one before it. Every method that takes a run takes these.

        Raises
        ------
        CatalogError
            There is none, or several begin with this.
        """
        with server_errors(self.address):
            return uid_named(self.tiled[MAPS], name, RUNS_WITH_MAPS)

    def find_raw(self, *queries: Query) -> list[str]:
        """Uids of the raw runs that fit queries of `tiled.queries`."""
        with server_errors(self.address):
            return [str(uid) for uid in narrowed(self.tiled[RAW], queries)]

    def annotate(self, *annotations: Annotation) -> None:
        """Add labels and notes of people; those that are there, by their `id`, stay as they are."""
        with server_errors(self.address):
            notes.annotate(self.tiled, annotations)

    def annotations(self) -> list[Annotation]:
        """Labels and notes of people, in order of time; what was undone is among them."""
        with server_errors(self.address):
            return notes.read_annotations(self.tiled)

    def add_stress(self, raw_uid: RunName, versions: Sequence[StressVersion]) -> None:
        """Add a version of the stress of measurements of a run; the points stay as they are."""
        with server_errors(self.address):
            try:
                uid = self.uid(raw_uid)
            except UnknownRunError as error:
                raise UnknownRunError(f"The catalog holds no measurements of a run {raw_uid}: {error}") from error
            notes.add_stress(self.tiled, uid, versions)

    def stress_versions(self, raw_uid: RunName) -> list[StressVersion]:
        """The versions of the stress of a run beyond that in its points."""
        with server_errors(self.address):
            try:
                return notes.read_stress(self.tiled, self.uid(raw_uid))
            except UnknownRunError:
                return []

    def writer(self, identity: ModelIdentity) -> DerivedWriter:
        """A writer for results of a model, for one thread at a time."""
        return DerivedWriter(self.tiled, model=identity)

    def spooled_writer(self, identity: ModelIdentity, folder: Path) -> SpooledWriter:
        """The same for a live session: what cannot be delivered waits in a folder."""
        return SpooledWriter(self.writer(identity), folder)

    def _with_uid(self, conditions: Mapping[str, Any]) -> dict[str, Any]:
        if "raw_uid" not in conditions:
            return dict(conditions)
        with server_errors(self.address):
            return with_uid(self.tiled[MAPS], conditions, RUNS_WITH_MAPS)

    def _containers(self, model: str | None) -> list[Container]:
        with server_errors(self.address):
            names = model_names(self.tiled) if model is None else [model]
            return [model_of(self.tiled, name) for name in names]
