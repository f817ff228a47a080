"""Latents of crops of maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ainerd_agent.errors import MapError
from ainerd_agent.latent.clusters import Latents
from ainerd_agent.latent.encoder import MAPS_AT_A_TIME, Encoder
from ainerd_agent.latent.scaling import SIDE
from ainerd_agent.latent.time_scales.ladder import FEWEST_PIXELS, Crop, crops_of
from ainerd_agent.records import MapStack
from ainerd_agent.scattering.correlation.resampling import crop_matrix


@dataclass(frozen=True, slots=True, eq=False)
class CropLatents:
    """Crops of maps in the latent space.

    Attributes
    ----------
    crops : tuple of Crop
        The same of all maps, from the longest to the shortest, in order of age.
    latents : ndarray of float32, shape (n_maps, n_crops, 64)
    """

    crops: tuple[Crop, ...]
    latents: Latents


def encode_crops(
    encoder: Encoder,
    maps: ArrayLike,
    exposure: float = float("nan"),
    *,
    n_frames: int | None = None,
    contrast: ArrayLike | None = None,
    crops: Sequence[Crop] | None = None,
) -> CropLatents:
    """Encode crops of maps of one exposure at all scales and places.

    Every crop is scaled as the map that it is of: with its contrast, so that a crop in which nothing is correlated
    stays empty.

    Parameters
    ----------
    encoder : Encoder
        Of any architecture.
    maps : array_like, shape (n, size, size) or (size, size)
        C2 maps of baseline 0.
    exposure : float
        Seconds that a side of the maps spans. Where it is not known, there are crops in shapes only.
    n_frames : int, optional
        Of the movie: a map of fewer frames than pixels resolves no more than those.
    contrast : float or array_like of shape (n,), optional
        Of the speckles, as for `Encoder.encode`.
    crops : sequence of Crop, optional
        By default all of `crops_of`.

    Returns
    -------
    CropLatents

    Raises
    ------
    MapError
        Maps that cannot be encoded, or resolve too little for any crop.
    """
    scaled = encoder.scale(maps, contrast=contrast, size=None).maps
    resolved = min(scaled.shape[-1], n_frames or scaled.shape[-1])
    chosen = tuple(crops_of(exposure, resolved) if crops is None else crops)
    if not chosen:
        raise MapError(
            f"maps of {resolved} frames are too small for time scales: {FEWEST_PIXELS} tell something at the least"
        )
    latents = [_encoded(encoder, scaled, chosen[first:last]) for first, last in _some(len(chosen), len(scaled))]
    return CropLatents(chosen, np.concatenate(latents, axis=1))


def cropped(maps: MapStack, crop: Crop) -> MapStack:
    """Crops of square maps, resized to 256 x 256; shape (n, 256, 256)."""
    size = maps.shape[-1]
    weights = crop_matrix(size, SIDE, crop.start * size, crop.scale * size)
    seen = np.unique(weights.indices)
    part = slice(int(seen[0]), int(seen[-1]) + 1)
    dense = weights[:, part].toarray().astype(np.float32)
    return np.asarray(dense @ maps[:, part, part] @ dense.T)


def _encoded(encoder: Encoder, scaled: MapStack, crops: Sequence[Crop]) -> Latents:
    stack = np.stack([cropped(scaled, crop) for crop in crops], axis=1)
    latents = encoder.encode_scaled(stack.reshape(-1, SIDE, SIDE))
    return np.asarray(latents.reshape(*stack.shape[:2], -1))


def _some(n_crops: int, n_maps: int) -> list[tuple[int, int]]:
    """Parts of the crops, of about as many as the network takes at a time."""
    step = max(1, MAPS_AT_A_TIME // n_maps)
    return [(first, first + step) for first in range(0, n_crops, step)]
