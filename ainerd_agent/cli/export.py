"""`ainerd export`: results as files for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ainerd_agent.catalog.opening import open_catalog
from ainerd_agent.cli.options import CatalogOption, Model


def export(
    run: Annotated[str, typer.Argument(help="Uid of an analysed run.")],
    to: Annotated[Path, typer.Option(help="File: .csv or .parquet for points, .h5 for maps, g2 and points.")],
    catalog: CatalogOption = "ainerd-session",
    model: Model = None,
    measurement: Annotated[int | None, typer.Option(min=1, help="Only this one.")] = None,
) -> None:
    """Write an analysed run to a file: points as a table, or everything as HDF5 in the names of APS.

    HDF5 files hold one measurement each, as pyXpcsViewer wants it: with several, numbers come before the ending.
    """
    with open_catalog(catalog) as root:
        written = root.model(model).export(run, to, measurement)
    console = Console()
    for file in written:
        console.print(str(file), highlight=False, markup=False, soft_wrap=True)
