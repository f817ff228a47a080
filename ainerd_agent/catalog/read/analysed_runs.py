"""Stored results as the records that they were written from, so that they can go through an analysis again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ainerd_agent.catalog.codec.maps_index import maps_index
from ainerd_agent.catalog.codec.measured_points import Maps, analysis_of, measured, measurements_in
from ainerd_agent.catalog.codec.metadata import events_of, failures_of, run_of
from ainerd_agent.catalog.layout import address_of, child
from ainerd_agent.catalog.read.maps import the_measurement
from ainerd_agent.catalog.read.points import rows_of
from ainerd_agent.catalog.read.run_names import ANALYSED_RUNS, UnknownRunError, run_named
from ainerd_agent.catalog.schema import BINS, MAPS
from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.catalog.tiled_types import Container
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Analysis, Events, Fingerprints, Run
from ainerd_agent.records.run import RunName


@dataclass(frozen=True, slots=True)
class AnalysedRun:
    """An analysed run, read back.

    Attributes
    ----------
    run : Run
    status : str
        How it ended, or "running".
    model : str
        By which it was analysed.
    parameters, geometry : mapping
        Those of its analysis, which are those of its maps.
    fingerprints : list of Fingerprints
        Of the measurements that have maps and all of their rows, in order of their analysis; `c2` and `g2` are empty
        (n_bins, 0, 0) and (n_bins, 0).
    analyses : list of Analysis
        What the model said of them.
    places : list of int
        Of these measurements along the first axis of `c2` and `g2`.
    incomplete : list of Events
        Measurements that lack their maps or some rows.
    failures : mapping of Events to str
    """

    run: Run
    status: str
    model: str
    parameters: Mapping[str, Any]
    geometry: Mapping[str, Any]
    fingerprints: list[Fingerprints]
    analyses: list[Analysis]
    places: list[int]
    incomplete: list[Events]
    failures: Mapping[Events, str]


def analysed_run(root: Container, analysis: Container) -> AnalysedRun:
    """Read an analysed run back, without its maps.

    Parameters
    ----------
    root : Container
    analysis : Container
        `/ainerd/<model>/<uid>`.

    Raises
    ------
    CatalogError
        The catalog holds no maps of the run.
    """
    metadata = analysis.metadata_copy()[0]
    derived, uid = metadata["derived_from"], metadata["raw_uid"]
    maps: Container | None = child(root, f"{MAPS}/{uid}")
    if maps is None:
        raise CatalogError(f"The catalog holds no C2 maps of run {uid}: only new frames can give them.")
    index = maps_index(maps.metadata_copy()[0])
    places = {events: place for place, events in enumerate(index.events)}
    n_pixels = maps[BINS].read().sort_values("bin")["n_pixels"].to_numpy(np.int64)
    complete = list(range(1, index.n_bins + 1))
    rows = rows_of(analysis)
    found, incomplete = [], []
    if rows is not None:
        layout, groups = rows[0], dict(measurements_in(rows[1]))
    for events in events_of(derived):
        group = None if rows is None else groups.get(events)
        if group is None or events not in places or group["bin"].tolist() != complete:
            incomplete.append(events)
            continue
        place = places[events]
        beside = Maps(n_pixels=n_pixels, lags=index.lags_of(place), duration=index.duration[place])
        found.append((place, measured(group, layout, beside)))
    return AnalysedRun(
        run=run_of(metadata),
        status=metadata["status"],
        model=metadata["model"],
        parameters=derived["parameters"],
        geometry=derived.get("geometry") or {},
        fingerprints=[each.fingerprints for _, each in found],
        analyses=[each.analysis for _, each in found],
        places=[place for place, _ in found],
        incomplete=incomplete,
        failures=failures_of(metadata),
    )


def stored_analysis(model: Container, raw_uid: RunName, seq_num: int, stream: str | None = None) -> Analysis | None:
    """What a model found in a measurement, None where that is not there (yet).

    Parameters
    ----------
    model : Container
        `/ainerd/<model>`.
    seq_num : int
        Of its first event.
    stream : str, optional
        Needed where several streams have a measurement of that number.

    Raises
    ------
    ServerUnreachableError
        Nobody can tell now.
    """
    with server_errors(address_of(model)):
        try:
            analysis: Container = run_named(model, raw_uid, ANALYSED_RUNS)
        except UnknownRunError:
            return None
        rows = rows_of(analysis)
        if rows is None:
            return None
        layout, groups = rows[0], dict(measurements_in(rows[1]))
    if not any(each.first == seq_num and stream in (None, each.stream) for each in groups):
        return None
    return analysis_of(groups[the_measurement(list(groups), seq_num, stream, f"Run {raw_uid} has points")], layout)
