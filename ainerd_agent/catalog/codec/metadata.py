"""The flat metadata that people search the catalog by, and which measurements a container holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent._version import __version__
from ainerd_agent.catalog.codec.own_keys import ACCESS, IsOurs, beside_ours, but_ours, of_analysis
from ainerd_agent.catalog.schema import RUN_STATUSES
from ainerd_agent.records import Events, Run
from ainerd_agent.records.analysis import KINDS, UNKNOWN, ModelIdentity
from ainerd_agent.records.exposure_events import WAYS_TO_END

SUMMARY_COLUMNS = (
    "stream", "seq_num", "last_seq_num", "cluster", "kind", "novelty", "repeat_probability", "tau", "shear_stress",
    "time", "ended", "seconds_counted",
)  # fmt: skip
"""The columns of `points` from which the searchable summary of a run is computed, beside those of its axes."""


_OLD_AXES = {"x": "mm", "y": "mm"}
"""Of runs that version 0.1 analysed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What the metadata of an analysed run are computed from.

    Attributes
    ----------
    points : mapping of str to ndarray
        `SUMMARY_COLUMNS` and those of the axes, of all rows of the run so far, each of shape (n_rows,).
    status : str
        One of `RUN_STATUSES`.
    axes : mapping of str to str
        Unit by column.
    failures : mapping of Events to str
        Why measurements could not be analysed.
    made : sequence of mapping
        Who analysed them, from `credit`.
    retakes : mapping of Events to float
        When measurements that are there took the place of earlier ones of the same events, seconds since the epoch.
    """

    points: Mapping[str, NDArray[Any]]
    status: str
    axes: Mapping[str, str] = field(default_factory=dict)
    failures: Mapping[Events, str] = field(default_factory=dict)
    made: Sequence[Mapping[str, Any]] = ()
    retakes: Mapping[Events, float] = field(default_factory=dict)

    def measurements(self) -> list[Events]:
        """The measurements that the rows are of, in their order."""
        columns = (self.points[name].tolist() for name in ("stream", "seq_num", "last_seq_num"))
        rows = zip(*columns, strict=True)
        return list(dict.fromkeys(Events(str(stream), int(first), int(last)) for stream, first, last in rows))


def origin_metadata(run: Run, is_ours: IsOurs) -> dict[str, Any]:
    """Give the flat keys that say which run this is, its own metadata and access keys among them.

    Parameters
    ----------
    is_ours : callable
        Whether a key means something else in the container that the metadata are of: see `own_keys`.
    """
    metadata = {
        **beside_ours(run.metadata, is_ours),
        **run.access,
        "raw_uid": run.uid,
        "scan_id": run.scan_id,
        "sample": run.sample,
        "plan_name": run.plan_name,
        "time": run.time,
        "source": run.source,
    }
    return {str(key): plain_json(value) for key, value in metadata.items()}


def events_metadata(measurements: Sequence[Events]) -> dict[str, Any]:
    """Which measurements there are, in lists as long as there are measurements; null is what goes without saying.

    `last_seq_nums` is null where each measurement is one event, `streams` where all are of `stream`.
    """
    streams = list(dict.fromkeys(each.stream for each in measurements))
    firsts, lasts = [each.first for each in measurements], [each.last for each in measurements]
    return {
        "stream": streams[0] if streams else "primary",
        "streams": [each.stream for each in measurements] if len(streams) > 1 else None,
        "seq_nums": firsts,
        "last_seq_nums": None if lasts == firsts else lasts,
    }


def events_of(derived_from: Mapping[str, Any]) -> list[Events]:
    """The inverse of `events_metadata`, also for version 0.1, which had no other measurements than of one event."""
    firsts = [int(number) for number in derived_from["seq_nums"]]
    lasts = derived_from.get("last_seq_nums") or firsts
    streams = derived_from.get("streams") or [derived_from["stream"]] * len(firsts)
    return [Events(*each) for each in zip(map(str, streams), firsts, map(int, lasts), strict=True)]


def run_metadata(run: Run, model: ModelIdentity, summary: Summary) -> dict[str, Any]:
    """Compute the flat, searchable metadata of `/ainerd/<model>/<uid>`."""
    if summary.status not in RUN_STATUSES:
        raise ValueError(f"status is {summary.status!r}, not one of {', '.join(RUN_STATUSES)}")
    points, measurements = summary.points, summary.measurements()
    stress, novelty, tau, repeat = (
        _known(points[name]) for name in ("shear_stress", "novelty", "tau", "repeat_probability")
    )
    told = {
        "status": summary.status,
        "model": model.name,
        "n_measurements": len(measurements),
        **_shares(points["cluster"], model.n_clusters),
        "dominant_kind": _most_frequent(points["kind"]),
        **_kind_shares(points["kind"]),
        **_ended_shares(points["ended"]),
        "shear_stress_mean": stress.mean() if stress.size else None,
        "shear_stress_min": stress.min() if stress.size else None,
        "shear_stress_max": stress.max() if stress.size else None,
        "novelty_max": novelty.max() if novelty.size else None,
        "repeat_probability_min": repeat.min() if repeat.size else None,
        "axes": summary.axes,
        **_extent("time", points["time"]),
        **{key: value for axis in summary.axes for key, value in _extent(axis, points[axis]).items()},
        **_extent("seconds_counted", points["seconds_counted"].astype(np.float64)),
        "tau_median": np.median(tau) if tau.size else None,
        # By which readers find what is new.
        "analysed": summary.made[-1]["end"] if summary.made else None,
        "failures": len(summary.failures),
        "failed": [{**_event_keys(of), "message": message} for of, message in sorted(summary.failures.items())],
        "derived_from": {
            "raw_uid": run.uid,
            **events_metadata(measurements),
            "software": f"ainerd-agent {__version__}",
            "weights_sha256": model.weights_sha256,
            "parameters": model.parameters,
            "geometry": model.geometry,
            "made": summary.made,
            "rebuilding": False,
            "retakes": [{**_event_keys(of), "time": when} for of, when in sorted(summary.retakes.items())],
        },
    }
    return {**origin_metadata(run, of_analysis(summary.axes)), **plain_json(told)}


def axes_of(metadata: Mapping[str, Any]) -> dict[str, str]:
    """The axes of an analysed run: unit by column of its points. Those of version 0.1 were not written down."""
    return dict(metadata.get("axes", _OLD_AXES))


def run_of(metadata: Mapping[str, Any], is_ours: IsOurs | None = None) -> Run:
    """The run that metadata tell of, with its own keys: the inverse of `origin_metadata`.

    Parameters
    ----------
    is_ours : callable, optional
        By default for the metadata of an analysis.
    """
    is_ours = of_analysis(axes_of(metadata)) if is_ours is None else is_ours
    return Run(
        uid=metadata["raw_uid"],
        time=float(metadata["time"]),
        source=metadata["source"],
        scan_id=metadata["scan_id"],
        plan_name=metadata["plan_name"],
        sample=metadata["sample"],
        access={key: metadata[key] for key in ACCESS if key in metadata},
        metadata=but_ours(metadata, is_ours),
    )


def failures_of(metadata: Mapping[str, Any]) -> dict[Events, str]:
    """Why measurements of an analysed run failed; version 0.1 told the number of their event only."""
    stream = metadata["derived_from"]["stream"]
    return {_keyed_events(failed, stream): str(failed["message"]) for failed in metadata["failed"]}


def retakes_of(metadata: Mapping[str, Any]) -> dict[Events, float]:
    """When measurements of an analysed run took the place of earlier ones of the same events."""
    derived = metadata["derived_from"]
    return {_keyed_events(each, derived["stream"]): float(each["time"]) for each in derived.get("retakes") or ()}


def _event_keys(of: Events) -> dict[str, Any]:
    return {"stream": of.stream, "seq_num": of.first, "last_seq_num": of.last}


def _keyed_events(keys: Mapping[str, Any], stream: str) -> Events:
    first = int(keys["seq_num"])
    return Events(str(keys.get("stream", stream)), first, int(keys.get("last_seq_num", first)))


def _shares(cluster: NDArray[Any], n_clusters: int) -> dict[str, Any]:
    members = np.bincount(cluster.astype(int), minlength=n_clusters)
    fractions = members / max(1, members.sum())
    return {
        "dominant_cluster": int(members.argmax()) if members.sum() else None,
        "cluster_fractions": fractions,
        # A list cannot be searched by value in Tiled, so each fraction has a key of its own as well.
        **{f"cluster_fraction_{number}": fraction for number, fraction in enumerate(fractions)},
    }


def _kind_shares(kinds: NDArray[Any]) -> dict[str, float]:
    """Share of the maps of each kind, among those that have one; empty for a model without kinds."""
    told = [str(kind) for kind in kinds if isinstance(kind, str) and kind]
    return {f"kind_fraction_{kind}": told.count(kind) / len(told) for kind in (*KINDS, UNKNOWN)} if told else {}


def _ended_shares(ended: NDArray[Any]) -> dict[str, float]:
    """Share of the maps by why their exposure ended, among those of which it is known; empty where it never is."""
    told = [str(why) for why in ended if isinstance(why, str) and why]
    return {f"ended_fraction_{why}": told.count(why) / len(told) for why in WAYS_TO_END} if told else {}


def _most_frequent(kinds: NDArray[Any]) -> str | None:
    """The kind of most maps, the first by name of a tie; None where none is known."""
    known = sorted(str(kind) for kind in kinds if isinstance(kind, str) and kind)
    return max(dict.fromkeys(known), key=known.count, default=None)


def _extent(name: str, values: NDArray[np.float64]) -> dict[str, Any]:
    """Where the measurements lie, for searches by range."""
    known = _known(values)
    return {f"{name}_min": known.min() if known.size else None, f"{name}_max": known.max() if known.size else None}


def _known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[np.isfinite(values)]


def plain_json(value: Any) -> Any:
    """`value` in the terms of JSON: arrays as lists, NaN and infinity as None, anything unknown as text."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping):
        return {str(key): plain_json(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain_json(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain_json(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
