"""`ainerd train`: make a latent model from simulated maps and real ones, or fit one that is there to more maps."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from ainerd_agent.errors import ModelError

if TYPE_CHECKING:
    from ainerd_agent.latent.lag_autoencoder import LagAutoencoder
    from ainerd_agent.latent.paper_autoencoder import PaperAutoencoder
    from ainerd_agent.latent.training.batches import MixedMaps
    from ainerd_agent.latent.training.lessons import Lesson
    from ainerd_agent.latent.training.reconstruction import Epoch

CONTRAST_STEPS, REFINING_STEPS = 1000, 200
REFINING_RATE = 3e-4
REFINING_RATES = (3e-5, 3e-4)
COMPONENT_MAPS = 4000


class Architecture(StrEnum):
    """What a model can be."""

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
        Architecture, typer.Option(help="lag: decay and texture apart; paper: that of the AI-NERD paper.")
    ] = Architecture.LAG,
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
        float, typer.Option(min=0, help="Variance of the texture's numbers, in units of the decay's.")
    ] = 0.02,
    seed: Annotated[int, typer.Option(help="Of the maps, the split and the weights.")] = 0,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on from the checkpoint of a run that was stopped."),
    ] = False,
) -> None:
    """Train a model on simulated and real maps, or fine-tune one on maps of your own.

    A tenth of the experiments (column series) is kept apart before anything is learnt. Beside the model's file, its
    metrics are written (.json). A checkpoint beside it is written now and then, for --resume after a kill.

    Your own maps, in minutes:  ainerd train mine.safetensors --from lag-v1 --real my-maps.npz
    """
    from ainerd_agent.latent.encoder import ARCHITECTURES, Encoder
    from ainerd_agent.latent.lag_autoencoder import LagAutoencoder
    from ainerd_agent.latent.training.batches import MixedMaps
    from ainerd_agent.latent.training.build_model import make_model
    from ainerd_agent.latent.training.lessons import real_lesson, simulated_lessons, slowness_of, split_by_series
    from ainerd_agent.latent.training.reconstruction import train as reconstruct
    from ainerd_agent.scattering.files.map_files import read_maps

    console = Console(stderr=True)
    network = _fresh(architecture, seed) if begin is None else Encoder.load(begin).network
    kind = next(name for name, each in ARCHITECTURES.items() if isinstance(network, each))
    lags = isinstance(network, LagAutoencoder)
    n_simulated = simulated if simulated is not None else 6000 if begin is None else 500
    n_epochs = epochs or (12 if begin is None else 6)
    checkpoint = out.with_suffix(".checkpoint.safetensors")
    if checkpoint.exists() and not resume:
        checkpoint.unlink()
    elif resume and not checkpoint.exists():
        raise ModelError(f"there is no checkpoint {checkpoint} to go on from: leave --resume out to begin")

    lessons: list[Lesson] = []
    held: list[Lesson] = []
    with _progress(console) as progress:
        held_count = max(50, n_simulated // 10)
        task = progress.add_task("simulating maps", total=n_simulated + held_count, unit="maps")
        lessons += simulated_lessons(
            n_simulated, 2 * seed, clip=not lags, on_part=lambda n: progress.update(task, completed=n)
        )
        held += simulated_lessons(
            held_count, 2 * seed + 1, clip=not lags, on_part=lambda n: progress.update(task, completed=n_simulated + n)
        )
    if real is not None:
        own, apart = split_by_series(read_maps(real), seed)
        lessons.append(real_lesson(own, baseline=baseline, contrast=contrast, clip=not lags))
        held.append(real_lesson(apart, baseline=baseline, contrast=contrast, clip=not lags))
        console.print(f"{len(lessons[-1].maps)} real maps to train on, {len(held[-1].maps)} kept apart")
    if not any(len(lesson.maps) for lesson in lessons):
        raise ModelError("there is nothing to learn from: give --real or --simulated")

    maps, validation = (MixedMaps([lesson.maps for lesson in each]) for each in (lessons, held))
    metrics: dict[str, object] = {
        "from": begin,
        "architecture": kind,
        "seed": seed,
        "n_maps": len(maps),
        "n_real": len(lessons[-1].maps) if real is not None else 0,
    }
    if isinstance(network, LagAutoencoder):
        refine = begin is not None
        metrics["contrast_loss"] = _learn_decay(network, lessons, checkpoint, refine=refine, seed=seed, console=console)
        console.print("finding the components of the texture")
        if begin is None:
            network.fit_texture(_without_noise(lessons, seed), seed=seed)
        network.weigh_texture(_latents(network, validation), texture)
    else:
        with _progress(console) as progress:
            task = progress.add_task("learning to reconstruct", total=1, unit="maps")

            def tell(epoch: Epoch, _: PaperAutoencoder) -> None:
                progress.console.print(
                    f"epoch {epoch.number}/{n_epochs}: error {epoch.training_error:.5f}, on maps kept apart "
                    f"{epoch.validation_error:.5f}, {epoch.maps_per_second:.0f} maps/s"
                )

            history = reconstruct(
                network,
                maps,
                validation,
                epochs=n_epochs,
                learning_rate=(1e-4, 1e-3) if begin is None else REFINING_RATES,
                seed=seed,
                checkpoint=checkpoint,
                on_epoch=tell,
                on_batch=lambda done, total: progress.update(task, completed=done, total=total),
            )
        metrics["epochs"] = [asdict(epoch) for epoch in history]
    console.print("finding clusters")
    slowness = np.concatenate([slowness_of(validation.draw(np.array([n]), None)[1]) for n in range(len(validation))])
    model = make_model(network, validation, slowness, name=name or out.stem, n_clusters=clusters, seed=seed)
    model.save(out)
    metrics["weights_sha256"] = _sha256(out)
    out.with_suffix(".json").write_text(json.dumps(metrics, indent=1))
    checkpoint.unlink(missing_ok=True)
    console.print(f"{len(model.clusters)} clusters; wrote {out} and {out.with_suffix('.json')}", soft_wrap=True)


def _learn_decay(
    network: LagAutoencoder, lessons: list[Lesson], checkpoint: Path, *, refine: bool, seed: int, console: Console
) -> list[float]:
    """Train the decay by contrast, and return some of its losses."""
    from ainerd_agent.latent.training.contrast import LEARNING_RATE, train_decay

    steps, rate = (REFINING_STEPS, REFINING_RATE) if refine else (CONTRAST_STEPS, LEARNING_RATE)
    sets = [lesson.repeats for lesson in lessons if lesson.repeats is not None]
    with _progress(console) as progress:
        task = progress.add_task("learning what is noise", total=steps, unit="steps")
        losses = train_decay(
            network,
            sets,
            steps=steps,
            rate=rate,
            seed=seed,
            fix_units=not refine,
            checkpoint=checkpoint,
            on_step=lambda step, _: progress.update(task, completed=step),
        )
    return losses[:: max(1, len(losses) // 20)]


def _without_noise(lessons: list[Lesson], seed: int) -> NDArray[np.float32]:
    """Coarse maps with little noise, at most so many of each kind."""
    import torch

    from ainerd_agent.latent.lag_autoencoder import coarse

    rng = np.random.default_rng(seed)
    parts = []
    for lesson in lessons:
        chosen = rng.permutation(len(lesson.maps))[:COMPONENT_MAPS]
        for few in np.array_split(chosen, -(-len(chosen) // 100)):
            parts.append(coarse(torch.from_numpy(lesson.maps.draw(few, rng)[1])[:, None]).numpy())
    return np.concatenate(parts)


def _latents(network: LagAutoencoder, maps: MixedMaps) -> NDArray[np.float32]:
    import torch

    parts = []
    with torch.inference_mode():
        for few in np.array_split(np.arange(len(maps)), -(-len(maps) // 100)):
            parts.append(network.encode(torch.from_numpy(maps.draw(few, None)[0])[:, None]).numpy())
    return np.concatenate(parts)


def _fresh(architecture: Architecture, seed: int) -> PaperAutoencoder | LagAutoencoder:
    import torch

    from ainerd_agent.latent.encoder import ARCHITECTURES

    with torch.random.fork_rng(devices=()):  # the caller's random numbers stay as they were
        torch.manual_seed(seed)
        return ARCHITECTURES[architecture.value]()


def _sha256(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} {task.fields[unit]}"),
        _Throughput(),
        TimeRemainingColumn(),
        console=console,
    )


class _Throughput(ProgressColumn):
    """How much of its unit a task does in a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.0f} {task.fields['unit']}/s")
