"""The figures of a model's card: what its latent space is worth, on maps that it has never seen."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import spearmanr

from ainerd_agent.errors import MapError
from ainerd_agent.latent.atlas.neighbours import NeighbourIndex
from ainerd_agent.latent.clusters import Latents
from ainerd_agent.latent.damage import FlagScore, score_flag
from ainerd_agent.latent.encoder import Encoder
from ainerd_agent.latent.g2_discriminant import COMPONENTS, G2Discriminant
from ainerd_agent.latent.reasons import reasons_of
from ainerd_agent.latent.retrieval import ARCHIVE, Retrieval, leak_free, retrieve
from ainerd_agent.latent.same_g2 import SameG2, auc_of_pair, score, trials
from ainerd_agent.latent.stability import METHODS, SEEDS, stability
from ainerd_agent.latent.training.lessons import groups_of
from ainerd_agent.records import FloatArray, MapStack
from ainerd_agent.scattering.correlation.age_lag import age_average
from ainerd_agent.scattering.files.map_files import StoredMaps
from ainerd_agent.scattering.simulation.maps import SimulatedMaps, simulate_maps

SIMULATION_SEED = 987_654
"""Of the simulated maps; no training begins with it."""

MAPS_AT_A_TIME = 200
"""Simulated, or encoded, in one go."""

FRINGED_TARGETS = 50
"""Heterodyne maps that ask for maps like them."""

REVIEWED_MAPS = 300
"""Nearest maps that experts looked at for each target in the paper, of its 13,000."""

PAPERS_MAPS = 13_000
"""Maps of the paper."""

BINS_OF_A_MEASUREMENT = 18
"""Maps of one measurement."""

VISIBLE_FRINGES = 0.05
"""Rise of the age average, in units of the contrast, from which on a map has fringes."""

CLEAR_FRINGES = 0.5
"""The same of fringes that anybody sees."""

WINDOW_COLUMNS = ("series", "roi", "window")
"""What retrieval has to know of each map: experiment, q region, and number along the exposure."""

SLOWEST_RATE = 1e-3
"""Rates of relaxation (1 / the map's side) below this are all the same: nothing moves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """What simulated maps say of a model.

    Attributes
    ----------
    n_maps : int
    same_kind : float
        Share of a map's five nearest neighbours that are of its kind of dynamics; chance is a seventh.
    alike : float
        Of the `n_alike` maps nearest to one with heterodyne fringes, how many have fringes in truth; median over
        targets. (A heterodyne map across the flow has none, and is not counted.)
    alike_to_clear : float
        The same of targets whose fringes nobody overlooks.
    n_alike : int
        300 of 13,000, or as large a share of fewer.
    order : float
        Spearman's correlation of the cluster's number with the mean logarithm of its true relaxation time, falling.
    order_of_maps : float
        The same between each map's cluster and its own relaxation time.
    denoising : float
        Mean squared distance of the reconstruction to the noise-free map, in units of that of the measured map.
    """

    n_maps: int
    same_kind: float
    alike: float
    alike_to_clear: float
    n_alike: int
    order: float
    order_of_maps: float
    denoising: float


def evaluate_simulated(
    encoder: Encoder,
    n_maps: int = PAPERS_MAPS,
    *,
    seed: int = SIMULATION_SEED,
    on_part: Callable[[int], None] | None = None,
) -> Simulated:
    """Encode simulated maps of all dynamics and levels of noise, and compare the latents with what is known of them."""
    latents, kinds, taus, fringes, distances = [], [], [], [], []
    for first in range(0, n_maps, MAPS_AT_A_TIME):
        maps = simulate_maps(min(MAPS_AT_A_TIME, n_maps - first), seed + first)
        found = encoder.encode(maps.c2, contrast=maps.contrast)
        latents.append(found)
        kinds.append(maps.kind)
        taus.append(maps.tau)
        fringes.append(np.where(maps.kind == "heterodyne", fringe_height(maps.truth), 0))
        if first < 5 * MAPS_AT_A_TIME:
            distances.append(_distances(encoder, maps, found))
        if on_part is not None:
            on_part(first + len(found))
    vectors, kind, tau = np.concatenate(latents), np.concatenate(kinds), np.concatenate(taus)
    n_alike = max(1, round(REVIEWED_MAPS * n_maps / PAPERS_MAPS))
    height = np.concatenate(fringes)
    cluster, _ = encoder.clusters.predict(vectors)
    slowness = np.log(np.minimum(tau, 1 / SLOWEST_RATE))
    used = np.unique(cluster)
    mean = [slowness[cluster == number].mean() for number in used]
    measured, reconstructed = np.concatenate(distances, axis=1)
    return Simulated(
        n_maps=n_maps,
        same_kind=_same_kind(vectors, kind),
        alike=_alike(vectors, height, VISIBLE_FRINGES, n_alike),
        alike_to_clear=_alike(vectors, height, CLEAR_FRINGES, n_alike),
        n_alike=n_alike,
        order=float(-spearmanr(used, mean).statistic),
        order_of_maps=float(-spearmanr(cluster, slowness).statistic),
        denoising=float(reconstructed.mean() / measured.mean()),
    )


def evaluate_same_g2(
    encoder: Encoder, n_pairs: int, *, seed: int = SIMULATION_SEED, on_part: Callable[[int], None] | None = None
) -> SameG2:
    """How well a model distinguishes dynamics with the same g2, as AUC; see `ainerd_agent.latent.same_g2`.

    Parameters
    ----------
    n_pairs : int
        Of each of the 14 kinds.
    on_part : callable, optional
        Called with the number of maps encoded so far.
    """
    scores: dict[str, list[float]] = {}
    done = 0
    for trial in trials(n_pairs, seed):
        found = auc_of_pair(encoder.encode(trial.c2, contrast=trial.contrast))
        scores.setdefault(trial.pair.kind, []).append(found)
        done += len(trial.c2)
        if on_part is not None:
            on_part(done)
    return score(scores)


@dataclass(frozen=True, slots=True, kw_only=True)
class RealRetrieval:
    """Leak-free retrieval on real maps.

    Attributes
    ----------
    plain, scaled : Retrieval
        Of the model, by distance, and with local scaling.
    g2 : Retrieval or None
        Of the discriminant of g2 on the same task; None where there are no other experiments to learn it from.
    """

    plain: Retrieval
    scaled: Retrieval
    g2: Retrieval | None


def evaluate_retrieval(
    encoder: Encoder,
    stored: StoredMaps,
    others: StoredMaps | None = None,
    *,
    baseline: float,
    contrast: float | None,
    archive: int = ARCHIVE,
) -> RealRetrieval:
    """Retrieval on real windows, each asked for by a query that shares no frame with it.

    Parameters
    ----------
    stored : StoredMaps
        With the columns series, roi and window; maps that `is_mean` marks are left out.
    others : StoredMaps, optional
        Of other experiments, that the discriminant of g2 is learnt from.
    baseline, contrast : float
        As for `Encoder.encode`.
    archive : int
        Windows that a query searches.

    Raises
    ------
    MapError
        No such columns, or nothing that can be asked for.
    """
    windows = windows_of(stored)
    task = leak_free(*(windows.columns[name] for name in WINDOW_COLUMNS))
    pair = windows.maps, task.queries(windows.maps)
    latents = [encode_stored(encoder, each, baseline=baseline, contrast=contrast) for each in pair]
    g2 = None
    if others is not None:
        known = windows_of(others)
        group = groups_of(known)
        if group is not None and len(np.unique(group)) > COMPONENTS:
            discriminant = G2Discriminant(known.maps, group)
            g2 = retrieve(task, *(discriminant(each) for each in pair), archive=archive)
    return RealRetrieval(
        plain=retrieve(task, *latents, archive=archive),
        scaled=retrieve(task, *latents, archive=archive, local_scaling=True),
        g2=g2,
    )


def windows_of(stored: StoredMaps) -> StoredMaps:
    """Finite single windows, without maps that are means of others; `MapError` where a column is missing."""
    if missing := [name for name in WINDOW_COLUMNS if name not in stored.columns]:
        raise MapError(
            f"retrieval needs the columns {', '.join(WINDOW_COLUMNS)}, to know what is alike and which "
            f"maps share frames; missing: {', '.join(missing)}"
        )
    is_mean = np.asarray(stored.columns.get("is_mean", np.zeros(len(stored))), dtype=bool)
    return stored.select(stored.finite & ~is_mean)


def encode_stored(encoder: Encoder, maps: MapStack, *, baseline: float, contrast: float | None) -> Latents:
    """Latents of many maps (n, size, size), part by part."""
    parts = [maps[first : first + MAPS_AT_A_TIME] for first in range(0, len(maps), MAPS_AT_A_TIME)]
    return np.concatenate([encoder.encode(part, baseline=baseline, contrast=contrast) for part in parts])


def unlike_training(
    encoder: Encoder, maps: MapStack, *, baseline: float, contrast: ArrayLike | None
) -> NDArray[np.bool_]:
    """Which maps are marked, (n,): something is wrong with them, or they are beyond the limits of the model."""
    found = encoder.measure(maps, baseline=baseline, contrast=contrast)
    _, distance = encoder.clusters.predict(found.latents)
    return np.array([bool(each) for each in reasons_of(encoder, found, distance) or ()])


def evaluate_flag(
    encoder: Encoder, maps: MapStack, *, baseline: float, contrast: ArrayLike | None, seed: int = 0
) -> FlagScore:
    """False alarms and misses of the flag "unlike the training".

    Parameters
    ----------
    maps : ndarray, shape (n, size, size)
        Sound ones, that the limits were not set on.
    baseline, contrast : float, and float or array_like of shape (n,)
        As for `Encoder.encode`.
    """

    def flag(each: MapStack) -> NDArray[np.bool_]:
        return unlike_training(encoder, each, baseline=baseline, contrast=contrast)

    known = encoder.scale(maps, baseline=baseline, contrast=contrast).contrast
    return score_flag(flag, maps, baseline=baseline, contrast=known, seed=seed)


def evaluate_reconstruction(
    encoder: Encoder, maps: MapStack, *, baseline: float, contrast: float | None = None
) -> float:
    """Mean squared difference between maps and their reconstructions, in the maps' own units."""
    found = encoder.reconstruct(maps, baseline=baseline, contrast=contrast)
    return float(np.mean((found - np.asarray(maps, dtype=np.float64)) ** 2))


def evaluate_stability(latents: Latents, n_clusters: int, *, seeds: int = SEEDS) -> tuple[float, float]:
    """Mean and least adjusted Rand index between labels of latents (n, 64) by k-means with different seeds."""
    return stability(METHODS["kmeans"], latents, n_clusters, seeds=seeds)


def encoding_time(encoder: Encoder, *, repeats: int = 20) -> float:
    """Median seconds to encode the 18 maps of a measurement, their scaling included."""
    maps = simulate_maps(BINS_OF_A_MEASUREMENT, SIMULATION_SEED)
    taken = []
    for _ in range(repeats + 2):
        begun = time.perf_counter()
        encoder.encode(maps.c2, contrast=maps.contrast)
        taken.append(time.perf_counter() - begun)
    return float(np.median(taken[2:]))


def fringe_height(truth: NDArray[np.floating]) -> FloatArray:
    """How far the age average of noise-free maps (n, size, size) rises again with the lag; 0 where it only falls."""
    g2 = age_average(truth.astype(np.float32))
    return np.asarray((g2 - np.minimum.accumulate(g2, axis=1)).max(axis=1))


def as_figures(simulated: Simulated) -> dict[str, float]:
    """Figures by their names."""
    return {name: float(value) for name, value in asdict(simulated).items()}


def _distances(encoder: Encoder, maps: SimulatedMaps, latents: Latents) -> FloatArray:
    """Squared distance of maps, and of their reconstructions, to the truth; (2, n)."""
    truth = maps.truth.astype(np.float32)
    measured = maps.c2.astype(np.float32) / maps.contrast[:, None, None]
    pair = [np.mean((each - truth) ** 2, axis=(1, 2)) for each in (measured, encoder.decode(latents))]
    return np.stack(pair)


def _same_kind(vectors: Latents, kind: NDArray[np.str_], k: int = 5) -> float:
    asked = np.arange(0, len(vectors), max(1, len(vectors) // 2000))
    nearest = NeighbourIndex(vectors).nearest(vectors[asked], k + 1)[0][:, 1:]
    return float(np.mean(kind[nearest] == kind[asked][:, None]))


def _alike(vectors: Latents, height: FloatArray, least: float, n_alike: int) -> float:
    """How many of the `n_alike` maps nearest to one with fringes of `least` height have fringes: the median, or NaN."""
    asked = np.flatnonzero(height > least)[:FRINGED_TARGETS]
    if not len(asked):
        return float("nan")
    nearest = NeighbourIndex(vectors).nearest(vectors[asked], n_alike + 1)[0][:, 1:]
    return float(np.median((height[nearest] > VISIBLE_FRINGES).sum(axis=1)))
