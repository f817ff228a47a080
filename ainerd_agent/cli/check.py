"""`ainerd check`: whether a catalog is as it should be."""

from __future__ import annotations

import json as jsonlib
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from ainerd_agent.catalog.opening import open_catalog


def check(
    catalog: Annotated[
        str, typer.Argument(metavar="WHERE", help="Folder of a session, or address of a Tiled server.")
    ] = "ainerd-session",
    repair: Annotated[bool, typer.Option(help="Repair what loses nothing; no analysis may be under way.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One line of JSON for each problem.")] = False,
) -> None:
    """Compare a whole catalog with the schema, and say what is wrong, where, and what to do.

    Ends with 1 where a problem remains.
    """
    from ainerd_agent.catalog.check import check as problems_of

    console = Console()
    found = remaining = 0
    with open_catalog(catalog) as root:
        for problem in problems_of(root, repair=repair):
            found += 1
            remaining += not problem.repaired
            if json:
                print(jsonlib.dumps(asdict(problem)))
                continue
            remedy = "repaired" if problem.repaired else problem.remedy + (" (--repair)" if problem.repairable else "")
            for text in (problem.where, f"    {problem.what}", f"    -> {remedy}"):
                console.print(text, highlight=False, markup=False, soft_wrap=True)
    if not json:
        console.print(f"{found} problems, {found - remaining} repaired" if found else "nothing is wrong")
    if remaining:
        raise typer.Exit(1)
