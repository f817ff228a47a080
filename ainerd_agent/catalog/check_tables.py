"""Look at tables of points and suggestions: do they hold what the schema says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from ainerd_agent.catalog.codec.columns import Column
from ainerd_agent.catalog.codec.point_columns import POINT_COLUMNS
from ainerd_agent.catalog.codec.suggestions import SUGGESTION_COLUMNS
from ainerd_agent.catalog.layout import version_of
from ainerd_agent.catalog.read.points import layout_of, stored_points
from ainerd_agent.catalog.schema import ANALYSIS_SPEC, REQUESTS, ROW, SUGGESTION_EVENTS, SUGGESTIONS_SPEC
from ainerd_agent.catalog.tiled_types import Container, Node, Table
from ainerd_agent.records import Events

if TYPE_CHECKING:
    import pandas as pd

OLD = "1"
"""The major version that ainerd-agent 0.1 wrote: it is read as it is."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it should be.

    Attributes
    ----------
    where : str
        Path in the catalog.
    what : str
    remedy : str
        What to do.
    repairable : bool
        `check(..., repair=True)` can do it.
    repaired : bool
        It was done.
    """

    where: str
    what: str
    remedy: str
    repairable: bool = False
    repaired: bool = False


def check_spec(path: str, container: Node, wanted: tuple[str, str]) -> Iterator[Problem]:
    """Whether a node is one of ours, of a version that is read."""
    name, version = wanted
    found = next((spec.version or "" for spec in container.specs if spec.name == name), None)
    if found is None:
        yield Problem(path, f"it has no spec {name}", "it was not made by this package: put it elsewhere")
    elif found.partition(".")[0] not in (version.partition(".")[0], OLD):
        yield Problem(
            path,
            f"its {name} is {found}, this version reads {OLD}.x and {version}",
            "use the version of ainerd-agent that wrote it, or export it there and ingest it here",
        )


def check_suggestions(path: str, table: Table) -> Iterator[Problem]:
    """Look at a table of suggestions."""
    broken = [*check_spec(path, table, SUGGESTIONS_SPEC)]
    broken += _columns(path, table, SUGGESTION_COLUMNS, is_old(table, SUGGESTIONS_SPEC))
    yield from broken
    if broken:
        return
    rows = table.read(columns=["suggestion_id", "event"])
    if unknown := sorted(set(rows["event"]) - {*SUGGESTION_EVENTS, *REQUESTS}):
        yield Problem(
            path, f"it has events {', '.join(unknown)}, not {', '.join(SUGGESTION_EVENTS + REQUESTS)}",
            "find out who wrote them: nobody reads them",
        )  # fmt: skip
    proposed = set(rows["suggestion_id"][rows["event"] == SUGGESTION_EVENTS[0]])
    if orphans := sorted(set(rows["suggestion_id"][~rows["event"].isin(REQUESTS)]) - proposed):
        yield Problem(
            path, f"suggestions {', '.join(orphans[:8])} were never proposed, yet something came of them",
            "nothing: why they were made is lost, what came of them is there",
        )  # fmt: skip


def check_points(path: str, analysis: Container, table: Table, with_maps: Sequence[Events]) -> Iterator[Problem]:
    """Look at a table of points of a run, whose maps are there for some measurements."""
    unreadable = list(_columns(path, table, POINT_COLUMNS, is_old(analysis, ANALYSIS_SPEC)))
    yield from unreadable
    if any(problem.what.startswith("it lacks") for problem in unreadable):
        return
    rows = stored_points(table, layout_of(analysis, table), ROW)
    of = ["stream", "seq_num", "last_seq_num"]
    point = [*of, "bin"]
    if twice := _measurements(rows[rows.duplicated(point)]):
        yield Problem(
            path, f"rows of measurements {listed(twice)} are there more than once",
            "run `ainerd reprocess` with a model of another name: it takes each once",
        )  # fmt: skip
    counts = rows.drop_duplicates(point).groupby(of)["bin"].agg(["size", "max"])
    n_bins = int(counts["max"].max()) if len(counts) else 0
    if short := _measurements(counts[counts["size"] != n_bins].reset_index()):
        yield Problem(
            path, f"measurements {listed(short)} lack some of their {n_bins} rows",
            "run `ainerd reprocess` with a model of another name: it makes all rows, from the maps",
        )  # fmt: skip
    if unmapped := sorted(set(_measurements(rows)) - set(with_maps)):
        yield Problem(
            path, f"measurements {listed(unmapped)} have no C2 maps",
            "run `ainerd analyze` while the frames are there: the maps are added, the rows stay",
        )  # fmt: skip


def _measurements(rows: pd.DataFrame) -> list[Events]:
    columns = (rows[name].tolist() for name in ("stream", "seq_num", "last_seq_num"))
    return sorted({Events(*each) for each in zip(*columns, strict=True)})


def _columns(path: str, table: Table, wanted: Sequence[Column], old: bool) -> Iterator[Problem]:
    """Whether a table has the columns of its version; minor versions of 0.1 added some."""
    found = table.structure().arrow_schema_decoded
    known = {column.name: column for column in wanted if not old or column.since != "2.0"}
    # What may be null may be lacking: the column came after the run was begun, and the next measurement adds it.
    needed = {name for name, column in known.items() if column.since == "1.0" or not (old or column.optional)}
    told = table.metadata.get("units", {})
    if lacking := sorted(needed - set(found.names)):
        yield Problem(
            path, f"it lacks the columns {', '.join(lacking)}", "analyse the run again, under another name of the model"
        )
    for field in found:
        column = known.get(field.name)
        if column is None:
            continue
        if not _alike(field.type, column.kind):
            yield Problem(
                path, f"its column {column.name} is {field.type}, not {column.kind}",
                "analyse the run again, under another name of the model",
            )  # fmt: skip
        if told.get(column.name, "") != column.units:
            yield Problem(
                path, f"the unit of {column.name} is {told.get(column.name)!r}, not {column.units!r}",
                "find out who wrote it: if the values are in another unit, analyse the run again",
            )  # fmt: skip


def _alike(found: pa.DataType, wanted: pa.DataType) -> bool:
    # Databases have strings of one kind, and may widen integers.
    texts = (pa.types.is_string, pa.types.is_large_string)
    if any(is_text(wanted) for is_text in texts):
        return any(is_text(found) for is_text in texts)
    return bool(found == wanted or (pa.types.is_integer(found) and pa.types.is_integer(wanted)))


def listed(measurements: Sequence[Events]) -> str:
    """The first of them, by number where they are of the usual stream."""
    shown = ", ".join(str(each).removeprefix("primary/") for each in measurements[:8])
    return shown + (", ..." if len(measurements) > 8 else "")


def is_old(node: Node, spec: tuple[str, str]) -> bool:
    """Whether version 0.1 made it."""
    return version_of(node, spec[0]).partition(".")[0] == OLD
