"""Columns of tables, each with its type, unit and meaning, and with the field of the records that it holds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

TEXT, NUMBER, INTEGER, SMALL_INTEGER, TRUTH = pa.string(), pa.float64(), pa.int64(), pa.int32(), pa.bool_()

_LONGEST = 63
"""Characters of a column, by PostgreSQL; Tiled refuses longer ones everywhere."""

_PLAIN = re.compile(r"[A-Za-z]")
"""How a column begins: Tiled keeps names with an underscore first for itself."""

ROLE = "role"
"""In the metadata of a column: "axis" or "extra", for those that differ from run to run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name : str
    kind : DataType
    meaning : str
        One line for people.
    units : str
    field : str
        Where the value is in the records, as "analysis.stress.mean"; empty where the codec of the table works it out.
    per_bin : bool
        The field holds one value for each bin; otherwise one for the whole measurement.
    optional : bool
        None stands in the field where nothing is known; otherwise NaN, empty text or `default`.
    default
        What is read from a table that has no such column, or has nothing there.
    since : str
        Version of the schema with which it came; tables of earlier ones lack it.
    """

    name: str
    kind: pa.DataType
    meaning: str
    units: str = ""
    field: str = ""
    per_bin: bool = False
    optional: bool = False
    default: Any = None
    since: str = "1.0"

    def arrow(self) -> pa.Field:
        """The column of an Arrow table."""
        return pa.field(self.name, self.kind, metadata={"units": self.units, "description": self.meaning})


def named_columns(names: Iterable[str], prefix: str, taken: Iterable[str]) -> dict[str, str]:
    """Columns for values that people named: the name itself where it can be a column.

    Tiled refuses other names: they would end up in SQL, for which capitals do not count.

    Parameters
    ----------
    names : iterable of str
    prefix : str
        Put before a name that is taken, or that begins in no letter.
    taken : iterable of str
        Columns that there are already.

    Returns
    -------
    dict of str to str
        Column by name.
    """
    used = {name.lower() for name in taken}
    found: dict[str, str] = {}
    for name in names:
        column = re.sub(r"\W", "_", name, flags=re.ASCII)
        if column.lower() in used or not _PLAIN.match(column) or re.fullmatch(r"z\d+", column, re.IGNORECASE):
            column = f"{prefix}_{column}"
        number, plain = 2, column
        column = plain[:_LONGEST]
        while column.lower() in used:
            ending = f"_{number}"
            column, number = plain[: _LONGEST - len(ending)] + ending, number + 1
        used.add(column.lower())
        found[name] = column
    return found


def role_field(column: str, kind: pa.DataType, role: str, name: str, units: str) -> pa.Field:
    """A column whose name and unit come from the run: a position on an axis, or an extra scalar."""
    about = {ROLE: role, "name": name, "units": units, "description": _MEANING_OF_ROLE[role].format(name)}
    return pa.field(column, kind, metadata=about)


_MEANING_OF_ROLE = {"axis": "position on the axis {}", "extra": "{}, of the measurement"}


def column_metadata(schema: pa.Schema) -> dict[str, dict[str, str]]:
    """Units and descriptions by column, and the names of axes and extra scalars: for the metadata of a table."""
    known = {column.name: column.metadata for column in schema if column.metadata}

    def told(key: bytes, role: bytes | None = None) -> dict[str, str]:
        return {
            name: about[key].decode()
            for name, about in known.items()
            if key in about and (role is None or about.get(ROLE.encode()) == role)
        }

    return {
        "units": told(b"units"),
        "descriptions": told(b"description"),
        "axes": told(b"name", b"axis"),
        "extras": told(b"name", b"extra"),
    }


def common_kind(name: str, values: Sequence[Any]) -> pa.DataType:
    """The type of a column that holds these scalars: bool, int, float (also a mixture, and where unknown) or text.

    Raises
    ------
    ValueError
        There is none.
    """
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} and kinds != {int}:
        return NUMBER
    if len(kinds) == 1 and kinds <= {bool, int, str}:
        return {bool: TRUTH, int: INTEGER, str: TEXT}[kinds.pop()]
    found = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise ValueError(f"The extra value {name!r} needs one type, of bool, int, float or str; found: {found}.")


def latent_columns(columns: Iterable[object]) -> list[str]:
    """The names of the latents among columns, in their order."""
    names = [str(name) for name in columns]
    return sorted((name for name in names if re.fullmatch(r"z\d+", name)), key=lambda name: int(name[1:]))
