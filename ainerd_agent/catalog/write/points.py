"""The points of a run and the summary that people search by, as a writer fills them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ainerd_agent.catalog.codec.columns import column_metadata
from ainerd_agent.catalog.codec.metadata import (
    SUMMARY_COLUMNS,
    Summary,
    events_of,
    failures_of,
    plain_json,
    retakes_of,
    run_metadata,
)
from ainerd_agent.catalog.codec.point_columns import POINT_COLUMNS
from ainerd_agent.catalog.codec.point_layout import PointsLayout
from ainerd_agent.catalog.codec.points import points_table
from ainerd_agent.catalog.codec.run_columns import (
    RunValues,
    extended,
    first_columns,
    run_values,
    stored_columns,
    widened,
    with_columns,
)
from ainerd_agent.catalog.codec.upgraded import as_table
from ainerd_agent.catalog.layout import child, ensure_container, table_of, version_of
from ainerd_agent.catalog.provenance import credit, withdrawn
from ainerd_agent.catalog.read.points import layout_of, stored_points
from ainerd_agent.catalog.schema import ANALYSES, ANALYSIS_SPEC, POINTS, RUN_STATUSES
from ainerd_agent.catalog.tiled_types import Container, Table
from ainerd_agent.catalog.write.containers import access_of, events_in, set_metadata, upgrade_first
from ainerd_agent.catalog.write.rebuilding import finish, rebuild
from ainerd_agent.catalog.write.time_scales import withdraw_time_scales
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Analysis, Events, Fingerprints, Origin, Run
from ainerd_agent.records.analysis import ModelIdentity

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger(__name__)


class PointsStore:
    """`/ainerd/<model>/<uid>`: the points of one run and the summary that people search by.

    Parameters
    ----------
    parent : Container
        `/ainerd/<model>`.
    named : set of str, optional
        Names of scalars and axes that have no column, as far as somebody was warned of them; kept up to date.
    """

    def __init__(self, parent: Container, run: Run, model: ModelIdentity, named: set[str] | None = None) -> None:
        self._named = set() if named is None else named
        self._filled: set[str] = set()
        self._parent = parent
        self._run = run
        self._model = model
        self._container: Container | None = child(parent, run.uid)
        self._table: Table | None = None
        self._axes: dict[str, str] = {}
        self._failures: dict[Events, str] = {}
        self._retakes: dict[Events, float] = {}
        self._status = "running"
        self._made: list[dict[str, Any]] = []
        self._version = ANALYSIS_SPEC[1]
        self._points: dict[str, NDArray[Any]] = {name: np.empty(0) for name in SUMMARY_COLUMNS}
        if self._container is not None:
            self._read(self._container)

    def _read(self, container: Container) -> None:
        """Read back what the catalog holds."""
        metadata = container.metadata_copy()[0]
        derived = metadata["derived_from"]
        for what, before, now in (
            ("parameters", derived["parameters"], plain_json(self._model.parameters)),
            # Stored maps are analysed again without a geometry.
            ("geometry", derived.get("geometry") or {}, plain_json(self._model.geometry)),
        ):
            if before != now and (what == "parameters" or (before and now)):
                raise CatalogError(
                    f"Run {self._run.uid} was analysed before with other {what} ({before}): those results "
                    "stay as they are. Use another catalog, or another name for the model."
                )
        self._version = version_of(container, ANALYSIS_SPEC[0])
        self._made = derived.get("made", _uncredited(metadata))
        self._status = _status(metadata)
        self._failures = failures_of(metadata)
        self._retakes = retakes_of(metadata)
        self._table = table_of(container, POINTS)
        if self._table is None:
            return
        layout = layout_of(container, self._table)
        self._axes = layout.units_of_axes()
        rows = stored_points(self._table, layout, [*SUMMARY_COLUMNS, *self._axes])
        # In the order in which they came, which is that of who is credited with them.
        places = {events: place for place, events in enumerate(events_of(derived))}
        order = np.argsort([places.get(events, len(places)) for events in _events_of(rows)], kind="stable")
        self._points = {str(name): rows[name].to_numpy()[order] for name in rows}

    def is_current(self) -> bool:
        """Whether nobody else has written since this was made."""
        container: Container | None = child(self._parent, self._run.uid)
        if container is None or self._container is None:
            return container is self._container
        metadata = container.metadata_copy()[0]
        same = sorted(events_of(metadata["derived_from"])) == sorted(self._measurements())
        there = failures_of(metadata), retakes_of(metadata), _status(metadata)
        same = same and not metadata["derived_from"].get("rebuilding")
        return same and there == (self._failures, self._retakes, self._status)

    def append(self, fingerprints: Sequence[Fingerprints], analyses: Sequence[Analysis]) -> None:
        """Add the measurements that are not there yet. A run that has ended stays so: they may come late."""
        known = set(self._measurements())
        new = [(f, a) for f, a in zip(fingerprints, analyses, strict=True) if a.origin.events not in known]
        if not new:
            return
        self._refuse_old()
        rows = points_table([f for f, _ in new], [a for _, a in new], self._own_values([a.origin for _, a in new]))
        if self._table is None:
            self._axes = PointsLayout.of_table(column_metadata(rows.schema), rows.schema).units_of_axes()
            self._points |= {name: np.empty(0) for name in self._axes}
        container = self._ensured()
        if self._table is None:
            self._table = container.create_appendable_table(
                rows.schema, key=POINTS, metadata=column_metadata(rows.schema), **access_of(self._run)
            )
        stored = self._as_stored(self._table, rows)
        self._table.append_partition(0, stored)
        self._points = {
            name: np.concatenate([before, stored[name].to_numpy(zero_copy_only=False)])
            for name, before in self._points.items()
        }
        for _, analysis in new:
            self._failures.pop(analysis.origin.events, None)
        self.update(self._status)

    def withdraw(self, measurements: Sequence[Events]) -> None:
        """Take away measurements that are made anew, where they are there: `append` adds the new ones."""
        there = self._measurements()
        again = {events for events in measurements if events in there}
        if not again or self._container is None or self._table is None:
            return
        self._refuse_old()
        withdraw_time_scales(self._container)
        kept = [events not in again for events in _events_of(self._points)]
        self._points = {name: values[kept] for name, values in self._points.items()}
        self._made = withdrawn(self._made, [there.index(events) for events in again])
        self._retakes |= dict.fromkeys(again, time.time())
        # The metadata first: whoever has the old rows in mind must look again, whatever happens now.
        self.update(self._status)
        schema = self._table.structure().arrow_schema_decoded
        rows = self._table.read()
        rows = rows[[events not in again for events in _events_of(rows)]]
        self._rebuild(rows, schema)

    def fail(self, events: Events, message: str) -> None:
        """Note that a measurement could not be analysed, unless it has been. A run that has ended stays so."""
        if events in set(self._measurements()) or self._failures.get(events) == message:
            return
        self._refuse_old()
        self._failures[events] = message
        self._ensured()
        self.update(self._status)

    def update(self, status: str) -> None:
        """Bring the metadata up to date. A run without measurements and failures stays unrecorded."""
        if self._container is None:
            return
        if self._version != ANALYSIS_SPEC[1]:
            if self._container.metadata_copy()[0]["status"] == status:
                return
            self._refuse_old()
        set_metadata(self._container, self._metadata(status))
        self._status = status

    def outdated(self, status: str) -> list[str]:
        """Give the keys of the metadata that do not tell what the rows hold; who made them is not looked at."""
        if self._container is None:
            return []
        found, told = self._metadata(status), self._container.metadata_copy()[0]
        if self._version != ANALYSIS_SPEC[1]:
            found = {key: value for key, value in found.items() if key in told}  # the others came later
        apart = ("derived_from", "analysed", "failed")
        keys = [key for key in found if key not in apart and told.get(key) != found[key]]
        if failures_of(told) != failures_of(found):
            keys.append("failed")
        there = events_in(self._container) or []
        return keys if sorted(there) == sorted(self._measurements()) else [*keys, "derived_from.seq_nums"]

    def _measurements(self) -> list[Events]:
        return self._summary("running").measurements()

    def _summary(self, status: str) -> Summary:
        return Summary(
            points=self._points,
            status=status,
            axes=self._axes,
            failures=self._failures,
            made=self._made,
            retakes=self._retakes,
        )

    def _metadata(self, status: str) -> dict[str, Any]:
        self._made = credit(self._made, len(self._measurements()), time.time())
        return run_metadata(self._run, self._model, self._summary(status))

    def _refuse_old(self) -> None:
        if self._version != ANALYSIS_SPEC[1]:
            raise upgrade_first(f"/{ANALYSES}/{self._model.name}/{self._run.uid}", self._version)

    def _ensured(self) -> Container:
        if self._container is None:
            self._container = ensure_container(
                self._parent,
                self._run.uid,
                specs=[ANALYSIS_SPEC],
                metadata=self._metadata(self._status),
                **access_of(self._run),
            )
        return self._container

    def _own_values(self, origins: Sequence[Origin]) -> RunValues:
        """What measurements have for the run's own columns, which are extended and widened for them where need be."""
        if self._table is None:
            own = run_values(first_columns(origins), origins)
            self._warn(own.left_out)
            return own
        schema = self._table.structure().arrow_schema_decoded
        before = stored_columns(self._table.metadata, schema)
        own = run_values(extended(widened(before, origins, self._is_empty), origins), origins)
        self._warn(own.left_out)
        # A run that was begun before a column came has nothing there for its measurements so far.
        later = [column.arrow() for column in POINT_COLUMNS if column.name not in schema.names]
        if own.columns != before or later:
            self._rebuild(self._table.read(), pa.schema([*with_columns(schema, own.columns), *later]))
        return own

    def _is_empty(self, column: str) -> bool:
        """Whether nothing is known in a column yet. What is once known stays so."""
        if self._table is not None and column not in self._filled:
            if not self._table.read([column])[column].notna().any():
                return True
            self._filled.add(column)
        return False

    def _warn(self, left_out: Mapping[str, str]) -> None:
        """Name what does not fit the columns of the run, each once."""
        new = {name: why for name, why in left_out.items() if name not in self._named}
        if new:
            self._named |= new.keys()
            named = ", ".join(f"{name!r} ({why})" for name, why in sorted(new.items()))
            _log.warning(
                "Run %s: these values do not fit the columns of its points, and are left out: %s.",
                self._run.uid, named,
            )  # fmt: skip

    def _rebuild(self, rows: pd.DataFrame, schema: pa.Schema) -> None:
        """Put rows in the place of those of the table, also in columns of other types, and in more columns."""
        if self._container is not None:
            # First: another writer must not add to the old table, should this be interrupted.
            set_metadata(self._container, {"derived_from": {"rebuilding": True}})
            rows = rows.reindex(columns=schema.names)  # earlier measurements have nothing for a new column
            self._table = rebuild(self._container, POINTS, as_table(rows, schema), access_of(self._run))
            set_metadata(self._container, {"derived_from": {"rebuilding": False}})
            self._axes = PointsLayout.of_table(column_metadata(schema), schema).units_of_axes()
            unknown = np.full(len(self._points["seq_num"]), np.nan)
            self._points = {name: self._points.get(name, unknown) for name in (*SUMMARY_COLUMNS, *self._axes)}

    def _as_stored(self, table: Table, rows: pa.Table) -> pa.Table:
        """Rows in the columns of the table."""
        schema = table.structure().arrow_schema_decoded
        try:
            if differing := set(rows.schema.names) ^ set(schema.names):
                raise pa.ArrowInvalid(f"only one of them has {', '.join(sorted(differing))}")
            return rows.select(schema.names).cast(schema)
        except pa.ArrowInvalid as error:
            raise CatalogError(
                f"A measurement does not fit the points of run {self._run.uid}, whose columns were fixed by its first "
                f"measurement: {error}"
            ) from error


def finish_points(parent: Container, run: Run) -> None:
    """Put the points of a run in their place where another writer was interrupted at that."""
    container: Container | None = child(parent, run.uid)
    if container is not None:
        finish(container, POINTS, access_of(run))


def _events_of(rows: pd.DataFrame | Mapping[str, Any]) -> Iterator[Events]:
    """The measurement of each row."""
    columns = (rows[name].tolist() for name in ("stream", "seq_num", "last_seq_num"))
    return (Events(str(stream), int(first), int(last)) for stream, first, last in zip(*columns, strict=True))


def _uncredited(metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The credit for what was written before there were credits: nobody knows where and when."""
    n_measurements, software = metadata["n_measurements"], metadata["derived_from"]["software"]
    return [{"software": software, "n_measurements": n_measurements, "end": None}] if n_measurements else []


def _status(metadata: Mapping[str, Any]) -> str:
    """How the run ended, or "running", also where the metadata have a word that is no status."""
    return str(metadata["status"]) if metadata["status"] in RUN_STATUSES else "running"
