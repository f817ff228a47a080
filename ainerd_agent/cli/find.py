"""`ainerd find`: questions to a catalog, answered as a table, CSV or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Hashable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ainerd_agent.catalog.opening import open_catalog
from ainerd_agent.cli.options import CatalogOption, Model, point_named
from ainerd_agent.errors import CatalogError

if TYPE_CHECKING:
    import pandas as pd

    from ainerd_agent.catalog import ModelResults
    from ainerd_agent.latent import Encoder

find = typer.Typer(
    name="find",
    no_args_is_help=True,
    help="""Find runs and points in a catalog.

    Ranges are FROM..TO, FROM.. or ..TO, ends included. Times are as 2026-11-25 or 2026-11-25T15:00 (UTC), or seconds
    since the epoch.
    """,
)

RUN_COLUMNS = {
    "raw_uid": "run",
    "time": "time",
    "sample": "sample",
    "status": "status",
    "n_measurements": "n",
    "dominant_cluster": "cluster",
    "shear_stress_min": "stress from",
    "shear_stress_max": "to",
    "novelty_max": "novelty",
}
POINT_COLUMNS = {
    "point": "point",
    "distance": "distance",
    "cluster": "cluster",
    "novelty": "novelty",
    "shear_stress": "stress",
    "tau": "tau",
    "x": "x",
    "y": "y",
    "azimuth": "azimuth",
}
"""Columns of a table on the screen, and their headings."""

WIDTH = 120
"""Characters of a line at least: narrower, the names of runs would be torn apart."""

ROW = ("raw_uid", "seq_num", "bin")

SHOWN = 50
"""Rows of a table on the screen."""


class Format(StrEnum):
    """How an answer is written."""

    table = "table"
    csv = "csv"
    json = "json"


Cluster = Annotated[int | None, typer.Option(min=0, help="Kind of dynamics, 0 is the slowest.")]
Share = Annotated[str | None, typer.Option(metavar="RANGE", help="Of a run's maps in --cluster, from 0 to 1.")]
Stress = Annotated[str | None, typer.Option(metavar="RANGE", help="Shear stress, Pa.")]
Novelty = Annotated[str | None, typer.Option(metavar="RANGE", help="In units of repeatability.")]
Tau = Annotated[str | None, typer.Option(metavar="RANGE", help="Relaxation time, s.")]
Time = Annotated[str | None, typer.Option(metavar="RANGE", help="When it was measured.")]
X = Annotated[str | None, typer.Option(metavar="RANGE", help="Stage position, mm.")]
Y = Annotated[str | None, typer.Option(metavar="RANGE", help="Stage position, mm.")]
Sample = Annotated[str | None, typer.Option(help="Name of the sample.")]
Where = Annotated[
    list[str] | None, typer.Option(metavar="KEY=VALUE", help="Value of a key of the metadata; may be given again.")
]
Columns = Annotated[str | None, typer.Option(help="Names of columns, separated by commas.")]
Written = Annotated[Format, typer.Option("--format", help="How the answer is written.")]
Count = Annotated[int, typer.Option("-k", min=1, help="How many.")]


@find.command()
def runs(
    catalog: CatalogOption = "ainerd-session",
    model: Model = None,
    cluster: Cluster = None,
    share: Share = None,
    stress: Stress = None,
    novelty: Novelty = None,
    tau: Tau = None,
    time: Time = None,
    x: X = None,
    y: Y = None,
    sample: Sample = None,
    where: Where = None,
    latest: Annotated[int | None, typer.Option(min=1, help="Only so many, the latest.")] = None,
    columns: Columns = None,
    format: Written = Format.table,
) -> None:
    """Analysed runs that fit, in order of time."""
    given = _conditions(
        where, cluster=cluster, share=share, stress=stress, novelty=novelty, tau=tau, time=time, x=x, y=y, sample=sample
    )
    with open_catalog(catalog) as root:
        found = root.runs(model, **given) if latest is None else root.model(model).find(**given).runs(latest)
    _write(found, format, columns, RUN_COLUMNS)


@find.command()
def points(
    catalog: CatalogOption = "ainerd-session",
    model: Model = None,
    cluster: Cluster = None,
    share: Share = None,
    stress: Stress = None,
    novelty: Novelty = None,
    tau: Tau = None,
    time: Time = None,
    x: X = None,
    y: Y = None,
    sample: Sample = None,
    where: Where = None,
    columns: Columns = None,
    format: Written = Format.table,
) -> None:
    """Points that fit, of all runs: one row per measurement and bin."""
    given = _conditions(
        where, cluster=cluster, share=share, stress=stress, novelty=novelty, tau=tau, time=time, x=x, y=y, sample=sample
    )
    needed = _names(columns)
    if needed is None and format is Format.table:
        needed = [name for name in POINT_COLUMNS if name not in ("point", "distance")]
    with open_catalog(catalog) as root:
        found = root.points(model, needed, **given)
    _write(found, format, columns, POINT_COLUMNS)


@find.command()
def novel(
    catalog: CatalogOption = "ainerd-session",
    model: Model = None,
    k: Count = 20,
    cluster: Cluster = None,
    stress: Stress = None,
    tau: Tau = None,
    time: Time = None,
    x: X = None,
    y: Y = None,
    sample: Sample = None,
    where: Where = None,
    columns: Columns = None,
    format: Written = Format.table,
) -> None:
    """The most novel points of all runs, the most novel first."""
    given = _conditions(where, cluster=cluster, stress=stress, tau=tau, time=time, x=x, y=y, sample=sample)
    with open_catalog(catalog) as root:
        found = root.model(model).novel(k, **given)
    _write(found, format, columns, POINT_COLUMNS)


@find.command()
def similar(
    what: Annotated[str, typer.Argument(help="A point as UID/SEQ_NUM/BIN, or an .npy file with a C2 map.")],
    catalog: CatalogOption = "ainerd-session",
    model: Model = None,
    k: Count = 20,
    sample: Sample = None,
    where: Where = None,
    index: Annotated[Path | None, typer.Option(help="Folder of the index; in your cache by default.")] = None,
    columns: Columns = None,
    format: Written = Format.table,
) -> None:
    """The points of all runs that are most like a map, or like another point."""
    given = _conditions(where, sample=sample)
    asked = _map(Path(what)) if what.endswith(".npy") else point_named(what)
    with open_catalog(catalog) as root:
        results = root.model(model)
        encoder = None if isinstance(asked, tuple) else _encoder_of(results)
        found = (results.find(**given) if given else results).similar(asked, k, folder=index, encoder=encoder)
    _write(found, format, columns, POINT_COLUMNS)


def _encoder_of(results: ModelResults) -> Encoder:
    from ainerd_agent.latent import Encoder
    from ainerd_agent.settings import Settings

    return Encoder.named(results.name, Settings().model)


def _map(file: Path) -> Any:
    import numpy as np

    from ainerd_agent.errors import MapError

    try:
        return np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise MapError(f"{file} is not a readable .npy file with a map: {error}") from error


def _conditions(where: list[str] | None, **given: Any) -> dict[str, Any]:
    ranges = ("share", "stress", "novelty", "tau", "time", "x", "y")
    found = {
        name: _range(name, value) if name in ranges else value for name, value in given.items() if value is not None
    }
    for text in where or []:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise CatalogError(f"--where {text!r} is not KEY=VALUE.")
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value  # text without quotes
    return found


def _range(name: str, text: str) -> tuple[Any, Any]:
    low, dots, high = text.partition("..")
    return _end(name, low), _end(name, high) if dots else None


def _end(name: str, text: str) -> Any:
    try:
        return float(text) if text.strip() else None
    except ValueError:
        if name == "time":
            return text.strip()
        raise CatalogError(f"--{name} takes numbers as FROM..TO, FROM.. or ..TO, not {text!r}.") from None


def _names(columns: str | None) -> list[str] | None:
    return None if columns is None else [name.strip() for name in columns.split(",") if name.strip()]


def _write(found: pd.DataFrame, format: Format, columns: str | None, usual: Mapping[str, str]) -> None:
    from ainerd_agent.catalog import points_schema

    names = _names(columns)
    if names is not None:
        # A column of an earlier or later version may be missing; one that nobody knows is a mistake.
        known = {*points_schema().names, *usual, *(str(name) for name in found if found[name].notna().any())}
        if len(found) and (unknown := [name for name in names if name not in known]):
            raise CatalogError(f"There is no column {', '.join(unknown)}; there are {', '.join(sorted(known))}.")
        found = found.reindex(columns=names)
    if format is Format.json:
        print(found.to_json(orient="records", double_precision=15))
    elif format is Format.csv:
        found.to_csv(sys.stdout, index=False)
    else:
        _show(found, {name: name for name in names} if names is not None else usual)


def _show(found: pd.DataFrame, headings: Mapping[str, str]) -> None:
    console = Console()
    console.width = max(WIDTH, console.width)
    table = Table(box=None, header_style="bold")
    rows = [_as_shown(row) for row in found.head(SHOWN).to_dict("records")]
    names = [name for name in headings if any(name in row for row in rows)]
    for name in names:
        table.add_column(headings[name], no_wrap=name in ("raw_uid", "point"), overflow="fold")
    for row in rows:
        table.add_row(*(_cell(name, row.get(name)) for name in names))
    if rows:
        console.print(table)
    more = f", of which the first {SHOWN} are shown: --format csv has all" if len(found) > SHOWN else ""
    console.print(f"{len(found)} found{more}", highlight=False, soft_wrap=True)


def _as_shown(row: Mapping[Hashable, Any]) -> dict[str, Any]:
    shown = {str(name): value for name, value in row.items()}
    if all(name in shown for name in ROW):
        shown["point"] = "/".join(str(shown[name]) for name in ROW)  # as `explain` and `similar` take it
    return shown


def _cell(name: str, value: Any) -> str:
    if value is None or value != value:
        return "-"
    if name == "time":
        return f"{datetime.fromtimestamp(float(value), UTC):%Y-%m-%d %H:%M:%S}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
