"""`ainerd timescales`: crops of stored maps at several time scales, into the catalog."""

from __future__ import annotations

import json as jsonlib
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from ainerd_agent.cli.options import RUN, CatalogOption, open_catalog
from ainerd_agent.cli.tables import write_line


def timescales(
    catalog: CatalogOption = "ainerd-session",
    model: Annotated[str | None, typer.Option(help="Whose results; the only model by default.")] = None,
    sample: Annotated[str | None, typer.Option(help="Only runs of this sample.")] = None,
    run: Annotated[str | None, typer.Option(metavar="RUN", help=f"Only this one: {RUN}.")] = None,
    json: Annotated[bool, typer.Option("--json", help="End with a summary as one line of JSON.")] = False,
) -> None:
    """Encode crops of all stored maps at several time scales, in shapes and in seconds, for `ainerd find similar`.

    They go beside the points, and change nothing else. After an interruption, the same command goes on where it
    stopped; given again, it adds what is new.
    """
    from ainerd_agent.latent import Encoder
    from ainerd_agent.settings import Settings
    from ainerd_agent.workflows.time_scales import make_time_scales

    console = Console(stderr=json)
    conditions: dict[str, Any] = {} if sample is None else {"sample": sample}
    written, problems, n_runs = 0, [], 0
    with open_catalog(catalog) as opened:
        results = opened.model(model)
        encoder = Encoder.named(results.name, Settings().model)
        if run is not None:
            conditions["raw_uid"] = opened.uid(run)
        for made in track(
            make_time_scales(opened, results, encoder, **conditions),
            f"crops by {encoder.name}",
            total=len(results.find(**conditions).runs()),
            console=console,
        ):
            n_runs, written = n_runs + 1, written + made.written
            problems += [f"{made.raw_uid}: {problem}" for problem in made.problems]
        name = results.name
    for problem in problems:
        write_line(console, problem)
    console.print(
        f"{n_runs} runs, time scales of {written} measurements written to /ainerd/{name}, {len(problems)} problems",
        highlight=False,
        soft_wrap=True,
    )
    if json:
        print(jsonlib.dumps({"model": name, "runs": n_runs, "measurements_written": written, "problems": problems}))
