"""The catalog as an object: what `connect` gives, and what a model found in it.

`Catalog` offers what reading and writing know how to do with Tiled's containers, under names for people.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from ainerd_agent.catalog.layout import UnknownModelError, address_of, child, model_names, model_of
from ainerd_agent.catalog.queries import Conditions, narrowed
from ainerd_agent.catalog.read import points as read_points
from ainerd_agent.catalog.read import suggestions as read_suggestions
from ainerd_agent.catalog.read.analysed_runs import AnalysedRun, analysed_run, stored_analysis
from ainerd_agent.catalog.read.maps import read_c2
from ainerd_agent.catalog.read.runs import read_runs
from ainerd_agent.catalog.schema import MAPS, RAW
from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.catalog.write import requests
from ainerd_agent.catalog.write.containers import model_container
from ainerd_agent.catalog.write.spool import SpooledWriter
from ainerd_agent.catalog.write.writer import DerivedWriter
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Analysis, Events, Suggestion, SuggestionEvent
from ainerd_agent.records.analysis import ModelIdentity

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import xarray
    from numpy.typing import NDArray

    from ainerd_agent.catalog.tiled_clients import AnalysisClient, MapsClient, ModelClient
    from ainerd_agent.catalog.tiled_types import Container, Query
    from ainerd_agent.latent import Encoder


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
        return read_runs(self._containers(model), Conditions.of(conditions).runs())

    def points(self, model: str | None = None, columns: Sequence[str] | None = None, **conditions: Any) -> pd.DataFrame:
        """Points of all analysed runs that fit the conditions.

        Parameters
        ----------
        model : str, optional
            By default all models.
        columns : sequence of str, optional
            Beside those that name a point, and `model`; by default all.
        **conditions
            Those of `ModelResults.find`, and `raw_uid` for one run.

        Returns
        -------
        DataFrame
            One row per measurement and bin.
        """
        return read_points.read_points(self._containers(model), columns, **conditions)

    def c2(
        self, raw_uid: str, measurement: int | None = None, bin: int | None = None, stream: str | None = None
    ) -> NDArray[np.float32]:
        """C2 maps of a run, or some of them; see `read_c2`."""
        return read_c2(self.tiled, raw_uid, measurement, bin, stream)

    def maps(self, raw_uid: str) -> MapsClient:
        """The maps of a run, with g2 and bins.

        Raises
        ------
        CatalogError
            There are none.
        """
        with server_errors(self.address):
            found: MapsClient | None = child(self.tiled[MAPS], raw_uid)
        if found is None:
            raise CatalogError(f"The catalog holds no C2 maps of a run {raw_uid}.")
        return found

    def raw(self, raw_uid: str) -> Container | None:
        """A raw run, None where it is not there."""
        with server_errors(self.address):
            found: Container | None = child(self.tiled[RAW], raw_uid)
            return found

    def find_raw(self, *queries: Query) -> list[str]:
        """Uids of the raw runs that fit queries of `tiled.queries`."""
        with server_errors(self.address):
            return [str(uid) for uid in narrowed(self.tiled[RAW], queries)]

    def writer(self, identity: ModelIdentity) -> DerivedWriter:
        """A writer for results of a model, for one thread at a time."""
        return DerivedWriter(self.tiled, model=identity)

    def spooled_writer(self, identity: ModelIdentity, folder: Path) -> SpooledWriter:
        """The same for a live session: what cannot be delivered waits in a folder."""
        return SpooledWriter(self.writer(identity), folder)

    def _containers(self, model: str | None) -> list[Container]:
        with server_errors(self.address):
            names = model_names(self.tiled) if model is None else [model]
            return [model_of(self.tiled, name) for name in names]


class ModelResults:
    """What a latent model found in the runs of a catalog, or in those that fit conditions.

    Parameters
    ----------
    catalog : Catalog
    container : ModelClient
        `/ainerd/<model>`, or what a search found in it.
    """

    def __init__(self, catalog: Catalog, container: Any) -> None:
        self.catalog = catalog
        self.container: ModelClient = container

    def __repr__(self) -> str:
        return f"<ModelResults of {self.name} in {self.catalog.address}>"

    @property
    def name(self) -> str:
        """Of the model."""
        return str(self.container.metadata["model"])

    @property
    def weights_sha256(self) -> str:
        """Of the file of weights, hexadecimal."""
        return str(self.container.metadata["weights_sha256"])

    def find(self, **conditions: Any) -> Self:
        """Those runs that fit: conditions can follow each other.

        Conditions, here and elsewhere: `cluster=0`; `share=0.3` of the maps at least in that cluster; `stress`,
        `novelty`, `time`, `x`, `y`, `tau` as ranges (from, to), with None for an open end; and values that keys of the
        metadata must equal, as `sample="PEO"`. The server evaluates them. A run fits a range where its measurements
        have values in it, and a cluster where most of its maps are in it.
        """
        return type(self)(self.catalog, self.container.find(**conditions))

    def runs(self, latest: int | None = None) -> pd.DataFrame:
        """The runs as a table, in order of time, or only so many of the latest; the columns are the metadata."""
        return self.container.to_frame(latest)

    def points(self, columns: Sequence[str] | None = None, **conditions: Any) -> pd.DataFrame:
        """Points that fit the conditions; some columns beside those that name a point, or all."""
        return self.container.points(columns, **conditions)

    def to_xarray(self, **conditions: Any) -> xarray.Dataset:
        """The same as a Dataset: variables over `point` with their units, and `z` over `point` and `latent`."""
        return self.container.to_xarray(**conditions)

    def novel(self, k: int = 20, **conditions: Any) -> pd.DataFrame:
        """The k most novel points, the most novel first."""
        return self.container.novel(k, **conditions)

    def similar(
        self, what: Any, k: int = 20, *, folder: Path | None = None, encoder: Encoder | None = None
    ) -> pd.DataFrame:
        """The k points that are most like a map, a latent vector or another point; see `ModelClient.similar`."""
        return self.container.similar(what, k, folder=folder, encoder=encoder)

    def follow(
        self,
        *,
        beginning: bool = False,
        seen: Mapping[str, Iterable[Events | int]] | None = None,
        columns: Sequence[str] | None = None,
        every: float = 5.0,
        stop: threading.Event | None = None,
    ) -> Generator[pd.DataFrame, None, None]:
        """Points as they are written, run by run; see `ainerd_agent.catalog.read.live_points.follow`."""
        start: Literal["now", "beginning"] = "beginning" if beginning else "now"
        return self.container.follow(start=start, seen=seen, columns=columns, every=every, stop=stop)

    def run(self, raw_uid: str) -> AnalysisClient:
        """What it found in a run: its points, its maps, where they come from."""
        return self.container.run(raw_uid)

    def records(self, raw_uid: str) -> AnalysedRun:
        """A run as the records that it was written from, without its maps."""
        with server_errors(self.catalog.address):
            return analysed_run(self.catalog.tiled, self.run(raw_uid))

    def analysis(self, raw_uid: str, seq_num: int, stream: str | None = None) -> Analysis | None:
        """What it found in a measurement; None where that is not there (yet).

        Raises
        ------
        ServerUnreachableError
            Nobody can tell now.
        """
        return stored_analysis(self.container, raw_uid, seq_num, stream)

    def export(self, raw_uid: str, path: Path, measurement: int | None = None) -> list[Path]:
        """Write a run to files for other programs; see `ainerd_agent.catalog.read.export.export`."""
        from ainerd_agent.catalog.read.export import export  # takes its time, with HDF5 and scipy

        return export(self.catalog.tiled, self.run(raw_uid), path, measurement)

    def suggestions(self, agent: str | None = None, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """What agents proposed by this model, and what became of it, in order of time.

        Parameters
        ----------
        agent : str, optional
            Of this agent only.
        columns : sequence of str, optional
            By default all; "time" is one of them, and "agent" where one is given.

        Raises
        ------
        UnknownAgentError
            There are none.
        """
        return read_suggestions.read_suggestions(self.container, agent=agent, columns=columns)

    def suggestion(self, suggestion_id: str) -> tuple[Suggestion, list[SuggestionEvent]]:
        """A suggestion, by its identifier or the beginning of it, and what became of it."""
        return read_suggestions.life_of(self.container, suggestion_id)

    def decide(
        self, suggestion_id: str, decision: str, *, position: Mapping[str, float] | None = None, note: str = ""
    ) -> Suggestion:
        """Approve, edit or reject a suggestion that waits; see `ainerd_agent.catalog.write.requests.decide`."""
        return requests.decide(self.container, suggestion_id, decision, position=position, note=note)

    def request(self, agent: str, what: str, *, note: str = "") -> None:
        """Ask a running agent for something; see `ainerd_agent.catalog.write.requests.request`."""
        requests.request(self.container, agent, what, note=note)
