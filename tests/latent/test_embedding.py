import numpy as np

from ainerd_agent.latent import embed


def test_few_points_are_projected_on_their_principal_components():
    latents = np.random.default_rng(0).normal(size=(6, 64)).astype(np.float32)
    latents[:, 0] *= 100
    found = embed(latents)
    assert found.shape == (6, 2)
    assert abs(np.corrcoef(found[:, 0], latents[:, 0])[0, 1]) > 0.99
