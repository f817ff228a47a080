"""The flat metadata that people search the catalog by, computed from records."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent._version import __version__
from ainerd_agent.catalog.schema import RUN_STATUSES
from ainerd_agent.records import Fingerprints, Run
from ainerd_agent.records.analysis import ModelIdentity


def origin_metadata(run: Run) -> dict[str, Any]:
    """Give the flat keys that say which run this is, its own metadata and access keys among them."""
    metadata = {
        **run.metadata,
        **run.access,
        "raw_uid": run.uid,
        "scan_id": run.scan_id,
        "sample": run.sample,
        "plan_name": run.plan_name,
        "time": run.time,
        "source": run.source,
    }
    return {str(key): plain_json(value) for key, value in metadata.items()}


def maps_metadata(run: Run, first: Fingerprints, seq_nums: Sequence[int]) -> dict[str, Any]:
    """Metadata of `/xpcs/<uid>`.

    Parameters
    ----------
    first : Fingerprints
        Of any measurement of the run: they share bins, lags and duration.
    seq_nums : sequence of int
        Of the measurements along the first axis of `c2` and `g2`, in that order.
    """
    described = {
        "n_bins": len(first.bins),
        "lags": first.lags,
        "duration": first.duration,
        "units": {"lags": "s", "duration": "s"},
    }
    return {**origin_metadata(run), **plain_json(described), **maps_progress(run, first.origin.stream, seq_nums)}


def maps_progress(run: Run, stream: str, seq_nums: Sequence[int]) -> dict[str, Any]:
    """Give the part of the metadata of `/xpcs/<uid>` that changes with each measurement."""
    return {
        "n_measurements": len(seq_nums),
        "derived_from": {
            "raw_uid": run.uid,
            "stream": stream,
            "seq_nums": [int(number) for number in seq_nums],
            "software": f"ainerd-agent {__version__}",
        },
    }


def run_metadata(
    run: Run,
    model: ModelIdentity,
    points: Mapping[str, NDArray[Any]],
    *,
    status: str,
    stream: str = "primary",
    failures: Mapping[int, str] | None = None,
    made: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Compute the flat, searchable metadata of `/ainerd/<model>/<uid>`.

    Parameters
    ----------
    points : mapping of str to ndarray
        `SUMMARY_COLUMNS` of all rows of the run so far, each of shape (n_rows,).
    status : str
        One of `RUN_STATUSES`.
    failures : mapping of int to str, optional
        Message by seq_num of the measurements that could not be analysed.
    made : sequence of mapping, optional
        Who analysed them, from `credit`.
    """
    if status not in RUN_STATUSES:
        raise ValueError(f"status is {status!r}, not one of {', '.join(RUN_STATUSES)}")
    failures = failures or {}
    seq_nums = list(dict.fromkeys(int(number) for number in points["seq_num"]))
    members = np.bincount(points["cluster"].astype(int), minlength=model.n_clusters)
    fractions = members / max(1, members.sum())
    stress, novelty, tau = (_known(points[name]) for name in ("shear_stress", "novelty", "tau"))
    summary = {
        "status": status,
        "model": model.name,
        "n_measurements": len(seq_nums),
        "dominant_cluster": int(members.argmax()) if seq_nums else None,
        "cluster_fractions": fractions,
        # A list cannot be searched by value in Tiled, so each fraction has a key of its own as well.
        **{f"cluster_fraction_{cluster}": fraction for cluster, fraction in enumerate(fractions)},
        "shear_stress_mean": stress.mean() if stress.size else None,
        "shear_stress_min": stress.min() if stress.size else None,
        "shear_stress_max": stress.max() if stress.size else None,
        "novelty_max": novelty.max() if novelty.size else None,
        **_extent("time", points["time"]),
        **_extent("x", points["x"]),
        **_extent("y", points["y"]),
        "tau_median": np.median(tau) if tau.size else None,
        # By which readers find what is new.
        "analysed": made[-1]["end"] if made else None,
        "failures": len(failures),
        "failed": [{"seq_num": number, "message": message} for number, message in sorted(failures.items())],
        "derived_from": {
            "raw_uid": run.uid,
            "stream": stream,
            "seq_nums": seq_nums,
            "software": f"ainerd-agent {__version__}",
            "weights_sha256": model.weights_sha256,
            "parameters": model.parameters,
            "geometry": model.geometry,
            "made": made,
        },
    }
    return {**origin_metadata(run), **plain_json(summary)}


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
