"""Rows of version 0.1 in the columns of this one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ainerd_agent.catalog.codec.columns import NUMBER, latent_columns, role_field
from ainerd_agent.catalog.codec.point_columns import UNLIKE
from ainerd_agent.catalog.codec.point_layout import PointsLayout, points_schema, truths
from ainerd_agent.catalog.codec.suggestions import SUGGESTIONS_SCHEMA, as_stored
from ainerd_agent.records import Events

if TYPE_CHECKING:
    import pandas as pd


def upgraded_points(
    rows: pd.DataFrame, layout: PointsLayout, kinds: Mapping[str, pa.DataType], durations: Mapping[Events, float]
) -> pa.Table:
    """Points of version 0.1 as this one writes them; what it did not write is null.

    Parameters
    ----------
    rows : DataFrame
        All rows of a table, `normalised`.
    layout : PointsLayout
        Of that table.
    kinds : mapping of str to DataType
        Type by column of that table.
    durations : mapping of Events to float
        What the maps of the measurements span, in seconds.
    """
    current = layout.current()
    units = layout.units_of_axes()
    axes = [role_field(column, NUMBER, "axis", name, units[column]) for column, name in layout.axes.items()]
    extras = [role_field(column, kinds[name], "extra", name, "") for column, name in current.extras.items()]
    schema = points_schema(len(latent_columns(rows)), axes, extras)
    of = ["stream", "seq_num", "last_seq_num"]
    measurements = [Events(*each) for each in rows[of].itertuples(index=False, name=None)]
    rows = rows.assign(duration=[durations.get(each, math.nan) for each in measurements])
    # It did not write when an exposure ended; its map spans it. Which maps are unlike the training it told in words.
    rows = rows.assign(stop=rows["time"] + rows["duration"])
    unlike = rows["problems"].str.endswith(UNLIKE)
    told = unlike.groupby([rows[name] for name in of]).transform("any") if len(rows) else unlike
    rows = rows.assign(unlike=unlike.astype(object).where(told, None))
    return as_table(rows, schema)


def upgraded_suggestions(rows: pd.DataFrame) -> pa.Table:
    """Events of suggestions of version 0.1 as this one writes them, from `normalised` rows."""
    return as_table(as_stored(rows), SUGGESTIONS_SCHEMA)


def as_table(rows: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    """Rows as a table to be written; what is not known is null."""
    return pa.table([_array(rows[column.name].tolist(), column.type) for column in schema], schema=schema)


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    import pandas as pd

    if pa.types.is_boolean(kind):
        return pa.array(truths(values), kind)
    known = [None if is_null else value for value, is_null in zip(values, pd.isna(list(values)), strict=True)]
    if pa.types.is_integer(kind):
        known = [None if value is None else int(value) for value in known]
    return pa.array(known, kind)
