"""`ainerd analyze`, `ainerd ingest` and `ainerd reprocess`: past runs, maps of others, and stored maps again."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress, track

from ainerd_agent.cli.options import RUN, CatalogOption, open_catalog
from ainerd_agent.cli.tables import write_line

if TYPE_CHECKING:
    from ainerd_agent.workflows.ingest import Ingested
    from ainerd_agent.workflows.live import Outcome


MOST_REFUSALS = 10
"""Maps that were left out of which the reason is printed."""


def analyze(
    runs: Annotated[list[str] | None, typer.Argument(help=f"{RUN}; by default all runs that fit.")] = None,
    catalog: CatalogOption = "ainerd-session",
    source: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="ADDRESS", help="Tiled container with the raw runs; by default /raw of the catalog."
        ),
    ] = None,
    documents: Annotated[
        Path | None, typer.Option(help="File with one document a line instead: [name, doc] or {name, doc}.")
    ] = None,
    sample: Annotated[str | None, typer.Option(help="Only runs with this in their start document.")] = None,
    plan: Annotated[str | None, typer.Option(help="Only runs of this plan.")] = None,
    frames: Annotated[
        str, typer.Option(help='"files" named by the documents, or "tiled" where those are out of reach.')
    ] = "files",
    unsent: Annotated[Path, typer.Option(help="Folder in which results wait while Tiled is away.")] = Path("unsent"),
    json: Annotated[bool, typer.Option("--json", help="End with a summary as one line of JSON.")] = False,
) -> None:
    """Analyse past runs as if they were measured now, by the settings of ainerd.toml.

    What is in the catalog is not made again: after an interruption the same command goes on where it stopped.
    """
    from ainerd_agent.settings import Settings
    from ainerd_agent.workflows.live import Failure
    from ainerd_agent.workflows.replay import PastRuns, replay

    console = Console(stderr=json)

    def complain(outcome: Outcome) -> None:
        if isinstance(outcome, Failure):
            write_line(console, f"{outcome.name}: {outcome.message}")

    settings = Settings()
    past = PastRuns(uids=runs or (), sample=sample, plan=plan, source=source, documents=documents, frames=frames)
    with open_catalog(catalog, create=True) as opened:
        done = replay(
            opened,
            settings,
            past,
            unsent=unsent,
            on_run=lambda uid: console.print(f"run {uid}", highlight=False, markup=False),
            on_outcome=complain,
        )
    console.print(
        f"{done.runs} runs: {done.analysed} measurements analysed, {done.there} were there, {done.failed} failed"
        + (f"; {done.waiting} records wait in {unsent}" if done.waiting else ""),
        highlight=False,
    )
    for why, uids in _by_reason(done.passed_over).items():
        write_line(console, f"{len(uids)} passed over ({why}): {', '.join(uids[:5])}{', ...' * (len(uids) > 5)}")
    if json:
        print(jsonlib.dumps(asdict(done)))


def _by_reason(passed_over: Mapping[str, str]) -> dict[str, list[str]]:
    """Uids of runs by why they were not looked at."""
    reasons: dict[str, list[str]] = {}
    for uid, why in passed_over.items():
        reasons.setdefault(why, []).append(uid)
    return reasons


def ingest(
    file: Annotated[Path, typer.Argument(help=".npy or .npz with maps (n, size, size), or .h5 with APS results.")],
    out: Annotated[Path, typer.Option(help="Session folder to put them in.")] = Path("ainerd-session"),
    tiled: Annotated[str | None, typer.Option(help="A running Tiled server instead of a folder.")] = None,
    key: Annotated[str | None, typer.Option(help="Name of the maps in an .npz with several.")] = None,
    baseline: Annotated[
        float | None, typer.Option(help="Value of uncorrelated times (1 for maps like g2); estimated by default.")
    ] = None,
    contrast: Annotated[
        float | None, typer.Option(help="Speckle contrast of the maps (1 where they were divided by it), where known.")
    ] = None,
    duration: Annotated[
        float | None, typer.Option(min=0, help="Seconds that a side of a map spans, where known.")
    ] = None,
    sample: Annotated[str, typer.Option(help="Name to find them by.")] = "",
    json: Annotated[bool, typer.Option("--json", help="End with a summary as one line of JSON.")] = False,
) -> None:
    """Encode, label and store C2 maps that were computed elsewhere, exactly as live data.

    Arrays of an .npz with one value per map become columns beside the labels; x, y, time, q, azimuth and shear_stress
    are understood. Giving the same file again in the same way changes nothing.
    """
    from ainerd_agent.latent import Encoder
    from ainerd_agent.settings import Settings
    from ainerd_agent.workflows.ingest import ingest as store
    from ainerd_agent.workflows.ingest import read_foreign_maps

    console = Console(stderr=json)
    maps = read_foreign_maps(file, key=key, baseline=baseline, contrast=contrast, duration=duration)
    encoder = Encoder.load(Settings().model)
    console.print(f"{len(maps)} maps of {maps.size} x {maps.size}, baseline {maps.baseline:.4g}")
    with open_catalog(tiled or str(out), create=True) as opened, Progress(console=console) as progress:
        task = progress.add_task("encoding and writing", total=None)
        done = store(
            opened,
            maps,
            encoder,
            sample=sample,
            on_progress=lambda stored, of: progress.update(task, completed=stored, total=of),
        )
        where = opened.address if tiled else str(out)
    _say_where(console, done, where)
    if tiled is None:
        console.print(f"Open the catalog with: [bold]ainerd serve {out}[/]", highlight=False, soft_wrap=True)
    if json:
        print(jsonlib.dumps(asdict(done)))


def _say_where(console: Console, done: Ingested, where: str) -> None:
    console.print(
        f"{done.n_maps} maps stored, {done.left_out} left out; per cluster, slow to fast: {done.maps_per_cluster}",
        highlight=False,
    )
    scaled = "each map by its own contrast" if done.contrast is None else f"all by a contrast of {done.contrast:.3g}"
    console.print(f"scaled {scaled} (give --contrast if you know it)", highlight=False)
    for number, fault in list(done.refused.items())[:MOST_REFUSALS]:
        console.print(f"map {number} left out: {fault}", highlight=False, soft_wrap=True)
    if (more := len(done.refused) - MOST_REFUSALS) > 0:
        console.print(f"and {more} more; the catalog names them all under `failed`", highlight=False)
    console.print(f"They are /ainerd/{done.model}/{done.raw_uid} at {where}", highlight=False, soft_wrap=True)


def reprocess(
    catalog: CatalogOption = "ainerd-session",
    model: Annotated[
        Path | None, typer.Option(help="The new model: a file, or the name of a shipped one; that of the settings.")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--from", help="Model whose results are taken up; each run's latest by default.")
    ] = None,
    sample: Annotated[str | None, typer.Option(help="Only runs of this sample.")] = None,
    run: Annotated[str | None, typer.Option(metavar="RUN", help=f"Only this one: {RUN}.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Runs that are encoded at the same time.")] = 2,
    dask: Annotated[str | None, typer.Option(help="Address of a Dask scheduler whose workers encode.")] = None,
    json: Annotated[bool, typer.Option("--json", help="End with a summary as one line of JSON.")] = False,
) -> None:
    """Encode and label all stored maps again, by another model or with other clusters, without their frames.

    The results go beside the old ones, which stay. After an interruption, the same command goes on where it stopped;
    given again, it changes nothing.
    """
    from ainerd_agent.latent import Encoder
    from ainerd_agent.settings import Settings
    from ainerd_agent.workflows.reprocess import count, encoders
    from ainerd_agent.workflows.reprocess import reprocess as each_run

    console = Console(stderr=json)
    chosen = model or Settings().model
    encoder = Encoder.load(chosen)
    conditions = {} if sample is None else {"sample": sample}
    written, problems = 0, []
    with (
        open_catalog(catalog) as opened,
        encoders(opened, encoder, chosen, workers=workers, dask=dask) as (pool, encode),
    ):
        if run is not None:  # here, so that it is the same one among the results of all models
            conditions["raw_uid"] = opened.uid(run)
        total = count(opened, encoder, source=source, **conditions)
        outcomes = each_run(opened, encoder, pool, encode, source=source, ahead=2 * workers, **conditions)
        for outcome in track(outcomes, f"encoding by {encoder.name}", total=total, console=console):
            written += outcome.written
            if outcome.problem:
                problems.append(f"{outcome.raw_uid}: {outcome.problem}")
    for problem in problems:
        write_line(console, problem)
    console.print(
        f"{total} runs, {written} measurements written to /ainerd/{encoder.name}, {len(problems)} runs with problems",
        highlight=False,
        soft_wrap=True,
    )
    if json:
        summary = {"model": encoder.name, "runs": total, "measurements_written": written, "problems": problems}
        print(jsonlib.dumps(summary))
