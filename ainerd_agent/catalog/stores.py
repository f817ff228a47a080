"""The containers that a writer fills: the maps of a run, the points of a run, and the suggestions of a model.

Each reads back what is there when it is made. What it holds is right until another process writes (`is_current`), or a
request fails: then nobody knows what reached the server. In both cases the store has to be made anew.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ainerd_agent.catalog.codec.bins import BINS_UNITS, bins_columns
from ainerd_agent.catalog.codec.metadata import maps_metadata, maps_progress, plain_json, run_metadata
from ainerd_agent.catalog.codec.points import points_table
from ainerd_agent.catalog.layout import child, ensure_container
from ainerd_agent.catalog.provenance import credit
from ainerd_agent.catalog.schema import (
    ADDED_COLUMNS,
    ANALYSES,
    ANALYSIS_SPEC,
    BINS,
    C2,
    C2_DIMS,
    G2,
    G2_DIMS,
    MAPS,
    MAPS_SPEC,
    MODEL_SPEC,
    POINTS,
    REQUESTS,
    SUGGESTIONS,
    SUGGESTIONS_SCHEMA,
    SUGGESTIONS_SPEC,
    SUMMARY_COLUMNS,
    column_metadata,
    points_schema,
)
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Analysis, Fingerprints, Run
from ainerd_agent.records.analysis import ModelIdentity

_CHUNK_BYTES = 4 * 2**20
"""About this much of an array is one file: a measurement's maps, or many where they are small."""

_BLOCK_BYTES = 32 * 2**20
"""A request carries about this much of an array."""


class MapsStore:
    """`/xpcs/<uid>`: C2 maps and g2, one measurement after the other. Other models' analyses share it.

    Parameters
    ----------
    root : tiled Container
    run : Run
    """

    def __init__(self, root: Any, run: Run) -> None:
        self._parent = ensure_container(root, MAPS, specs=[])
        self._run = run
        self._container: Any = child(self._parent, run.uid)
        self._seq_nums: list[int] = []
        self._arrays: dict[str, Any] = {}
        if self._container is not None:
            self._arrays = {key: child(self._container, key) for key in (C2, G2)}
            self._seq_nums = self._container.metadata_copy()[0]["derived_from"]["seq_nums"]

    def is_current(self) -> bool:
        """Whether nobody else has written since this was made."""
        return _seq_nums(child(self._parent, self._run.uid)) == (None if self._container is None else self._seq_nums)

    def append(self, fingerprints: Sequence[Fingerprints]) -> None:
        """Add the measurements that are not there yet."""
        known = set(self._seq_nums)
        new = [f for f in fingerprints if f.origin.seq_num not in known]
        if not new:
            return
        first = new[0]
        if self._container is None:
            self._container = ensure_container(
                self._parent,
                self._run.uid,
                specs=[MAPS_SPEC],
                metadata=maps_metadata(self._run, first, []),
                **_access(self._run),
            )
        if not self._seq_nums:
            self._write_bins(first)
        self._check_lags(new)
        additions = ((C2, [f.c2 for f in new], C2_DIMS), (G2, [f.g2 for f in new], G2_DIMS))
        for addition in additions:
            self._extend(*addition)
        # Last: what these numbers do not name does not count, and is overwritten by the next attempt.
        self._seq_nums += [f.origin.seq_num for f in new]
        set_metadata(self._container, maps_progress(self._run, first.origin.stream, self._seq_nums))

    def _write_bins(self, first: Fingerprints) -> None:
        import pandas as pd

        table = pd.DataFrame(bins_columns(first.bins))
        existing = child(self._container, BINS)
        if existing is None:
            self._container.write_table(table, key=BINS, metadata={"units": BINS_UNITS}, **_access(self._run))
        else:
            existing.write(table)  # an earlier attempt may have created it without its rows

    def _check_lags(self, new: Sequence[Fingerprints]) -> None:
        lags = np.array(self._container.metadata_copy()[0]["lags"], np.float64)
        for f in new:
            if f.lags.shape != lags.shape or not np.allclose(f.lags, lags, rtol=1e-3, equal_nan=True):
                raise CatalogError(
                    f"Measurement {f.origin.seq_num} of run {self._run.uid} has other lags than the run's first one: "
                    "all measurements of a run need the same frame time and number of frames."
                )

    def _extend(self, key: str, arrays: Sequence[NDArray[Any]], dims: Sequence[str]) -> None:
        """Put `arrays` behind the measurements of an array that count."""
        node = self._arrays.get(key)
        shapes = {array.shape for array in arrays} | ({tuple(node.shape[1:])} if node is not None else set())
        if len(shapes) > 1:
            raise CatalogError(
                f"The measurements of run {self._run.uid} differ in the shape of {key}: {sorted(shapes)}. All "
                "measurements of a run need the same bins and map size."
            )
        done = 0
        if node is None:
            # What is written first is the chunk in which the array is stored and read ever after.
            done = _fitting(arrays, _CHUNK_BYTES)
            node = self._container.write_array(
                _stack(arrays[:done]), key=key, dims=list(dims), metadata={"units": ""}, **_access(self._run)
            )
            self._arrays[key] = node
        step = _fitting(arrays, _BLOCK_BYTES)
        for start in range(done, len(arrays), step):
            offset = (len(self._seq_nums) + start,)
            node.patch(_stack(arrays[start : start + step]), offset=offset, extend=True)


class PointsStore:
    """`/ainerd/<model>/<uid>`: the points of one run and the summary that people search by.

    Parameters
    ----------
    parent : tiled Container
        `/ainerd/<model>`.
    """

    def __init__(self, parent: Any, run: Run, model: ModelIdentity) -> None:
        self._parent = parent
        self._run = run
        self._model = model
        self._container: Any = child(parent, run.uid)
        self._table: Any = None
        self._stream = "primary"
        self._failures: dict[int, str] = {}
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
            self._stream = metadata["derived_from"]["stream"]
            self._made = metadata["derived_from"].get("made", _uncredited(metadata))
            self._failures = {failed["seq_num"]: failed["message"] for failed in metadata["failed"]}
            self._table = child(self._container, POINTS)
        if self._table is not None:
            rows = self._table.read(columns=list(SUMMARY_COLUMNS))
            self._summary = {name: rows[name].to_numpy() for name in SUMMARY_COLUMNS}

    def is_current(self) -> bool:
        """Whether nobody else has written since this was made."""
        written = None if self._container is None else list(dict.fromkeys(self._summary["seq_num"].tolist()))
        return _seq_nums(child(self._parent, self._run.uid)) == written

    def append(self, fingerprints: Sequence[Fingerprints], analyses: Sequence[Analysis]) -> None:
        """Add the measurements that are not there yet."""
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
        self.update("running")

    def fail(self, seq_num: int, message: str) -> None:
        """Note that a measurement could not be analysed, unless it has been."""
        if seq_num in set(self._summary["seq_num"]) or self._failures.get(seq_num) == message:
            return
        self._failures[seq_num] = message
        self._ensure_container()
        self.update("running")

    def update(self, status: str) -> None:
        """Bring the metadata up to date. A run without measurements and failures stays unrecorded."""
        if self._container is not None:
            set_metadata(self._container, self._metadata(status))

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
                metadata=self._metadata("running"),
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


class SuggestionsStore:
    """`/ainerd/<model>/suggestions`: events of suggestions, in order of time, for all runs.

    Parameters
    ----------
    parent : tiled Container
        `/ainerd/<model>`.
    """

    _KEY = ("suggestion_id", "event", "raw_uid", "seq_num")

    def __init__(self, parent: Any) -> None:
        from tiled.structures.core import Spec

        self._table: Any = child(parent, SUGGESTIONS)
        if self._table is None:
            self._table = parent.create_appendable_table(
                SUGGESTIONS_SCHEMA,
                key=SUGGESTIONS,
                metadata=column_metadata(SUGGESTIONS_SCHEMA),
                specs=[Spec(*SUGGESTIONS_SPEC)],
            )
        self._columns = self._table.structure().arrow_schema_decoded.names
        rows = self._table.read(columns=list(self._KEY))
        self._known = set(rows[list(self._KEY)].itertuples(index=False, name=None))

    def append(self, row: pa.Table) -> None:
        """Add an event, unless it is there already; a request may be made again."""
        key = tuple(row[name][0].as_py() for name in self._KEY)
        if key not in self._known or key[1] in REQUESTS:
            # A table that was begun before there were reasons goes on without them.
            self._table.append_partition(0, row.select(self._columns))
            self._known.add(key)


def model_container(root: Any, model: ModelIdentity) -> Any:
    """`/ainerd/<model>`, created if it is missing."""
    container = ensure_container(
        ensure_container(root, ANALYSES, specs=[]),
        model.name,
        specs=[MODEL_SPEC],
        metadata={
            "model": model.name,
            "weights_sha256": model.weights_sha256,
            "n_clusters": model.n_clusters,
            "uid": uuid.uuid4().hex,
        },
    )
    if container.metadata["weights_sha256"] != model.weights_sha256:
        raise CatalogError(
            f"The catalog holds analyses by another model of the name {model.name!r}, with other weights: give this "
            "model another name."
        )
    return container


def set_metadata(node: Any, metadata: dict[str, Any]) -> None:
    """Change what differs in the metadata of a node, and nothing where nothing does.

    As a merge patch, which replaces lists. Tiled's `update_metadata` sends "insert this element" instead: when the
    answer is lost and it repeats the request, the element is there twice.
    """
    from tiled.utils import patch_mimetypes

    if changes := _changes(node.metadata_copy()[0], metadata):
        node.patch_metadata(changes, content_type=patch_mimetypes.MERGE_PATCH, drop_revision=True)


def _changes(current: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    changes = {}
    for key, value in wanted.items():
        if isinstance(value, dict) and isinstance(current.get(key), dict):
            if inner := _changes(current[key], value):
                changes[key] = inner
        elif current.get(key) != value:
            changes[key] = value
    return changes


def _seq_nums(container: Any) -> list[int] | None:
    """The measurements that the metadata of a run's maps or points name; None where there is no such container."""
    return None if container is None else list(container.metadata_copy()[0]["derived_from"]["seq_nums"])


def _uncredited(metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The credit for what was written before there were credits: nobody knows where and when."""
    n_measurements, software = metadata["n_measurements"], metadata["derived_from"]["software"]
    return [{"software": software, "n_measurements": n_measurements, "end": None}] if n_measurements else []


def _stack(arrays: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    return np.stack(arrays).astype(np.float32, copy=False)


def _fitting(arrays: Sequence[NDArray[Any]], n_bytes: int) -> int:
    """How many of `arrays`, all of one size, fit in `n_bytes` as float32; at least one."""
    return min(len(arrays), max(1, n_bytes // max(1, 4 * arrays[0].size)))


def _access(run: Run) -> dict[str, Any]:
    tags = run.access.get("tiled_access_tags", run.access.get("access_tags"))
    return {} if tags is None else {"access_tags": list(tags)}
