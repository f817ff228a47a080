"""`ainerd train`, `ainerd evaluate` and `ainerd clusters`: latent models, what they are worth, and their clusters."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ainerd_agent.errors import MapError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ainerd_agent.latent.stability import Trial
    from ainerd_agent.workflows import train as training
    from ainerd_agent.workflows.clusters import ClusterChoice


class Architecture(StrEnum):
    """What a model can be."""

    AGES = "ages"
    LAG = "lag"
    PAPER = "paper"


def train(
    out: Annotated[Path, typer.Argument(help="The model's file, for example my-model.safetensors.")],
    name: Annotated[
        str | None, typer.Option(help="Key of the model's results in the catalog; by default the name of the file.")
    ] = None,
    begin: Annotated[
        str | None, typer.Option("--from", help="Fine-tune this model: a file, or the name of a shipped one.")
    ] = None,
    architecture: Annotated[
        Architecture | None,
        typer.Option(
            help="ages: it sees what happens at which age; lag: decay and texture apart; paper: that of the AI-NERD "
            "paper. By default ages, or that of --from."
        ),
    ] = None,
    simulated: Annotated[
        int | None, typer.Option(min=0, help="Simulated maps to train on; 6000, or 500 for fine-tuning.")
    ] = None,
    real: Annotated[
        Path | None,
        typer.Option(help="File with real maps: c2, and, where known, series and roi: what belongs together."),
    ] = None,
    baseline: Annotated[float, typer.Option(help="Value of uncorrelated times in the real maps.")] = 1.0,
    contrast: Annotated[
        float | None, typer.Option(help="Speckle contrast of the real maps; estimated from each where not given.")
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Passes of the paper's architecture; 12, or 6 for fine-tuning."),
    ] = None,
    clusters: Annotated[
        int | None, typer.Option(min=2, max=12, help="Clusters of the latent space; chosen by stability by default.")
    ] = None,
    texture: Annotated[
        float | None,
        typer.Option(min=0, help="Variance of the texture's numbers, in units of the decay's, of lag; 0.02."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the maps, the split and the weights.")] = 0,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on from the checkpoint of a run that was stopped."),
    ] = False,
) -> None:
    """Train a model on simulated and real maps, or fine-tune one on maps of your own.

    A quarter of the experiments (column series) is kept apart before anything is learnt. Beside the model's file, its
    metrics are written (.json). A checkpoint beside it is written now and then, for --resume after a kill.

    Your own maps, in minutes:  ainerd train mine.safetensors --from ages-v1 --real my-maps.npz
    """
    from ainerd_agent.workflows.real_maps import RealMaps
    from ainerd_agent.workflows.train import TrainOptions
    from ainerd_agent.workflows.train import train as train_model

    options = TrainOptions(
        begin=begin,
        architecture=None if architecture is None else architecture.value,
        simulated=simulated,
        real=None if real is None else RealMaps(real, baseline, contrast),
        epochs=epochs,
        n_clusters=clusters,
        texture=texture,
        seed=seed,
    )
    console = Console(stderr=True)
    with _progress(console) as (update, say):
        made = train_model(out, options, name=name, resume=resume, on_progress=update, on_message=say)
    n_clusters = len(made.encoder.clusters)
    console.print(f"{n_clusters} clusters; wrote {made.file} and {made.metrics_file}", soft_wrap=True)


def evaluate(
    model: Annotated[
        str | None, typer.Argument(help="A .safetensors file, or the name of a shipped model; the default one.")
    ] = None,
    real: Annotated[
        Path | None, typer.Option(help="Real maps with the columns series, roi and window, for retrieval.")
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
    simulated: Annotated[int, typer.Option(min=0, help="Simulated maps; the paper has 13,000.")] = 1000,
    pairs: Annotated[
        int, typer.Option(min=0, help="Pairs of dynamics of one g2 to tell apart, of each of 14 kinds; 0 for none.")
    ] = 3,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Put the figures into the model's card (.json beside the file).")
    ] = False,
) -> None:
    """Measure what a model is worth, beside the figures that its card tells.

    First whether it sees non-equilibrium: pairs of dynamics of one g2 that differ in what happens at which age. Then,
    with --real, whether it finds windows of an experiment by others that share no frame with them, beside what g2 alone
    finds; and what the flag "unlike the training" misses.

    Simulated maps are always there. Real maps and targets are not part of the package: give files, and the same figures
    as on the card are measured on them.
    """
    from ainerd_agent.cli.evaluation_tables import evaluation_tables
    from ainerd_agent.workflows.evaluate import evaluate as evaluate_model
    from ainerd_agent.workflows.evaluate import write_card
    from ainerd_agent.workflows.real_maps import RealMaps

    console = Console()
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("simulated maps", total=simulated, visible=simulated > 0)
        found = evaluate_model(
            model,
            real=None if real is None else RealMaps(real, baseline, contrast),
            every_series=every_series,
            target=target,
            simulated=simulated,
            pairs=pairs,
            on_progress=lambda done, _: progress.update(task, completed=done),
        )
    for table in evaluation_tables(found):
        console.print(table)
    if json_out is not None:
        json_out.write_text(json.dumps({"model": found.model, "weights_sha256": found.weights_sha256, **found.figures}))
    if write:
        write_card(found)
        console.print(f"wrote {found.card}", soft_wrap=True)


def clusters(
    latents: Annotated[Path | None, typer.Argument(help=".npz with latents (n, 64).")] = None,
    catalog: Annotated[
        str | None, typer.Option(metavar="WHERE", help="Folder or address of a catalog instead of a file.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Whose results, where a catalog has several.")] = None,
    largest: Annotated[int, typer.Option(min=3, max=12, help="Most clusters that are tried.")] = 10,
    seeds: Annotated[int, typer.Option(min=2, help="Seeds whose labels are compared.")] = 20,
    most: Annotated[int, typer.Option(min=50, help="Points at most that they are tried on.")] = 3000,
    compare: Annotated[bool, typer.Option("--compare", help="Other methods at the chosen number, too.")] = False,
    refit: Annotated[
        Path | None,
        typer.Option(metavar="OUT", help="Write a model whose clusters follow this catalog; needs --catalog."),
    ] = None,
) -> None:
    """Try numbers of clusters: distortion (the elbow), silhouette, and the agreement of labels between seeds (ARI).

    The number that is chosen is stable (ARI of 0.95 or more) and nearest to the elbow. With --refit, the clusters of
    the model move to where the catalog's points lie. It becomes a model of its own, named as its file: label with it
    by ainerd reprocess. What the old clusters labelled stays as it is.
    """
    from ainerd_agent.catalog.opening import open_catalog
    from ainerd_agent.workflows.clusters import choose_clusters, compare_methods, points_of_model, read_latents

    console, points = Console(), None
    if catalog is not None and latents is None:
        with open_catalog(catalog) as root:
            points = points_of_model(root, model)
        vectors = points.latents
    elif latents is not None and catalog is None and refit is None:
        vectors = read_latents(latents)
    else:
        raise MapError("give a file of latents, or --catalog; --refit needs a catalog")
    with console.status("clustering"):
        choice = choose_clusters(vectors, largest=largest, seeds=seeds, most=most)
    console.print(_trials_table(choice))
    console.print(f"chosen: {choice.best.n_clusters}")
    if compare:
        console.print(_methods_table(choice.best, compare_methods(choice, seeds=seeds)))
    if refit is not None and points is not None:
        from ainerd_agent.latent import Encoder
        from ainerd_agent.settings import Settings
        from ainerd_agent.workflows.clusters import refit_clusters

        refit_clusters(Encoder.named(points.model, Settings().model), points, refit)
        console.print(f"wrote {refit}; label with it: ainerd reprocess", soft_wrap=True)


def _trials_table(choice: ClusterChoice) -> Table:
    title = f"{len(choice.latents)} points"
    table = Table("clusters", "distortion", "silhouette", "ARI, mean", "ARI, least", title=title)
    for trial in choice.trials:
        cells = [f"{trial.inertia:.4g}", *(f"{x:.3f}" for x in (trial.silhouette, trial.stability, trial.worst))]
        table.add_row(str(trial.n_clusters), *cells, style="bold" if trial is choice.best else None)
    return table


def _methods_table(best: Trial, agreement: dict[str, tuple[float, float]]) -> Table:
    table = Table("method", "ARI, mean", "ARI, least", title=f"methods, {best.n_clusters} clusters")
    for method, (mean, least) in agreement.items():
        table.add_row(method, f"{mean:.3f}", f"{least:.3f}")
    return table


@contextmanager
def _progress(console: Console) -> Iterator[tuple[Callable[[training.Progress], None], Callable[[str], None]]]:
    """A bar for each stage, and lines of text above the bars: what to call with either."""
    bars: dict[str, TaskID] = {}
    columns: Sequence[ProgressColumn] = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} {task.fields[unit]}"),
        _Throughput(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:

        def update(now: training.Progress) -> None:
            if now.stage not in bars:
                bars[now.stage] = progress.add_task(now.stage, total=now.total, unit=now.unit)
            progress.update(bars[now.stage], completed=now.done, total=now.total)

        yield update, lambda line: progress.console.print(line)


class _Throughput(ProgressColumn):
    """How much of its unit a task does in a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.0f} {task.fields['unit']}/s")
