"""Fingerprints and analyses as rows of the table `points`. The way back is `measured_points`.

Which columns there are says `point_columns`; beside those, a table has a column for each axis, each extra scalar and
each latent of its run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ainerd_agent.catalog.codec.columns import NUMBER, Column, common_kind, named_columns, role_field
from ainerd_agent.catalog.codec.point_columns import NOT_FITTED, POINT_COLUMNS, UNLIKE
from ainerd_agent.catalog.codec.point_layout import TAKEN, points_schema
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Analysis, Fingerprints, Origin

_Pair = tuple[Fingerprints, Analysis]


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
    if [(f.origin.raw_uid, f.origin.events) for f in fingerprints] != [(o.raw_uid, o.events) for o in origins]:
        raise ValueError("fingerprints and analyses are not of the same measurements")
    pairs = list(zip(fingerprints, analyses, strict=True))
    counts = [len(analysis.cluster) for analysis in analyses]
    arrays = {column.name: _column_of(column, pairs, counts) for column in POINT_COLUMNS}
    axes, extras = _axes(origins, counts), _extras(origins, counts)
    latents = np.concatenate([analysis.latents for analysis in analyses])
    arrays |= {f"z{k}": pa.array(np.ascontiguousarray(latents[:, k])) for k in range(latents.shape[1])}
    schema = points_schema(latents.shape[1], [each for each, _ in axes], [each for each, _ in extras])
    arrays |= {each.name: values for each, values in (*axes, *extras)}
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
    """What makes each map too poor to trust, or its labels."""
    unlike = np.zeros(len(analysis.cluster), np.bool_) if analysis.unlike is None else analysis.unlike
    problems = zip(fingerprints.quality.problems, unlike, strict=True)
    return ["; ".join(([text] if text else []) + ([UNLIKE] if is_unlike else [])) for text, is_unlike in problems]


def _axes(origins: Sequence[Origin], counts: Sequence[int]) -> list[tuple[pa.Field, pa.Array]]:
    names = list(dict.fromkeys(name for origin in origins for name in origin.position))
    found = []
    for name, column in named_columns(names, "axis", TAKEN).items():
        units = _unit(name, origins, "mm")
        values = np.repeat([float(origin.position.get(name, math.nan)) for origin in origins], counts)
        found.append((role_field(column, NUMBER, "axis", name, units), pa.array(values)))
    return found


def _extras(origins: Sequence[Origin], counts: Sequence[int]) -> list[tuple[pa.Field, pa.Array]]:
    """The extra scalars, each of one type."""
    first = origins[0].extra
    for origin in origins:
        if origin.extra.keys() != first.keys():
            differing = ", ".join(sorted(origin.extra.keys() ^ first.keys()))
            raise CatalogError(f"All measurements of a run need the same extra values; some lack: {differing}.")
    axes = named_columns({name: None for origin in origins for name in origin.position}, "axis", TAKEN).values()
    found = []
    for name, column in named_columns(first, "extra", (*TAKEN, *axes)).items():
        values = [_plain(origin.extra[name]) for origin in origins]
        try:
            kind = common_kind(name, values)
        except ValueError as error:
            raise CatalogError(str(error)) from error
        if kind == NUMBER:
            values = [None if value is None else float(value) for value in values]
        units = _unit(name, origins, "")
        spread = [value for value, n in zip(values, counts, strict=True) for _ in range(n)]
        found.append((role_field(column, kind, "extra", name, units), pa.array(spread, kind)))
    return found


def _unit(name: str, origins: Sequence[Origin], usual: str) -> str:
    """The unit of an axis or an extra scalar, which is one for a run."""
    found = {origin.units.get(name, usual) for origin in origins if name in origin.position or name in origin.extra}
    if len(found) > 1:
        raise CatalogError(f"{name} is in {' and in '.join(sorted(found))} within one run: give all in one unit.")
    return found.pop() if found else usual


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
