"""`ainerd follow`: measurements as they are analysed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from ainerd_agent.cli.options import CatalogOption, Model, open_catalog

if TYPE_CHECKING:
    import pandas as pd

    from ainerd_agent.catalog import Catalog


class Lines(StrEnum):
    """How measurements are printed."""

    text = "text"
    csv = "csv"
    json = "json"


def follow(
    catalog: CatalogOption = "ainerd-session",
    model: Model = None,
    beginning: Annotated[
        bool, typer.Option("--beginning", help="Print what was measured so far first, then what comes.")
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
    with open_catalog(catalog) as opened:
        axes = AxesOfRuns(opened)
        tables = opened.model(model).follow(beginning=beginning)
        with suppress(KeyboardInterrupt), closing(tables):
            for number, rows in enumerate(islice(_each(tables), measurements)):
                _print(rows, format, axes, first=number == 0)


def _each(tables: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    for points in tables:
        for _, rows in points.groupby("seq_num", sort=True):
            yield rows


class AxesOfRuns:
    """Axes of the runs of a catalog: each is asked for once."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._known: dict[str, dict[str, str]] = {}

    def of(self, raw_uid: str) -> dict[str, str]:
        """Unit by axis; none while the server is away, which must not end a line."""
        from ainerd_agent.catalog import ServerUnreachableError

        if raw_uid not in self._known:
            try:
                self._known[raw_uid] = self._catalog.axes(raw_uid=raw_uid)
            except ServerUnreachableError:
                return {}
        return self._known[raw_uid]


def _print(rows: pd.DataFrame, format: Lines, axes: AxesOfRuns, *, first: bool) -> None:
    if format is Lines.csv:
        rows.to_csv(sys.stdout, index=False, header=first)
    elif format is Lines.json:
        print(rows.to_json(orient="records", lines=True, double_precision=15), end="")
    else:
        print(told_of(rows, axes.of(str(rows["raw_uid"].iloc[0]))))
    sys.stdout.flush()


def told_of(rows: pd.DataFrame, axes: Mapping[str, str]) -> str:
    """One line about a measurement of a run with these axes (unit by column)."""
    from ainerd_agent.records.in_words import local_time, number, place

    point = rows.iloc[0]
    counts = rows["cluster"].value_counts().sort_index()
    clusters = ", ".join(f"{count} of cluster {cluster}" for cluster, count in counts.items())
    bad = int((rows["problems"].fillna("") != "").sum())
    where = place({axis: point[axis] for axis in axes if axis in point}, axes)
    stress = number(point["shear_stress"], missing="")
    novelty = number(rows["novelty"].max(), ".3g", missing="")
    return (
        f"{local_time(point['time'])}  {point['raw_uid']}/{point['seq_num']}  {where}{'  ' if where else ''}"
        f"{clusters}; "
        + (f"novelty up to {novelty}; " if novelty else "novelty not known; ")
        + (f"stress {stress} Pa" if stress else "stress not measured")
        + (f"; problems with {bad} maps" if bad else "")
    )
