"""`ainerd ingest`: C2 maps from a file into the catalog."""

from __future__ import annotations

import hashlib
import json as jsonlib
import math
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from ainerd_agent.records import Fingerprints, Run, ShearStress

BATCH = 128
"""Measurements that are encoded and written at a time."""


def ingest(
    file: Annotated[Path, typer.Argument(help=".npy or .npz with maps of shape (n, size, size) or (size, size).")],
    out: Annotated[Path, typer.Option(help="Session folder to put them in.")] = Path("ainerd-session"),
    tiled: Annotated[str | None, typer.Option(help="A running Tiled server instead of a folder.")] = None,
    key: Annotated[str | None, typer.Option(help="Name of the maps in an .npz with several.")] = None,
    baseline: Annotated[
        float | None, typer.Option(help="Value of uncorrelated times (1 for maps like g2); estimated by default.")
    ] = None,
    duration: Annotated[float, typer.Option(help="Seconds that a side of a map spans, where known.")] = math.nan,
    sample: Annotated[str, typer.Option(help="Name to find them by.")] = "",
    json: Annotated[bool, typer.Option("--json", help="End with a summary as one line of JSON.")] = False,
) -> None:
    """Encode, label and store C2 maps that were computed elsewhere, exactly as live data.

    Arrays of an .npz with one value per map become columns beside the labels; x, y, time, q and azimuth are understood.
    Giving the same file again changes nothing.
    """
    from ainerd_agent.catalog import DerivedWriter, ModelIdentity
    from ainerd_agent.latent import Analyst, Encoder
    from ainerd_agent.scattering.stored_maps import read_maps
    from ainerd_agent.settings import Settings

    console = Console(stderr=json)
    stored = read_maps(file, key=key)
    level = stored.baseline() if baseline is None else baseline
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    time = file.stat().st_mtime
    encoder = Encoder.load(Settings().model)
    run = Run(
        uid=f"{file.stem}-{digest[:12]}",
        time=time,
        source="ingest",
        sample=sample,
        metadata={"file": file.name, "file_sha256": digest, "baseline": level},
    )
    identity = ModelIdentity(
        name=encoder.name,
        weights_sha256=encoder.weights_sha256,
        n_clusters=len(encoder.clusters),
        parameters={"baseline": level},
    )
    console.print(f"{len(stored)} maps of {stored.maps.shape[1]} x {stored.maps.shape[2]}, baseline {level:.4g}")
    with ExitStack() as stack:
        root, address = _catalog(stack, out, tiled)
        writer = DerivedWriter(root, model=identity)
        writer.open_run(run)
        analyst = Analyst(encoder)
        usable = stored.finite
        for index in (~usable).nonzero()[0]:
            writer.record_failure(run.uid, int(index) + 1, "the map holds NaN or infinite values")
        fingerprints = stored.fingerprints(run.uid, time, baseline=level, duration=duration)
        kept = (each for each in fingerprints if usable[each.origin.seq_num - 1])
        total = math.ceil(int(usable.sum()) / BATCH)
        clusters: list[int] = []
        for batch in track(_batches(kept, BATCH), "encoding and writing", total=total, console=console):
            analyses = analyst.analyse(batch, [ShearStress()] * len(batch))
            writer.append(run.uid, batch, analyses)
            clusters += [int(label) for analysis in analyses for label in analysis.cluster]
        writer.close_run(run.uid, "success")
    counts = [clusters.count(number) for number in range(len(encoder.clusters))]
    bad = len(stored) - len(clusters)
    console.print(f"{len(clusters)} maps as [bold]/ainerd/{encoder.name}/{run.uid}[/] at {address}; {bad} left out")
    console.print(f"Maps per cluster, slow to fast: {counts}", highlight=False)
    if tiled is None:
        console.print(f"Open the catalog with: [bold]ainerd serve {out}[/]", highlight=False, soft_wrap=True)
    if json:
        summary: dict[str, Any] = {"raw_uid": run.uid, "model": encoder.name, "n_maps": len(clusters), "left_out": bad}
        print(jsonlib.dumps({**summary, "baseline": level, "maps_per_cluster": counts}))


def _catalog(stack: ExitStack, out: Path, tiled: str | None) -> tuple[Any, str]:
    """Root of the catalog, and its address without the key."""
    from ainerd_agent.catalog import TiledServer, connect

    if tiled is not None:
        return connect(tiled, create=True), tiled.partition("?")[0]
    server = stack.enter_context(TiledServer(out))
    return connect(server.uri, create=True), str(out)


def _batches(items: Iterable[Fingerprints], size: int) -> Iterator[list[Fingerprints]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
