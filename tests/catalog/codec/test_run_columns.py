"""Axes and scalars of any name, type and unit become columns of a run, and what does not fit costs itself only."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ainerd_agent.catalog.codec.columns import column_metadata, named_columns
from ainerd_agent.catalog.codec.point_layout import TAKEN, points_schema
from ainerd_agent.catalog.codec.run_columns import (
    MOST_COLUMNS,
    RunValues,
    extended,
    first_columns,
    run_values,
    stored_columns,
    widened,
    with_columns,
)
from ainerd_agent.records import Origin
from tests.catalog.codec.records import same


def origin(position: dict[str, float] | None = None, units: dict[str, str] | None = None, **extra: Any) -> Origin:
    return Origin(
        raw_uid="u", seq_num=1, start=0.0, stop=1.0, position=position or {}, units=units or {}, extra=extra
    )  # fmt: skip


def later(first: Origin, *others: Origin) -> RunValues:
    """What later measurements have for the columns that a first one fixed."""
    return run_values(first_columns([first]), others)


def test_what_is_missing_is_null() -> None:
    first = origin({"x": 1.0, "theta": 2.0}, load=1.5, sample="a")
    own = later(first, origin({"x": 3.0}, sample="b"))
    assert same(dict(own.values), {"x": [3.0], "theta": [None], "load": [None], "sample": ["b"]})
    assert own.left_out == {}


def test_what_comes_later_has_columns_after_the_others() -> None:
    before = first_columns([origin({"x": 1.0}, {"p": "mbar"}, p=1.0)])
    come = [
        origin(
            {"x": 2.0, "phi": 3.0},
            {"phi": "deg", "T": "degC", "p": "mbar"},
            p=2.0,
            T=20.5,
            label="a",
            many=[1],
            empty=None,
        ),
        origin({"x": 2.0, "nan": math.nan}, {"T": "degC"}, **{"T": 21, "P": 1, "time": True, "z0": 4.0}),
    ]
    columns = extended(before, come)
    assert columns[: len(before)] == before
    added = {each.column: (each.name, each.role, each.kind, each.units) for each in columns[len(before) :]}
    assert added == {
        "phi": ("phi", "axis", pa.float64(), "deg"),
        "T": ("T", "extra", pa.float64(), "degC"),
        "label": ("label", "extra", pa.string(), ""),
        "extra_P": ("P", "extra", pa.int64(), ""),
        "extra_time": ("time", "extra", pa.bool_(), ""),
        "extra_z0": ("z0", "extra", pa.float64(), ""),
    }
    own = run_values(columns, come)
    assert own.values["T"] == [20.5, 21.0]
    assert own.values["extra_P"] == [None, 1]
    assert own.left_out == {"many": "no scalar"}
    assert extended(columns, come) == columns


def test_a_schema_gets_new_types_and_columns_at_its_end() -> None:
    first, other = origin({"x": 1.0}, n=1), origin({"x": 1.0, "y": 2.0}, n=1.5, T=2.0)
    before = first_columns([first])
    schema = points_schema(2, [before[0].arrow()], [before[1].arrow()])
    columns = extended(widened(before, [other], lambda _: False), [other])
    found = with_columns(schema, columns)
    assert found.names == [*schema.names, "y", "T"]
    assert found.field("n").type == pa.float64()
    assert {each.name: each for each in stored_columns(column_metadata(found), found)} == {
        each.name: each for each in columns
    }


def test_names_that_never_end_are_left_out_at_last() -> None:
    many = origin(**{f"k{number}": float(number) for number in range(MOST_COLUMNS + 1)})
    columns = extended(first_columns([origin({"x": 1.0})]), [many])
    assert len(columns) == MOST_COLUMNS
    left_out = run_values(columns, [many]).left_out
    assert left_out.keys() == {f"k{MOST_COLUMNS - 1}", f"k{MOST_COLUMNS}"}
    assert "no more are made" in left_out[f"k{MOST_COLUMNS}"]


@pytest.mark.parametrize(
    ("before", "value", "found", "why"),
    [
        (1.5, "heavy", None, "a text in a column of numbers"),
        (1.5, 2, 2.0, None),
        (1.5, math.nan, math.nan, None),
        (1.5, None, None, None),
        (1.5, True, None, "a truth value in a column of numbers"),
        (1, 2.0, 2, None),
        (1, 2**70, None, "a number in a column of whole numbers"),
        ("a", 1.5, None, "a number in a column of texts"),
        ("a", math.nan, None, None),
        (True, 0, None, "a whole number in a column of truth values"),
        (1.5, [1.0], None, "no scalar"),
        (1.5, np.float32(2.5), 2.5, None),
    ],
)
def test_a_value_of_another_type_is_null(before: Any, value: Any, found: Any, why: str | None) -> None:
    own = later(origin(v=before), origin(v=value))
    assert same(own.values["v"], [found])
    assert own.left_out.get("v") == why


def test_units_are_converted_or_refused_for_that_column_only() -> None:
    first = origin({"x": 1.0, "T": 20.0}, {"T": "degC", "p": "mbar"}, p=1000.0, v=1.0)
    own = later(
        first,
        origin({"x": 2000.0, "T": 293.15}, {"x": "um", "T": "K", "p": "kPa"}, p=100.0, v=1.0),
        origin({"x": 2.0, "T": 21.0}, {"T": "degC", "p": "deg"}, p=100.0, v=2.0),
    )  # fmt: skip
    assert own.values["x"] == pytest.approx([2.0, 2.0])
    assert own.values["T"] == pytest.approx([20.0, 21.0])
    assert own.values["p"] == [pytest.approx(1000.0), None]
    assert own.values["v"] == [1.0, 2.0]
    assert own.left_out.keys() == {"p"}
    assert "'deg' cannot be converted to mbar" in own.left_out["p"]


def test_the_first_measurements_decide_the_type_by_what_they_know() -> None:
    columns = first_columns(
        [origin(a=None, b=math.nan, c=math.nan, d=None, e=[1]), origin(a="t", b="t", c=1, d=None, e=[2], f=True)]
    )
    kinds = {each.name: each.kind for each in columns}
    expected = {"a": pa.string(), "b": pa.string(), "c": pa.float64(), "d": pa.float64(), "f": pa.bool_()}
    assert kinds == expected


def test_columns_without_values_or_of_whole_numbers_take_the_type_that_comes() -> None:
    columns = first_columns([origin(empty=None, number=1.5, whole=1, text="a")])
    come = [origin(empty="now", number="no", whole=2.5, text=3)]
    kinds = {each.name: each.kind for each in widened(columns, come, lambda column: column == "empty")}
    assert kinds == {"empty": pa.string(), "number": pa.float64(), "whole": pa.float64(), "text": pa.string()}
    assert widened(columns, [origin(number=2)], lambda _: True) == columns


ANY_NAMES = st.lists(
    st.sampled_from([*TAKEN, "z0", "Z1", "z_2", "", " ", ".", "a.b", "a-b", "a b", "A_B", "select", "ä", "µ", "x" * 200,
                     "X" * 200, "x" * 63, "1st", "_", "extra_z0", "axis_time", "z" + "1" * 80, "a'b", 'a"b', "a;b"])
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=80),
    unique=True, max_size=12,
)  # fmt: skip


@given(ANY_NAMES, ANY_NAMES)
def test_each_name_has_a_safe_column_of_its_own_and_comes_back(axes: list[str], extras: list[str]) -> None:
    position, extra = ({name: float(k) for k, name in enumerate(names)} for names in (axes, extras))
    first = Origin(raw_uid="u", seq_num=1, start=0.0, stop=1.0, position=position, extra=extra)
    columns = first_columns([first])
    roles = ("axis", "extra")
    schema = points_schema(3, *([each.arrow() for each in columns if each.role == role] for role in roles))
    lower = [name.lower() for name in schema.names]
    assert len(set(lower)) == len(lower)
    assert all(re.fullmatch(r"[A-Za-z]\w{0,62}", name, re.ASCII) for name in schema.names)
    assert {"_dataset_id", "_partition_id", "model"}.isdisjoint(lower)
    assert [name for name in lower if re.fullmatch(r"z\d+", name)] == ["z0", "z1", "z2"]
    assert stored_columns(column_metadata(schema), schema) == columns
    own = run_values(columns, [first])
    assert not own.left_out
    told = {role: {each.name: own.values[each.column][0] for each in columns if each.role == role} for role in roles}
    assert told == {"axis": first.position, "extra": first.extra}


def test_long_names_stay_apart() -> None:
    found = named_columns(["a" * 200, "A" * 200, "a" * 63], "extra", ())
    assert [len(column) for column in found.values()] == [63, 63, 63]
    assert len({column.lower() for column in found.values()}) == 3
