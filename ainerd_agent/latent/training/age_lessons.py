"""What the architecture "ages" learns from: age-lag images of pairs of the same g2, and of real repeats.

Simulated: pairs of dynamics (`ainerd_agent.scattering.simulation.non_stationary`), the truth of each and some
measurements of it, each with speckles, photons and faults of the instrument of its own. Real: maps, and for each of
them the mean of those maps of its group that share no frame with it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from ainerd_agent.latent.age_lag_image import N_DECAY_LAGS, AgeLagImage
from ainerd_agent.latent.lag_autoencoder import COARSE, coarse
from ainerd_agent.latent.scaling import SIDE, replace_diagonal, resize, scale
from ainerd_agent.latent.short_lags import N_SHORT, extended_to_short_lags
from ainerd_agent.latent.training.lessons import groups_of
from ainerd_agent.records import FloatArray, MapStack
from ainerd_agent.scattering.files.map_files import StoredMaps
from ainerd_agent.scattering.simulation.non_stationary import Covariance, random_pair
from ainerd_agent.scattering.simulation.speckle import covariance_root, speckle_intensity

Images = NDArray[np.float32]

REPEATS = 2
"""Measurements of each dynamics."""

FAULTY_SHARE = 0.3
"""Of the measurements that have faults of the instrument."""

COARSE_SHARE = 0.2
"""Of the measurements that are made small and enlarged again, as maps from elsewhere are."""

COARSE_SIDE = 50

UNKNOWN_CONTRAST_SHARE = 0.15
"""Of the measurements whose contrast is estimated from the map."""

FAST_SHARE = 0.1
"""Of the pairs that decay within a pixel of the map."""

SHORT_LAGS = 2.0 ** -(np.arange(N_SHORT) + 0.5)
"""Middles of the octaves below a pixel, in pixels."""

PAIRS_AT_A_TIME = 10
MAPS_AT_A_TIME = 100


@dataclass(frozen=True, slots=True, eq=False)
class PairImages:
    """Pairs of dynamics that g2 does not tell apart.

    Attributes
    ----------
    truth : ndarray, shape (n, 2, n_values)
        Without noise.
    noisy : ndarray, shape (n, 2, REPEATS, n_values)
    drawing : ndarray of float16, shape (n, 2, 4096)
        The truth at 64 x 64.
    """

    truth: Images
    noisy: Images
    drawing: NDArray[np.float16]

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def noise(self) -> Images:
        """What the measurements differ in from the truth, shape (n, 2, REPEATS, n_values)."""
        return np.asarray(self.noisy - self.truth[:, :, None])


@dataclass(frozen=True, slots=True, eq=False)
class RealImages:
    """Real maps and what each of them is a repeat of.

    Attributes
    ----------
    images : ndarray, shape (n, n_values)
    others : ndarray, shape (n, n_values)
        Mean of the maps of the same group that share no frame with it; NaN where there are fewer than two.
    group : ndarray of int, shape (n,)
    """

    images: Images
    others: Images
    group: NDArray[np.int64]

    @property
    def residuals(self) -> Images:
        """Real noise, (n, n_values): what a map differs in from its repeats, without the noise of their mean."""
        found = self.images - self.others
        return np.asarray(found[np.isfinite(found).all(axis=1)])


def simulated_pairs(
    n_pairs: int,
    seed: int,
    *,
    without: Collection[str] = (),
    on_part: Callable[[int], None] | None = None,
) -> PairImages:
    """Simulate pairs of dynamics and their measurements, on all cores.

    Parameters
    ----------
    n_pairs : int
    seed : int
    without : collection of str
        Kinds of dynamics to leave out, to measure what a model makes of kinds that it has not seen.
    on_part : callable, optional
        Called with the number of pairs made so far.
    """
    sizes = [min(PAIRS_AT_A_TIME, n_pairs - first) for first in range(0, n_pairs, PAIRS_AT_A_TIME)]
    parts, done = [], 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for part in pool.map(partial(_some_pairs, seed, without), range(len(sizes)), sizes):
            parts.append(part)
            done += len(part)
            if on_part is not None:
                on_part(done)
    return PairImages(
        np.concatenate([part.truth for part in parts]),
        np.concatenate([part.noisy for part in parts]),
        np.concatenate([part.drawing for part in parts]),
    )


def real_images(stored: StoredMaps, *, baseline: float, contrast: float | None = None) -> RealImages | None:
    """Images of real maps; None where the file does not say what belongs together.

    Parameters
    ----------
    stored : StoredMaps
        Columns: `series` and `roi` tell what belongs together, `is_mean` which maps are means of others and are not
        used. Where there is `window`, windows of neighbouring numbers overlap; where not, no maps do.
    baseline, contrast : float
        As for `Encoder.encode`.
    """
    stored = stored.select(stored.finite)
    if "is_mean" in stored.columns:
        stored = stored.select(~stored.columns["is_mean"].astype(bool))
    group = groups_of(stored)
    if group is None or not len(stored):
        return None
    view, parts = AgeLagImage(), []
    for first in range(0, len(stored), MAPS_AT_A_TIME):
        maps = stored.maps[first : first + MAPS_AT_A_TIME]
        parts.append(_images(view, scale(maps, baseline=baseline, contrast=contrast, clip=False).maps))
    images = np.concatenate(parts)
    window = stored.columns.get("window")
    return RealImages(images, _means_of_apart(images, group, window), group)


def _means_of_apart(images: Images, group: NDArray[np.int64], window: NDArray[np.generic] | None) -> Images:
    found = np.full_like(images, np.nan)
    for number in np.unique(group):
        members = np.flatnonzero(group == number)
        place = 2 * np.arange(len(members)) if window is None else window[members].astype(np.int64)
        apart = np.abs(place[:, None] - place) >= 2
        enough = apart.sum(axis=1) >= 2
        means = apart.astype(np.float32) @ images[members] / np.maximum(apart.sum(axis=1), 1)[:, None]
        found[members[enough]] = means[enough]
    return found


def _some_pairs(seed: int, without: Collection[str], number: int, n_pairs: int) -> PairImages:
    """Pairs with random numbers of their own, so that they are the same on any number of cores."""
    rng = np.random.default_rng([seed, number])
    view = AgeLagImage()
    truth = np.empty((n_pairs, 2, SIDE, SIDE), dtype=np.float32)
    noisy = np.empty((n_pairs, 2, REPEATS, view.n_values), dtype=np.float32)
    short = np.empty((n_pairs, 2, N_SHORT))
    for row in range(n_pairs):
        for side, (g1, at_short_lags) in enumerate(_two_dynamics(rng, without)):
            truth[row, side], short[row, side] = np.abs(g1) ** 2, at_short_lags
            root = covariance_root(g1)
            noisy[row, side] = _images(view, np.stack([_measured(root, rng) for _ in range(REPEATS)]))
    flat = truth.reshape(-1, SIDE, SIDE)
    images = _images(view, flat).reshape(n_pairs, 2, -1)
    _add_short_lags(images, noisy, short, rng)
    drawing = coarse(torch.from_numpy(flat)[:, None]).numpy().astype(np.float16)
    return PairImages(images, noisy, drawing.reshape(n_pairs, 2, COARSE**2))


def _two_dynamics(rng: np.random.Generator, without: Collection[str]) -> list[tuple[Covariance, FloatArray]]:
    """g1 of the two of a pair, each (256, 256), and what |g1|**2 is at lags below a pixel, (N_SHORT,)."""
    if rng.random() < FAST_SHARE:
        return [_fast(rng) for _ in range(2)]
    pair = random_pair(SIDE, rng, without=without)
    found: list[tuple[Covariance, FloatArray]] = []
    for g1 in (pair.first, pair.second):
        first, second = (float(np.mean(np.abs(np.diagonal(g1, lag)) ** 2)) for lag in (1, 2))
        found.append((g1, extended_to_short_lags(first, second)))
    return found


def _fast(rng: np.random.Generator) -> tuple[Covariance, FloatArray]:
    """Dynamics in equilibrium of which the map has lost most, and the lags below its pixels have not."""
    tau = float(np.exp(rng.uniform(np.log(0.003), np.log(3))))  # in pixels of the map
    exponent = float(rng.uniform(0.6, 1.8))
    lag = np.abs(np.subtract.outer(np.arange(SIDE), np.arange(SIDE)))
    return np.exp(-0.5 * (lag / tau) ** exponent), np.exp(-((SHORT_LAGS / tau) ** exponent))


def _add_short_lags(truth: Images, noisy: Images, short: FloatArray, rng: np.random.Generator) -> None:
    """Fill in what is known of short lags in images (n, 2, n_values) and (n, 2, REPEATS, n_values).

    Movies have many frames in a pixel of the map, or few, or are not there at all: any number of octaves is known. Of
    the truth all are, or none. An error of the contrast, or of the baseline, is one of short lags as well.
    """
    first = truth.shape[-1] - 2 * N_SHORT - N_DECAY_LAGS
    off = (noisy - truth[:, :, None])[..., first : first + 1]
    level = truth[:, :, None, first : first + 1]
    by_contrast = short[:, :, None] * off / np.maximum(level, 0.3) + rng.normal(0, 0.01, (*noisy.shape[:3], N_SHORT))
    for images, values, share, least in (
        (truth, short, 0.5, N_SHORT),
        (noisy, short[:, :, None] + by_contrast, 0.6, 1),
    ):
        shape = images.shape[:-1]
        octaves = np.where(rng.random(shape) < share, rng.integers(least, N_SHORT + 1, shape), 0)
        known = np.arange(N_SHORT) < octaves[..., None]
        images[..., -2 * N_SHORT :] = np.concatenate([np.where(known, values, 0), known], axis=-1)


def _images(view: AgeLagImage, scaled: MapStack) -> Images:
    with torch.inference_mode():
        return np.asarray(view(torch.from_numpy(np.ascontiguousarray(scaled, dtype=np.float32))).numpy())


def _measured(root: Covariance, rng: np.random.Generator) -> MapStack:
    """One measurement, as a scaled map (256, 256): any number of pixels, counts and contrast."""
    n_pixels = int(np.exp(rng.uniform(np.log(100), np.log(1500))))
    counts = float(np.exp(rng.uniform(np.log(0.2), np.log(20))))
    contrast = 1 / int(rng.integers(1, 6))
    movie = rng.poisson(counts * speckle_intensity(root, n_pixels, contrast, rng)).astype(np.float32)
    deviation = np.asarray(movie / np.float32(max(movie.mean(), 1e-6)) - 1, dtype=np.float32)
    faulty = rng.random() < FAULTY_SHARE
    if faulty:
        _spoil(deviation, contrast, rng)
    c2 = np.asarray(deviation @ deviation.T / np.float32(n_pixels))[None]
    if rng.random() < COARSE_SHARE:
        replace_diagonal(c2)
        c2 = resize(c2.astype(np.float32), COARSE_SIDE)
    known: float | None = contrast
    if rng.random() < UNKNOWN_CONTRAST_SHARE:
        known = None
    elif faulty:  # known roughly: coherence is not what it was when it was measured
        known = contrast * float(np.exp(rng.normal(0, 0.1)))
    level = float(rng.normal(0, 0.01)) * contrast if faulty else 0.0
    return np.asarray(scale(c2, baseline=level, contrast=known, clip=False).maps[0])


def _spoil(deviation: NDArray[np.float32], contrast: float, rng: np.random.Generator) -> None:
    """Faults of the instrument in D = I/<I> - 1, (T, n_pixels), in place: one of them, of any strength."""
    n_times = len(deviation)
    strength = np.sqrt(contrast) * float(np.exp(rng.uniform(np.log(0.02), np.log(0.25))))
    fault = rng.integers(3)
    if fault == 0:  # the beam becomes brighter or darker
        way = np.cumsum(rng.normal(size=n_times))
        deviation += (strength * (way - way.mean()) / (way.std() + 1e-9))[:, None].astype(np.float32)
    elif fault == 1:  # some frames are brighter: stripes
        deviation[rng.integers(0, n_times, rng.integers(1, 6))] += np.float32(3 * strength)
    else:  # some frames are not there
        begin = int(rng.integers(0, n_times - 12))
        deviation[begin : begin + int(rng.integers(1, 12))] = 0
