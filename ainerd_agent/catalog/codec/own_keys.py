"""Which keys of flat metadata are the catalog's, so that those of start documents neither hide them nor get lost."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

ACCESS = ("data_session", "data_groups", "tiled_access_tags", "access_tags")
"""Keys that are copied from the start document."""

_ORIGIN = {"raw_uid", "scan_id", "sample", "plan_name", "time", "source", *ACCESS}

_OF_ANALYSES = _ORIGIN | {
    "status", "model", "n_measurements", "dominant_cluster", "cluster_fractions", "dominant_kind", "shear_stress_mean",
    "shear_stress_min", "shear_stress_max", "novelty_max", "repeat_probability_min", "axes", "time_min",
    "time_max", "seconds_counted_min", "seconds_counted_max", "tau_median", "analysed", "failures", "failed",
    "derived_from",
}  # fmt: skip

_OF_MAPS = _ORIGIN | {
    "n_bins", "units", "lags", "n_measurements", "duration", "frame_time", "frames", "n_bad_pixels", "arrays",
    "ages", "age_lags", "ring_q", "derived_from",
}  # fmt: skip

_PREFIX = "start_"
"""Put before keys of a start document that are ours."""

IsOurs = Callable[[str], bool]


def of_analysis(axes: Iterable[str]) -> IsOurs:
    """Whether a key is one of `/ainerd/<model>/<uid>`, of a run that was measured along these axes."""
    extents = {f"{axis}_{end}" for axis in axes for end in ("min", "max")}
    return lambda key: (
        key in _OF_ANALYSES
        or key in extents
        or bool(re.fullmatch(r"cluster_fraction_\d+|(kind|ended)_fraction_[a-z]+", key))
    )


def of_maps(key: str) -> bool:
    """Whether a key is one of `/xpcs/<uid>`."""
    return key in _OF_MAPS


def beside_ours(metadata: Mapping[Any, Any], is_ours: IsOurs) -> dict[str, Any]:
    """The metadata of a run under keys that are not ours: `status` as `start_status`."""
    return {_PREFIX + key if is_ours(_base(key)) else key: value for key, value in _with_text_keys(metadata)}


def but_ours(metadata: Mapping[str, Any], is_ours: IsOurs) -> dict[str, Any]:
    """The metadata of a run by its own keys, from those of the catalog: the inverse of `beside_ours`."""
    return {
        key.removeprefix(_PREFIX) if is_ours(_base(key)) else key: value
        for key, value in metadata.items()
        if not is_ours(key)
    }


def _base(key: str) -> str:
    """A key without the prefix, however often it was put before it."""
    while key.startswith(_PREFIX):
        key = key.removeprefix(_PREFIX)
    return key


def _with_text_keys(metadata: Mapping[Any, Any]) -> Iterable[tuple[str, Any]]:
    return ((str(key), value) for key, value in metadata.items())
