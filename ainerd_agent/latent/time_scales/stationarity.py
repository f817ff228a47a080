"""Where crops of a map differ from what a stationary sample of the same g2 would show.

The comparison is with measurements that are simulated: dynamics that have the g2 of the map and do the same at all
ages, seen by as many photons and by so many pixels that the map would be as noisy. Crops of these say how far
apart crops are by chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import toeplitz

from ainerd_agent.latent.clusters import Latents
from ainerd_agent.latent.encoder import Encoder
from ainerd_agent.latent.same_g2.dynamics import FRAMES, Side
from ainerd_agent.latent.same_g2.measurement import Level, measure
from ainerd_agent.latent.same_g2.twins import stationary_twin
from ainerd_agent.latent.scaling import resize
from ainerd_agent.latent.time_scales.crops import CropLatents, encode_crops
from ainerd_agent.records import FloatArray, MapStack

SIMULATED = 40
"""Measurements of the stationary twin."""

CHANCE = 0.01
"""Share of the crops of a stationary sample that are marked."""

MOST_MODES = 8
"""Of a simulated speckle. Fainter ones are simulated with fewer photons instead, at the same signal to noise."""

PIXELS = (60, 3000)
"""Of a simulated bin: the least and the most."""

TRIAL = Level(400, 1.0, 1)
"""At which the noise is compared first."""


@dataclass(frozen=True, slots=True)
class Light:
    """What is known of the photons of a map.

    Attributes
    ----------
    counts : float
        Per pixel of the detector and pixel of the map (counts per frame, times frames, over the size of the map); NaN
        where it is not known, and the noise is taken for that of few speckles.
    contrast : float
        Of the speckles; NaN where it is not known.
    """

    counts: float = float("nan")
    contrast: float = float("nan")


def differs(
    encoder: Encoder, c2: MapStack, found: CropLatents, light: Light, *, simulated: int = SIMULATED, seed: int = 0
) -> NDArray[np.bool_]:
    """Which crops of a map differ from those of a stationary sample of the same g2.

    Parameters
    ----------
    encoder : Encoder
    c2 : ndarray, shape (1, size, size)
        Of baseline 0.
    found : CropLatents
        Of this map.
    light : Light
    simulated : int
        Measurements of the stationary twin; of those crops, one in a hundred is as far from their mean.
    seed : int

    Returns
    -------
    ndarray of bool, shape (n_crops,)
    """
    scaled = encoder.scale(c2, contrast=None if np.isnan(light.contrast) else light.contrast, size=None).maps
    scaled = resize(scaled, FRAMES)
    rng = np.random.default_rng(seed)
    twin = _twin_of(scaled[0])
    level = _level(twin, scaled[0], light, rng)
    maps = np.stack([measure(twin, level, rng) for _ in range(simulated)])
    chance = encode_crops(encoder, maps, contrast=level.contrast, crops=found.crops).latents
    return _marked(found, chance)


def _marked(found: CropLatents, chance: Latents) -> NDArray[np.bool_]:
    """Crops that are farther from the mean of simulated ones of their scale than nearly all of these."""
    scale = np.array([crop.scale for crop in found.crops])
    marked = np.zeros(len(scale), dtype=bool)
    for each in np.unique(scale):
        row = scale == each
        mean = chance[:, row].mean(axis=(0, 1))
        usual = np.linalg.norm(chance[:, row] - mean, axis=-1)
        marked[row] = np.linalg.norm(found.latents[0, row] - mean, axis=-1) > np.quantile(usual, 1 - CHANCE)
    return marked


def _twin_of(scaled: NDArray[np.float32]) -> Side:
    """Stationary dynamics with the g2 of a map of contrast one."""
    g2 = np.array([np.diagonal(scaled, lag).mean(dtype=np.float64) for lag in range(FRAMES)]).clip(0, 1)
    g2[0] = 1.0  # where the diagonal is, everything correlates
    return stationary_twin(Side.of(toeplitz(np.sqrt(g2))))


def _level(twin: Side, scaled: NDArray[np.float32], light: Light, rng: np.random.Generator) -> Level:
    """The level at which a measurement of the twin is as noisy as the map.

    Noise is what values of one lag differ by from one age to the next: there, no dynamics of the twin enter, and few of
    the sample. Its variance goes with one over the number of pixels.
    """
    contrast = 1.0 if np.isnan(light.contrast) else min(1.0, light.contrast)
    modes = int(np.clip(round(1 / contrast), 1, MOST_MODES))
    counts = 100.0 if not light.counts > 0 else float(np.clip(light.counts * contrast * modes, 0.05, 100.0))
    trial = Level(TRIAL.pixels, counts, modes)
    noise = _noise(measure(twin, trial, rng) * modes)
    n_pixels = trial.pixels * noise / max(_noise(scaled), 1e-12)
    return Level(int(np.clip(n_pixels, *PIXELS)), counts, modes)


def _noise(c2: NDArray[np.float32]) -> float:
    """Variance of the second difference along the diagonals, away from the middle one; robust against events."""
    apart = c2[1:-1, 1:-1] - (c2[:-2, :-2] + c2[2:, 2:]) / 2
    away: FloatArray = apart[np.triu_indices(len(apart), 3)].astype(np.float64)
    return float((1.4826 * np.median(np.abs(away))) ** 2)
