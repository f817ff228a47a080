"""What the columns of a table of points are, whatever version wrote it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ainerd_agent.catalog.codec.columns import (
    INTEGER,
    NUMBER,
    SMALL_INTEGER,
    TEXT,
    TRUTH,
    Column,
    latent_columns,
    named_columns,
    role_field,
)
from ainerd_agent.catalog.codec.point_columns import POINT_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

FIXED = tuple(column.name for column in POINT_COLUMNS)
TAKEN = (*FIXED, "_dataset_id", "_partition_id", "model")
"""Names that no axis or extra scalar can have as its column."""

_OLD_AXES = {"x": "x", "y": "y"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsLayout:
    """What the columns of one table are, beyond those that all tables have.

    Attributes
    ----------
    axes, extras : mapping of str to str
        Name of the axis, or of the extra scalar, by column.
    units : mapping of str to str
        By column.
    truths : frozenset of str
        Columns of truth values: SQLite keeps numbers or text for them.
    stream : str
        Of tables of 0.1, which have no column for it.
    old : bool
        The table was written by 0.1.
    """

    axes: Mapping[str, str] = field(default_factory=lambda: _OLD_AXES)
    extras: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    truths: frozenset[str] = frozenset()
    stream: str = "primary"
    old: bool = False

    @classmethod
    def of_table(cls, metadata: Mapping[str, Any], schema: pa.Schema, stream: str = "primary") -> PointsLayout:
        """What a stored table says of itself."""
        truths = frozenset(column.name for column in schema if pa.types.is_boolean(column.type))
        units = dict(metadata.get("units", {}))
        if "axes" in metadata:
            return cls(axes=metadata["axes"], extras=metadata["extras"], units=units, truths=truths, stream=stream)
        known = {column.name for column in POINT_COLUMNS if column.since != "2.0"} | {*_OLD_AXES}
        own = [name for name in schema.names if name not in known and name not in latent_columns(schema.names)]
        return cls(extras={name: name for name in own}, units=units, truths=truths, stream=stream, old=True)

    def stored(self, column: str) -> str | None:
        """The column of the table that holds a column of `normalised` rows; None where it is not there."""
        if not self.old:
            return column
        if column in self.extras:
            return column
        renamed = {new: old for old, new in self.renamed().items()}
        if column in renamed:
            return renamed[column]
        since = next((each.since for each in POINT_COLUMNS if each.name == column), None)
        return None if since == "2.0" else column

    def renamed(self) -> dict[str, str]:
        """Extra scalars of 0.1 under names that mean something else by now, and their new names."""
        names = named_columns(self.extras, "extra", TAKEN)
        return {name: column for name, column in names.items() if name != column}

    def current(self) -> PointsLayout:
        """The same for rows that were `normalised`."""
        if not self.old:
            return self
        renamed = self.renamed()
        return PointsLayout(
            axes=self.axes,
            extras={renamed.get(name, name): name for name in self.extras},
            units=self.units,
            truths=frozenset(renamed.get(name, name) for name in self.truths),
            stream=self.stream,
        )

    def columns_but_latents(self) -> list[str]:
        """The columns of `normalised` rows without the latents."""
        return [*FIXED, *self.axes, *self.current().extras]

    def units_of_axes(self) -> dict[str, str]:
        """By column."""
        return {column: self.units.get(column, "mm") for column in self.axes}


def points_schema(
    n_latents: int = 64, axes: Sequence[pa.Field] | None = None, extras: Sequence[pa.Field] = ()
) -> pa.Schema:
    """Columns of a table of points.

    Parameters
    ----------
    n_latents : int
        Size of the latent vector: columns z0, z1, ...
    axes, extras : sequence of Field
        From `role_field`; by default the axes x and y.
    """
    if axes is None:
        axes = [role_field(name, NUMBER, "axis", name, "mm") for name in _OLD_AXES]
    latents = [Column(name=f"z{k}", kind=pa.float32(), meaning="latent vector").arrow() for k in range(n_latents)]
    return pa.schema([*(column.arrow() for column in POINT_COLUMNS), *axes, *latents, *extras])


def normalised(rows: pd.DataFrame, layout: PointsLayout, wanted: Sequence[str] | None = None) -> pd.DataFrame:
    """Rows as this version writes them, whatever version and database they come from, in order.

    Parameters
    ----------
    rows : DataFrame
        Of a stored table, all columns of it or those of `PointsLayout.stored`.
    wanted : sequence of str, optional
        Columns to be there; by default all that the table has, and those of `POINT_COLUMNS` that it lacks.
    """
    known = {column.name: column for column in POINT_COLUMNS}
    import pandas as pd

    if layout.old:
        rows = rows.rename(columns=layout.renamed())
    of_truths = layout.current().truths
    names = [str(name) for name in rows] if wanted is None else list(wanted)
    names += [name for name in FIXED if wanted is None and name not in rows]
    columns = {name: _restored(name, rows, known.get(name), layout, name in of_truths) for name in names}
    found = pd.DataFrame(columns, index=rows.index)
    ordered = list(FIXED) + [name for name in names if name not in known]
    found = found[[name for name in ordered if name in columns]] if wanted is None else found
    by = [name for name in ("stream", "seq_num", "last_seq_num", "bin") if name in columns]
    # PostgreSQL keeps rows in no order.
    return found.sort_values(by, kind="stable", ignore_index=True) if by else found


def _restored(name: str, rows: pd.DataFrame, column: Column | None, layout: PointsLayout, is_truth: bool) -> Any:
    if name not in rows:
        if name == "stream":
            return layout.stream
        if name == "last_seq_num":
            return rows["seq_num"]
        return _missing(column)
    values = rows[name]
    if is_truth:
        return truths(values)
    if column is not None and column.kind == TEXT:
        return values.astype(object).where(values.notna(), "")
    return values


def _missing(column: Column | None) -> Any:
    """What stands for a value that is not known."""
    if column is None or column.default is None:
        return math.nan if column is None or column.kind in (NUMBER, INTEGER, SMALL_INTEGER) else _NOTHING[column.kind]
    return column.default


_NOTHING = {TEXT: "", TRUTH: None}


def truths(values: Iterable[Any]) -> list[bool | None]:
    """Truth values as databases give them: SQLite has 0 and 1, or text where some are null."""
    spelled: Mapping[Any, bool] = {"True": True, "False": False, "1": True, "0": False, "1.0": True, "0.0": False}
    return [spelled.get(str(value)) for value in values]
