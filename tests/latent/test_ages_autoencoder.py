import numpy as np
import pytest
import torch

from ainerd_agent.latent import Encoder
from ainerd_agent.latent.ages_autoencoder import AgesAutoencoder
from ainerd_agent.latent.clusters import Clusters


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return AgesAutoencoder(width=16).eval()


def test_maps_and_latents_have_the_shapes_of_all_models(model):
    with torch.inference_mode():
        latents = model.encode(torch.rand(3, 1, 256, 256))
        maps = model.decode(latents)
    assert latents.shape == (3, 64)
    assert maps.shape == (3, 1, 256, 256)
    torch.testing.assert_close(maps, maps.mT)


def test_the_share_of_the_texture_scales_distances_and_not_what_is_drawn(model):
    maps = torch.rand(2, 1, 256, 256)
    with torch.inference_mode():
        before, drawn = model.encode(maps), model(maps)
        model.share.fill_(0.5)
        after, again = model.encode(maps), model(maps)
        model.share.fill_(1.0)
    torch.testing.assert_close(after[:, :24], before[:, :24])
    torch.testing.assert_close(after[:, 24:], before[:, 24:] / 2)
    torch.testing.assert_close(again, drawn)


def test_a_map_is_drawn_without_its_noise():
    """On components with the variance that they have, white noise is left out and what they show is kept."""
    model = AgesAutoencoder(width=16).eval()
    first, second = np.indices((64, 64))
    waves = np.stack([np.cos(np.pi * k * (first - second) / 64) for k in range(256)]).reshape(256, -1)
    components = np.linalg.qr(waves.T)[0].T
    with torch.no_grad():
        model.components.copy_(torch.from_numpy(components))
        model.component_spread.copy_(torch.tensor([20.0] * 8 + [1e-3] * 248))
    fine = np.abs(np.subtract.outer(np.arange(256), np.arange(256)))
    clean = torch.from_numpy(np.cos(np.pi * 3 * fine / 256)[None, None].astype(np.float32))
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, 0.5, clean.shape).astype(np.float32))
    with torch.inference_mode():
        error = [(model.draw(each) - clean).square().mean().item() for each in (clean, clean + noise)]
    assert error[0] < 2e-3
    assert error[1] < error[0] + 2e-3


def test_it_is_saved_and_loaded_like_the_others(model, tmp_path):
    path = tmp_path / "mine.safetensors"
    made = Encoder(model, Clusters(np.zeros((2, 64), np.float32)), name="mine", repeatability=0.5)
    made.save(path)
    loaded = Encoder.load(path)
    assert (loaded.architecture, loaded.name) == ("ages", "mine")
    maps = np.random.default_rng(0).random((2, 50, 50))
    np.testing.assert_array_equal(loaded.encode(maps), made.encode(maps))
    np.testing.assert_array_equal(loaded.reconstruct(maps), made.reconstruct(maps))
    assert loaded.reconstruct(maps).shape == maps.shape
