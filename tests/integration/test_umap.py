"""UMAP itself: importing and compiling it takes longer than all unit tests."""

import warnings

import numpy as np

from ainerd_agent.latent import Embedding, embed
from ainerd_agent.latent.atlas.embedding import MIN_DISTANCE, N_NEIGHBOURS, fit_umap, membership


def umap_itself(latents):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from umap import UMAP

        return UMAP(n_neighbors=N_NEIGHBOURS, min_dist=MIN_DISTANCE, random_state=0).fit(latents)


def test_our_neighbours_are_those_of_umap():
    latents = np.random.default_rng(1).normal(size=(80, 64)).astype(np.float32)
    ours, theirs = fit_umap(latents).graph_.toarray(), umap_itself(latents).graph_.toarray()
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_umap_keeps_neighbourhoods_and_repeats():
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1, 2], 20)
    latents = (20 * np.eye(3, 64)[group] + rng.normal(size=(60, 64))).astype(np.float32)
    found = embed(latents, seed=3)
    np.testing.assert_array_equal(found, embed(latents, seed=3))
    distance = np.linalg.norm(found[:, None] - found[None], axis=-1) + 1e9 * np.eye(60)
    assert np.mean(group[distance.argmin(axis=1)] == group) > 0.95


def test_places_agree_with_those_of_umap():
    """umap starts from the same weighted means, and then moves the points by samples."""
    rng = np.random.default_rng(0)
    position = rng.uniform(0, 3, size=(400, 2))
    curved = np.column_stack([position, np.sin(2 * position), np.cos(position.sum(axis=1))])
    latents = (curved @ rng.normal(size=(5, 64)) + 0.05 * rng.normal(size=(400, 64))).astype(np.float32)
    model = umap_itself(latents[:360])
    embedding = Embedding(latents[:360], model.embedding_)
    placed, expected = embedding.place(latents[360:]), model.transform(latents[360:])
    spread = np.linalg.norm(embedding.points - embedding.points.mean(axis=0), axis=1).mean()
    assert np.median(np.linalg.norm(placed - expected, axis=1)) < 0.1 * spread

    model.transform_mode = "graph"
    strengths = model.transform(latents[360:]).toarray()
    distance = np.linalg.norm(latents[360:, None].astype(np.float64) - latents[None, :360], axis=-1)
    nearest = np.argsort(distance, axis=1)[:, :5]
    ours = membership(np.take_along_axis(distance, nearest, axis=1))
    np.testing.assert_allclose(ours, np.take_along_axis(strengths, nearest, axis=1), rtol=1e-3)
