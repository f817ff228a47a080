"""The columns of points whose names, types and units come from the run: axes and extra scalars.

The first measurement that has one fixes its units and its type; a later one may add columns, which those before it have
nothing for. What comes in another way is left out and named, so that it costs its own value and not the measurement.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from ainerd_agent.catalog.codec.columns import (
    INTEGER,
    NUMBER,
    TEXT,
    TRUTH,
    column_metadata,
    common_kind,
    named_columns,
    role_field,
)
from ainerd_agent.catalog.codec.point_layout import TAKEN
from ainerd_agent.records import Origin
from ainerd_agent.units import UnitError, conversion

_IN_WORDS = {NUMBER: "number", INTEGER: "whole number", TEXT: "text", TRUTH: "truth value"}

MOST_COLUMNS = 1000
"""Columns of its own that a run may get to: a table of PostgreSQL has 1600 in all."""

_NO_ROOM = f"its run has {MOST_COLUMNS} columns of its own, and no more are made"

_LARGEST = 2**63
"""Whole numbers beyond it are kept as floats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunColumn:
    """A column of a run's own.

    Attributes
    ----------
    column, name : str
        In the table, and as people call it.
    role : str
        "axis" or "extra".
    kind : DataType
    units : str
    """

    column: str
    name: str
    role: str
    kind: pa.DataType
    units: str

    def arrow(self) -> pa.Field:
        """The column of an Arrow table."""
        return role_field(self.column, self.kind, self.role, self.name, self.units)

    def read(self, origin: Origin) -> Any:
        """What a measurement has for it: a scalar in its own units; None for what is not known, or no scalar."""
        return _plain(_all(origin, self.role).get(self.name))

    def converted(self, origin: Origin) -> Any:
        """The same in the units of the column.

        Raises
        ------
        UnitError
            They are of another quantity.
        """
        value, units = self.read(origin), origin.units.get(self.name, "mm" if self.role == "axis" else "")
        if units == self.units or value is None or isinstance(value, bool | str):
            return value
        return _plain(conversion(units, self.units)(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunValues:
    """What measurements have for the columns of their run.

    Attributes
    ----------
    columns : sequence of RunColumn
    values : mapping of str to list
        By column, one of each measurement.
    left_out : mapping of str to str
        What has no place in the columns, and why, by the name of the axis or the scalar.
    """

    columns: Sequence[RunColumn]
    values: Mapping[str, Sequence[Any]]
    left_out: Mapping[str, str]


def first_columns(origins: Sequence[Origin]) -> list[RunColumn]:
    """The columns that the first measurements of a run fix: all axes and all scalars that one of them has."""
    axes = _names(origins, "axis")
    extras = [name for name in _names(origins, "extra") if any(_is_scalar(o.extra.get(name)) for o in origins)]
    return _columns(axes, extras, origins, TAKEN)


def extended(columns: Sequence[RunColumn], origins: Sequence[Origin]) -> list[RunColumn]:
    """The same columns, and after them those of axes and scalars that were not known before these measurements.

    There are at most `MOST_COLUMNS`: a run whose names never end must not fill its table until a database refuses it.
    """
    new = {role: _without_column(columns, origins, role) for role in ("axis", "extra")}
    taken = (*TAKEN, *(each.column for each in columns))
    added = _columns(new["axis"], new["extra"], origins, taken)
    return [*columns, *added[: max(0, MOST_COLUMNS - len(columns))]]


def _columns(
    axes: Sequence[str], extras: Sequence[str], origins: Sequence[Origin], taken: Sequence[str]
) -> list[RunColumn]:
    named_axes = named_columns(axes, "axis", taken)
    named_extras = named_columns(extras, "extra", (*taken, *named_axes.values()))
    found = [
        RunColumn(column=column, name=name, role="axis", kind=NUMBER, units=_units(name, "axis", origins))
        for name, column in named_axes.items()
    ]
    for name, column in named_extras.items():
        kind = _kind(name, [_plain(origin.extra.get(name)) for origin in origins])
        found.append(RunColumn(column=column, name=name, role="extra", kind=kind, units=_units(name, "extra", origins)))
    return found


def _without_column(columns: Sequence[RunColumn], origins: Sequence[Origin], role: str) -> list[str]:
    """The names of axes or scalars of which something is known, and that have no column."""
    there = {each.name for each in columns if each.role == role}
    return [
        name
        for name in _names(origins, role)
        if name not in there and any(_kind_of(_plain(_all(o, role).get(name))) is not None for o in origins)
    ]


def stored_columns(metadata: Mapping[str, Any], schema: pa.Schema) -> list[RunColumn]:
    """The columns of a table that is there, by its own metadata and its schema."""
    told = metadata if "axes" in metadata else column_metadata(schema)
    return [
        RunColumn(
            column=column, name=name, role=role, kind=schema.field(column).type, units=told["units"].get(column, "")
        )
        for role, columns in (("axis", told["axes"]), ("extra", told["extras"]))
        for column, name in columns.items()
    ]


def with_columns(schema: pa.Schema, columns: Sequence[RunColumn]) -> pa.Schema:
    """The schema of a table with these types for a run's own columns, and with the columns that it lacks."""
    kinds = {each.column: each.kind for each in columns}
    there = [field.with_type(kinds.get(field.name, field.type)) for field in schema]
    return pa.schema([*there, *(each.arrow() for each in columns if each.column not in schema.names)])


def widened(
    columns: Sequence[RunColumn], origins: Sequence[Origin], is_empty: Callable[[str], bool]
) -> list[RunColumn]:
    """The same columns with the types that measurements need, where what is stored can have these as well.

    Parameters
    ----------
    is_empty : callable
        Whether nothing is stored in a column.
    """
    found = []
    for each in columns:
        kinds = [] if each.role == "axis" else [_kind_of(_or_none(each, origin)) for origin in origins]
        others = [kind for kind in kinds if kind is not None and not _takes(each.kind, kind)]
        if each.kind == INTEGER and NUMBER in others:
            each = replace(each, kind=NUMBER)
        elif others and not any(kind == each.kind for kind in kinds) and is_empty(each.column):
            each = replace(each, kind=others[0])
        found.append(each)
    return found


def run_values(columns: Sequence[RunColumn], origins: Sequence[Origin]) -> RunValues:
    """What measurements have for the columns of their run."""
    values: dict[str, list[Any]] = {each.column: [] for each in columns}
    left_out: dict[str, str] = {}
    for each in columns:
        for origin in origins:
            try:
                value = _in_kind(each.converted(origin), each.kind)
            except (UnitError, ValueError) as error:
                value = None
                left_out[each.name] = str(error)
            values[each.column].append(value)
    for role in ("axis", "extra"):
        left_out |= dict.fromkeys(_without_column(columns, origins, role), _NO_ROOM)
    left_out |= {n: "no scalar" for o in origins for n, value in o.extra.items() if not _is_scalar(value)}
    return RunValues(columns=columns, values=values, left_out=left_out)


def _names(origins: Sequence[Origin], role: str) -> list[str]:
    return list(dict.fromkeys(name for origin in origins for name in _all(origin, role)))


def _all(origin: Origin, role: str) -> Mapping[str, Any]:
    return origin.position if role == "axis" else origin.extra


def _units(name: str, role: str, origins: Sequence[Origin]) -> str:
    """Units of the first measurement that has a value."""
    own = (origin for origin in origins if name in _all(origin, role))
    return next(own).units.get(name, "mm" if role == "axis" else "")


def _kind(name: str, values: Sequence[Any]) -> pa.DataType:
    """The type of a column that is to hold values: the one that all have, else that of the first one."""
    known = [value for value in values if _kind_of(value) is not None]
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if not known or len(numbers) == len([value for value in values if value is not None]):
        return common_kind(name, numbers)
    return _kind_of(known[0])


def _kind_of(value: Any) -> pa.DataType | None:
    """The type that a scalar needs; None for one that says nothing of its type."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return next(kind for python, kind in _KINDS.items() if isinstance(value, python))


_KINDS = {bool: TRUTH, int: INTEGER, float: NUMBER, str: TEXT}
"""In this order: truth values are whole numbers to Python."""


def _or_none(column: RunColumn, origin: Origin) -> Any:
    try:
        return column.converted(origin)
    except UnitError:
        return None


def _takes(kind: pa.DataType, other: pa.DataType) -> bool:
    return bool(kind == other or (kind == NUMBER and other == INTEGER))


def _in_kind(value: Any, kind: pa.DataType) -> Any:
    """A scalar as a column of a type holds it."""
    own = _kind_of(value)
    if own is None:
        return math.nan if value is not None and kind == NUMBER else None
    if kind == NUMBER and own == INTEGER:
        return float(value)
    if kind == INTEGER and own == NUMBER and value.is_integer() and abs(value) < _LARGEST:
        return int(value)
    if own != kind:
        raise ValueError(f"a {_IN_WORDS[own]} in a column of {_IN_WORDS[kind]}s")
    return value


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str | np.generic)


def _plain(value: Any) -> Any:
    """A scalar as Python has it, and as a database takes it; None for anything else."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if abs(value) < _LARGEST else _as_float(value)
    # Databases take neither halves of characters nor the character 0.
    return value.encode(errors="replace").decode().replace("\0", "\ufffd") if isinstance(value, str) else None


def _as_float(value: int) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None
