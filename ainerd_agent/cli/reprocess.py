"""`ainerd reprocess`: stored maps through another model."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import track

from ainerd_agent.catalog.opening import open_catalog
from ainerd_agent.cli.options import CatalogOption
from ainerd_agent.errors import SessionError

if TYPE_CHECKING:
    from ainerd_agent.catalog import Catalog
    from ainerd_agent.latent import Encoder
    from ainerd_agent.workflows.reprocess import Encode, Pool


def reprocess(
    catalog: CatalogOption = "ainerd-session",
    model: Annotated[
        Path | None, typer.Option(help="The new model: a file, or the name of a shipped one; that of the settings.")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--from", help="Model whose results are taken up; each run's latest by default.")
    ] = None,
    sample: Annotated[str | None, typer.Option(help="Only runs of this sample.")] = None,
    run: Annotated[str | None, typer.Option(help="Only the run of this uid.")] = None,
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
    from ainerd_agent.workflows.reprocess import count
    from ainerd_agent.workflows.reprocess import reprocess as each_run

    console = Console(stderr=json)
    chosen = model or Settings().model
    encoder = Encoder.load(chosen)
    conditions = {key: value for key, value in (("sample", sample), ("raw_uid", run)) if value is not None}
    written, problems = 0, []
    with open_catalog(catalog) as root, _pool(root, encoder, chosen, workers, dask) as (pool, encode):
        total = count(root, encoder, source=source, **conditions)
        done = each_run(root, encoder, pool, encode, source=source, ahead=2 * workers, **conditions)
        for outcome in track(done, f"encoding by {encoder.name}", total=total, console=console):
            written += outcome.written
            if outcome.problem:
                problems.append(f"{outcome.raw_uid}: {outcome.problem}")
    for problem in problems:
        console.print(problem, highlight=False, markup=False, soft_wrap=True)
    console.print(
        f"{total} runs, {written} measurements written to /ainerd/{encoder.name}, {len(problems)} runs with problems",
        highlight=False,
        soft_wrap=True,
    )
    if json:
        summary = {"model": encoder.name, "runs": total, "measurements_written": written, "problems": problems}
        print(jsonlib.dumps(summary))


@contextmanager
def _pool(
    root: Catalog, encoder: Encoder, model: Path | None, workers: int, dask: str | None
) -> Iterator[tuple[Pool, Encode]]:
    """What encodes: threads of this process, or the workers of a Dask cluster."""
    from ainerd_agent.workflows.reprocess import Elsewhere, here

    if dask is None:
        from concurrent.futures import ThreadPoolExecutor

        pool = ThreadPoolExecutor(workers, thread_name_prefix="encode")
        try:
            yield pool, here(root, encoder)
        finally:
            pool.shutdown(cancel_futures=True)
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise SessionError("a Dask cluster needs the package distributed: install ainerd-agent[dask]") from error
    try:
        client = Client(dask, timeout=10)
    except (OSError, ValueError) as error:
        raise SessionError(f"no Dask scheduler answers at {dask}: {str(error) or type(error).__name__}") from error
    with client:
        where = None if model is None else model.resolve() if model.exists() else model
        yield client, Elsewhere(root.address, where, encoder.weights_sha256)
