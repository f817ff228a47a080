"""Fingerprints and analyses as rows of the table `points`. The way back is `measured_points`.

Which columns there are says `point_columns`; beside those, a table has a column for each axis, each extra scalar and
each latent of its run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ainerd_agent.catalog.codec.columns import Column
from ainerd_agent.catalog.codec.point_columns import NOT_FITTED, POINT_COLUMNS, marked
from ainerd_agent.catalog.codec.point_layout import points_schema
from ainerd_agent.catalog.codec.run_columns import RunValues, first_columns, run_values
from ainerd_agent.records import Analysis, Fingerprints

_Pair = tuple[Fingerprints, Analysis]


def points_table(
    fingerprints: Sequence[Fingerprints], analyses: Sequence[Analysis], own: RunValues | None = None
) -> pa.Table:
    """One row per measurement and bin.

    Parameters
    ----------
    fingerprints, analyses : sequence
        Of the same measurements, in the same order; at least one.
    own : RunValues, optional
        What these have for the columns of their run's own; by default for columns that they are the first to fix.
    """
    origins = [analysis.origin for analysis in analyses]
    if [(f.origin.raw_uid, f.origin.events) for f in fingerprints] != [(o.raw_uid, o.events) for o in origins]:
        raise ValueError("fingerprints and analyses are not of the same measurements")
    pairs = list(zip(fingerprints, analyses, strict=True))
    counts = [len(analysis.cluster) for analysis in analyses]
    arrays = {column.name: _column_of(column, pairs, counts) for column in POINT_COLUMNS}
    own = run_values(first_columns(origins), origins) if own is None else own
    latents = np.concatenate([analysis.latents for analysis in analyses])
    arrays |= {f"z{k}": pa.array(np.ascontiguousarray(latents[:, k])) for k in range(latents.shape[1])}
    axes, extras = ([each.arrow() for each in own.columns if each.role == role] for role in ("axis", "extra"))
    schema = points_schema(latents.shape[1], axes, extras)
    for each in own.columns:
        spread = [value for value, n in zip(own.values[each.column], counts, strict=True) for _ in range(n)]
        arrays[each.column] = pa.array(spread, each.kind)
    return pa.table([arrays[name] for name in schema.names], schema=schema)


def _column_of(column: Column, pairs: Sequence[_Pair], counts: Sequence[int]) -> pa.Array:
    if column.name == "bin":
        return pa.array(np.concatenate([np.arange(1, count + 1) for count in counts]), column.kind)
    if column.name == "problems":
        return pa.array([text for pair in pairs for text in _problems(*pair)], column.kind)
    values = [_value(pair, column.field) for pair in pairs]
    if column.name == "fit_problems":
        values = [(NOT_FITTED,) * n if value is None else value for value, n in zip(values, counts, strict=True)]
    if not column.per_bin and None not in values:
        return pa.array(np.repeat(np.asarray(values), counts), column.kind)
    if all(isinstance(value, np.ndarray) for value in values):
        return pa.array(np.concatenate(values), column.kind)
    single = not column.per_bin
    spread = [[value] * n if single or value is None else value for value, n in zip(values, counts, strict=True)]
    return pa.array([item for each in spread for item in each], column.kind)


def _value(pair: _Pair, path: str) -> Any:
    """What is at a path of the records; None where a record on it is None."""
    fingerprints, analysis = pair
    record, *names = path.split(".")
    value: Any = {"fingerprints": fingerprints, "analysis": analysis, "origin": analysis.origin}[record]
    for name in names:
        value = None if value is None else getattr(value, name)
    return value


def _problems(fingerprints: Fingerprints, analysis: Analysis) -> list[str]:
    """What is doubtful about each map or its labels."""
    n_bins = len(analysis.cluster)
    unlike = np.zeros(n_bins, np.bool_) if analysis.unlike is None else analysis.unlike
    reasons = ("",) * n_bins if analysis.reasons is None else analysis.reasons
    told = zip(fingerprints.quality.problems, unlike, reasons, strict=True)
    return ["; ".join(filter(None, (text, marked(why) if is_unlike else ""))) for text, is_unlike, why in told]
