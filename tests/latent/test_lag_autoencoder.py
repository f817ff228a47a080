"""The autoencoder of decay and texture."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ainerd_agent.latent.lag_autoencoder import LagAutoencoder, coarse, diagonal_means, lag_bins


@given(st.integers(2, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_diagonal_means_are_those_of_numpy(size, seed):
    maps = np.random.default_rng(seed).standard_normal((2, size, size))
    found = diagonal_means(torch.from_numpy(maps)).numpy()
    both = [(np.diagonal(maps, k, 1, 2).mean(1) + np.diagonal(maps, -k, 1, 2).mean(1)) / 2 for k in range(size)]
    np.testing.assert_allclose(found, np.stack(both, axis=1), atol=1e-12)


def test_bins_of_lags_take_means_and_leave_lag_zero_out():
    bins = lag_bins(14).numpy()
    np.testing.assert_allclose(bins.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(np.count_nonzero(bins, axis=0), np.arange(256) > 0)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return LagAutoencoder().eval()


def test_maps_and_latents_have_the_shapes_of_the_paper(model):
    with torch.inference_mode():
        latents = model.encode(torch.rand(3, 1, 256, 256))
        maps = model.decode(latents)
    assert latents.shape == (3, 64)
    assert maps.shape == (3, 1, 256, 256)
    torch.testing.assert_close(maps, maps.mT)


def test_a_map_and_its_transpose_have_one_latent(model):
    maps = torch.rand(2, 1, 256, 256)
    with torch.inference_mode():
        torch.testing.assert_close(model.encode(maps), model.encode(maps.mT), atol=1e-5, rtol=1e-4)


def test_decay_does_not_see_the_diagonal(model):
    maps = torch.rand(2, 1, 256, 256)
    spiked = maps + 5 * torch.eye(256)
    with torch.inference_mode():
        torch.testing.assert_close(model.profile(maps), model.profile(spiked))


@pytest.fixture(scope="module")
def textured():
    """A model that knows the components of maps made of three shapes."""
    rng = np.random.default_rng(0)
    age = np.linspace(0, np.pi, 256)
    shapes = np.stack([np.ones((256, 256)), np.cos(age[:, None] - age), np.outer(np.sin(age), np.sin(age))])
    maps = torch.from_numpy(np.tensordot(rng.random((90, 3)), shapes, 1).astype(np.float32))[:, None] / 2
    torch.manual_seed(0)
    model = LagAutoencoder().eval()
    model.fit_texture(coarse(maps).numpy())
    return model, maps


def test_maps_like_those_of_the_components_are_drawn_again(textured):
    model, maps = textured
    with torch.inference_mode():
        found = model(maps)
        noisy = model(maps + 0.2 * torch.randn(maps.shape))
    assert torch.mean((found - maps) ** 2) < 1e-4
    assert torch.mean((noisy - maps) ** 2) < 0.05 * 0.2**2


def test_the_share_of_the_texture_changes_distances_but_no_decoded_map(textured):
    model, maps = textured
    with torch.inference_mode():
        before, latents = model(maps), model.encode(maps).numpy()
        model.weigh_texture(latents, 0.2)
        torch.testing.assert_close(model(maps), before, atol=1e-5, rtol=1e-4)
        variance = model.encode(maps).var(dim=0)
    assert variance[model.n_decay :].sum() / variance[: model.n_decay].sum() == pytest.approx(0.2, rel=0.01)
