"""UMAP itself: importing and compiling it takes longer than all unit tests."""

import numpy as np

from ainerd_agent.latent import embed


def test_umap_keeps_neighbourhoods_and_repeats():
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1, 2], 20)
    latents = (20 * np.eye(3, 64)[group] + rng.normal(size=(60, 64))).astype(np.float32)
    found = embed(latents, seed=3)
    np.testing.assert_array_equal(found, embed(latents, seed=3))
    distance = np.linalg.norm(found[:, None] - found[None], axis=-1) + 1e9 * np.eye(60)
    assert np.mean(group[distance.argmin(axis=1)] == group) > 0.95
