"""What commands show as tables in the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    import pandas as pd

    from ainerd_agent.records.agents import AgentProcess
    from ainerd_agent.workflows.report import Findings

WIDTH = 120
"""Characters of a line at least: narrower, names of runs and files would be torn apart."""

ROWS = 50
"""Rows of a table of runs or points."""

NOVELTY = "(rep.)"
"""Unit of a novelty: repeatabilities."""

SUGGESTIONS = 20
"""Rows of a table of suggestions."""

NAME_OF_A_MEASUREMENT = ("raw_uid", "seq_num")

TIMES = ("time", "stop", "time_min", "time_max", "analysed")
"""Columns that are seconds since the epoch."""

MOMENTS = ("time", "begin", "end")
"""Keys of a lineage that are seconds since the epoch."""

UNITS_OF_GEOMETRY = {"distance": "m", "pixel_size": "m", "wavelength": "nm"}


def wide_console() -> Console:
    """A console that keeps long names in one line."""
    console = Console()
    console.width = max(WIDTH, console.width)
    return console


def write_line(console: Console, text: str) -> None:
    """Write a line as it is, whatever characters are in it, and however long it is."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def show_rows(found: pd.DataFrame, headings: Mapping[str, str], units: Mapping[str, str]) -> None:
    """Show the first runs or points, with those columns of `headings` that they have, and their units."""
    console = wide_console()
    table = Table(box=None, header_style="bold")
    rows = [{str(name): value for name, value in row.items()} for row in found.head(ROWS).to_dict("records")]
    names = [name for name in headings if any(name in row for row in rows)]
    for name in names:
        unit = "" if name in TIMES else units.get(name)
        heading = headings[name] + (f"\n({unit})" if unit else "")
        table.add_column(heading, no_wrap=name in ("raw_uid", "point", "measurement", *TIMES), overflow="fold")
    for row in rows:
        table.add_row(*(_cell(name, row.get(name)) for name in names))
    if rows:
        console.print(table)
    more = f", of which the first {ROWS} are shown: --format csv has all" if len(found) > ROWS else ""
    console.print(f"{len(found)} found{more}", highlight=False, soft_wrap=True)


def with_names(found: pd.DataFrame) -> pd.DataFrame:
    """Rows of points or measurements with `measurement` and `point`, as `explain` and `similar` take them."""
    from ainerd_agent.records.run import MeasurementName, PointName  # here, as it imports numpy

    if not all(name in found for name in NAME_OF_A_MEASUREMENT):
        return found
    streams = found["stream"] if "stream" in found else ["primary"] * len(found)
    shown = [None if stream == "primary" else stream for stream in streams]
    keys = list(zip(found["raw_uid"], found["seq_num"], shown, strict=True))
    found = found.assign(measurement=[str(MeasurementName(*key)) for key in keys])
    if "bin" not in found:
        return found
    named = zip(keys, found["bin"], strict=True)
    return found.assign(point=[str(PointName(run, number, bin, stream)) for (run, number, stream), bin in named])


def _cell(name: str, value: Any) -> str:
    from ainerd_agent.records.in_words import NOTHING, local_time, number

    if value is None or value != value or value == "":
        return NOTHING
    if name in TIMES:
        return local_time(value)
    return number(value) if isinstance(value, float) else str(value)


def agent_table(found: Sequence[tuple[AgentProcess, str]]) -> Table:
    """The agents: what each does, and since when one is dead.

    Parameters
    ----------
    found : sequence of (AgentProcess, str)
        As `ModelResults.agents` gives them.
    """
    from ainerd_agent.records.in_words import local_time

    table = Table(box=None)
    for heading in ("agent", "is", "since", "mode", "at most", "on", ""):
        table.add_column(heading)
    for process, state in found:
        why = process.why if state == "ended" else f"asked to {process.held}" if process.held else ""
        since = local_time(process.seen if state in ("dead", "ended") else process.started)
        on = f"{process.machine}, process {process.process}"
        table.add_row(process.agent, state, since, process.mode, process.highest, on, why)
    return table


def suggestion_table(proposed: pd.DataFrame, last: pd.DataFrame) -> Table:
    """The last suggestions, and what became of them.

    Parameters
    ----------
    proposed : DataFrame
        Their events "proposed".
    last : DataFrame
        The last event of each, by its identifier.
    """
    from ainerd_agent.catalog.codec.suggestions import axis_columns
    from ainerd_agent.records.in_words import NOTHING, local_time, number, place, with_uncertainty

    table = Table(box=None)
    expected, found = f"expected\n{NOVELTY}", f"found\n{NOVELTY}"
    for heading in ("suggestion", "proposed", "where", expected, "state", found, "note"):
        table.add_column(heading, justify="right" if NOVELTY in heading else "left")
    columns = axis_columns(last)
    for row in proposed.tail(SUGGESTIONS).to_dict("records"):
        end = last.loc[row["suggestion_id"]]
        position = {axis: end[name] for axis, name in columns.items() if end[name] == end[name]}
        table.add_row(
            row["suggestion_id"],
            local_time(row["time"]),
            _where(place(position, json.loads(row["position_units"] or "{}")), row) or NOTHING,
            with_uncertainty(row["expected_novelty"], row["uncertainty"]),
            "waits" if end["event"] in ("proposed", "waiting") else str(end["event"]),
            "" if end["event"] != "measured" else number(end["novelty"], ".1f"),
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
        lines = list(_lines(values or {}, _units_of(about, values or {}))) or [("", "not written down")]
        for number, (name, text) in enumerate(lines):
            table.add_row("" if number else about, name, text)
    return table


def _units_of(about: str, values: Mapping[str, Any]) -> Mapping[str, str]:
    if about == "geometry":
        return UNITS_OF_GEOMETRY
    if about not in ("found", "measured", "bin"):
        return {}
    from ainerd_agent.catalog.codec.columns import column_metadata
    from ainerd_agent.catalog.codec.point_layout import points_schema

    return {**column_metadata(points_schema())["units"], **values.get("units", {})}


def _lines(values: Mapping[str, Any], units: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    from ainerd_agent.records.in_words import local_time

    for name, value in values.items():
        if name == "units":
            continue
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", text) for inner, text in _lines(value, {}))
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for entry in value:
                yield name, " ".join(str(part) for part in entry.values())
        elif value is None:
            yield name, "not known"
        elif name in MOMENTS:
            yield name, local_time(value)
        else:
            unit = f" ({units[name]})" if units.get(name) else ""
            yield name + unit, f"{value:.6g}" if isinstance(value, float) else str(value)


def measurement_table(findings: Findings) -> Table:
    """The measurements of a session."""
    from ainerd_agent.records.in_words import number

    table = Table(title="Measurements", title_justify="left", header_style="bold")
    axes = [f"{axis} ({unit})" if unit else axis for axis, unit in findings.axes.items()]
    for heading in ("#", *axes, "cluster", "stress (Pa)", f"novelty {NOVELTY}"):
        table.add_column(heading, justify="right")
    table.add_column("why here")
    for row in findings.measurements().to_dict("records"):
        table.add_row(
            str(row["seq_num"]),
            *(number(row[axis], ".2f") for axis in findings.axes),
            str(row["dominant_cluster"]),
            number(row["shear_stress"], ".1f"),
            number(row["novelty"], ".1f"),
            str(row["reason"]),
        )
    return table


def _where(told: str, row: Mapping[Any, Any]) -> str:
    """A position with the sample and the well that it is on, where these have names."""
    return ", ".join(part for part in (told, str(row.get("sample") or ""), str(row.get("well") or "")) if part)
