"""`ainerd follow`: measurements as they are analysed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ainerd_agent.catalog.opening import open_catalog
from ainerd_agent.cli.options import CatalogOption, Model

if TYPE_CHECKING:
    import pandas as pd


class Lines(StrEnum):
    """How it is told."""

    text = "text"
    csv = "csv"
    json = "json"


def follow(
    catalog: CatalogOption = "ainerd-session",
    model: Model = None,
    beginning: Annotated[
        bool, typer.Option("--beginning", help="Tell first what is there already, instead of only what comes.")
    ] = False,
    format: Annotated[
        Lines, typer.Option(help="A line for each measurement; or each point, as CSV or as lines of JSON.")
    ] = Lines.text,
    measurements: Annotated[int | None, typer.Option(min=1, help="End after so many; by default never.")] = None,
) -> None:
    """Tell measurements as they are analysed, until Ctrl-C: where, which dynamics, how novel, at which stress.

    Give the address of a running server: it wakes this up by its websocket where it has one, and is asked every few
    seconds where it has none. Nothing is missed while the server is away.
    """
    with open_catalog(catalog) as root:
        told = 0
        tables = root.model(model).follow(beginning=beginning)
        try:
            for points in tables:
                for rows in _each(points):
                    _print(rows, format, first=told == 0)
                    told += 1
                    if measurements is not None and told >= measurements:
                        return
        except KeyboardInterrupt:
            pass
        finally:
            tables.close()


def _each(points: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for _, rows in points.groupby("seq_num", sort=True):
        yield rows


def _print(rows: pd.DataFrame, format: Lines, *, first: bool) -> None:
    if format is Lines.csv:
        rows.to_csv(sys.stdout, index=False, header=first)
    elif format is Lines.json:
        print(rows.to_json(orient="records", lines=True, double_precision=15), end="")
    else:
        print(told_of(rows))
    sys.stdout.flush()


def told_of(rows: pd.DataFrame) -> str:
    """One line about a measurement."""
    point = rows.iloc[0]
    when = f"{datetime.fromtimestamp(float(point['time']), UTC):%Y-%m-%d %H:%M:%S}"
    counts = rows["cluster"].value_counts().sort_index()
    clusters = ", ".join(f"{count} of cluster {cluster}" for cluster, count in counts.items())
    bad = int((rows["problems"].fillna("") != "").sum())
    return (
        f"{when}  {point['raw_uid']}/{point['seq_num']}  ({point['x']:.2f}, {point['y']:.2f}) mm  {clusters}; "
        f"novelty up to {rows['novelty'].max():.3g}; stress {point['shear_stress']:.4g} Pa"
        + (f"; {bad} maps not to be trusted" if bad else "")
    )
