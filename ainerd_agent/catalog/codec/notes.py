"""Annotations and later versions of stress as rows of the tables `annotations` and `stress`, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ainerd_agent.catalog.codec.columns import INTEGER, NUMBER, SMALL_INTEGER, TEXT, TRUTH, Column
from ainerd_agent.catalog.codec.point_layout import truths
from ainerd_agent.records import Annotation, Events, ShearStress, StressVersion

if TYPE_CHECKING:
    import pandas as pd


def _column(name: str, meaning: str, kind: pa.DataType, units: str = "") -> Column:
    return Column(name=name, kind=kind, meaning=meaning, units=units, since="2.0")


_EVENTS = (
    _column("stream", "stream of the measurement; empty for the whole run", TEXT),
    _column("seq_num", "number of its first event; 0 for the whole run", INTEGER),
    _column("last_seq_num", "number of its last event; 0 for the whole run", INTEGER),
)

ANNOTATION_COLUMNS = (
    _column("id", "of this annotation", TEXT),
    _column("time", "when it was made, since 1970-01-01 UTC", NUMBER, "s"),
    _column("raw_uid", "run", TEXT),
    *_EVENTS,
    _column("bin", "azimuthal bin, from 1; 0 for all", SMALL_INTEGER),
    _column("kind", "label, note, bad, sample or undo", TEXT),
    _column("text", "the label, the note, the name; or which annotation no longer holds", TEXT),
    _column("by", "who made it", TEXT),
    _column("verified", "whether the server vouches for that; null where nobody is named", TRUTH),
)

STRESS_COLUMNS = (
    _column("version", "from 1, rising; 0 is what is in the points", INTEGER),
    *_EVENTS,
    _column("shear_stress", "mean over the exposure", NUMBER, "Pa"),
    _column("shear_stress_std", "standard deviation over the exposure", NUMBER, "Pa"),
    _column("shear_rate", "mean over the exposure", NUMBER, "1/s"),
    _column("viscosity", "mean over the exposure", NUMBER, "Pa s"),
    _column("stress_samples", "readings within the exposure", INTEGER),
    _column("source", "file it came from", TEXT),
    _column("offset", "added to the times of that file", NUMBER, "s"),
    _column("time", "when it was joined, since 1970-01-01 UTC", NUMBER, "s"),
    _column("by", "who joined it", TEXT),
)

ANNOTATIONS_SCHEMA = pa.schema([column.arrow() for column in ANNOTATION_COLUMNS])
STRESS_SCHEMA = pa.schema([column.arrow() for column in STRESS_COLUMNS])


def annotation_table(annotations: Sequence[Annotation]) -> pa.Table:
    """One row for each annotation."""
    rows = [
        {
            "id": each.id,
            "time": each.time,
            "raw_uid": each.raw_uid,
            **_events(each.events),
            "bin": each.bin or 0,
            "kind": each.kind,
            "text": each.text,
            "by": each.by,
            "verified": each.verified,
        }
        for each in annotations
    ]
    return pa.Table.from_pylist(rows, schema=ANNOTATIONS_SCHEMA)


def annotations_of(rows: pd.DataFrame) -> list[Annotation]:
    """The annotations that rows tell of, in order of time."""
    return [
        Annotation(
            id=_text(row["id"]),
            time=float(row["time"]),
            raw_uid=_text(row["raw_uid"]),
            events=None if int(row["seq_num"]) == 0 else _of_events(row),
            bin=int(row["bin"]) or None,
            kind=_text(row["kind"]),
            text=_text(row["text"]),
            by=_text(row["by"]),
            verified=truths([row["verified"]])[0],
        )
        for row in rows.sort_values("time", kind="stable").to_dict("records")
    ]


def stress_table(versions: Sequence[StressVersion]) -> pa.Table:
    """One row for each measurement and version."""
    rows = [
        {
            "version": each.version,
            **_events(each.events),
            "shear_stress": each.stress.mean,
            "shear_stress_std": each.stress.std,
            "shear_rate": each.stress.shear_rate,
            "viscosity": each.stress.viscosity,
            "stress_samples": each.stress.n_samples,
            "source": each.source,
            "offset": each.offset,
            "time": each.time,
            "by": each.by,
        }
        for each in versions
    ]
    return pa.Table.from_pylist(rows, schema=STRESS_SCHEMA)


def stress_versions_of(rows: pd.DataFrame) -> list[StressVersion]:
    """The versions of stress that rows tell of, by version and measurement."""
    ordered = rows.sort_values(["version", "stream", "seq_num"], kind="stable")
    return [
        StressVersion(
            version=int(row["version"]),
            events=_of_events(row),
            stress=ShearStress(
                mean=_number(row["shear_stress"]),
                std=_number(row["shear_stress_std"]),
                shear_rate=_number(row["shear_rate"]),
                viscosity=_number(row["viscosity"]),
                n_samples=int(row["stress_samples"]),
            ),
            source=_text(row["source"]),
            offset=_number(row["offset"]),
            time=_number(row["time"]),
            by=_text(row["by"]),
        )
        for row in ordered.to_dict("records")
    ]


def _events(events: Events | None) -> dict[str, Any]:
    stream, first, last = ("", 0, 0) if events is None else events
    return {"stream": stream, "seq_num": first, "last_seq_num": last}


def _of_events(row: Mapping[Any, Any]) -> Events:
    return Events(_text(row["stream"]), int(row["seq_num"]), int(row["last_seq_num"]))


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
