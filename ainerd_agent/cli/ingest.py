"""`ainerd ingest`: C2 maps from a file into the catalog."""

from __future__ import annotations

import hashlib
import json as jsonlib
import math
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from ainerd_agent.catalog.opening import open_catalog
from ainerd_agent.errors import MapError
from ainerd_agent.records import Fingerprints, Run, ShearStress

RESULT_ENDINGS = (".h5", ".hdf", ".hdf5", ".nxs")
"""Of results in the form of APS."""

BATCH = 128
"""Measurements that are encoded and written at a time."""


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
    from ainerd_agent.scattering.files.map_files import ORIGIN_COLUMNS, read_maps

    console = Console(stderr=json)
    if file.suffix.lower() in RESULT_ENDINGS:
        from ainerd_agent.scattering.files.aps_results import read_results

        results = read_results(file)
        stored, level = results.stored, 1.0 if baseline is None else baseline
        duration = results.duration if duration is None else duration
    else:
        stored = read_maps(file, key=key)
        level = stored.baseline() if baseline is None else baseline
    if not math.isfinite(level):
        raise MapError(f"the baseline must be a number, not {level}")
    seconds = math.nan if duration is None else duration
    stress = stored.columns.get("shear_stress", np.full(len(stored), np.nan))

    from ainerd_agent.catalog import ModelIdentity, points_schema
    from ainerd_agent.latent import Analyst, Encoder
    from ainerd_agent.settings import Settings

    stored = stored.rename(set(points_schema().names) - set(ORIGIN_COLUMNS))
    encoder = Encoder.load(Settings().model)
    run = _run_of(file, key, level, contrast, seconds, sample)
    identity = ModelIdentity(
        name=encoder.name,
        weights_sha256=encoder.weights_sha256,
        n_clusters=len(encoder.clusters),
        parameters={"baseline": level, "contrast": contrast},
    )
    console.print(f"{len(stored)} maps of {stored.maps.shape[1]} x {stored.maps.shape[2]}, baseline {level:.4g}")
    clusters: list[int] = []
    with open_catalog(tiled or str(out), create=True) as root:
        address = root.address
        writer = root.writer(identity)
        writer.open_run(run)
        analyst = Analyst(encoder)
        usable = stored.finite
        for index in (~usable).nonzero()[0]:
            writer.record_failure(run.uid, int(index) + 1, "the map holds NaN or infinite values")
        fingerprints = stored.fingerprints(run.uid, run.time, baseline=level, contrast=contrast, duration=seconds)
        kept = (each for each in fingerprints if usable[each.origin.seq_num - 1])
        total = math.ceil(int(usable.sum()) / BATCH)
        for batch in track(_batches(kept, BATCH), "encoding and writing", total=total, console=console):
            stresses = [ShearStress(mean=float(stress[each.origin.seq_num - 1])) for each in batch]
            analyses = analyst.analyse(batch, stresses)
            writer.append(run.uid, batch, analyses)
            clusters += [int(label) for analysis in analyses for label in analysis.cluster]
        writer.close_run(run.uid, "success")
    counts = [clusters.count(number) for number in range(len(encoder.clusters))]
    bad = len(stored) - len(clusters)
    console.print(f"{len(clusters)} maps stored, {bad} left out; per cluster, slow to fast: {counts}", highlight=False)
    where = f"/ainerd/{encoder.name}/{run.uid} at {address if tiled else out}"
    console.print(f"They are {where}", highlight=False, soft_wrap=True)
    if tiled is None:
        console.print(f"Open the catalog with: [bold]ainerd serve {out}[/]", highlight=False, soft_wrap=True)
    if json:
        summary: dict[str, Any] = {"raw_uid": run.uid, "model": encoder.name, "n_maps": len(clusters), "left_out": bad}
        print(jsonlib.dumps({**summary, "baseline": level, "maps_per_cluster": counts}))


def _run_of(file: Path, key: str | None, baseline: float, contrast: float | None, duration: float, sample: str) -> Run:
    """The file as a run. Its key holds all that decides the result, so that another choice is another run."""
    content = hashlib.sha256(file.read_bytes()).hexdigest()
    choice = hashlib.sha256(f"{content} {key} {baseline!r} {contrast!r} {duration!r} {sample}".encode()).hexdigest()
    return Run(
        uid=f"{file.stem}-{choice[:12]}",
        time=file.stat().st_mtime,
        source="ingest",
        sample=sample,
        metadata={"file": file.name, "file_sha256": content, "baseline": baseline},
    )


def _batches(items: Iterable[Fingerprints], size: int) -> Iterator[list[Fingerprints]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
