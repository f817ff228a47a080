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
    trend: Annotated[
        float | None, typer.Option(min=0, help="Width (s) of the trend taken off; a fifth of the measurement.")
    ] = None,
    window: Annotated[
        float | None, typer.Option(min=0, help="Longest time (s) from a stress minimum; a tenth of the measurement.")
    ] = None,
    surrogates: Annotated[int, typer.Option(min=99, help="How often chance is asked, for the p-values.")] = 2000,
    seed: Annotated[int, typer.Option(help="Of k-means and of the surrogates.")] = 0,
) -> None:
    """Join latents with a rheometer table, as in Fig. 3 of the AI-NERD paper.

    Draws the shear stress over the time-resolved cluster histogram, with the stress minima marked, and the map of
    clusters over azimuth and time (relation.png, relation.svg); writes the joined table (relation.csv).

    Then tests what the eye may only believe: whether the shares of the clusters change around the stress minima,
    whether they go with the stress at any lag, and whether the dynamics depend on the direction (links.png, links.svg,
    links.json).
    """
    import json

    from ainerd_agent import figures
    from ainerd_agent.latent import load_latents
    from ainerd_agent.rheology import find_links, read_rheology
    from ainerd_agent.rheology import relate as join

    console = Console()
    vectors, start_time, azimuthal_bin = load_latents(latents)
    relation = join(
        vectors, start_time, azimuthal_bin, read_rheology(rheology), n_clusters=clusters, time_offset=time_offset,
        seed=seed,
    )  # fmt: skip
    links = find_links(relation, vectors, trend=trend, window=window, n_surrogates=surrogates, seed=seed)
    out.mkdir(parents=True, exist_ok=True)
    picture, _ = figures.save(figures.relation_figure(relation), out, "relation")
    relation.to_frame().to_csv(out / "relation.csv", index=False)
    minima = ", ".join(f"{time:.0f}" for time in relation.minima) or "none"
    console.print(f"{len(relation.cluster)} maps; XPCS time 0 is rheometer time {relation.time_offset:.0f} s")
    console.print(f"Stress minima at XPCS times (s): {minima}", highlight=False)
    drawn, _ = figures.save(figures.links_figure(links), out, "links")
    (out / "links.json").write_text(json.dumps(links.summary(), indent=1))
    for sentence in links.verdicts():
        console.print(sentence, highlight=False, soft_wrap=True)
    console.print(f"Wrote {picture}, {drawn}, and the tables beside them", highlight=False, soft_wrap=True)
