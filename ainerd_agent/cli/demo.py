"""`ainerd demo`: a live session on one machine."""

from __future__ import annotations

import json as jsonlib
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from ainerd_agent.agent.verdicts.until import Until
    from ainerd_agent.catalog import Catalog
    from ainerd_agent.instrument.experiment import Experiment
    from ainerd_agent.records import Suggestion
    from ainerd_agent.settings import Settings
    from ainerd_agent.workflows.live import Outcome
    from ainerd_agent.workflows.report import Findings
    from ainerd_agent.workflows.session import Listeners, SessionOptions, SessionResult


def _detector_shape(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)[xX](\d+)", text.strip())
    if not found or min(int(found[1]), int(found[2])) < 32:
        raise typer.BadParameter(f"{text!r} is not HEIGHTxWIDTH in pixels, each at least 32, such as 160x160")
    return int(found[1]), int(found[2])


def _until(tau_error: float | None) -> Until | None:
    from ainerd_agent.agent.verdicts.until import Until

    try:
        return None if tau_error is None else Until(tau=tau_error)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--tau-error") from error


def demo(
    measurements: Annotated[int, typer.Option(min=2, help="Sample positions to measure.")] = 16,
    frames: Annotated[int, typer.Option(min=16, help="Frames of each movie.")] = 500,
    out: Annotated[Path, typer.Option(help="Folder of the session; created, or continued.")] = Path("ainerd-session"),
    seed: Annotated[int, typer.Option(help="Another seed is another sample.")] = 0,
    detector: Annotated[
        str, typer.Option(metavar="HEIGHTxWIDTH", help="Pixels of the simulated detector.")
    ] = "160x160",
    tau_error: Annotated[
        float | None,
        typer.Option(
            help="End an exposure when the relaxation time is known to this part of itself in 9 of 10 bins, as 0.1.",
            show_default="full counts",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="End with a summary as one line of JSON.")] = False,
) -> None:
    """Run a live session with a simulated rheo-XPCS beamline.

    A RunEngine moves a stage and exposes a detector while a rheometer is monitored. Each movie becomes 18 C2 maps,
    latents and clusters in a Tiled catalog, and an agent chooses the next position by what was found so far.
    """
    from ainerd_agent.catalog import TiledServer, connect
    from ainerd_agent.cli.tables import measurement_table
    from ainerd_agent.instrument.experiment import simulated_experiment
    from ainerd_agent.settings import DataKeys, Settings
    from ainerd_agent.workflows import report
    from ainerd_agent.workflows.session import SessionOptions

    begun = time.monotonic()
    console = Console(stderr=json)
    options = SessionOptions(
        measurements=measurements,
        frames=frames,
        folder=out.resolve(),
        seed=seed,
        detector=_detector_shape(detector),
        until=_until(tau_error),
    )
    settings = Settings(keys=DataKeys())  # a beamline's names would not be the simulated one's
    experiment = simulated_experiment(options.detector, frames=options.frames, seed=options.seed)
    with TiledServer(options.folder) as server, connect(server.uri, create=True) as catalog:
        console.print(f"Session folder [bold]{out}[/]. Look in while it runs:", highlight=False, soft_wrap=True)
        console.print(f'    tiled.client.from_uri("{server.uri}")', highlight=False, soft_wrap=True)
        result = _run(catalog, options, experiment, settings, console)
        with console.status("Reading the session back from Tiled and drawing it"):
            findings = report.read_findings(catalog, result.model, result.raw_uid, settings.keys.shear_stress)
            limits, folder = experiment.sample.limits, options.folder / "figures"
            pictures = report.draw_figures(catalog, findings, folder, limits=limits, n_start=result.n_start, seed=seed)
    seconds = time.monotonic() - begun
    console.print(measurement_table(findings))
    _farewell(console, findings, result, out, seconds)
    if json:
        summary = {
            **report.summary(findings),
            "seconds": round(seconds, 1),
            "figures": [str(path) for path in pictures],
        }
        print(jsonlib.dumps({**summary, "undelivered": result.undelivered, "folder": str(options.folder)}))
    if result.status != "success":
        raise typer.Exit(1)


def _run(
    catalog: Catalog, options: SessionOptions, experiment: Experiment, settings: Settings, console: Console
) -> SessionResult:
    """Run the session under a progress display."""
    from ainerd_agent.workflows.session import run_session

    progress = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )
    with progress:
        return run_session(catalog, options, experiment, settings, _listeners(progress, options.measurements))


def _listeners(progress: Progress, measurements: int) -> Listeners:
    """What keeps a display up to date, and writes a line for each position and each failure."""
    from ainerd_agent.records.in_words import place
    from ainerd_agent.workflows.live import Failure
    from ainerd_agent.workflows.session import Listeners

    scanned = progress.add_task("scanning ", total=measurements)
    analysed = progress.add_task("analysing", total=measurements)

    def suggested(suggestion: Suggestion, number: int) -> None:
        progress.update(scanned, completed=number - 1)
        where = place(suggestion.position, suggestion.units)
        progress.console.print(f"{number:3d}  go to {where}: {suggestion.reason}", highlight=False)

    def settled(outcome: Outcome) -> None:
        progress.advance(analysed)
        if isinstance(outcome, Failure):
            progress.console.print(f"{outcome.seq_num:3d}  [red]failed:[/] {outcome.message}", highlight=False)
            return
        counted, planned = outcome.origin.exposure.counted, outcome.origin.exposure.planned
        if counted and planned and outcome.origin.exposure.ended not in ("", "planned"):
            progress.console.print(
                f"     {outcome.origin.exposure.ended} after {counted:.2f} of {planned:.2f} s", highlight=False
            )

    return Listeners(suggested=suggested, settled=settled)


def _farewell(console: Console, findings: Findings, result: SessionResult, out: Path, seconds: float) -> None:
    metadata = findings.metadata
    console.print(
        f"{metadata['n_measurements']} measurements, {len(findings.points)} C2 maps, {metadata['failures']} failed; "
        f"the run ended with {result.status!r} after {seconds:.0f} s",
        highlight=False,
    )
    if result.undelivered:
        console.print(
            f"[yellow]{result.undelivered} records wait in {out / 'unsent'} for the Tiled server to return[/]"
        )
    if len(findings.points):
        console.print(f"Figures: {out.resolve() / 'figures'}", highlight=False, soft_wrap=True)
    console.print(f"Open the catalog again with: [bold]ainerd serve {out}[/]", highlight=False, soft_wrap=True)
