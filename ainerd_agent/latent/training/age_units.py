"""Units and directions of what the architecture "ages" sees and draws, from the maps that it learns from."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from ainerd_agent.latent.ages_autoencoder import COMPONENTS, DECODED, AgesAutoencoder
from ainerd_agent.latent.training.age_contrast import AgeLessons
from ainerd_agent.latent.training.age_lessons import PairImages, RealImages
from ainerd_agent.latent.training.texture_directions import telling_directions

LEAST_SPREAD = 1e-3
"""Of a component: less is rounding."""


@torch.no_grad()
def fix_units(model: AgesAutoencoder, pairs: PairImages, real: RealImages | None, *, seed: int = 0) -> None:
    """Fix centre and spread of the decay, the directions of the texture, and the components that maps are drawn by.

    Parameters
    ----------
    model : AgesAutoencoder
        Changed in place.
    pairs : PairImages
    real : RealImages or None
    """
    _fix_decay(model, pairs, real)
    _fix_texture(model, pairs, real)
    maps = _flat(pairs)
    found = PCA(min(COMPONENTS, len(maps)), svd_solver="randomized", random_state=seed).fit(maps)
    there = slice(0, len(found.components_))
    model.mean_map.copy_(torch.from_numpy(found.mean_))
    model.components[there] = torch.from_numpy(found.components_).half()
    model.component_spread.fill_(LEAST_SPREAD)
    model.component_spread[there] = torch.from_numpy(found.transform(maps).std(axis=0)).clamp(min=LEAST_SPREAD)


def _fix_decay(model: AgesAutoencoder, pairs: PairImages, real: RealImages | None) -> None:
    seen = [torch.from_numpy(pairs.noisy.reshape(-1, model.image.n_values))]
    if real is not None:
        seen.append(torch.from_numpy(real.images))
    means = [model.image.lag_means(each) for each in seen]  # each kind of map counts alike
    centre = torch.stack([each.mean(dim=0) for each in means]).mean(dim=0)
    variance = torch.stack([((each - centre) ** 2).mean(dim=0) for each in means]).mean(dim=0)
    model.decay_centre.copy_(centre)
    model.decay_spread.copy_(variance.sqrt() + 1e-6)


def _fix_texture(model: AgesAutoencoder, pairs: PairImages, real: RealImages | None) -> None:
    """Directions, and weights by which a number counts less where noise is as strong as what dynamics differ in."""
    view = model.image

    def textures(images: NDArray[np.float32]) -> NDArray[np.float32]:
        found = view.texture(torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32)))
        return np.asarray(found.numpy()).reshape(-1, view.n_textures)

    noises = [textures(pairs.noise)]
    if real is not None and len(residuals := real.residuals):
        noises.append(textures(residuals))
    directions, telling = telling_directions(textures(pairs.truth), noises)
    first = telling[: model.texture.n_numbers].clip(0)
    weight = np.sqrt(first / (first + np.median(first) + 1e-30))
    numbers = textures(pairs.noisy) @ directions[: len(weight)].T * weight
    usual = np.sqrt(np.median((numbers**2).sum(axis=1))) + 1e-30
    model.texture.directions.copy_(torch.from_numpy(directions))
    model.texture.weight.copy_(torch.from_numpy((weight / usual).astype(np.float32)))


def lessons_of(model: AgesAutoencoder, pairs: PairImages, real: RealImages | None) -> AgeLessons:
    """What `train_ages` learns from, in the units of the model."""
    spread = model.component_spread[:DECODED].numpy()
    components = model.components[:DECODED].float().numpy()
    drawn = (_flat(pairs) - model.mean_map.numpy()) @ components.T / spread
    weight = (spread**2 / (spread**2).sum()).astype(np.float32)
    return AgeLessons(pairs, real, drawn.astype(np.float32).reshape(len(pairs), 2, -1), weight)


def _flat(pairs: PairImages) -> NDArray[np.float32]:
    return pairs.drawing.reshape(-1, pairs.drawing.shape[-1]).astype(np.float32)
