"""`ainerd explain` and `ainerd why`: where a point comes from, and why a position was suggested."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from ainerd_agent.cli.options import POINT, CatalogOption, Model, open_catalog, point_named
from ainerd_agent.cli.tables import lineage_table, wide_console


def explain(
    point: Annotated[str, typer.Argument(help=POINT)],
    catalog: CatalogOption = "ainerd-session",
    model: Model = None,
    json: Annotated[bool, typer.Option("--json", help="As one line of JSON.")] = False,
) -> None:
    """Say where a point comes from.

    Which frames and files, which bin, which software on which machine, which weights, parameters and geometry; when.
    """
    named = point_named(point)
    with open_catalog(catalog) as opened:
        lineage = opened.model(model).run(named.run).explain(named.seq_num, named.bin, named.stream)
    if json:
        print(jsonlib.dumps(lineage))
    else:
        wide_console().print(lineage_table(lineage), markup=False)


def why(
    suggestion: Annotated[str, typer.Argument(help="Identifier of a suggestion, or the beginning of it.")],
    catalog: CatalogOption = "ainerd-session",
    model: Model = None,
    figure: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Draw it into this folder, as PNG and SVG.")
    ] = None,
) -> None:
    """Say why a position was suggested, in plain words, and what came of it; with --figure also in a picture.

    `ainerd agent list` shows the identifiers.
    """
    from ainerd_agent.settings import Settings
    from ainerd_agent.workflows.suggestion_story import draw_story, story

    weights = None if figure is None else Settings().model
    with open_catalog(catalog) as opened:
        results = opened.model(model)
        found, events = results.suggestion(suggestion)
        for line in story(found, events):
            print(line)
        if figure is not None:
            print(f"drawn: {draw_story(results, found, events, figure, weights=weights)}")
