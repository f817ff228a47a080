"""From a trained network to a model: its clusters, its repeatability, and the limits of what it knows."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path

import numpy as np

from ainerd_agent.errors import MapError
from ainerd_agent.latent.clusters import Clusters, Latents
from ainerd_agent.latent.encoder import Encoder, Network
from ainerd_agent.latent.familiarity import Familiarity
from ainerd_agent.latent.stability import choose, try_numbers
from ainerd_agent.latent.training.batches import TrainingMaps
from ainerd_agent.records import FloatArray

CLUSTER_NUMBERS = range(3, 11)
"""Of clusters, that are tried."""

MAPS_AT_A_TIME = 50
"""Encoded in one go."""


def make_model(
    network: Network,
    known: TrainingMaps,
    slowness: FloatArray,
    *,
    name: str,
    n_clusters: int | None = None,
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
    """
    still = copy.deepcopy(network).to("cpu")
    encoder = Encoder(still, Clusters(np.zeros((1, 64), np.float32)), name=name, repeatability=1.0)
    noisy, clean, excess = measure_pairs(encoder, known)
    if len(noisy) <= max(CLUSTER_NUMBERS) and n_clusters is None:
        raise MapError(f"{len(noisy)} maps are too few to choose a number of clusters by: say how many")
    if n_clusters is None:
        n_clusters = choose(try_numbers(noisy, list(CLUSTER_NUMBERS))).n_clusters
    clusters = Clusters.fit(noisy, slowness, n_clusters, seed=seed)
    return Encoder(
        still,
        clusters,
        name=name,
        # Two measurements differ by the noise of both.
        repeatability=float(np.sqrt(2) * np.median(np.linalg.norm(noisy - clean, axis=1))),
        familiarity=Familiarity.of(excess, clusters.predict(noisy)[1]),
    )


def add_limits(path: Path, known: TrainingMaps) -> Encoder:
    """Give a model's file the limits of what is familiar, without training it again; its card follows.

    Parameters
    ----------
    path : Path
        Of the model (.safetensors); it is written anew.
    known : TrainingMaps
        Held back from its training.
    """
    encoder = Encoder.load(path)
    latents, _, excess = measure_pairs(encoder, known)
    encoder.familiarity = Familiarity.of(excess, encoder.clusters.predict(latents)[1])
    card = path.with_suffix(".json")
    told = json.loads(card.read_text()) if card.exists() else None
    encoder.save(path)
    if told is not None:
        told["weights_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        card.write_text(json.dumps(told, indent=2) + "\n")
    return Encoder.load(path)


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
