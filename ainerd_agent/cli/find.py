"""`ainerd find`: questions to a catalog, answered as a table, CSV or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ainerd_agent.cli.options import (
    POINT,
    RUN,
    CatalogOption,
    Model,
    NamesRuns,
    measurement_named,
    open_catalog,
    point_named,
)
from ainerd_agent.cli.tables import ROWS, show_rows, with_names
from ainerd_agent.errors import CatalogError

if TYPE_CHECKING:
    import pandas as pd

    from ainerd_agent.catalog import Catalog, ModelResults
    from ainerd_agent.latent import Encoder

find = typer.Typer(
    name="find",
    no_args_is_help=True,
    help="""Find runs and points in a catalog.

    Ranges are FROM..TO, FROM.. or ..TO, ends included. Times are as 2026-11-25, 2026-11-25T15:00 or
    2026-11-25T15:00+01:00, local where they name no zone, or seconds since the epoch.
    """,
)

RUN_COLUMNS = {
    "raw_uid": "run",
    "time": "time",
    "sample": "sample",
    "status": "status",
    "n_measurements": "n",
    "dominant_cluster": "cluster",
    "dominant_kind": "kind",
    "shear_stress_min": "stress from",
    "shear_stress_max": "to",
    "novelty_max": "novelty",
}
POINT_COLUMNS = {
    "point": "point",
    "distance": "distance",
    "cluster": "cluster",
    "kind": "kind",
    "novelty": "novelty",
    "repeat_probability": "P(repeat)",
    "shear_stress": "stress",
    "tau": "tau",
    "x": "x",
    "y": "y",
    "azimuth": "azimuth",
}
MEASUREMENT_COLUMNS = {
    "measurement": "measurement",
    "distance": "distance",
    "bins": "bins",
    "cluster": "cluster",
    "novelty": "novelty",
    "shear_stress": "stress",
    "x": "x",
    "y": "y",
    "time": "time",
}
SCALE_COLUMNS = {
    "point": "point",
    "distance": "distance",
    "seconds": "crop",
    "age": "from age",
    "cluster": "cluster",
}
"""Columns of a table on the screen, and their headings, beside which the units come."""

UNITS = {
    "novelty": "rep.",
    "novelty_max": "rep.",
    "shear_stress_min": "Pa",
    "shear_stress_max": "Pa",
    "shear_stress_mean": "Pa",
    "tau_median": "s",
    "azimuth": "°",
    "seconds": "s",
    "age": "s",
}
"""Units beside those of the columns of points; rep. are repeatabilities, those of repeats there by newer models."""


class Rows(StrEnum):
    """What a row of an answer is."""

    bin = "bin"
    measurement = "measurement"


class Format(StrEnum):
    """How an answer is written."""

    table = "table"
    csv = "csv"
    json = "json"


CONDITIONS: Mapping[str, Any] = {
    "cluster": Annotated[int | None, typer.Option(min=0, help="By rate, 0 is the slowest.")],
    # In words, and not from the records: those bring numpy, which --help has no time for.
    "kind": Annotated[
        str | None,
        typer.Option(help="Kind of dynamics: equilibrium, ageing, intermittent, oscillating, flowing, unknown."),
    ],
    "ended": Annotated[
        str | None,
        typer.Option(help="Why the exposure ended: planned, converged, recognised, damaged, stopped."),
    ],
    "counted": Annotated[str | None, typer.Option(metavar="RANGE", help="Seconds that were counted.")],
    "share": Annotated[
        str | None, typer.Option(metavar="RANGE", help="Of a run's maps in --cluster or of --kind, from 0 to 1.")
    ],
    "stress": Annotated[str | None, typer.Option(metavar="RANGE", help="Shear stress, Pa.")],
    "novelty": Annotated[str | None, typer.Option(metavar="RANGE", help="In units of repeatability.")],
    "repeat_probability": Annotated[
        str | None, typer.Option(metavar="RANGE", help="Of a repeat of the nearest map before; ..0.01 is no repeat.")
    ],
    "tau": Annotated[str | None, typer.Option(metavar="RANGE", help="Relaxation time, s.")],
    "time": Annotated[str | None, typer.Option(metavar="RANGE", help="When it was measured.")],
    "x": Annotated[str | None, typer.Option(metavar="RANGE", help="Stage position, mm.")],
    "y": Annotated[str | None, typer.Option(metavar="RANGE", help="Stage position, mm.")],
    "run": Annotated[str | None, typer.Option(metavar="RUN", help=f"Only this one: {RUN}.")],
    "sample": Annotated[str | None, typer.Option(help="Name of the sample.")],
    "where": Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Value of a key of the metadata; may be given again.")
    ],
}
"""Options that say which runs and points are meant."""

RANGES = ("share", "stress", "novelty", "repeat_probability", "tau", "counted", "time", "x", "y")

Columns = Annotated[str | None, typer.Option(help="Names of columns, separated by commas.")]
Written = Annotated[Format, typer.Option("--format", help="How the answer is written.")]
RowsBy = Annotated[Rows, typer.Option(help="A row for each map, or for each measurement as a whole.")]
Count = Annotated[int, typer.Option("-k", min=1, help="How many.")]


def conditional(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command some of `CONDITIONS` as options, in the place of its parameter `conditions`, which they become."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def run(**given: Any) -> None:
            command(conditions=_conditions({name: given.pop(name) for name in names}), **given)

        options = [Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=CONDITIONS[name]) for name in names]
        parameters: list[Parameter] = []
        for each in signature(command, eval_str=True).parameters.values():
            keyword = each.replace(kind=Parameter.KEYWORD_ONLY)
            parameters += options if each.name == "conditions" else [keyword]
        # Where typer looks for the options of a command.
        run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        return run

    return decorate


@find.command()
@conditional(*CONDITIONS)
def runs(
    catalog: CatalogOption = "ainerd-session",
    model: Model = None,
    *,
    conditions: dict[str, Any],
    latest: Annotated[int | None, typer.Option(min=1, help="Only so many, the latest.")] = None,
    columns: Columns = None,
    format: Written = Format.table,
) -> None:
    """Analysed runs that fit, in order of time."""
    with open_catalog(catalog) as opened:
        if latest is None:
            found = opened.runs(model, **conditions)
        else:
            found = opened.model(model).find(**conditions).runs(latest)
    _write(found, format, columns, RUN_COLUMNS, UNITS)


@find.command()
@conditional(*CONDITIONS)
def points(
    catalog: CatalogOption = "ainerd-session",
    model: Model = None,
    *,
    conditions: dict[str, Any],
    columns: Columns = None,
    format: Written = Format.table,
) -> None:
    """Points that fit, of all runs: one row per measurement and bin."""
    needed = _names(columns)
    if needed is not None:
        needed = [name for name in needed if name not in ("point", "measurement")]
    elif format is Format.table:
        needed = [name for name in POINT_COLUMNS if name not in ("point", "distance", "x", "y")]
    with open_catalog(catalog) as opened:
        if columns is None and needed is not None:
            needed += opened.axes(model, **conditions)
        found = opened.points(model, needed, **conditions)
        units = _units(opened, found, format)
    _write(found, format, columns, _with_axes(POINT_COLUMNS, units), units)


@find.command()
@conditional("cluster", "kind", "repeat_probability", "stress", "tau", "time", "x", "y", "run", "sample", "where")
def novel(
    catalog: CatalogOption = "ainerd-session",
    model: Model = None,
    k: Count = 20,
    by: RowsBy = Rows.bin,
    *,
    conditions: dict[str, Any],
    columns: Columns = None,
    format: Written = Format.table,
) -> None:
    """The most novel points of all runs, the most novel first; or the most novel measurements."""
    with open_catalog(catalog) as opened:
        found = opened.model(model).novel(k, by=by.value, **conditions)
        units = _units(opened, found, format)
    _write(found, format, columns, _with_axes(POINT_COLUMNS if by is Rows.bin else MEASUREMENT_COLUMNS, units), units)


@find.command(cls=NamesRuns)
@conditional("sample", "where")
def similar(
    what: Annotated[str, typer.Argument(help=f"A point, or an .npy file with a C2 map. {POINT}")],
    catalog: CatalogOption = "ainerd-session",
    model: Model = None,
    k: Count = 20,
    by: RowsBy = Rows.bin,
    scale: Annotated[
        float | None, typer.Option(help="Compare crops of this share of the exposure: 1, 0.5, 0.25 or 0.125.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Compare crops of so many seconds, a power of two, whatever the exposures.")
    ] = None,
    exposure: Annotated[
        float | None, typer.Option(min=0, help="Seconds that a side of the .npy map spans, for --seconds.")
    ] = None,
    *,
    conditions: dict[str, Any],
    local: Annotated[
        int | None,
        typer.Option(min=1, help="Distances in units of that from each point to its own neighbour of this number: 10."),
    ] = None,
    index: Annotated[Path | None, typer.Option(help="Folder of the index; in your cache by default.")] = None,
    columns: Columns = None,
    format: Written = Format.table,
) -> None:
    """The points of all runs that are most like a map, or like another point; or the measurements like another one.

    With --scale or --seconds, crops of the maps are compared, wherever along the diagonal they are: `ainerd timescales`
    makes them.
    """
    whole = by is Rows.measurement
    asked = measurement_named(what) if whole else _map(Path(what)) if what.endswith(".npy") else point_named(what)
    with open_catalog(catalog) as opened:
        results = opened.model(model)
        encoder = None if isinstance(asked, tuple) else _encoder_of(results)
        chosen = results.find(**conditions) if conditions else results
        found = chosen.similar(
            asked,
            k,
            by=by.value,
            scale=scale,
            seconds=seconds,
            exposure=exposure,
            folder=index,
            encoder=encoder,
            local=local,
        )
        units = _units(opened, found, format)
    if without := found.attrs.get("without"):
        print(f"{len(without)} runs have no time scales yet (`ainerd timescales` makes them)", file=sys.stderr)
    if scale is not None or seconds is not None:
        _write(found, format, columns, SCALE_COLUMNS, units)
        return
    _write(found, format, columns, _with_axes(MEASUREMENT_COLUMNS if whole else POINT_COLUMNS, units), units)


def _units(catalog: Catalog, found: pd.DataFrame, format: Format) -> Mapping[str, str]:
    return {**catalog.units(found.head(ROWS)), **UNITS} if format is Format.table else {}


def _with_axes(headings: Mapping[str, str], units: Mapping[str, str]) -> dict[str, str]:
    """Headings, and those of the axes beside x and y, which the units of the points name."""
    from ainerd_agent.catalog import points_schema

    others = {*points_schema().names, *UNITS, *headings}
    return {**headings, **{name: name for name in units if name not in others}}


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


def _conditions(given: Mapping[str, Any]) -> dict[str, Any]:
    """What was given of `CONDITIONS`, as the catalog takes it."""
    found = {
        "raw_uid" if name == "run" else name: _range(name, value) if name in RANGES else value
        for name, value in given.items()
        if value is not None and name != "where"
    }
    for text in given["where"] or []:
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


def _write(
    found: pd.DataFrame, format: Format, columns: str | None, usual: Mapping[str, str], units: Mapping[str, str]
) -> None:
    from ainerd_agent.catalog import points_schema

    names = _names(columns)
    if format is Format.table or "point" in (names or ()) or "measurement" in (names or ()):
        found = with_names(found)
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
        show_rows(found, {name: name for name in names} if names is not None else usual, units)
