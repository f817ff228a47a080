"""Does a catalog hold what the schema says? What is wrong, where, and what to do about it.

Repairs touch metadata only, and only what follows from the rows that are there. Nothing that was measured is deleted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ainerd_agent.catalog.catalog import Catalog
from ainerd_agent.catalog.layout import child, model_names, model_of
from ainerd_agent.catalog.read.analysed_runs import run_of
from ainerd_agent.catalog.schema import (
    ADDED_COLUMNS,
    ANALYSES,
    ANALYSIS_SPEC,
    BINS,
    C2,
    C2_DIMS,
    G2,
    MAPS,
    MAPS_SPEC,
    MODEL_SPEC,
    POINTS,
    RAW,
    REQUESTS,
    RUN_STATUSES,
    SUGGESTION_EVENTS,
    SUGGESTIONS,
    SUGGESTIONS_SCHEMA,
    SUGGESTIONS_SPEC,
    column_metadata,
    points_schema,
)
from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.catalog.tiled_types import Container, Node, Table
from ainerd_agent.catalog.write.points import PointsStore
from ainerd_agent.records.analysis import ModelIdentity

IDLE = 3600.0
"""Seconds after which a run that says it is running, and whose raw run tells nothing, counts as left behind."""

_TEXT, _NUMBER = (str,), (int, float, type(None))
MODEL_KEYS: Mapping[str, tuple[type, ...]] = {"model": _TEXT, "weights_sha256": _TEXT, "n_clusters": (int,)}
ANALYSIS_KEYS: Mapping[str, tuple[type, ...]] = {
    "raw_uid": _TEXT,
    "sample": _TEXT,
    "plan_name": _TEXT,
    "source": _TEXT,
    "status": _TEXT,
    "model": _TEXT,
    "scan_id": (int, type(None)),
    "time": (int, float),
    "n_measurements": (int,),
    "dominant_cluster": (int, type(None)),
    "cluster_fractions": (list,),
    "failures": (int,),
    "failed": (list,),
    "derived_from": (dict,),
    **dict.fromkeys(
        ("shear_stress_mean", "shear_stress_min", "shear_stress_max", "novelty_max", "tau_median"), _NUMBER
    ),
}
MAPS_KEYS: Mapping[str, tuple[type, ...]] = {
    "raw_uid": _TEXT,
    "n_bins": (int,),
    "lags": (list,),
    "duration": _NUMBER,
    "n_measurements": (int,),
    "derived_from": (dict,),
}


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


def check(catalog: Catalog, *, repair: bool = False) -> Iterator[Problem]:
    """Look at every container, table and array of ours.

    Parameters
    ----------
    catalog : Catalog
    repair : bool
        Repair what can be without loss: summaries that differ from the rows, and runs that an analysis left behind.
        No analysis should be under way.

    Raises
    ------
    CatalogError
        The server refuses or does not answer.
    """
    root = catalog.tiled
    with server_errors(catalog.address):
        seq_nums: dict[str, list[int]] = {}
        for uid, maps in root[MAPS].items():
            yield from _maps(f"/{MAPS}/{uid}", maps)
            seq_nums[uid] = _named(maps)
        analysed: set[str] = set()
        for name in model_names(root):
            model, path = model_of(root, name), f"/{ANALYSES}/{name}"
            broken = [*_spec(path, model, MODEL_SPEC), *_keys(path, model.metadata, MODEL_KEYS)]
            yield from broken
            for uid, analysis in () if broken else model.items():
                if uid == SUGGESTIONS:
                    yield from _suggestions(f"{path}/{SUGGESTIONS}", analysis)
                else:
                    analysed.add(uid)
                    yield from _analysis(f"{path}/{uid}", root, model, uid, analysis, seq_nums, repair)
        for uid in sorted(seq_nums.keys() - analysed):
            yield Problem(
                f"/{MAPS}/{uid}",
                "these maps have no results by any model",
                "analyse the run again while its frames are there: the maps stay, and get their points",
            )


def _named(container: Container) -> list[int]:
    """The measurements that metadata name, or none where they do not."""
    derived = container.metadata.get("derived_from")
    named = derived.get("seq_nums") if isinstance(derived, Mapping) else None
    return list(named) if isinstance(named, list | tuple) else []


def _spec(path: str, container: Node, wanted: tuple[str, str]) -> Iterator[Problem]:
    name, version = wanted
    found = next((spec.version or "" for spec in container.specs if spec.name == name), None)
    if found is None:
        yield Problem(path, f"it has no spec {name}", "it was not made by this package: put it elsewhere")
    elif found.partition(".")[0] != version.partition(".")[0]:
        yield Problem(
            path,
            f"its {name} is {found}, this version reads {version}",
            "use the version of ainerd-agent that wrote it, or export it there and ingest it here",
        )


def _keys(path: str, metadata: Mapping[str, Any], wanted: Mapping[str, tuple[type, ...]]) -> Iterator[Problem]:
    for key, kinds in wanted.items():
        if key not in metadata:
            yield Problem(path, f"its metadata lack {key}", "analyse the run again, under another name of the model")
        elif not isinstance(metadata[key], (*kinds, *((Mapping,) if dict in kinds else ()))) and not (
            list in kinds and isinstance(metadata[key], tuple)
        ):
            yield Problem(
                path,
                f"{key} in its metadata is {metadata[key]!r}, not {' or '.join(kind.__name__ for kind in kinds)}",
                "correct it with patch_metadata, or analyse the run again under another name of the model",
            )


def _maps(path: str, maps: Container) -> Iterator[Problem]:
    broken = [*_spec(path, maps, MAPS_SPEC), *_keys(path, maps.metadata_copy()[0], MAPS_KEYS)]
    yield from broken
    if broken:
        return
    n_measurements, n_bins = len(_named(maps)), maps.metadata["n_bins"]
    again = "analyse the run again from its frames, in another catalog"
    for key in (C2, G2):
        array = child(maps, key)
        if array is None:
            if n_measurements:
                yield Problem(f"{path}/{key}", f"{n_measurements} measurements are named, but there is no {key}", again)
        elif len(array.shape) != (len(C2_DIMS) if key == C2 else 3) or array.shape[1] != n_bins:
            yield Problem(f"{path}/{key}", f"its shape is {array.shape}, the run has {n_bins} bins", again)
        elif array.shape[0] < n_measurements:
            yield Problem(f"{path}/{key}", f"it holds {array.shape[0]} measurements, {n_measurements} are named", again)
        elif array.shape[0] > n_measurements:
            yield Problem(
                f"{path}/{key}",
                f"it holds {array.shape[0]} measurements, of which {n_measurements} are named: a writer was "
                "interrupted",
                "nothing: what is not named does not count, and the next writer overwrites it",
            )
    table = child(maps, BINS)
    if table is None or len(table.read()) != n_bins:
        yield Problem(f"{path}/{BINS}", f"it does not hold the {n_bins} bins", "analyse one measurement more of it")


def _analysis(
    path: str,
    root: Container,
    model: Container,
    uid: str,
    analysis: Container,
    maps: Mapping[str, list[int]],
    repair: bool,
) -> Iterator[Problem]:
    metadata = analysis.metadata_copy()[0]
    broken = [*_spec(path, analysis, ANALYSIS_SPEC), *_keys(path, metadata, ANALYSIS_KEYS)]
    yield from broken
    if broken:
        return
    table = child(analysis, POINTS)
    if table is None:
        if metadata["n_measurements"]:
            yield Problem(
                f"{path}/{POINTS}", f"{metadata['n_measurements']} measurements are named, but there are no points",
                "analyse the run again while its frames are there: the maps stay, and get their points",
            )  # fmt: skip
    else:
        unreadable = list(_columns(f"{path}/{POINTS}", table, points_schema(0)))
        yield from unreadable
        if any(problem.what.startswith("it lacks") for problem in unreadable):
            return
        yield from _rows(f"{path}/{POINTS}", table, maps.get(uid, []))
    yield from _summary(path, root, model, metadata, repair)
    raw = child(root, f"{RAW}/{uid}") if metadata["source"] == "bluesky" else None
    if raw is None and metadata["source"] == "bluesky":
        yield Problem(
            path, f"its raw run is not in /{RAW}: it was deleted, or is kept elsewhere",
            "nothing: results and maps stay, but cannot be made again from frames",
        )  # fmt: skip


def _suggestions(path: str, table: Table) -> Iterator[Problem]:
    broken = [*_spec(path, table, SUGGESTIONS_SPEC), *_columns(path, table, SUGGESTIONS_SCHEMA)]
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


def _columns(path: str, table: Table, wanted: pa.Schema) -> Iterator[Problem]:
    found = table.structure().arrow_schema_decoded
    units = column_metadata(wanted)["units"]
    told = table.metadata.get("units", {})
    if lacking := sorted(set(wanted.names) - set(found.names) - ADDED_COLUMNS):
        yield Problem(
            path, f"it lacks the columns {', '.join(lacking)}", "analyse the run again, under another name of the model"
        )
    for column in found:
        if column.name not in wanted.names:
            continue
        if not _alike(column.type, wanted.field(column.name).type):
            yield Problem(
                path, f"its column {column.name} is {column.type}, not {wanted.field(column.name).type}",
                "analyse the run again, under another name of the model",
            )  # fmt: skip
        if told.get(column.name, "") != units[column.name]:
            yield Problem(
                path, f"the unit of {column.name} is {told.get(column.name)!r}, not {units[column.name]!r}",
                "find out who wrote it: if the values are in another unit, analyse the run again",
            )  # fmt: skip


def _alike(found: pa.DataType, wanted: pa.DataType) -> bool:
    # Databases have strings of one kind, and may widen integers.
    texts = (pa.types.is_string, pa.types.is_large_string)
    if any(is_text(wanted) for is_text in texts):
        return any(is_text(found) for is_text in texts)
    return bool(found == wanted or (pa.types.is_integer(found) and pa.types.is_integer(wanted)))


def _rows(path: str, table: Table, with_maps: list[int]) -> Iterator[Problem]:
    rows = table.read(columns=["seq_num", "bin"])
    twice = sorted(set(rows[rows.duplicated(["seq_num", "bin"])]["seq_num"]))
    if twice:
        yield Problem(
            path, f"rows of measurements {_listed(twice)} are there more than once",
            "run `ainerd reprocess` with a model of another name: it takes each once",
        )  # fmt: skip
    counts = rows.drop_duplicates(["seq_num", "bin"]).groupby("seq_num")["bin"].agg(["size", "max"])
    n_bins = int(counts["max"].max()) if len(counts) else 0
    short = sorted(counts.index[counts["size"] != n_bins])
    if short:
        yield Problem(
            path, f"measurements {_listed(short)} lack some of their {n_bins} rows",
            "run `ainerd reprocess` with a model of another name: it makes all rows, from the maps",
        )  # fmt: skip
    if unmapped := sorted(set(counts.index) - set(with_maps)):
        yield Problem(
            path, f"measurements {_listed(unmapped)} have no C2 maps",
            "run `ainerd analyze` while the frames are there: the maps are added, the rows stay",
        )  # fmt: skip


def _summary(path: str, root: Container, model: Container, metadata: dict[str, Any], repair: bool) -> Iterator[Problem]:
    derived = metadata["derived_from"]
    identity = ModelIdentity(
        name=model.metadata["model"],
        weights_sha256=model.metadata["weights_sha256"],
        n_clusters=model.metadata["n_clusters"],
        parameters=derived.get("parameters", {}),
        geometry=derived.get("geometry") or {},
    )
    store = PointsStore(model, run_of(metadata), identity)
    ended = _ended(root, metadata)
    outdated = store.outdated(metadata["status"]) if metadata["status"] in RUN_STATUSES else ["status"]
    if outdated:
        yield Problem(
            path, f"its metadata do not tell what its rows hold: {', '.join(outdated)}",
            "repair it", repairable=True, repaired=repair,
        )  # fmt: skip
    if metadata["status"] == "running" and ended:
        yield Problem(
            path, f"its analysis was left behind: the run has ended ({ended})",
            "analyse the run again to have what is missing, or repair it to close it as it is",
            repairable=True, repaired=repair,
        )  # fmt: skip
    if repair and (outdated or (metadata["status"] == "running" and ended)):
        known = metadata["status"] if metadata["status"] in RUN_STATUSES else "fail"
        store.update(ended if known == "running" and ended else known)


def _ended(root: Container, metadata: Mapping[str, Any]) -> str:
    """How the run of an analysis ended, by its raw run or for lack of news; empty where it may go on."""
    raw = child(root, f"{RAW}/{metadata['raw_uid']}")  # /raw itself would take part of a uid
    stop = None if raw is None else raw.metadata.get("stop")
    if stop:
        status = str(stop.get("exit_status", "fail"))
        return status if status in RUN_STATUSES[1:] else "fail"
    latest = metadata.get("analysed") or metadata.get("time") or 0.0
    return "fail" if time.time() - latest > IDLE else ""


def _listed(numbers: Any) -> str:
    shown = ", ".join(str(int(number)) for number in np.asarray(numbers)[:8])
    return shown + (", ..." if len(numbers) > 8 else "")
