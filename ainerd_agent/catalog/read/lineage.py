"""Where a point comes from: frames, bin, software, weights, parameters, geometry, moment and machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tiled.client.container import Container as TiledContainer

from ainerd_agent.catalog.codec.measured_points import measurements_in
from ainerd_agent.catalog.codec.metadata import axes_of, events_of, plain_json
from ainerd_agent.catalog.layout import address_of, child
from ainerd_agent.catalog.provenance import maker_of
from ainerd_agent.catalog.read.maps import the_measurement
from ainerd_agent.catalog.read.points import points_of
from ainerd_agent.catalog.schema import BINS, C2, MAPS, ROW
from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.catalog.tiled_types import Container
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Events

FOUND = ("cluster", "novelty", "centre_distance", "reconstruction_error", "shear_stress", "tau", "contrast", "problems")
"""Columns of a point that a lineage shows."""


def explain(
    analysis: Container,
    maps: Container,
    raw: Callable[[], Container],
    seq_num: int,
    bin: int,
    stream: str | None = None,
) -> dict[str, Any]:
    """Say where a point comes from.

    Parameters
    ----------
    analysis, maps : Container
        Of its run.
    raw : callable
        Gives the raw run, or raises a `CatalogError`.
    stream : str, optional
        Needed where several streams have a measurement of that number.

    Returns
    -------
    dict
        As JSON has it: `point`, `found`, `measured`, `frames`, `map`, `bin`, `analysed`, `model`, `parameters` and
        `geometry`. None or empty is what was not written down.

    Raises
    ------
    CatalogError
        There is no such point.
    """
    metadata = analysis.metadata_copy()[0]
    origin, uid = metadata["derived_from"], metadata["raw_uid"]
    with server_errors(address_of(analysis)):
        measurements = events_of(origin)
        where = f"Run {uid} has points by {metadata['model']}"
        events = the_measurement(measurements, seq_num, stream, where)
        rows = dict(measurements_in(points_of(analysis))).get(events)
        chosen = None if rows is None else rows[rows["bin"] == bin]
        if chosen is None or not len(chosen):
            raise CatalogError(f"Run {uid} has no point of measurement {seq_num} and bin {bin} by {metadata['model']}.")
        row = plain_json(chosen.iloc[0].to_dict())
        bins = plain_json(maps[BINS].read().to_dict("records"))
        made = maker_of(origin.get("made", ()), measurements.index(events))
        axes = axes_of(metadata)
        return {
            "point": {**{name: row[name] for name in ROW}, "model": metadata["model"]},
            "found": {name: row.get(name) for name in FOUND},
            "measured": {name: row[name] for name in ("time", "elapsed", *axes)}
            | {"sample": metadata["sample"], "units": {"time": "s", "elapsed": "s", **axes}},
            "frames": _frames(raw, metadata, events),
            "map": {
                "array": f"/{MAPS}/{uid}/{C2}",
                "index": [events_of(maps.metadata["derived_from"]).index(events), bin - 1],
                "software": maps.metadata["derived_from"]["software"],
            },
            "bin": next((entry for entry in bins if entry["bin"] == bin), None),
            "analysed": {**made, "software": made.get("software", origin["software"])},
            "model": {"name": metadata["model"], "weights_sha256": origin["weights_sha256"]},
            "parameters": origin["parameters"],
            "geometry": origin.get("geometry") or {},
        }


def _frames(raw: Callable[[], Container], metadata: dict[str, Any], events: Events) -> dict[str, Any]:
    """The events, and the files that its stream refers to; of an ingested file, the file."""
    if metadata["source"] == "ingest":
        return {name: metadata.get(name) for name in ("file", "file_sha256", "baseline")} | {"map": events.first - 1}
    event = {
        "raw_uid": metadata["raw_uid"],
        "stream": events.stream,
        "seq_num": events.first,
        "last_seq_num": events.last,
    }
    try:
        run = raw()
    except CatalogError as error:
        return {**event, "files": [], "note": str(error)}
    stream: Container | None = child(run, events.stream)
    return {**event, "files": [] if stream is None else _files(stream)}


def _files(stream: Container) -> list[dict[str, Any]]:
    # As Tiled itself sees a stream: the client for runs shows columns of events, and no files.
    plain = TiledContainer(
        context=stream.context,
        item=stream.item,
        structure_clients=stream.structure_clients,
        include_data_sources=True,
    )
    return [
        {
            "key": key,
            "file": asset.data_uri,
            **{k: source.parameters[k] for k in ("dataset",) if k in source.parameters},
        }
        for key, node in plain.items()
        for source in node.data_sources() or ()
        if source.management == "external"
        for asset in source.assets
    ]
