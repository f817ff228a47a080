"""Does a catalog hold what the schema says? What is wrong, where, and what to do about it.

Repairs touch metadata only, and only what follows from the rows that are there. Nothing that was measured is deleted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from ainerd_agent.catalog.catalog import Catalog
from ainerd_agent.catalog.check_tables import Problem, check_points, check_spec, check_suggestions
from ainerd_agent.catalog.codec.maps_index import maps_index
from ainerd_agent.catalog.codec.metadata import events_of, run_of
from ainerd_agent.catalog.layout import child, model_names, model_of, table_of
from ainerd_agent.catalog.schema import (
    AGE_LAG,
    ANALYSES,
    ANALYSIS_SPEC,
    BINS,
    C2,
    G2,
    MAPS,
    MAPS_SPEC,
    MODEL_SPEC,
    POINTS,
    RAW,
    RUN_STATUSES,
    SUGGESTIONS,
)
from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.catalog.tiled_types import Container
from ainerd_agent.catalog.write.points import PointsStore
from ainerd_agent.records import Events
from ainerd_agent.records.analysis import ModelIdentity

__all__ = ["Problem", "check"]

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
    "n_measurements": (int,),
    "derived_from": (dict,),
}


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
        measurements: dict[str, list[Events]] = {}
        for uid, maps in root[MAPS].items():
            yield from _maps(f"/{MAPS}/{uid}", maps)
            measurements[uid] = _named(maps)
        analysed: set[str] = set()
        for name in model_names(root):
            model, path = model_of(root, name), f"/{ANALYSES}/{name}"
            broken = [*check_spec(path, model, MODEL_SPEC), *_keys(path, model.metadata, MODEL_KEYS)]
            yield from broken
            for uid, analysis in () if broken else model.items():
                if uid == SUGGESTIONS:
                    yield from check_suggestions(f"{path}/{SUGGESTIONS}", analysis)
                else:
                    analysed.add(uid)
                    yield from _analysis(f"{path}/{uid}", root, model, uid, analysis, measurements, repair)
        for uid in sorted(measurements.keys() - analysed):
            yield Problem(
                f"/{MAPS}/{uid}",
                "these maps have no results by any model",
                "analyse the run again while its frames are there: the maps stay, and get their points",
            )


def _named(container: Container) -> list[Events]:
    """The measurements that metadata name, or none where they do not."""
    try:
        return events_of(container.metadata["derived_from"])
    except (KeyError, TypeError, ValueError):
        return []


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
    broken = [*check_spec(path, maps, MAPS_SPEC), *_keys(path, maps.metadata_copy()[0], MAPS_KEYS)]
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
        elif len(array.shape) != (4 if key == C2 else 3) or array.shape[1] != n_bins:
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
    yield from _age_lag(path, maps, again)
    table = child(maps, BINS)
    if table is None or len(table.read()) != n_bins:
        yield Problem(f"{path}/{BINS}", f"it does not hold the {n_bins} bins", "analyse one measurement more of it")


def _age_lag(path: str, maps: Container, again: str) -> Iterator[Problem]:
    index = maps_index(maps.metadata_copy()[0])
    if AGE_LAG not in index.arrays:
        return
    array, axes = child(maps, AGE_LAG), index.age_lag_axes
    there = () if array is None else tuple(array.shape)
    wanted = () if axes is None else (len(index.events), index.n_bins, 2, len(axes.ages), len(axes.lags))
    if not wanted or len(there) != len(wanted) or there[1:4] != wanted[1:4]:
        yield Problem(f"{path}/{AGE_LAG}", f"its shape is {there}, by its axes it would be {wanted}", again)
    elif there[0] < wanted[0] or there[4] < wanted[4]:
        yield Problem(f"{path}/{AGE_LAG}", f"its shape is {there}, {wanted} are named", again)


def _analysis(
    path: str,
    root: Container,
    model: Container,
    uid: str,
    analysis: Container,
    maps: Mapping[str, list[Events]],
    repair: bool,
) -> Iterator[Problem]:
    metadata = analysis.metadata_copy()[0]
    broken = [*check_spec(path, analysis, ANALYSIS_SPEC), *_keys(path, metadata, ANALYSIS_KEYS)]
    yield from broken
    if broken:
        return
    table = table_of(analysis, POINTS)
    if table is None:
        if metadata["n_measurements"]:
            yield Problem(
                f"{path}/{POINTS}", f"{metadata['n_measurements']} measurements are named, but there are no points",
                "analyse the run again while its frames are there: the maps stay, and get their points",
            )  # fmt: skip
    else:
        problems = list(check_points(f"{path}/{POINTS}", analysis, table, maps.get(uid, [])))
        yield from problems
        if any(problem.what.startswith("it lacks") for problem in problems):
            return
    yield from _summary(path, root, model, metadata, repair)
    raw = child(root, f"{RAW}/{uid}") if metadata["source"] == "bluesky" else None
    if raw is None and metadata["source"] == "bluesky":
        yield Problem(
            path, f"its raw run is not in /{RAW}: it was deleted, or is kept elsewhere",
            "nothing: results and maps stay, but cannot be made again from frames",
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
