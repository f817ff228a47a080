"""What commands show as tables in the terminal."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    import pandas as pd

    from ainerd_agent.workflows.report import Findings

WIDTH = 120
"""Characters of a line at least: narrower, names of runs and files would be torn apart."""

ROWS = 50
"""Rows of a table of runs or points."""

SUGGESTIONS = 20
"""Rows of a table of suggestions."""

NAME_OF_A_MEASUREMENT = ("raw_uid", "seq_num")

MOMENTS = ("time", "begin", "end")
"""Keys of a lineage that are seconds since the epoch."""


def wide_console() -> Console:
    """A console that keeps long names in one line."""
    console = Console()
    console.width = max(WIDTH, console.width)
    return console


def write_line(console: Console, text: str) -> None:
    """Write a line as it is, whatever characters are in it, and however long it is."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def show_rows(found: pd.DataFrame, headings: Mapping[str, str]) -> None:
    """Show the first runs or points, with those columns of `headings` that they have."""
    console = wide_console()
    table = Table(box=None, header_style="bold")
    rows = [_as_shown(row) for row in found.head(ROWS).to_dict("records")]
    names = [name for name in headings if any(name in row for row in rows)]
    for name in names:
        table.add_column(headings[name], no_wrap=name in ("raw_uid", "point", "measurement"), overflow="fold")
    for row in rows:
        table.add_row(*(_cell(name, row.get(name)) for name in names))
    if rows:
        console.print(table)
    more = f", of which the first {ROWS} are shown: --format csv has all" if len(found) > ROWS else ""
    console.print(f"{len(found)} found{more}", highlight=False, soft_wrap=True)


def _as_shown(row: Mapping[Hashable, Any]) -> dict[str, Any]:
    shown = {str(name): value for name, value in row.items()}
    if all(name in shown for name in NAME_OF_A_MEASUREMENT):
        # As `explain` and `similar` take it.
        from ainerd_agent.records.run import MeasurementName, PointName  # here, as it imports numpy

        told = shown.get("stream") or "primary"
        run, number, stream = shown["raw_uid"], shown["seq_num"], None if told == "primary" else told
        shown["measurement"] = str(MeasurementName(run, number, stream))
        if "bin" in shown:
            shown["point"] = str(PointName(run, number, shown["bin"], stream))
    return shown


def _cell(name: str, value: Any) -> str:
    if value is None or value != value:
        return "-"
    if name == "time":
        return moment(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def moment(seconds: float) -> str:
    """Seconds since the epoch as date and time, UTC."""
    return f"{datetime.fromtimestamp(float(seconds), UTC):%Y-%m-%d %H:%M:%S}"


def suggestion_table(proposed: pd.DataFrame, last: pd.DataFrame) -> Table:
    """The last suggestions, and what became of them.

    Parameters
    ----------
    proposed : DataFrame
        Their events "proposed".
    last : DataFrame
        The last event of each, by its identifier.
    """
    table = Table(box=None)
    for heading in ("suggestion", "proposed", "x", "y", "expected", "state", "found", "note"):
        table.add_column(heading, justify="right" if heading in ("x", "y", "expected", "found") else "left")
    for row in proposed.tail(SUGGESTIONS).to_dict("records"):
        end = last.loc[row["suggestion_id"]]
        table.add_row(
            row["suggestion_id"],
            f"{datetime.fromtimestamp(row['time'], UTC):%m-%d %H:%M:%S}",
            f"{end['x']:.2f}",
            f"{end['y']:.2f}",
            f"{row['expected_novelty']:.1f} ± {row['uncertainty']:.1f}",
            "waits" if end["event"] == "proposed" else str(end["event"]),
            "" if end["event"] != "measured" else f"{end['novelty']:.1f}",
            str(end.get("note") or ""),
        )
    return table


def lineage_table(lineage: Mapping[str, Mapping[str, Any] | None]) -> Table:
    """Where a point comes from: what it is about, names, and values."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for about, values in lineage.items():
        lines = list(_lines(values or {})) or [("", "not written down")]
        for number, (name, text) in enumerate(lines):
            table.add_row("" if number else about, name, text)
    return table


def _lines(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", text) for inner, text in _lines(value))
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for entry in value:
                yield name, " ".join(str(part) for part in entry.values())
        elif value is None:
            yield name, "not known"
        elif name in MOMENTS:
            yield name, f"{moment(value)} UTC"
        else:
            yield name, f"{value:.6g}" if isinstance(value, float) else str(value)


def measurement_table(findings: Findings) -> Table:
    """The measurements of a session."""
    table = Table(title="Measurements", title_justify="left", header_style="bold")
    for heading in ("#", "x (mm)", "y (mm)", "cluster", "stress (Pa)", "novelty"):
        table.add_column(heading, justify="right")
    table.add_column("why here")
    for row in findings.measurements().to_dict("records"):
        table.add_row(
            str(row["seq_num"]),
            f"{row['x']:.2f}",
            f"{row['y']:.2f}",
            str(row["dominant_cluster"]),
            _number(row["shear_stress"]),
            _number(row["novelty"]),
            str(row["reason"]),
        )
    return table


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.1f}"
