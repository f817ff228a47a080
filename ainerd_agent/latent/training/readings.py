"""Latents of repeats, simulated and real: what kinds, and distances of repeats, are learnt from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.latent.clusters import Latents
from ainerd_agent.latent.encoder import Encoder
from ainerd_agent.latent.map_noise import N_NOISES
from ainerd_agent.latent.repeats import Noise
from ainerd_agent.latent.scaling import SIDE
from ainerd_agent.latent.training.known_dynamics import REPEATS, known_maps
from ainerd_agent.latent.training.learn_kinds import KindLessons
from ainerd_agent.latent.training.learn_repeats import RepeatPairs
from ainerd_agent.latent.training.lessons import groups_of
from ainerd_agent.records.analysis import KINDS
from ainerd_agent.scattering.files.map_files import StoredMaps

ALIKE, UNLIKE = (0, 1), (0, 2)
"""Pairs of measurements of one dynamics: with the same detector and counts, and with others."""

APART_SEED = 1_000_003
"""Added to the seed, so that no simulated maps of a training are those that readings are learnt from."""

PAIRS_OF_A_GROUP = 8
"""At most, so that no experiment decides alone."""

MAPS_AT_A_TIME = 100


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedReadings:
    """Measurements of simulated dynamics in the latent space.

    Attributes
    ----------
    latents : ndarray, shape (n, REPEATS, 64)
    noise : ndarray, shape (n, REPEATS, N_NOISES)
    name, kind : ndarray of str, shape (n,)
    """

    latents: Latents
    noise: Noise
    name: NDArray[np.str_]
    kind: NDArray[np.str_]

    def pairs(self, *which: tuple[int, int]) -> RepeatPairs:
        """Pairs of repeats, by the numbers of the measurements; by default alike and unlike ones."""
        chosen = which or (ALIKE, UNLIKE)
        parts = [np.concatenate([of[:, pair[side]] for pair in chosen]) for of in (self.latents, self.noise)
                 for side in (0, 1)]  # fmt: skip
        first, second, first_noise, second_noise = parts
        return RepeatPairs(first, second, first_noise, second_noise, np.tile(np.arange(len(self.kind)), len(chosen)))

    def lessons(self) -> KindLessons:
        """All measurements with their kinds."""
        number = np.array([KINDS.index(kind) for kind in self.kind.tolist()])
        return KindLessons(
            self.latents.reshape(-1, self.latents.shape[-1]),
            self.noise.reshape(-1, self.noise.shape[-1]),
            np.repeat(number, REPEATS),
            np.repeat(np.arange(len(number)), REPEATS),
        )


def simulated_readings(
    encoder: Encoder, n_dynamics: int, seed: int, *, on_part: Callable[[int], None] | None = None
) -> SimulatedReadings:
    """Simulate measurements and encode them."""
    latents, noise = [], []
    names: list[str] = []
    kinds: list[str] = []
    for part in known_maps(n_dynamics, APART_SEED + seed):
        maps = part.scaled.reshape(-1, SIDE, SIDE)
        latents.append(encoder.encode_scaled(maps).reshape(len(part.name), REPEATS, -1))
        noise.append(encoder.told_noise(maps).reshape(len(part.name), REPEATS, N_NOISES))
        names += part.name
        kinds += part.kind
        if on_part is not None:
            on_part(len(names))
    return SimulatedReadings(np.concatenate(latents), np.concatenate(noise), np.array(names), np.array(kinds))


def real_pairs(
    encoder: Encoder, stored: StoredMaps, *, baseline: float, contrast: float | None = None, seed: int = 0
) -> RepeatPairs | None:
    """Pairs of real windows that share no frame; None where the file does not say what belongs together.

    Parameters
    ----------
    stored : StoredMaps
        Columns as for `ainerd_agent.latent.training.age_lessons.real_images`.
    baseline, contrast : float
        As for `Encoder.encode`.
    """
    stored = stored.select(stored.finite)
    if "is_mean" in stored.columns:
        stored = stored.select(~stored.columns["is_mean"].astype(bool))
    group = groups_of(stored)
    if group is None or len(pairs := _apart(group, stored.columns.get("window"), np.random.default_rng(seed))) == 0:
        return None
    used, place = np.unique(pairs, return_inverse=True)
    latents, noise = [], []
    for first in range(0, len(used), MAPS_AT_A_TIME):
        maps = stored.maps[used[first : first + MAPS_AT_A_TIME]]
        scaled = encoder.scale(maps, baseline=baseline, contrast=contrast).maps
        latents.append(encoder.encode_scaled(scaled))
        noise.append(encoder.told_noise(scaled))
    z, told = np.concatenate(latents), np.concatenate(noise)
    one, other = place.reshape(pairs.shape).T
    names = stored.columns.get("series", group)
    experiment = np.unique(names, return_inverse=True)[1].ravel()[pairs[:, 0]]
    return RepeatPairs(z[one], z[other], told[one], told[other], experiment)


def _apart(group: NDArray[np.int64], window: NDArray[np.generic] | None, rng: np.random.Generator) -> NDArray[np.int64]:
    """Pairs (n, 2) of maps of a group that share no frame: windows of neighbouring numbers overlap."""
    found = []
    for number in np.unique(group):
        members = np.flatnonzero(group == number)
        place = 2 * np.arange(len(members)) if window is None else window[members].astype(np.int64)
        pairs = np.argwhere(np.triu(np.abs(place[:, None] - place) >= 2))
        found.append(members[rng.permutation(pairs)[:PAIRS_OF_A_GROUP]].reshape(-1, 2))
    return np.concatenate(found)
