"""Options that several commands have, and what they name: a catalog, a point."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from ainerd_agent.errors import CatalogError

if TYPE_CHECKING:
    from ainerd_agent.catalog import Catalog
    from ainerd_agent.records.run import MeasurementName, PointName

CatalogOption = Annotated[
    str,
    typer.Option(
        "--catalog",
        metavar="WHERE",
        help="Folder of a session, or address of a Tiled server; its key as ?api_key=... or from TILED_API_KEY.",
    ),
]
Model = Annotated[str | None, typer.Option(help="Only results of this latent model.")]

RUN = "A uid or at least four letters of its beginning, a scan id, or -1 for the latest run"
POINT = "As RUN/SEQ_NUM/BIN or RUN/STREAM/SEQ_NUM/BIN; RUN is a uid or its beginning, a scan id, or -1 for the latest."


def open_catalog(where: str, *, create: bool = False) -> AbstractContextManager[Catalog]:
    """As `ainerd_agent.catalog.open_catalog`, which takes a second to import: not before a command runs."""
    from ainerd_agent.catalog import open_catalog

    return open_catalog(where, create=create)


def point_named(text: str) -> PointName:
    """Read "RUN/SEQ_NUM/BIN" or "RUN/STREAM/SEQ_NUM/BIN"."""
    from ainerd_agent.records.run import PointName

    try:
        return PointName.parse(text)
    except ValueError as error:
        raise CatalogError(f"{error}.") from error


def measurement_named(text: str) -> MeasurementName:
    """Read "RUN/SEQ_NUM" or "RUN/STREAM/SEQ_NUM"."""
    from ainerd_agent.records.run import MeasurementName

    try:
        return MeasurementName.parse(text)
    except ValueError as error:
        raise CatalogError(f"{error}.") from error


class NamesRuns(TyperCommand):
    """A command with runs or points among its arguments: there, -1 is the latest run and no option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As any command; what counts back goes through the parser with the minus sign of typography."""
        written = [re.sub(r"^-(?=\d+(/|$))", "\N{MINUS SIGN}", each) for each in args]
        return super().parse_args(ctx, written)
