from __future__ import annotations

import math

import pandas as pd
from rich.console import Console

from ainerd_agent.catalog.codec.suggestions import normalised
from ainerd_agent.cli.follow import told_of
from ainerd_agent.cli.tables import measurement_table, show_rows, suggestion_table, with_names
from ainerd_agent.records.in_words import NOTHING, local_time
from tests.workflows.test_report import findings


def text_of(table: object) -> str:
    console = Console(width=160)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def test_the_table_has_a_row_per_measurement() -> None:
    table = measurement_table(findings())
    assert table.row_count == 2
    assert "(Pa)" in text_of(table)
    assert "x (mm)" in text_of(table)


def test_suggestions_without_expectation_are_not_nan() -> None:
    rows = pd.DataFrame(
        {
            "suggestion_id": ["a-1", "a-2"], "time": [0.0, 1.0], "expected_novelty": [math.nan, 3.0],
            "uncertainty": [math.nan, 0.5], "event": ["measured", "proposed"], "novelty": [math.nan, math.nan],
            "position": ['{"x": 1.0, "y": 3.0}', '{"theta": 2.0, "z": 4.0}'],
            "position_units": ["{}", '{"theta": "deg"}'], "note": ["", None], "sample": ["", "gel"], "well": ["", "A1"],
        }
    )  # fmt: skip
    rows = normalised(rows)
    shown = text_of(suggestion_table(rows, rows.groupby("suggestion_id").last()))
    assert "nan" not in shown.lower().replace("nano", "")
    assert "3.0 ± 0.5" in shown
    assert "(1.00, 3.00) mm" in shown
    assert "theta 2.00 deg, z 4.00 mm, gel, A1" in shown
    assert local_time(0.0) in shown


def test_rows_have_their_units(capsys: object) -> None:
    found = with_names(
        pd.DataFrame(
            {
                "raw_uid": ["u"] * 2,
                "seq_num": [3, 4],
                "bin": [1, 2],
                "stream": ["primary", "dark"],
                "theta": [1.0, math.nan],
            }
        )
    )
    assert found["point"].tolist() == ["u/3/1", "u/dark/4/2"]
    assert found["measurement"].tolist() == ["u/3", "u/dark/4"]
    show_rows(found, {"point": "point", "theta": "theta"}, {"theta": "deg"})
    shown = capsys.readouterr().out  # type: ignore[attr-defined]
    assert "(deg)" in shown
    assert NOTHING in shown


def test_a_line_about_a_measurement_without_stress_or_place() -> None:
    rows = pd.DataFrame(
        {
            "time": [0.0],
            "raw_uid": ["u"],
            "seq_num": [1],
            "cluster": [2],
            "novelty": [math.nan],
            "shear_stress": [math.nan],
            "problems": [""],
        }
    )
    assert (
        told_of(rows, {"x": "mm", "y": "mm"})
        == f"{local_time(0.0)}  u/1  1 of cluster 2; novelty not known; stress not measured"
    )
    seen = rows.assign(x=1.5, y=math.nan, theta=20.0, novelty=2.0, shear_stress=3.0)
    assert "(1.50, ?) mm" in told_of(seen, {"x": "mm", "y": "mm"})
    assert "x 1.50 mm, theta 20.00 deg  1 of" in told_of(seen, {"x": "mm", "theta": "deg"})
