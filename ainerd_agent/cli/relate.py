"""`ainerd relate`: the dynamics of a relaxation beside its shear stress."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def relate(
    latents: Annotated[Path, typer.Argument(help=".npz with latents, start_time_s and azimuthal_bin.")],
    rheology: Annotated[Path, typer.Argument(help=".csv with time, shear_rate, shear_stress and viscosity.")],
    out: Annotated[Path, typer.Option(help="Folder for the figure and the table.")] = Path("."),
    clusters: Annotated[int, typer.Option(min=2, max=12, help="Clusters of the latents.")] = 5,
    time_offset: Annotated[
        float | None, typer.Option(help="Rheometer time (s) at XPCS time 0; the cessation of shear by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of k-means.")] = 0,
) -> None:
    """Join latents with a rheometer table, as in Fig. 3 of the AI-NERD paper.

    Draws the shear stress over the time-resolved cluster histogram, with the stress minima marked, and the map of
    clusters over azimuth and time (relation.png, relation.svg); writes the joined table (relation.csv).
    """
    from ainerd_agent import figures
    from ainerd_agent.rheology import load_latents, read_rheology
    from ainerd_agent.rheology import relate as join

    console = Console()
    relation = join(
        *load_latents(latents), read_rheology(rheology), n_clusters=clusters, time_offset=time_offset, seed=seed
    )
    out.mkdir(parents=True, exist_ok=True)
    picture, _ = figures.save(figures.relation_figure(relation), out, "relation")
    relation.to_frame().to_csv(out / "relation.csv", index=False)
    minima = ", ".join(f"{time:.0f}" for time in relation.minima) or "none"
    console.print(f"{len(relation.cluster)} maps; XPCS time 0 is rheometer time {relation.time_offset:.0f} s")
    console.print(f"Stress minima at XPCS times (s): {minima}", highlight=False)
    console.print(f"Wrote {picture} and {out / 'relation.csv'}", highlight=False, soft_wrap=True)
