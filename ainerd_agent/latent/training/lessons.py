"""What a latent model is trained on: simulated maps, whose truth is known, and real ones, whose noise is real."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import MapError
from ainerd_agent.latent.held_out import HELD_OUT_SHARE as HELD_OUT
from ainerd_agent.latent.held_out import held_out
from ainerd_agent.latent.lag_autoencoder import LagAutoencoder
from ainerd_agent.latent.scaling import CLIP, SIDE, replace_diagonal, resize, scale
from ainerd_agent.latent.training.batches import LongMaps, SmallMaps, TrainingMaps
from ainerd_agent.latent.training.contrast import MIN_REPEATS, Repeats, raw_profiles
from ainerd_agent.records import FloatArray
from ainerd_agent.scattering.files.map_files import StoredMaps
from ainerd_agent.scattering.simulation.maps import relaxation_time, simulate_maps

VALIDATION_SHARE = 0.1
"""Share of the experiments that the network is not trained on, beside those that are held out of everything."""

HELD_OUT_SHARE = 0.1
"""Share of the experiments that nothing is learnt from, where the seed decides which."""

LONG_SIDE = 320
"""Of simulated maps: room for windows along the diagonal."""

COARSE_SIDE = 50
"""A fifth of the simulated maps are made this small, so that the noise of enlarged maps is known too."""

UNKNOWN_CONTRAST_SHARE = 0.25
"""Share of the maps whose contrast is estimated from themselves, as where nobody knows it."""

MAPS_AT_A_TIME = 100
"""Maps that are made or enlarged at a time."""

SIMULATED_WEIGHT = 0.1
"""Of simulated maps in the contrastive loss: real noise is what has to be learnt most."""

HalfMaps = NDArray[np.float16]


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """Maps of one kind.

    Attributes
    ----------
    maps : TrainingMaps
        Scaled, with what they shall be reconstructed to.
    repeats : Repeats or None
        What belongs together; None where nothing is known of it.
    """

    maps: TrainingMaps
    repeats: Repeats | None


def simulated_lessons(
    n_maps: int, seed: int, *, clip: bool = False, on_part: Callable[[int], None] | None = None
) -> list[Lesson]:
    """Simulated maps of all dynamics, fine and coarse; reconstructed to what there was before the photons were counted.

    Parameters
    ----------
    n_maps : int
    seed : int
    clip : bool
        As a model wants it that looks at single values.
    on_part : callable, optional
        Called with the number of maps made so far.
    """
    lessons, done = [], 0
    for side, count in ((LONG_SIDE, n_maps - n_maps // 5), (COARSE_SIDE, n_maps // 5)):
        maps, targets = (np.empty((count, side, side), dtype=np.float16) for _ in range(2))
        noisy, clean = [], []
        for number, first in enumerate(range(0, count, MAPS_AT_A_TIME)):
            part = slice(first, min(first + MAPS_AT_A_TIME, count))
            made = simulate_maps(part.stop - first, seed * 100_000 + side * 100 + number, size=side)
            divisor = made.contrast.copy()
            unknown = np.random.default_rng([seed, side, number]).random(len(divisor)) < UNKNOWN_CONTRAST_SHARE
            divisor[unknown] = scale(made.c2[unknown]).contrast if unknown.any() else 1
            scaled = made.c2 / divisor[:, None, None]
            share = (made.contrast / divisor)[:, None, None]
            maps[part] = scaled.clip(*CLIP) if clip else scaled
            targets[part] = (made.realised * share).clip(*CLIP)
            noisy.append(_profiles(scaled))
            clean.append(_profiles(made.truth * share))
            done += len(divisor)
            if on_part is not None:
                on_part(done)
        if not count:
            continue
        own = list(np.arange(count)[:, None])
        repeats = Repeats(np.concatenate(clean), np.concatenate(noisy), own, SIMULATED_WEIGHT / 2)
        lessons.append(Lesson((LongMaps if side >= SIDE else SmallMaps)(maps, targets), repeats))
    return lessons


def real_lesson(stored: StoredMaps, *, baseline: float, contrast: float | None = None, clip: bool = False) -> Lesson:
    """Real maps; where some belong together, each is reconstructed to the mean of the others, which has other noise.

    Parameters
    ----------
    stored : StoredMaps
        Columns: `series` and `roi` tell what belongs together, `is_mean` which maps are means of others and are not
        learnt from. A file with neither has maps that all stand alone.
    baseline, contrast : float
        As for `Encoder.encode`.
    """
    stored = stored.select(stored.finite)
    if "is_mean" in stored.columns:
        stored = stored.select(~stored.columns["is_mean"].astype(bool))
    if not len(stored):
        raise MapError("there is no finite map to learn from")
    maps = np.empty(stored.maps.shape, dtype=np.float16)
    profiles = []
    for first in range(0, len(stored), MAPS_AT_A_TIME):
        part = slice(first, first + MAPS_AT_A_TIME)
        scaled = scale(stored.maps[part], baseline=baseline, contrast=contrast, clip=False)
        profiles.append(_profiles(scaled.maps))
        own = (stored.maps[part].astype(np.float32) - baseline) / scaled.contrast[:, None, None]
        replace_diagonal(own)
        maps[part] = own
    limited = maps.clip(*CLIP)
    group, together = groups_of(stored), None
    if group is not None:
        together = _if_enough(np.concatenate(profiles), group)
    inputs = limited if clip else maps
    targets = limited if group is None else _means_of_others(limited, group)
    if inputs.shape[1] >= SIDE:
        inputs, targets = (_enlarged(each, SIDE) for each in (inputs, targets))
        return Lesson(LongMaps(inputs, targets), together)
    return Lesson(SmallMaps(inputs, targets), together)


def groups_of(stored: StoredMaps) -> NDArray[np.int64] | None:
    """Number of what belongs together, shape (n,): one q region of one experiment."""
    columns = [stored.columns[name] for name in ("series", "roi") if name in stored.columns]
    if not columns:
        return None
    numbers = np.stack([np.unique(each, return_inverse=True)[1] for each in columns])
    _, group = np.unique(numbers, axis=1, return_inverse=True)
    return np.asarray(group).ravel()


@dataclass(frozen=True, slots=True)
class KeptApart:
    """Maps to train on, and those of other experiments, on which what a trained network is worth is found.

    Attributes
    ----------
    known : StoredMaps
        To train the network on.
    validation : StoredMaps
        For all that depends on a trained network: clusters, limits, probabilities.
    by_hash : bool
        Whether the hash of the experiment decided, and not the seed. Then further experiments
        (`ainerd_agent.latent.held_out`) are in neither part, for the figures that are reported.
    """

    known: StoredMaps
    validation: StoredMaps
    by_hash: bool


def keep_apart(stored: StoredMaps, seed: int) -> KeptApart:
    """Keep experiments apart by the hash of `series`; by the seed where that would leave out none or all of them."""
    if (series := stored.columns.get("series")) is not None:
        reported, apart = held_out(series), held_out(series, HELD_OUT + VALIDATION_SHARE)
        validation = apart & ~reported
        if reported.any() and validation.any() and not apart.all():
            return KeptApart(stored.select(~apart), stored.select(validation), by_hash=True)
    return KeptApart(*split_by_series(stored, seed), by_hash=False)


def split_by_series(stored: StoredMaps, seed: int, share: float = HELD_OUT_SHARE) -> tuple[StoredMaps, StoredMaps]:
    """Maps to train on, and those of experiments that are kept apart; of a file without `series`, any maps."""
    series = stored.columns.get("series", np.arange(len(stored)))
    names = np.random.default_rng(seed).permutation(np.unique(series))
    held = np.isin(series, names[: max(1, int(share * len(names)))])
    if held.all():
        raise MapError("all maps are of one experiment: none can be kept apart to validate on")
    return stored.select(~held), stored.select(held)


def slowness_of(targets: NDArray[np.floating]) -> FloatArray:
    """Logarithm of the relaxation time of scaled maps (n, size, size) without noise, in units of their side; (n,)."""
    return np.log([max(relaxation_time(target.astype(np.float64)), 1e-4) for target in targets])


def _profiles(scaled: NDArray[np.floating]) -> NDArray[np.float32]:
    """Raw profiles of scaled maps of any side; of large ones, of the first window."""
    whole = scaled[:, :SIDE, :SIDE].astype(np.float32)
    return raw_profiles(LagAutoencoder(), resize(whole, SIDE))


def _if_enough(profiles: NDArray[np.float32], group: NDArray[np.int64]) -> Repeats | None:
    return Repeats.of_groups(profiles, group) if np.bincount(group).max() >= MIN_REPEATS else None


def _means_of_others(maps: HalfMaps, group: NDArray[np.int64]) -> HalfMaps:
    """Of each map, the mean of the others of its group; itself where there are fewer than two others."""
    found = maps.copy()
    for number in np.unique(group):
        members = np.flatnonzero(group == number)
        if len(members) >= MIN_REPEATS:
            own = maps[members].astype(np.float32)
            found[members] = (own.sum(axis=0) - own) / (len(members) - 1)
    return found


def _enlarged(maps: HalfMaps, side: int) -> HalfMaps:
    parts = np.array_split(maps, -(-len(maps) // MAPS_AT_A_TIME))
    return np.concatenate([resize(part.astype(np.float32), side).astype(np.float16) for part in parts])
