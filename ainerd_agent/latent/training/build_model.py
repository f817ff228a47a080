"""From a trained network to a model: its clusters, its repeatability, and the limits of what it knows."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ainerd_agent.errors import MapError
from ainerd_agent.latent.clusters import Clusters, Latents
from ainerd_agent.latent.encoder import Encoder, Network
from ainerd_agent.latent.familiarity import Familiarity
from ainerd_agent.latent.paper_autoencoder import PaperAutoencoder
from ainerd_agent.latent.stability import choose, try_numbers
from ainerd_agent.latent.training.batches import TrainingMaps
from ainerd_agent.latent.training.learn_kinds import learn_kinds
from ainerd_agent.latent.training.learn_repeats import RepeatPairs, learn_repeats
from ainerd_agent.latent.training.readings import SimulatedReadings, real_pairs, simulated_readings
from ainerd_agent.records import FloatArray
from ainerd_agent.scattering.files.map_files import StoredMaps

CLUSTER_NUMBERS = range(3, 11)
"""Of clusters, that are tried."""

MAPS_AT_A_TIME = 50
"""Encoded in one go."""


@dataclass(frozen=True, slots=True, eq=False)
class ReadingLessons:
    """What readings of latents are learnt from.

    Attributes
    ----------
    n_dynamics : int
        Simulated ones, with three measurements each.
    real : StoredMaps or None
        Windows of experiments that may be learnt from: which are repeats of one another.
    baseline, contrast : float
        Of the real maps, as for `Encoder.encode`.
    """

    n_dynamics: int
    real: StoredMaps | None = None
    baseline: float = 1.0
    contrast: float | None = None


def make_model(
    network: Network,
    known: TrainingMaps,
    slowness: FloatArray,
    *,
    name: str,
    n_clusters: int | None = None,
    lessons: ReadingLessons | None = None,
    seed: int = 0,
) -> Encoder:
    """Make a model of a trained network.

    Parameters
    ----------
    network : PaperAutoencoder, LagAutoencoder or AgesAutoencoder
        It is copied.
    known : TrainingMaps
        Held back from the training, with their noise-free targets.
    slowness : ndarray, shape (n,)
        By which clusters are numbered.
    n_clusters : int, optional
        By default, the number that is stable over seeds and nearest to the elbow (`ainerd_agent.latent.stability`).
    lessons : ReadingLessons, optional
        What kinds, and distances of repeats, are learnt from; without them the model has neither.
    """
    still = copy.deepcopy(network).to("cpu")
    encoder = Encoder(still, Clusters(np.zeros((1, 64), np.float32)), name=name, repeatability=1.0)
    noisy, clean, excess = measure_pairs(encoder, known)
    if len(noisy) <= max(CLUSTER_NUMBERS) and n_clusters is None:
        raise MapError(f"{len(noisy)} maps are too few to choose a number of clusters by: say how many")
    if n_clusters is None:
        n_clusters = choose(try_numbers(noisy, list(CLUSTER_NUMBERS))).n_clusters
    clusters = Clusters.fit(noisy, slowness, n_clusters, seed=seed)
    model = Encoder(
        still,
        clusters,
        name=name,
        # Two measurements differ by the noise of both.
        repeatability=float(np.sqrt(2) * np.median(np.linalg.norm(noisy - clean, axis=1))),
        familiarity=Familiarity.of(excess, clusters.predict(noisy)[1]),
    )
    return model if lessons is None else with_readings(model, lessons, seed=seed)


def with_readings(
    encoder: Encoder, lessons: ReadingLessons, *, seed: int = 0, on_part: Callable[[int], None] | None = None
) -> Encoder:
    """The same model with kinds, and probabilities of repeats and clusters; nothing else is changed.

    Parameters
    ----------
    encoder : Encoder
    lessons : ReadingLessons
    on_part : callable, optional
        Called with the number of dynamics simulated so far.
    """
    known = simulated_readings(encoder, lessons.n_dynamics, seed, on_part=on_part)
    pairs = [known.pairs()]
    if lessons.real is not None:
        real = real_pairs(encoder, lessons.real, baseline=lessons.baseline, contrast=lessons.contrast, seed=seed)
        pairs += [] if real is None else [real]
    return fit_readings(encoder, known, pairs, seed=seed)


def fit_readings(encoder: Encoder, known: SimulatedReadings, pairs: Sequence[RepeatPairs], *, seed: int = 0) -> Encoder:
    """As `with_readings`, from what was encoded by this model: simulated measurements, and pairs of repeats."""
    both = [np.concatenate([getattr(each, side) for each in pairs]) for side in ("first", "second")]
    return Encoder(
        encoder.network,
        encoder.clusters.softened(*both),
        name=encoder.name,
        repeatability=encoder.repeatability,
        familiarity=encoder.familiarity,
        repeats=learn_repeats(pairs, parts=_parts_of(encoder.network), seed=seed),
        kinds=learn_kinds(known.lessons(), seed=seed),
    )


def _parts_of(network: Network) -> tuple[int, ...] | None:
    """Lengths of decay and texture; None where a latent has no parts."""
    if isinstance(network, PaperAutoencoder):
        return None
    latent = int(network.configuration["latent"])
    return network.n_decay, latent - network.n_decay


def measure_pairs(encoder: Encoder, known: TrainingMaps) -> tuple[Latents, Latents, FloatArray]:
    """Latents of maps (n, 64), of their targets, and their `Encoding.excess` (n,)."""
    noisy, clean, excess = [], [], []
    for chosen in np.array_split(np.arange(len(known)), -(-len(known) // MAPS_AT_A_TIME)):
        maps, targets = known.draw(chosen, None)
        found = encoder.measure_scaled(maps)
        noisy.append(found.latents)
        clean.append(encoder.encode_scaled(targets))
        excess.append(found.excess)
    return np.concatenate(noisy), np.concatenate(clean), np.concatenate(excess)
