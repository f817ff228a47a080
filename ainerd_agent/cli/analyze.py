"""`ainerd analyze`: past runs through the analysis of live ones."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from ainerd_agent.catalog.opening import open_catalog
from ainerd_agent.cli.options import CatalogOption
from ainerd_agent.errors import CatalogError

if TYPE_CHECKING:
    import pandas as pd

    from ainerd_agent.callbacks.replay import Document
    from ainerd_agent.catalog import Catalog
    from ainerd_agent.settings import Settings


def analyze(
    runs: Annotated[list[str] | None, typer.Argument(help="Uids; by default all runs that fit.")] = None,
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
    from ainerd_agent.callbacks import Failure
    from ainerd_agent.callbacks.replay import documents_in, documents_of, frames_in, whole_runs
    from ainerd_agent.catalog.schema import latent_columns
    from ainerd_agent.settings import Settings
    from ainerd_agent.workflows.live import live_analysis

    if frames not in ("files", "tiled"):
        raise CatalogError(f'--frames is "files" or "tiled", not {frames!r}')
    if documents is not None and (source is not None or frames == "tiled"):
        raise CatalogError("--documents gives runs without a server: leave out --from and --frames tiled")
    if documents is not None and (runs or sample is not None or plan is not None):
        raise CatalogError("--documents gives all runs of its file: leave out uids, --sample and --plan")
    if runs and (sample is not None or plan is not None):
        raise CatalogError("uids already say which runs are meant: leave out --sample and --plan")
    console = Console(stderr=json)
    settings = _patient(Settings())
    outcomes = {"analysed": 0, "failed": 0, "there": 0}
    with ExitStack() as stack:
        root = stack.enter_context(open_catalog(catalog, create=True))
        raw = None if documents is not None else _raw(stack, root, source)

        def told(outcome: Any) -> None:
            failed = isinstance(outcome, Failure)
            outcomes["failed" if failed else "analysed"] += 1
            if failed:
                console.print(
                    f"{outcome.raw_uid}/{outcome.seq_num}: {outcome.message}",
                    highlight=False,
                    markup=False,
                    soft_wrap=True,
                )

        def skip(raw_uid: str, seq_num: int) -> bool:
            rows = known(raw_uid).get(seq_num)
            if rows is None:
                return False
            # As if this process had made it: what comes next is compared with it.
            latents = rows[latent_columns(rows)].to_numpy("float32")
            live.analyst.atlas.add(latents, rows["azimuth"].to_numpy(), rows["q"].to_numpy())
            outcomes["there"] += 1
            return True

        live = live_analysis(
            root, settings, unsent, frames=None if frames == "files" else frames_in(raw), skip=skip, on_outcome=told
        )
        known = _known(root, live.encoder.name)
        given: Iterator[list[Document]]
        if documents is not None:
            given = whole_runs(documents_in(documents), settings.keys.frames)
        else:
            found = (documents_of(run) for run in _chosen(raw, runs, sample=sample, plan_name=plan))
            given = (run for each in found for run in whole_runs(each, settings.keys.frames))
        n_runs = 0
        for run in given:
            n_runs += 1
            console.print(f"run {run[0][1]['uid']}", highlight=False, markup=False)
            for name, doc in run:
                live.callback(name, doc)
        waiting = live.writer.flush()
    console.print(
        f"{n_runs} runs: {outcomes['analysed']} measurements analysed, {outcomes['there']} were there, "
        f"{outcomes['failed']} failed" + (f"; {waiting} records wait in {unsent}" if waiting else ""),
        highlight=False,
    )
    if json:
        print(jsonlib.dumps({"model": live.encoder.name, "runs": n_runs, **outcomes, "waiting": waiting}))


def _patient(settings: Settings) -> Settings:
    """The settings for files that nobody writes any more: nothing is followed or waited for."""
    return settings.model_copy(update={"files": settings.files.model_copy(update={"follow": False, "timeout": 1.0})})


def _raw(stack: ExitStack, root: Catalog, source: str | None) -> Any:
    if source is None:
        return root["raw"]
    from ainerd_agent.catalog.connection import connect_tiled

    raw = connect_tiled(source)
    stack.callback(raw.context.http_client.close)
    return raw


def _chosen(raw: Any, uids: list[str] | None, **conditions: str | None) -> Iterator[Any]:
    """Runs by uid, or those that fit, in order of time."""
    from tiled.queries import Key

    from ainerd_agent.catalog.layout import address_of
    from ainerd_agent.catalog.server_errors import server_errors

    with server_errors(address_of(raw)):
        if uids:
            for uid in uids:
                try:
                    run = raw[uid]
                except (KeyError, ValueError) as error:
                    raise CatalogError(f"There is no run {uid}: {error}") from error
                yield run
            return
        for key, value in conditions.items():
            if value is not None:
                raw = raw.search(Key(f"start.{key}") == value)
        found = [(run.metadata["start"]["time"], uid, run) for uid, run in raw.items()]
    for _, _, run in sorted(found, key=lambda each: each[:2]):
        yield run


def _known(root: Catalog, model: str) -> Callable[[str], dict[int, pd.DataFrame]]:
    """What gives the points of a run by measurement: those that were there, with their maps, when it is asked first."""
    from functools import cache

    from ainerd_agent.catalog.layout import child
    from ainerd_agent.catalog.read.points import points_of
    from ainerd_agent.catalog.schema import MAPS

    container = root.model(model).container

    @cache
    def known(raw_uid: str) -> dict[int, pd.DataFrame]:
        rows = points_of(child(container, raw_uid))
        if not len(rows):
            return {}
        maps = child(root[MAPS], raw_uid)
        mapped = () if maps is None else maps.metadata_copy()[0]["derived_from"]["seq_nums"]
        return {number: rows[rows["seq_num"] == number] for number in rows["seq_num"].unique() if number in mapped}

    return known
