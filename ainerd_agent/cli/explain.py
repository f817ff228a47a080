"""`ainerd explain`: where a point comes from."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ainerd_agent.catalog.opening import open_catalog
from ainerd_agent.cli.options import CatalogOption, Model, point_named

WIDTH = 120
"""Characters of a line at least: narrower, names of files would be torn apart."""

MOMENTS = ("time", "begin", "end")


def explain(
    point: Annotated[str, typer.Argument(help="As UID/SEQ_NUM/BIN.")],
    catalog: CatalogOption = "ainerd-session",
    model: Model = None,
    json: Annotated[bool, typer.Option("--json", help="As one line of JSON.")] = False,
) -> None:
    """Say where a point comes from.

    Which frames and files, which bin, which software on which machine, which weights, parameters and geometry; when.
    """
    uid, seq_num, bin = point_named(point)
    with open_catalog(catalog) as root:
        told = root.model(model).run(uid).explain(seq_num, bin)
    if json:
        print(jsonlib.dumps(told))
        return
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for about, values in told.items():
        lines = list(_lines(values or {})) or [("", "not written down")]
        for number, (name, text) in enumerate(lines):
            table.add_row("" if number else about, name, text)
    console = Console()
    console.width = max(WIDTH, console.width)
    console.print(table, markup=False)


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
            yield name, f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S} UTC"
        else:
            yield name, f"{value:.6g}" if isinstance(value, float) else str(value)
