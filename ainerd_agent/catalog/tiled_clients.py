"""What Tiled's client makes of our containers: it finds these classes by their spec, as entry points of this package.

`catalog["ainerd/<model>"]` is a `ModelClient`, what is in it are `AnalysisClient`, and `catalog["xpcs/<uid>"]` is a
`MapsClient`. Whatever Tiled's own containers do, they do as well.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tiled.client.container import Container

from ainerd_agent.catalog.codec.columns import column_metadata, latent_columns
from ainerd_agent.catalog.codec.point_layout import points_schema
from ainerd_agent.catalog.layout import address_of, child
from ainerd_agent.catalog.queries import Conditions, highest_first, narrowed
from ainerd_agent.catalog.read.maps import read_age_lag, read_bad_pixels, read_maps
from ainerd_agent.catalog.read.measurements import By, check_by, per_measurement
from ainerd_agent.catalog.read.points import points_of, read_points, tables_of
from ainerd_agent.catalog.read.run_names import ANALYSED_RUNS, UnknownRunError, run_named, with_uid
from ainerd_agent.catalog.read.runs import read_runs
from ainerd_agent.catalog.read.time_scales import TimeScale, read_time_scales, time_scales_of
from ainerd_agent.catalog.schema import ANALYSES, C2, G2, MAPS, RAW
from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.catalog.tiled_types import Node, Query
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import AgeLagMap, BadPixels
from ainerd_agent.records.run import RunName

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import xarray
    from numpy.typing import NDArray

    from ainerd_agent.latent import Encoder


class ModelClient(Container):  # type: ignore[misc]  # Tiled is untyped
    """All runs that a latent model analysed: `/ainerd/<model>`, or those of them that were found.

    Conditions, in all methods: `cluster=0`; `kind="intermittent"`; `ended="converged"`;
    `counted` (s) as a range; `share=0.3` of the maps at least in that cluster, or
    of that kind; `stress`, `novelty`, `repeat_probability`, `time`, `x`, `y`, `tau` as ranges (from, to), with None for
    an open end; and values that keys of the metadata must equal, as `sample="PEO"`. The server
    evaluates them; only points of runs that may fit are read.
    """

    def __init__(self, *args: Any, queries: Sequence[Query] | None = None, **options: Any) -> None:
        super().__init__(*args, queries=queries, **options)
        self.queries: Sequence[Query] = tuple(queries or ())
        """By which these runs were found."""

    def find(self, **conditions: Any) -> Self:
        """Runs that fit: again such a container, so that conditions can follow each other.

        A run fits a range where its measurements have values in it, and a cluster where most of its maps are in it.
        """
        found: Self = narrowed(self, Conditions.of(with_uid(self, conditions, ANALYSED_RUNS)).runs())
        return found

    def to_frame(self, latest: int | None = None) -> pd.DataFrame:
        """The runs as a table, one row each, in order of time; the columns are the metadata.

        Parameters
        ----------
        latest : int, optional
            Only so many, the latest.
        """
        return read_runs([self], [*self.queries, *Conditions().runs()], latest)

    def points(self, columns: Sequence[str] | None = None, **conditions: Any) -> pd.DataFrame:
        """Points of all these runs that fit the conditions, row by row.

        Parameters
        ----------
        columns : sequence of str, optional
            Beside `raw_uid`, `seq_num`, `bin` and `model`; by default all.
        """
        return read_points([self], columns, **with_uid(self, conditions, ANALYSED_RUNS))

    def to_xarray(self, **conditions: Any) -> xarray.Dataset:
        """The same as a Dataset: variables over `point` with their units, and `z` over `point` and `latent`."""
        return _dataset(self.points(**conditions))

    def novel(self, k: int = 20, *, by: By = "bin", **conditions: Any) -> pd.DataFrame:
        """The k most novel points, or measurements, of all these runs that fit the conditions, the most novel first.

        With all columns but the latents. Only as many runs are read as can hold one of them, and a few ahead.

        Parameters
        ----------
        k : int
        by : {"bin", "measurement"}
            With "measurement", a row for each, as `ainerd_agent.catalog.read.measurements.per_measurement` makes it:
            its novelty is the root mean square over those of its bins that fit.
        """
        import pandas as pd

        given = Conditions.of(with_uid(self, conditions, ANALYSED_RUNS))
        check_by(by)
        best = points_of(None).assign(model="").drop(columns=latent_columns(points_schema().names))
        best = per_measurement(best) if by == "measurement" else best
        with server_errors(address_of(self)):
            runs = highest_first(narrowed(self, given.runs_with_rows()), "novelty_max")
            for run, table in tables_of(runs, latents=False):
                if len(best) == k and best["novelty"].min() >= run.metadata["novelty_max"]:
                    break
                rows = table[given.rows(table)].assign(model=run.metadata["model"])
                # A root mean square is at most the largest, so that the bound of the runs holds for it, too.
                rows = per_measurement(rows) if by == "measurement" else rows
                rows = rows[rows["novelty"].notna()]
                best = pd.concat([best, rows], ignore_index=True) if len(best) else rows
                best = best.nlargest(k, "novelty").reset_index(drop=True)
        return best

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
        """The k points of all these runs that are most like a map or another point, the most similar first.

        Or the k measurements that are most like another one: by the root mean square of the distances between their
        bins, direction by direction (see `ainerd_agent.catalog.read.measurements`).

        Keeps what it has read of this model in a folder, and reads only what is new the next time.

        Parameters
        ----------
        what
            A C2 map (size, size) as the catalog has it, a latent vector (64,), or a point: a row of a table with
            `raw_uid`, `seq_num` and `bin`, these three, or its name as "RUN/SEQ_NUM/BIN". By measurement, a row of a
            table, or a name as "RUN/SEQ_NUM".
        by : {"bin", "measurement"}
        scale, seconds : float, optional
            Compare crops of this duration in the place of whole maps, wherever along the diagonal they are: a share of
            the exposure (1, 0.5, 0.25 or 0.125), or seconds (a power of two), so that maps of any exposure are
            compared over the same time. One of the two, and points only; `ainerd timescales` has to have made them.
        exposure : float, optional
            Seconds that a side of a map spans that is asked about: needed for `seconds`.
        folder : Path, optional
            Where the index is kept; by default in the user's cache.
        encoder : Encoder, optional
            With which a map is encoded; by default the shipped one of this model's name.
        local : int, optional
            Take distances in units of that from each point to its own neighbour of this number, 10 for instance: points
            amid many no longer are like almost everything. Of points only.

        Returns
        -------
        DataFrame
            With `distance`, in the latent space; what was asked about is left out. By measurement, `bins` says how many
            were compared; measurements that have less than half of them are left out. At a time scale, `age` is
            where in each map its most similar crop begins, and `attrs["without"]` names the runs that have no time
            scales.
        """
        from ainerd_agent.catalog.read.similar import open_index

        check_by(by)
        if scale is not None or seconds is not None:
            if local is not None:
                raise CatalogError("local is for whole maps: leave it out at a time scale.")
            return self._similar_at(what, TimeScale(scale, seconds), k, by, encoder=encoder, exposure=exposure)
        index, everything = open_index(self, folder), self.new_variation(queries=[])
        among = self.find() if self.queries else None
        if by == "measurement":
            if local is not None:
                raise CatalogError("local is for points: measurements are compared direction by direction.")
            return index.similar_measurements(what, k, model=everything, among=among)
        return index.similar(what, k, model=everything, among=among, encoder=encoder, local=local)

    def time_scales(self, scale: float | None = None, seconds: float | None = None) -> pd.DataFrame:
        """Crops of the maps of all these runs, row by row, with their latents; of one scale or of all.

        Parameters
        ----------
        scale, seconds : float, optional
            As for `similar`.

        Returns
        -------
        DataFrame
            `attrs["without"]` names the runs that have none: `ainerd timescales` makes them.
        """
        return time_scales_of(self, None if scale is None and seconds is None else TimeScale(scale, seconds))

    def _similar_at(self, what: Any, scale: TimeScale, k: int, by: By, **about: Any) -> pd.DataFrame:
        from ainerd_agent.catalog.read.similar_at_scale import similar_at_scale

        if by != "bin":
            raise CatalogError('At a time scale, points are compared, not measurements: leave by = "measurement" out.')
        among = self.find() if self.queries else self
        everything = self.new_variation(queries=[])
        with server_errors(address_of(self)):
            return similar_at_scale(what, scale, k, model=among, everything=everything, **about)

    def follow(self, **options: Any) -> Generator[pd.DataFrame, None, None]:
        """Points as they are written, run by run; parameters as those of `ainerd_agent.catalog.follow`."""
        from ainerd_agent.catalog.read.live_points import follow

        return follow(self, **options)

    def c2(self, row: Any) -> NDArray[np.float32]:
        """The map (size, size) of a point, a row with `raw_uid`, `seq_num` and `bin`. Only that map is sent."""
        return self.run(str(row["raw_uid"])).c2(int(row["seq_num"]), int(row["bin"]), _stream(row))

    def explain(self, row: Any) -> dict[str, Any]:
        """Where a point comes from, a row with `raw_uid`, `seq_num` and `bin`."""
        return self.run(str(row["raw_uid"])).explain(int(row["seq_num"]), int(row["bin"]), _stream(row))

    def run(self, raw_uid: RunName) -> AnalysisClient:
        """The analysis of a run, by its uid or the beginning of it, its scan id, or -1 for the latest."""
        try:
            found = run_named(self, raw_uid, ANALYSED_RUNS)
        except UnknownRunError as error:
            lacking = f"The model {self.item['id']} has no analysis of a run {raw_uid} here"
            raise UnknownRunError(f"{lacking}: {error}") from error
        if not isinstance(found, AnalysisClient):
            raise CatalogError(f"{raw_uid} is in the results of the model {self.item['id']}, and no analysis of a run.")
        return found


class AnalysisClient(Container):  # type: ignore[misc]
    """What a model found in a run: `/ainerd/<model>/<uid>`."""

    def points(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """All points, or some columns of them beside `raw_uid`, `seq_num`, `bin` and `model`."""
        with server_errors(address_of(self)):
            return points_of(self, columns).assign(model=self.metadata["model"])

    def time_scales(self) -> pd.DataFrame:
        """Crops of its maps, row by row, with their latents; no rows before `ainerd timescales` made them."""
        with server_errors(address_of(self)):
            return read_time_scales(self)

    def to_xarray(self) -> xarray.Dataset:
        """The points as a Dataset: variables over `point` with their units, and `z` over `point` and `latent`."""
        return _dataset(self.points())

    def c2(
        self, measurement: int | None = None, bin: int | None = None, stream: str | None = None
    ) -> NDArray[np.float32]:
        """C2 maps, as `read_maps`."""
        return self.maps().c2(measurement, bin, stream)

    def maps(self) -> MapsClient:
        """The container with the C2 maps."""
        found = _beside(self, 3, MAPS, self.metadata["raw_uid"])
        if not isinstance(found, MapsClient):
            raise CatalogError(f"The catalog holds no C2 maps of run {self.metadata['raw_uid']}.")
        return found

    def raw(self) -> Any:
        """The raw run."""
        return _raw(self, 3)

    def explain(self, seq_num: int, bin: int, stream: str | None = None) -> dict[str, Any]:
        """Where a point comes from; see `ainerd_agent.catalog.read.lineage.explain`."""
        from ainerd_agent.catalog.read.lineage import explain

        return explain(self, self.maps(), self.raw, seq_num, bin, stream)


class MapsClient(Container):  # type: ignore[misc]
    """C2 maps and g2 of a run: `/xpcs/<uid>`."""

    def c2(
        self, measurement: int | None = None, bin: int | None = None, stream: str | None = None
    ) -> NDArray[np.float32]:
        """C2 maps, as `read_maps`. Only what is asked for is sent."""
        return self.maps(C2, measurement, bin, stream)

    def g2(
        self, measurement: int | None = None, bin: int | None = None, stream: str | None = None
    ) -> NDArray[np.float32]:
        """g2 in the same way, over the lags in the metadata."""
        return self.maps(G2, measurement, bin, stream)

    def maps(
        self, key: str, measurement: int | None = None, bin: int | None = None, stream: str | None = None
    ) -> NDArray[np.float32]:
        """Any array over measurements and bins in the same way; `arrays` in the metadata says which there are."""
        with server_errors(address_of(self)):
            return read_maps(self, key, measurement, bin, stream)

    def age_lag(self, measurement: int, stream: str | None = None) -> AgeLagMap | None:
        """The correlation of a measurement over age and lag, as `read_age_lag`."""
        with server_errors(address_of(self)):
            return read_age_lag(self, measurement, stream)

    def bad_pixels(self, measurement: int, stream: str | None = None) -> BadPixels | None:
        """Pixels that a measurement was analysed without, as `read_bad_pixels`."""
        with server_errors(address_of(self)):
            return read_bad_pixels(self, measurement, stream)

    def analyses(self) -> dict[str, AnalysisClient]:
        """What models found in this run, by their names."""
        return analyses_of(self)

    def raw(self) -> Any:
        """The raw run."""
        return _raw(self, 2)


def analyses_of(run: Container) -> dict[str, AnalysisClient]:
    """What models found in a run, by their names.

    Parameters
    ----------
    run : BlueskyRun or MapsClient
        `catalog["raw", uid]` or `catalog["xpcs", uid]`.
    """
    models = _beside(run, 2, ANALYSES)
    with server_errors(address_of(run)):
        found = {} if models is None else {name: child(models, f"{name}/{run.item['id']}") for name in models}
    return {name: analysis for name, analysis in found.items() if analysis is not None}


def _stream(row: Any) -> str | None:
    """The stream that a row of points tells; None where it does not."""
    return str(row["stream"]) if "stream" in row else None


def _raw(node: Node, depth: int) -> Any:
    uid = node.metadata["raw_uid"]
    found = _beside(node, depth, RAW, uid)
    if found is None:
        source = node.metadata.get("source")
        why = f"the maps came from the file {node.metadata.get('file')}" if source == "ingest" else "it was deleted"
        raise CatalogError(f"The catalog holds no raw run {uid}: {why}.")
    return found


def _beside(node: Node, depth: int, *keys: str) -> Any:
    """What is at `keys` in the catalog of which `node` is so deep inside; None where there is nothing."""
    from tiled.client import from_context

    with server_errors(address_of(node)):
        root = from_context(node.context, node.structure_clients, node_path_parts=node.path_parts[:-depth])
        return child(root, "/".join(keys))


def _dataset(points: pd.DataFrame) -> xarray.Dataset:
    import xarray

    about = column_metadata(points_schema())
    names, latents = [str(name) for name in points], latent_columns(points)

    def described(name: str) -> dict[str, str]:
        found = {"units": about["units"].get(name), "description": about["descriptions"].get(name)}
        return {kind: text for kind, text in found.items() if text}

    variables = {name: ("point", points[name].to_numpy(), described(name)) for name in names if name not in latents}
    z = ("point", "latent"), points[latents].to_numpy(), {"description": "latent vector"}
    return xarray.Dataset({**variables, "z": z})
