"""The container of the points of a run, as a writer fills it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ainerd_agent.catalog.codec.metadata import plain_json, run_metadata
from ainerd_agent.catalog.codec.points import points_table
from ainerd_agent.catalog.layout import child, ensure_container
from ainerd_agent.catalog.provenance import credit
from ainerd_agent.catalog.schema import (
    ADDED_COLUMNS,
    ANALYSIS_SPEC,
    POINTS,
    RUN_STATUSES,
    SUMMARY_COLUMNS,
    column_metadata,
    points_schema,
)
from ainerd_agent.catalog.tiled_types import Container
from ainerd_agent.catalog.write.containers import _access, set_metadata
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Analysis, Fingerprints, Run
from ainerd_agent.records.analysis import ModelIdentity


class PointsStore:
    """`/ainerd/<model>/<uid>`: the points of one run and the summary that people search by.

    Parameters
    ----------
    parent : tiled Container
        `/ainerd/<model>`.
    """

    def __init__(self, parent: Container, run: Run, model: ModelIdentity) -> None:
        self._parent = parent
        self._run = run
        self._model = model
        self._container: Any = child(parent, run.uid)
        self._table: Any = None
        self._stream = "primary"
        self._failures: dict[int, str] = {}
        self._status = "running"
        self._made: list[dict[str, Any]] = []
        nothing = points_schema(0).empty_table()
        self._summary: dict[str, NDArray[Any]] = {name: nothing[name].to_numpy() for name in SUMMARY_COLUMNS}
        if self._container is not None:
            metadata = self._container.metadata_copy()[0]
            derived = metadata["derived_from"]
            for what, before, now in (
                ("parameters", derived["parameters"], plain_json(model.parameters)),
                # Stored maps are analysed again without a geometry.
                ("geometry", derived.get("geometry") or {}, plain_json(model.geometry)),
            ):
                if before != now and (what == "parameters" or (before and now)):
                    raise CatalogError(
                        f"Run {run.uid} was analysed before with other {what} ({before}): those results "
                        "stay as they are. Use another catalog, or another name for the model."
                    )
            self._status = _status(metadata)
            self._stream = metadata["derived_from"]["stream"]
            self._made = metadata["derived_from"].get("made", _uncredited(metadata))
            self._failures = _failures(metadata)
            self._table = child(self._container, POINTS)
        if self._table is not None:
            rows = self._table.read(columns=list(SUMMARY_COLUMNS))
            self._summary = {name: rows[name].to_numpy() for name in SUMMARY_COLUMNS}

    def is_current(self) -> bool:
        """Whether nobody else has written since this was made."""
        container = child(self._parent, self._run.uid)
        if container is None or self._container is None:
            return container is self._container
        metadata = container.metadata_copy()[0]
        measured = list(dict.fromkeys(self._summary["seq_num"].tolist()))
        ours = measured, self._failures, self._status
        return (metadata["derived_from"]["seq_nums"], _failures(metadata), _status(metadata)) == ours

    def append(self, fingerprints: Sequence[Fingerprints], analyses: Sequence[Analysis]) -> None:
        """Add the measurements that are not there yet. A run that has ended stays so: they may come late."""
        known = set(self._summary["seq_num"])
        new = [(f, a) for f, a in zip(fingerprints, analyses, strict=True) if a.origin.seq_num not in known]
        if not new:
            return
        rows = points_table([f for f, _ in new], [a for _, a in new])
        self._stream = new[0][1].origin.stream
        self._ensure_container()
        if self._table is None:
            self._table = self._container.create_appendable_table(
                rows.schema, key=POINTS, metadata=column_metadata(rows.schema), **_access(self._run)
            )
        self._table.append_partition(0, self._as_stored(rows))
        for name in SUMMARY_COLUMNS:
            self._summary[name] = np.concatenate([self._summary[name], rows[name].to_numpy()])
        for _, analysis in new:
            self._failures.pop(analysis.origin.seq_num, None)
        self.update(self._status)

    def fail(self, seq_num: int, message: str) -> None:
        """Note that a measurement could not be analysed, unless it has been. A run that has ended stays so."""
        if seq_num in set(self._summary["seq_num"]) or self._failures.get(seq_num) == message:
            return
        self._failures[seq_num] = message
        self._ensure_container()
        self.update(self._status)

    def update(self, status: str) -> None:
        """Bring the metadata up to date. A run without measurements and failures stays unrecorded."""
        if self._container is not None:
            set_metadata(self._container, self._metadata(status))
            self._status = status

    def outdated(self, status: str) -> list[str]:
        """Give the keys of the metadata that do not tell what the rows hold; who made them is not looked at."""
        if self._container is None:
            return []
        found, told = self._metadata(status), self._container.metadata_copy()[0]
        keys = [key for key in found if key not in ("derived_from", "analysed") and told.get(key) != found[key]]
        numbers = (each["derived_from"]["seq_nums"] for each in (told, found))
        return keys if len({tuple(sorted(each)) for each in numbers}) == 1 else [*keys, "derived_from.seq_nums"]

    def _metadata(self, status: str) -> dict[str, Any]:
        self._made = credit(self._made, len(set(self._summary["seq_num"])), time.time())
        return run_metadata(
            self._run,
            self._model,
            self._summary,
            status=status,
            stream=self._stream,
            failures=self._failures,
            made=self._made,
        )

    def _ensure_container(self) -> None:
        if self._container is None:
            self._container = ensure_container(
                self._parent,
                self._run.uid,
                specs=[ANALYSIS_SPEC],
                metadata=self._metadata(self._status),
                **_access(self._run),
            )

    def _as_stored(self, rows: pa.Table) -> pa.Table:
        schema = self._table.structure().arrow_schema_decoded
        try:
            rows = rows.drop_columns(sorted(ADDED_COLUMNS.intersection(rows.schema.names).difference(schema.names)))
            if differing := set(rows.schema.names) ^ set(schema.names):
                raise pa.ArrowInvalid(f"only one of them has {', '.join(sorted(differing))}")
            return rows.select(schema.names).cast(schema)
        except pa.ArrowInvalid as error:
            raise CatalogError(
                f"A measurement does not fit the points of run {self._run.uid}, whose columns were fixed by its first "
                f"measurement: {error}"
            ) from error


def _uncredited(metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The credit for what was written before there were credits: nobody knows where and when."""
    n_measurements, software = metadata["n_measurements"], metadata["derived_from"]["software"]
    return [{"software": software, "n_measurements": n_measurements, "end": None}] if n_measurements else []


def _status(metadata: Mapping[str, Any]) -> str:
    """How the run ended, or "running", also where the metadata have a word that is no status."""
    return str(metadata["status"]) if metadata["status"] in RUN_STATUSES else "running"


def _failures(metadata: Mapping[str, Any]) -> dict[int, str]:
    """What the metadata of a run say of measurements that could not be analysed, by number."""
    return {failed["seq_num"]: failed["message"] for failed in metadata["failed"]}
