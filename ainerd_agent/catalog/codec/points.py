"""Fingerprints and analyses as rows of the table of points."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ainerd_agent.catalog.schema import _FIT_COLUMNS, _POINT_COLUMNS, UNLIKE, points_schema
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Analysis, Fingerprints, Relaxations


def points_table(fingerprints: Sequence[Fingerprints], analyses: Sequence[Analysis]) -> pa.Table:
    """One row per measurement and bin.

    Parameters
    ----------
    fingerprints, analyses : sequence
        Of the same measurements, in the same order; at least one.

    Raises
    ------
    CatalogError
        The extra scalars differ between measurements, or one of them cannot be a column.
    """
    origins = [analysis.origin for analysis in analyses]
    if [(f.origin.raw_uid, f.origin.seq_num) for f in fingerprints] != [(o.raw_uid, o.seq_num) for o in origins]:
        raise ValueError("fingerprints and analyses are not of the same measurements")
    counts = [len(analysis.cluster) for analysis in analyses]

    def per_measurement(values: Sequence[Any]) -> Any:
        return np.repeat(np.asarray(values), counts)

    def per_bin(arrays: Sequence[NDArray[Any]]) -> Any:
        return np.concatenate(arrays)

    extra = _extra_columns([origin.extra for origin in origins])
    latents = per_bin([analysis.latents for analysis in analyses])
    columns: dict[str, Any] = {
        "raw_uid": per_measurement([origin.raw_uid for origin in origins]),
        "seq_num": per_measurement([origin.seq_num for origin in origins]),
        "bin": per_bin([np.arange(1, count + 1) for count in counts]),
        "time": per_measurement([origin.start for origin in origins]),
        "elapsed": per_measurement([origin.elapsed for origin in origins]),
        "x": per_measurement([origin.position.get("x", math.nan) for origin in origins]),
        "y": per_measurement([origin.position.get("y", math.nan) for origin in origins]),
        "q": per_bin([f.bins.q for f in fingerprints]),
        "azimuth": per_bin([f.bins.azimuth for f in fingerprints]),
        "cluster": per_bin([analysis.cluster for analysis in analyses]),
        "centre_distance": per_bin([analysis.centre_distance for analysis in analyses]),
        "novelty": per_bin([analysis.novelty for analysis in analyses]),
        "reconstruction_error": per_bin([analysis.reconstruction_error for analysis in analyses]),
        "shear_stress": per_measurement([analysis.stress.mean for analysis in analyses]),
        "shear_stress_std": per_measurement([analysis.stress.std for analysis in analyses]),
        "shear_rate": per_measurement([analysis.stress.shear_rate for analysis in analyses]),
        "viscosity": per_measurement([analysis.stress.viscosity for analysis in analyses]),
        "tau": per_bin([f.tau for f in fingerprints]),
        "contrast": per_bin([f.contrast for f in fingerprints]),
        "mean_counts": per_bin([f.mean_counts for f in fingerprints]),
        "snr": per_bin([f.quality.snr for f in fingerprints]),
        "bad_share": per_measurement([f.quality.bad_share for f in fingerprints]),
        "intensity_drift": per_measurement([f.quality.drift for f in fingerprints]),
        "problems": per_bin([_problems(f, a) for f, a in zip(fingerprints, analyses, strict=True)]),
        **{column.name: per_bin([_fitted(f, column.name) for f in fingerprints]) for column in _FIT_COLUMNS},
        **{f"z{k}": np.ascontiguousarray(latents[:, k]) for k in range(latents.shape[1])},
        **{name: np.repeat(np.array(values, dtype=object), counts) for name, (_, values) in extra.items()},
    }
    schema = points_schema(latents.shape[1], {name: kind for name, (kind, _) in extra.items()})
    return pa.table([pa.array(columns[column.name], column.type) for column in schema], schema=schema)


def _problems(fingerprints: Fingerprints, analysis: Analysis) -> NDArray[np.object_]:
    """What makes each map too poor to trust, or its labels, shape (n_bins,)."""
    told = [[text] if text else [] for text in fingerprints.quality.problems]
    for number in () if analysis.unlike is None else np.flatnonzero(analysis.unlike):
        told[number].append(UNLIKE)
    return np.array(["; ".join(each) for each in told], dtype=object)


def _fitted(fingerprints: Fingerprints, column: str) -> NDArray[Any]:
    """The values of one of `_FIT_COLUMNS`, shape (n_bins,)."""
    fits = fingerprints.relaxations or Relaxations.unknown(len(fingerprints.bins))
    values = getattr(fits, column.removeprefix("fit_"))
    return np.array(values, dtype=object if isinstance(values, tuple) else np.float64)


def _extra_columns(records: Sequence[Mapping[str, Any]]) -> dict[str, tuple[pa.DataType, list[Any]]]:
    """Type and values of each extra scalar: bool, int, float (also a mixture of both, and where unknown) or str."""
    columns: dict[str, tuple[pa.DataType, list[Any]]] = {}
    taken = {column.name for column in _POINT_COLUMNS} | {"_dataset_id", "_partition_id"}
    for name in records[0]:
        # Tiled refuses other names: they would end up in SQL.
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) or re.fullmatch(r"z\d+", name) or name.lower() in taken:
            raise CatalogError(
                f"A measurement's extra value {name!r} cannot be a column of the points table: the name is taken "
                "(capitals do not count), or holds more than letters, digits and underscores. Rename it."
            )
        taken.add(name.lower())
    for record in records:
        if record.keys() != records[0].keys():
            differing = ", ".join(sorted(record.keys() ^ records[0].keys()))
            raise CatalogError(f"All measurements of a run need the same extra values; some lack: {differing}.")
    for name in records[0]:
        values = [value.item() if isinstance(value := record[name], np.generic) else value for record in records]
        kinds = {type(value) for value in values if value is not None}
        if kinds <= {int, float} and kinds != {int}:
            columns[name] = (pa.float64(), [None if value is None else float(value) for value in values])
        elif len(kinds) == 1 and kinds <= {bool, int, str}:
            columns[name] = ({bool: pa.bool_(), int: pa.int64(), str: pa.string()}[kinds.pop()], values)
        else:
            found = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise CatalogError(f"The extra value {name!r} needs one type, of bool, int, float or str; found: {found}.")
    return columns
