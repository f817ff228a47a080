"""`ainerd figures` and `ainerd relate`: the figures of the AI-NERD paper, of your own maps, runs and relaxations."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ainerd_agent.cli.options import RUN
from ainerd_agent.errors import MapError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ainerd_agent.figures.data import FigureData
    from ainerd_agent.figures.paper import PaperOptions
    from ainerd_agent.latent import Encoder


class Which(StrEnum):
    """The figures."""

    SAMPLE_MAP = "sample-map"
    AGE_LAG = "age-lag"
    CONVERGENCE = "convergence"
    TIMESCALES = "timescales"
    RECONSTRUCTIONS = "reconstructions"
    GENERATED = "generated"
    CLUSTERS = "clusters"
    EMBEDDING = "embedding"
    NEIGHBOURS = "neighbours"
    DIRECTIONS = "directions"
    COMPARISON = "comparison"
    DIMENSIONS = "dimensions"
    TIMES = "times"


def figures(
    data: Annotated[
        Path | None, typer.Argument(help="Maps (.npy, .npz, APS result), or latents (.npz as for ainerd relate).")
    ] = None,
    catalog: Annotated[
        str | None, typer.Option(metavar="WHERE", help="Folder or address of a catalog instead of a file.")
    ] = None,
    run: Annotated[str | None, typer.Option(metavar="RUN", help=f"Only this run of the catalog: {RUN}.")] = None,
    measurement: Annotated[
        int | None,
        typer.Option(min=1, help="Of the run, for age-lag, convergence and timescales; the latest by default."),
    ] = None,
    stream: Annotated[str | None, typer.Option(help="Of that measurement, where several have its number.")] = None,
    bin: Annotated[
        int | None, typer.Option(min=1, help="Of that measurement, for timescales and convergence; chosen by default.")
    ] = None,
    simulated: Annotated[int | None, typer.Option(min=50, help="So many simulated maps instead of a file.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the figures.")] = Path("figures"),
    which: Annotated[list[Which] | None, typer.Option(help="Only these; may be given several times.")] = None,
    model: Annotated[str | None, typer.Option(help="A model's file or name; of a catalog, whose results.")] = None,
    baseline: Annotated[float | None, typer.Option(help="Value of uncorrelated times; estimated by default.")] = None,
    contrast: Annotated[float | None, typer.Option(help="Speckle contrast of the maps, where known.")] = None,
    flow_azimuth: Annotated[float, typer.Option(help="Direction of the flow on the detector, degrees.")] = 90.0,
    at: Annotated[
        list[float] | None, typer.Option(help="Times (s) to draw the embedding at; three by default.")
    ] = None,
    axes: Annotated[
        str | None, typer.Option(help="One or two of the run for sample-map, as theta,z; those that moved by default.")
    ] = None,
    most: Annotated[int, typer.Option(min=50, help="Most maps to take.")] = 2000,
    dimensions: Annotated[
        Path | None, typer.Option(help="What benchmarks/latent_dimension.py --json wrote, to be drawn beside PCA.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of all that is drawn at random.")] = 0,
) -> None:
    """Draw the figures of the AI-NERD paper, where a run was measured, and one of its measurements over age and lag.

    Of one run of a catalog: where it was measured, on its own axes; a measurement over age and lag, with the
    relaxation time at each age; how g2 became known while it was counted; and one of its maps at several time
    scales. Of maps: reconstructions, generated
    maps, the choice of clusters, the embedding with examples, targets with their nearest neighbours, latent against
    raw, and the error against the number of components. Where the azimuth is known: flow and vorticity among the
    neighbours; where the time is: the embedding at three times.
    """
    from ainerd_agent.figures.paper import PaperOptions
    from ainerd_agent.latent import Encoder
    from ainerd_agent.workflows.figure_data import data_of_file, read_dimensions, simulated_data

    if [data, catalog, simulated].count(None) != 2:
        raise MapError("give a file, or --catalog, or --simulated: one of the three")
    if catalog is None and [run, measurement, stream, bin, axes].count(None) < 5:
        raise MapError("--run, --measurement, --stream, --bin and --axes are for a catalog: give --catalog too")
    if data is None and (baseline is not None or contrast is not None):
        raise MapError("--baseline and --contrast are for maps of a file: those of other maps are known")
    trained = None if dimensions is None else {"paper's autoencoder": read_dimensions(dimensions)}
    if catalog is not None:
        encoder, drawn = _of_catalog(catalog, model, run, most, measurement=measurement, stream=stream)
    elif data is not None:
        encoder = Encoder.load(model)
        drawn = data_of_file(encoder, data, baseline=baseline, contrast=contrast, most=most, seed=seed)
    else:
        encoder = Encoder.load(model)
        drawn = simulated_data(encoder, simulated or 0, seed=seed)
    named = tuple(axis.strip() for axis in axes.split(",")) if axes else ()
    options = PaperOptions(flow_azimuth=flow_azimuth, moments=at or (), axes=named, trained=trained, bin=bin, seed=seed)
    _draw(which or list(Which), encoder, drawn, options, out)


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
    from ainerd_agent.workflows.report import RelationOptions, report_relation

    console = Console()
    options = RelationOptions(
        n_clusters=clusters, time_offset=time_offset, trend=trend, window=window, n_surrogates=surrogates, seed=seed
    )
    found = report_relation(latents, rheology, out, options)
    relation, (picture, drawn) = found.relation, found.pictures
    minima = ", ".join(f"{time:.0f}" for time in relation.minima) or "none"
    console.print(f"{len(relation.cluster)} maps; XPCS time 0 is rheometer time {relation.time_offset:.0f} s")
    console.print(f"Stress minima at XPCS times (s): {minima}", highlight=False)
    for sentence in found.links.verdicts():
        console.print(sentence, highlight=False, soft_wrap=True)
    console.print(f"Wrote {picture}, {drawn}, and the tables beside them", highlight=False, soft_wrap=True)


def _of_catalog(
    where: str, model: str | None, run: str | None, most: int, *, measurement: int | None, stream: str | None
) -> tuple[Encoder, FigureData]:
    from ainerd_agent.catalog.opening import open_catalog
    from ainerd_agent.settings import Settings
    from ainerd_agent.workflows.figure_data import data_of_catalog

    with open_catalog(where) as root:
        return data_of_catalog(
            root, model, run=run, measurement=measurement, stream=stream, most=most, file=Settings().model
        )


def _draw(names: Sequence[Which], encoder: Encoder, data: FigureData, options: PaperOptions, out: Path) -> None:
    """Draw figures into a folder, and say which were left out and why."""
    from ainerd_agent.figures import paper, save
    from ainerd_agent.figures.data import MissingError

    console = Console()
    console.print(f"{len(data)} points of {encoder.name}")
    for name in names:
        with console.status(f"drawing {name.value}"):
            try:
                picture, _ = save(paper.draw(name.value, encoder, data, options), out, name.value)
            except MissingError as missing:
                console.print(f"{name.value}: left out, {missing}", highlight=False)
                continue
        console.print(f"{name.value}: {picture}", highlight=False, soft_wrap=True)
