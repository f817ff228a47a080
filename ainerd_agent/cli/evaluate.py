"""`ainerd evaluate`: the figures of a model's card, measured again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ainerd_agent.errors import MapError

TELLS = {
    "r_precision": "cross-noise retrieval on real maps, mean R-precision",
    "queries": "queries of it",
    "target_mse": "reconstruction of the target, mean squared error",
    "same_kind": "nearest five of the same kind of dynamics",
    "alike": "of the maps nearest to heterodyne ones, truly alike",
    "alike_to_clear": "the same, asked by maps with fringes of half the contrast or more",
    "n_alike": "maps looked at for it",
    "order": "order of clusters against relaxation rate, Spearman",
    "order_of_maps": "the same, map by map",
    "denoising": "squared distance to the noise-free map, against that of the measured map",
    "ari": "ARI of labels over 20 seeds, mean",
    "ari_least": "the same, least of all pairs",
    "encoding_ms": "encoding the 18 maps of a measurement, ms",
    "n_maps": "simulated maps",
}


def evaluate(
    model: Annotated[
        str | None, typer.Argument(help="A .safetensors file, or the name of a shipped model; the default one.")
    ] = None,
    real: Annotated[
        Path | None, typer.Option(help="Real maps with the columns series, roi and is_mean, for retrieval.")
    ] = None,
    baseline: Annotated[float, typer.Option(help="Value of uncorrelated times in the real maps.")] = 1.0,
    contrast: Annotated[
        float | None, typer.Option(help="Speckle contrast of the real maps; estimated from each where not given.")
    ] = None,
    every_series: Annotated[
        bool,
        typer.Option("--every-series", help="Search all real maps, not only the experiments kept apart in training."),
    ] = False,
    target: Annotated[Path | None, typer.Option(help="Maps (.npy) to reconstruct that training never saw.")] = None,
    simulated: Annotated[int, typer.Option(min=0, help="Simulated maps; the paper's archive has 13,000.")] = 2600,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Put the figures into the model's card (.json beside the file).")
    ] = False,
) -> None:
    """Measure what a model is worth, beside the figures that its card tells.

    Simulated maps are always there. Real maps and targets are not part of the package: give files, and the same figures
    as on the card are measured on them.
    """
    from ainerd_agent.latent import Encoder
    from ainerd_agent.latent.encoder import card_of
    from ainerd_agent.latent.evaluation import (
        as_figures,
        encoding_time,
        evaluate_reconstruction,
        evaluate_retrieval,
        evaluate_simulated,
        evaluate_stability,
    )
    from ainerd_agent.latent.training.lessons import split_by_series
    from ainerd_agent.scattering.files.map_files import read_maps

    console = Console()
    encoder = Encoder.load(model)
    card = card_of(model)
    told = json.loads(card.read_text()) if card.exists() else {}
    found: dict[str, float] = {}
    if real is not None:
        stored = read_maps(real)
        if not every_series:
            stored = split_by_series(stored, int(told.get("seed", 0)))[1]
        found["r_precision"], found["queries"] = evaluate_retrieval(
            encoder, stored, baseline=baseline, contrast=contrast
        )
        windows = stored.select(~stored.columns["is_mean"].astype(bool) & stored.finite)
        latents = np.concatenate(
            [
                encoder.encode(part, baseline=baseline, contrast=contrast)
                for part in np.array_split(windows.maps, -(-len(windows) // 200))
            ]
        )
        found["ari"], found["ari_least"] = evaluate_stability(latents, len(encoder.clusters))
    if target is not None:
        maps = read_maps(target)
        if not maps.finite.all():
            raise MapError(f"{target} holds maps that are not finite")
        found["target_mse"] = evaluate_reconstruction(
            encoder, maps.maps.astype(np.float32), baseline=maps.baseline(), contrast=None
        )
    if simulated:
        with Progress(console=Console(stderr=True)) as progress:
            task = progress.add_task("simulated maps", total=simulated)
            found |= as_figures(
                evaluate_simulated(encoder, simulated, on_part=lambda n: progress.update(task, completed=n))
            )
    found["encoding_ms"] = 1e3 * encoding_time(encoder)

    on_card = told.get("figures", {})
    table = Table("figure", "measured", "on the card", title=f"{encoder.name} ({encoder.weights_sha256[:12]})")
    for name, value in found.items():
        table.add_row(TELLS[name], f"{value:.4g}", f"{on_card[name]:.4g}" if name in on_card else "-")
    console.print(table)
    if json_out is not None:
        json_out.write_text(json.dumps({"model": encoder.name, "weights_sha256": encoder.weights_sha256, **found}))
    if write:
        card.write_text(json.dumps({**told, "figures": {**on_card, **found}}, indent=1))
        console.print(f"wrote {card}", soft_wrap=True)
