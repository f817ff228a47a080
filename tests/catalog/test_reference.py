"""The reference page of the catalog has the columns and arrays that the code has, in their order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from ainerd_agent.catalog.codec.arrays import MAP_ARRAYS
from ainerd_agent.catalog.codec.columns import Column
from ainerd_agent.catalog.codec.notes import ANNOTATION_COLUMNS, STRESS_COLUMNS
from ainerd_agent.catalog.codec.point_columns import POINT_COLUMNS
from ainerd_agent.catalog.codec.suggestions import SUGGESTION_COLUMNS
from ainerd_agent.catalog.codec.time_scales import TIME_SCALE_COLUMNS
from ainerd_agent.catalog.schema import ANALYSIS_SPEC, MAPS_SPEC, MODEL_SPEC, SUGGESTIONS_SPEC

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "catalog.md").read_text()
KINDS = {"string": "text", "double": "float64", "float": "float32"}


def lines_of(columns: Sequence[Column]) -> list[str]:
    """The rows of a table for the page."""
    return [
        f"| `{each.name}` | {KINDS.get(str(each.kind), str(each.kind))} | {each.units} | {each.meaning} |"
        for each in columns
    ]


def table_under(heading: str) -> list[str]:
    part = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [line for line in part.splitlines() if re.match(r"\| `\w+` \| \w+ \|", line)]


@pytest.mark.parametrize(
    ("heading", "columns"),
    [
        ("points", POINT_COLUMNS),
        ("time_scales", TIME_SCALE_COLUMNS),
        ("suggestions", SUGGESTION_COLUMNS),
        ("annotations", ANNOTATION_COLUMNS),
        ("stress", STRESS_COLUMNS),
    ],
)
def test_columns(heading: str, columns: Sequence[Column]) -> None:
    assert [line for line in table_under(heading) if not line.startswith("| `z0`")] == lines_of(columns)


def test_arrays() -> None:
    for array in MAP_ARRAYS:
        assert f"| `{array.key}` | {', '.join(array.dims)} | {array.meaning} |" in PAGE


def test_versions() -> None:
    for name, version in (MAPS_SPEC, MODEL_SPEC, ANALYSIS_SPEC, SUGGESTIONS_SPEC):
        assert f"spec {name} {version}" in PAGE
