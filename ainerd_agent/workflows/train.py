"""Train a latent model on simulated maps and real ones, or fine-tune one on more maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from ainerd_agent.errors import ModelError
from ainerd_agent.latent.ages_autoencoder import AgesAutoencoder
from ainerd_agent.latent.encoder import ARCHITECTURES, Encoder, Network
from ainerd_agent.latent.held_out import BY_HASH
from ainerd_agent.latent.lag_autoencoder import LagAutoencoder
from ainerd_agent.latent.paper_autoencoder import PaperAutoencoder
from ainerd_agent.latent.training.age_contrast import LEARNING_RATE as AGES_RATE
from ainerd_agent.latent.training.age_contrast import train_ages
from ainerd_agent.latent.training.age_lessons import REPEATS, RealImages, real_images, simulated_pairs
from ainerd_agent.latent.training.age_units import fix_units, lessons_of
from ainerd_agent.latent.training.batches import MixedMaps
from ainerd_agent.latent.training.build_model import ReadingLessons, make_model
from ainerd_agent.latent.training.contrast import LEARNING_RATE, train_decay
from ainerd_agent.latent.training.lessons import (
    KeptApart,
    Lesson,
    keep_apart,
    real_lesson,
    simulated_lessons,
    slowness_of,
)
from ainerd_agent.latent.training.reconstruction import Epoch
from ainerd_agent.latent.training.reconstruction import train as train_reconstruction
from ainerd_agent.latent.training.texture import coarse_truths, latents_of
from ainerd_agent.latent.training.texture_noise import learn_noise
from ainerd_agent.scattering.files.map_files import read_maps
from ainerd_agent.workflows.real_maps import RealMaps
from ainerd_agent.workflows.trained_model import TrainedModel, write_model

SIMULATED_MAPS, SIMULATED_MAPS_TO_REFINE = 6000, 500
EPOCHS, EPOCHS_TO_REFINE = 12, 6
CONTRAST_STEPS, CONTRAST_STEPS_TO_REFINE = 1000, 200
CONTRAST_RATE_TO_REFINE = 3e-4
AGES_STEPS, AGES_STEPS_TO_REFINE = 1000, 200
RECONSTRUCTION_RATES, RECONSTRUCTION_RATES_TO_REFINE = (1e-4, 1e-3), (3e-5, 3e-4)
TEXTURE_SHARE = 0.02
"""Variance of the texture's numbers, in units of the decay's."""

READING_DYNAMICS, LEAST_DYNAMICS = 1600, 20
"""Simulated ones that kinds, and distances of repeats, are learnt from, and the least of them."""

MIN_HELD_OUT = 50
"""Simulated maps that nothing is learnt from; a tenth of those to train on, where that is more."""
KEPT_LOSSES = 20  # of the contrast, about, in the metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a stage of a training is.

    Attributes
    ----------
    stage : str
        What is being done, in words.
    done, total : int
    unit : str
        What is counted: maps or steps.
    """

    stage: str
    done: int
    total: int
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """What a model is trained on, and how.

    Attributes
    ----------
    begin : Path, str or None
        Model to fine-tune: a file, or the name of a shipped one. None trains from the beginning.
    architecture : {"ages", "lag", "paper"} or None
        "ages" sees how the map decays and what happens at which age, and is what None stands for; "lag" keeps decay and
        texture apart; "paper" is that of the AI-NERD paper. With `begin` it is that of the model.
    simulated : int or None
        Simulated maps to train on; by default 6000, or 500 for fine-tuning.
    real : RealMaps or None
        A quarter of their experiments is kept apart before anything is learnt, by the hash of `series`
        (`ainerd_agent.latent.held_out`), and another tenth validates; only a tenth, drawn by `seed`, where there are
        too few experiments for that.
    epochs : int or None
        Passes over all maps, of the paper's architecture only; by default 12, or 6 for fine-tuning.
    n_clusters : int or None
        By default the number that is stable over seeds and nearest to the elbow.
    texture : float or None
        Variance of the texture's numbers in units of the decay's, of the architecture "lag" only; 0.02 by default.
    seed : int
        Of the maps, the split and the weights.
    """

    begin: Path | str | None = None
    architecture: Literal["ages", "lag", "paper"] | None = None
    simulated: int | None = None
    real: RealMaps | None = None
    epochs: int | None = None
    n_clusters: int | None = None
    texture: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        least = {"simulated": 0, "epochs": 1, "n_clusters": 2, "texture": 0}
        for name, value in least.items():
            if (given := getattr(self, name)) is not None and not given >= value:
                raise ModelError(f"{name} must be at least {value}, not {given}")
        if self.architecture not in (None, *ARCHITECTURES):
            raise ModelError(f"there is no architecture {self.architecture!r}: take {' or '.join(ARCHITECTURES)}")

    @property
    def n_simulated(self) -> int:
        """Simulated maps to train on."""
        return self._or_default(self.simulated, SIMULATED_MAPS, SIMULATED_MAPS_TO_REFINE)

    @property
    def n_epochs(self) -> int:
        """Passes of the paper's architecture."""
        return self._or_default(self.epochs, EPOCHS, EPOCHS_TO_REFINE)

    def _or_default(self, given: int | None, afresh: int, refining: int) -> int:
        if given is not None:
            return given
        return afresh if self.begin is None else refining


def train(
    out: Path | str,
    options: TrainOptions | None = None,
    *,
    name: str | None = None,
    resume: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    on_message: Callable[[str], None] | None = None,
) -> TrainedModel:
    """Train a model, or fine-tune one, and write it to a file.

    A checkpoint beside the file is written every hundred steps, or every epoch of the paper's architecture.

    Parameters
    ----------
    out : Path or str
        File of the model, .safetensors; its metrics are written beside it, .json.
    options : TrainOptions, optional
        By default a model of 6000 simulated maps.
    name : str, optional
        Key of the model's results in a catalog; by default the name of the file.
    resume : bool
        Go on from the checkpoint of a training that was stopped; the result is the same as if it had not been.
    on_progress : callable, optional
        Called often, with how far the stage is that is under way.
    on_message : callable, optional
        Called with a line of text for each stage and each epoch, such as `print`.

    Returns
    -------
    TrainedModel

    Raises
    ------
    ModelError
        No model to begin with, no checkpoint to go on from, nothing to learn from, or options that the architecture
        has no use for.
    MapError
        Real maps that cannot be read or split.

    Examples
    --------
    >>> options = TrainOptions(begin="ages-v1", real=RealMaps("my-maps.npz", contrast=0.3))
    >>> model = train("mine.safetensors", options, on_message=print)        # doctest: +SKIP
    >>> latents = model.encoder.encode(maps)                                # doctest: +SKIP
    """
    out, options = Path(out), options or TrainOptions()
    network, architecture = _network(options)
    training = _Training(options, _checkpoint(out, resume=resume), on_progress, on_message)
    own = options.n_simulated if architecture == "ages" else 0  # it has simulated maps of its own to learn from
    real = None if options.real is None else keep_apart(read_maps(Path(options.real.file)), options.seed)
    lessons, held_out, repeats = training.lessons(options.n_simulated - own, real, clip=architecture == "paper")
    maps, validation = (MixedMaps([lesson.maps for lesson in each]) for each in (lessons, held_out))
    metrics: dict[str, object] = {
        "from": None if options.begin is None else str(options.begin),
        "architecture": architecture,
        "seed": options.seed,
        "n_maps": len(maps) + own,
        "n_real": len(lessons[-1].maps) if options.real is not None else 0,
    }
    if real is not None and real.by_hash:
        metrics["held_out"] = BY_HASH
    if isinstance(network, AgesAutoencoder):
        metrics["contrast_loss"] = training.learn_ages(network, repeats)
    elif isinstance(network, LagAutoencoder):
        metrics["contrast_loss"] = training.learn_decay(network, lessons)
        training.find_texture(network, lessons, validation)
    else:
        metrics["epochs"] = training.learn_to_reconstruct(network, maps, validation)
    training.say("finding clusters")
    slowness = np.concatenate([slowness_of(validation.draw(np.array([n]), None)[1]) for n in range(len(validation))])
    model = make_model(
        network,
        validation,
        slowness,
        name=name or out.stem,
        n_clusters=options.n_clusters,
        lessons=None if architecture == "paper" else training.reading_lessons(),
        seed=options.seed,
    )
    trained = write_model(model, metrics, out)
    training.checkpoint.unlink(missing_ok=True)
    return trained


@dataclass(frozen=True, slots=True)
class _Training:
    """The stages of one training, with those who listen to it."""

    options: TrainOptions
    checkpoint: Path
    on_progress: Callable[[Progress], None] | None = None
    on_message: Callable[[str], None] | None = None

    def say(self, message: str) -> None:
        if self.on_message is not None:
            self.on_message(message)

    def count(self, stage: str, total: int, unit: str = "maps", *, before: int = 0) -> Callable[[int], None]:
        """What to call with the number done in a stage; `before` were done earlier."""

        def done(number: int) -> None:
            if self.on_progress is not None:
                self.on_progress(Progress(stage=stage, done=before + number, total=total, unit=unit))

        return done

    def lessons(
        self, given: int, stored: KeptApart | None, *, clip: bool
    ) -> tuple[list[Lesson], list[Lesson], RealImages | None]:
        """Maps to learn from, `given` of them simulated, those that are kept apart, and real repeats to learn from."""
        options, repeats = self.options, None
        apart = max(MIN_HELD_OUT, options.n_simulated // 10)
        stage = "simulating maps"
        lessons = simulated_lessons(given, 2 * options.seed, clip=clip, on_part=self.count(stage, given + apart))
        held_out = simulated_lessons(
            apart, 2 * options.seed + 1, clip=clip, on_part=self.count(stage, given + apart, before=given)
        )
        if (real := options.real) is not None and stored is not None:
            repeats = real_images(stored.known, baseline=real.baseline, contrast=real.contrast)
            for lesson, part in ((lessons, stored.known), (held_out, stored.validation)):
                lesson.append(real_lesson(part, baseline=real.baseline, contrast=real.contrast, clip=clip))
            self.say(f"{len(lessons[-1].maps)} real maps to train on, {len(held_out[-1].maps)} kept apart")
        return lessons, held_out, repeats

    def reading_lessons(self) -> ReadingLessons:
        """What kinds, and distances of repeats, are learnt from: maps that the network was not trained on."""
        n_dynamics = min(READING_DYNAMICS, max(LEAST_DYNAMICS, self.options.n_simulated // 3))
        if (real := self.options.real) is None:
            return ReadingLessons(n_dynamics)
        validation = keep_apart(read_maps(Path(real.file)), self.options.seed).validation
        return ReadingLessons(n_dynamics, validation, real.baseline, real.contrast)

    def learn_ages(self, network: AgesAutoencoder, real: RealImages | None) -> list[float]:
        """Train the architecture "ages", and return some of its losses."""
        options, refining = self.options, self.options.begin is not None
        n_pairs = options.n_simulated // (2 * REPEATS)
        made = self.count("simulating pairs of one g2", n_pairs, "pairs")
        pairs = simulated_pairs(n_pairs, options.seed, on_part=made)
        if not refining:
            fix_units(network, pairs, real, seed=options.seed)
        self.say("learning the noise of textures")
        learn_noise(network, pairs, real, seed=options.seed)
        steps = AGES_STEPS_TO_REFINE if refining else AGES_STEPS
        done = self.count("learning what is noise", steps, "steps")
        losses = train_ages(
            network,
            lessons_of(network, pairs, real),
            steps=steps,
            rate=CONTRAST_RATE_TO_REFINE if refining else AGES_RATE,
            seed=options.seed,
            checkpoint=self.checkpoint,
            on_step=lambda step, _: done(step),
        )
        return losses[:: max(1, len(losses) // KEPT_LOSSES)]

    def learn_decay(self, network: LagAutoencoder, lessons: list[Lesson]) -> list[float]:
        """Train the decay by contrast, and return some of its losses."""
        refining = self.options.begin is not None
        steps = CONTRAST_STEPS_TO_REFINE if refining else CONTRAST_STEPS
        done = self.count("learning what is noise", steps, "steps")
        losses = train_decay(
            network,
            [lesson.repeats for lesson in lessons if lesson.repeats is not None],
            steps=steps,
            rate=CONTRAST_RATE_TO_REFINE if refining else LEARNING_RATE,
            seed=self.options.seed,
            fix_units=not refining,
            checkpoint=self.checkpoint,
            on_step=lambda step, _: done(step),
        )
        return losses[:: max(1, len(losses) // KEPT_LOSSES)]

    def find_texture(self, network: LagAutoencoder, lessons: list[Lesson], validation: MixedMaps) -> None:
        """Find the components of the texture, where they are new, and their weight against the decay."""
        self.say("finding the components of the texture")
        if self.options.begin is None:
            truths = coarse_truths([lesson.maps for lesson in lessons], self.options.seed)
            network.fit_texture(truths, seed=self.options.seed)
        texture = self.options.texture
        network.weigh_texture(latents_of(network, validation), TEXTURE_SHARE if texture is None else texture)

    def learn_to_reconstruct(
        self, network: PaperAutoencoder, maps: MixedMaps, validation: MixedMaps
    ) -> list[dict[str, float]]:
        """Train the paper's architecture, and return what each epoch came to."""

        def tell(epoch: Epoch, _: PaperAutoencoder) -> None:
            self.say(
                f"epoch {epoch.number}/{self.options.n_epochs}: error {epoch.training_error:.5f}, on maps kept apart "
                f"{epoch.validation_error:.5f}, {epoch.maps_per_second:.0f} maps/s"
            )

        history = train_reconstruction(
            network,
            maps,
            validation,
            epochs=self.options.n_epochs,
            learning_rate=RECONSTRUCTION_RATES if self.options.begin is None else RECONSTRUCTION_RATES_TO_REFINE,
            seed=self.options.seed,
            checkpoint=self.checkpoint,
            on_epoch=tell,
            on_batch=lambda done, total: self.count("learning to reconstruct", total)(done),
        )
        return [asdict(epoch) for epoch in history]


def _network(options: TrainOptions) -> tuple[Network, str]:
    """The network to train, and its architecture; refuses options that it would ignore."""
    if options.begin is None:
        architecture: str = options.architecture or "ages"
        with torch.random.fork_rng(devices=()):  # the caller's random numbers stay as they were
            torch.manual_seed(options.seed)
            network = ARCHITECTURES[architecture]()
    else:
        encoder = Encoder.load(options.begin)
        network, architecture = encoder.network, encoder.architecture
        if options.architecture not in (None, architecture):
            raise ModelError(
                f"{options.begin} is of the architecture {architecture}, not {options.architecture}: leave the "
                "architecture out, or begin with another model"
            )
    if architecture != "paper" and options.epochs is not None:
        raise ModelError(
            f"epochs are for the paper's architecture; the architecture {architecture} learns in steps: leave them out"
        )
    if architecture != "lag" and options.texture is not None:
        why = "has no texture of its own" if architecture == "paper" else "learns how much its texture counts"
        raise ModelError(f"the architecture {architecture} {why}: leave the variance of the texture out")
    if architecture == "ages" and options.n_simulated < 4 * REPEATS:
        raise ModelError(
            f"the architecture ages learns from simulated pairs of dynamics: take at least {4 * REPEATS} simulated maps"
        )
    if not options.n_simulated and options.real is None:
        raise ModelError("there is nothing to learn from: give real maps or simulated ones")
    return network, architecture


def _checkpoint(out: Path, *, resume: bool) -> Path:
    """Where the checkpoint is, which is there if and only if a training goes on."""
    checkpoint = out.with_suffix(".checkpoint.safetensors")
    if resume and not checkpoint.exists():
        raise ModelError(f"there is no checkpoint {checkpoint} to go on from: begin without resuming")
    if not resume:
        out.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.unlink(missing_ok=True)
    return checkpoint
