"""What a latent model found, as an object."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from ainerd_agent.catalog.read import suggestions as read_suggestions
from ainerd_agent.catalog.read.analysed_runs import AnalysedRun, analysed_run, stored_analysis
from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.catalog.write import agents, decisions, requests
from ainerd_agent.records import Analysis, Decision, Events, Suggestion, SuggestionEvent
from ainerd_agent.records.agents import AgentProcess
from ainerd_agent.records.run import RunName

if TYPE_CHECKING:
    import pandas as pd
    import xarray

    from ainerd_agent.catalog.catalog import Catalog
    from ainerd_agent.catalog.read.measurements import By
    from ainerd_agent.catalog.tiled_clients import AnalysisClient, ModelClient
    from ainerd_agent.catalog.tiled_types import Container
    from ainerd_agent.latent import Encoder


class ModelResults:
    """What a latent model found in the runs of a catalog, or in those that fit conditions.

    Parameters
    ----------
    catalog : Catalog
    container : ModelClient
        `/ainerd/<model>`, or what a search found in it.
    """

    def __init__(self, catalog: Catalog, container: Container) -> None:
        self.catalog = catalog
        self.container = cast("ModelClient", container)

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

        Conditions, here and elsewhere: `cluster=0`; `kind="intermittent"`; `ended="converged"`;
        `counted` (s) as a range; `share=0.3` of the maps at least in that
        cluster, or of that kind; `stress`, `novelty`, `repeat_probability`, `time`, `x`, `y`, `tau` as ranges (from,
        to), with None for an open end; and values that keys of the metadata must equal, as `sample="PEO"`; of
        these, `raw_uid` takes any name of a run (see `run`). The server evaluates them. A run fits a range where its
        measurements have values in it, and a cluster or a kind where most of its maps are in it.
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

    def novel(self, k: int = 20, *, by: By = "bin", **conditions: Any) -> pd.DataFrame:
        """The k most novel points, or measurements, the most novel first; see `ModelClient.novel`."""
        return self.container.novel(k, by=by, **conditions)

    def similar(
        self,
        what: Any,
        k: int = 20,
        *,
        by: By = "bin",
        scale: float | None = None,
        seconds: float | None = None,
        exposure: float | None = None,
        folder: Path | None = None,
        encoder: Encoder | None = None,
        local: int | None = None,
    ) -> pd.DataFrame:
        """The k points that are most like a map, a latent vector or another point, or measurements like another one.

        With `scale` or `seconds`, by crops of that duration instead of whole maps. See `ModelClient.similar`.
        """
        return self.container.similar(
            what,
            k,
            by=by,
            scale=scale,
            seconds=seconds,
            exposure=exposure,
            folder=folder,
            encoder=encoder,
            local=local,
        )

    def time_scales(self, scale: float | None = None, seconds: float | None = None) -> pd.DataFrame:
        """Crops of the maps, row by row, with their latents; of one scale or of all. See `ModelClient.time_scales`."""
        return self.container.time_scales(scale, seconds)

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

    def run(self, raw_uid: RunName) -> AnalysisClient:
        """What it found in a run: its points, its maps, where they come from.

        Parameters
        ----------
        raw_uid : str or int
            Its uid or at least four letters of the beginning, its scan id (of several runs, the latest), or -1 for the
            latest run, -2 for the one before it.

        Raises
        ------
        CatalogError
            There is none, or several begin with this.
        """
        return self.container.run(raw_uid)

    def records(self, raw_uid: RunName) -> AnalysedRun:
        """A run as the records that it was written from, without its maps."""
        with server_errors(self.catalog.address):
            return analysed_run(self.catalog.tiled, self.run(raw_uid))

    def analysis(self, raw_uid: RunName, seq_num: int, stream: str | None = None) -> Analysis | None:
        """What it found in a measurement; None where that is not there (yet).

        Raises
        ------
        ServerUnreachableError
            Nobody can tell now.
        """
        return stored_analysis(self.container, raw_uid, seq_num, stream)

    def export(self, raw_uid: RunName, path: Path, measurement: int | None = None) -> list[Path]:
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
        self,
        suggestion_id: str,
        decision: str,
        *,
        position: Mapping[str, float] | None = None,
        note: str = "",
        by: str = "",
    ) -> Suggestion:
        """Approve, edit or reject a suggestion that waits; see `ainerd_agent.catalog.write.requests.decide`."""
        return requests.decide(self.container, suggestion_id, decision, position=position, note=note, by=by)

    def decision(self, suggestion_id: str) -> Decision | None:
        """The decision about a suggestion that holds, whatever the rows of the table say; None where there is none."""
        return decisions.held(self.container, suggestion_id)

    def agents(self) -> list[tuple[AgentProcess, str]]:
        """The last process of each agent, with what it does now: "running", "waiting", "paused", "ended" or "dead"."""
        return [(each, agents.state_of(each)) for each in agents.processes(self.container)]

    def request(self, agent: str, what: str, *, note: str = "") -> None:
        """Ask a running agent for something; see `ainerd_agent.catalog.write.requests.request`."""
        requests.request(self.container, agent, what, note=note)
