"""Training of the architecture "ages": what it learns from, that it learns it, and that it goes on where it stopped."""

import numpy as np
import pytest
import torch

from ainerd_agent.errors import ModelError
from ainerd_agent.latent.ages_autoencoder import AgesAutoencoder
from ainerd_agent.latent.training.age_contrast import train_ages
from ainerd_agent.latent.training.age_lessons import REPEATS, PairImages, RealImages, real_images, simulated_pairs
from ainerd_agent.latent.training.age_units import fix_units, lessons_of
from ainerd_agent.latent.training.texture_noise import learn_noise
from ainerd_agent.scattering.files.map_files import StoredMaps

N_CELLS = AgesAutoencoder(width=4).image.n_values


def drawn_pairs(n=40, seed=0):
    """Pairs of one decay, of which the second is the first backwards; as images, without any physics."""
    rng = np.random.default_rng(seed)
    view = AgesAutoencoder(width=4).image
    times = (np.arange(256) + 0.5) / 256
    rate = rng.uniform(2, 20, n)[:, None] * np.exp(-rng.uniform(2, 4, n)[:, None] * times)
    clock = np.cumsum(rate, axis=1) / 256
    maps = np.exp(-2 * np.abs(clock[:, :, None] - clock[:, None])).astype(np.float32)
    both = np.stack([maps, maps[:, ::-1, ::-1]], axis=1)
    truth = view(torch.from_numpy(both.reshape(-1, 256, 256).copy())).numpy().reshape(n, 2, N_CELLS)
    noisy = truth[:, :, None] + rng.normal(0, 0.03, (n, 2, REPEATS, N_CELLS)).astype(np.float32)
    drawing = both.reshape(n, 2, 64, 4, 64, 4).mean(axis=(3, 5)).reshape(n, 2, -1).astype(np.float16)
    return PairImages(truth, noisy, drawing)


def trained(steps, pairs, real=None, **options):
    torch.manual_seed(0)
    model = AgesAutoencoder(width=32)
    fix_units(model, pairs, real)
    learn_noise(model, pairs, real, steps=40)
    losses = train_ages(model, lessons_of(model, pairs, real), steps=steps, **options)
    return model, losses


def test_simulated_pairs_are_the_same_whoever_makes_them():
    first, second = (simulated_pairs(11, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.noisy, second.noisy)
    assert first.noisy.shape == (11, 2, REPEATS, N_CELLS)
    assert first.drawing.shape == (11, 2, 4096)
    assert np.isfinite(first.noisy).all()
    # Noise around the truth, whatever the dynamics and faults.
    assert np.corrcoef(first.truth.mean(axis=(1, 2)), first.noisy.mean(axis=(1, 2, 3)))[0, 1] > 0.9


def test_a_real_map_is_a_repeat_of_those_that_share_no_frame_with_it():
    maps = 1 + np.random.default_rng(0).random((6, 20, 20))
    columns = {
        "series": np.zeros(6, dtype=int),
        "roi": np.array([0, 0, 0, 0, 1, 0]),
        "window": np.array([0, 1, 2, 3, 0, -1]),
        "is_mean": np.array([0, 0, 0, 0, 0, 1], dtype=bool),
    }
    found = real_images(StoredMaps(maps, columns), baseline=1.0, contrast=1.0)
    assert found is not None
    assert len(found.images) == 5
    np.testing.assert_allclose(found.others[0], found.images[2:4].mean(axis=0), rtol=1e-5)
    assert np.isnan(found.others[1:3]).all()  # only one map that shares no frame
    assert np.isnan(found.others[4]).all()
    assert len(found.residuals) == 2
    assert real_images(StoredMaps(maps, {}), baseline=1.0) is None


def test_what_happens_at_which_age_is_learnt():
    pairs, unseen = drawn_pairs(), drawn_pairs(seed=9)
    model, losses = trained(60, pairs)
    assert losses[-1] < 0.8 * losses[0]
    with torch.inference_mode():
        latents = model.encode_images(torch.from_numpy(unseen.noisy.reshape(-1, N_CELLS))).numpy()
    latents = latents.reshape(len(unseen), 2, REPEATS, -1)
    within = np.linalg.norm(latents[:, :, 0] - latents[:, :, 1], axis=-1)
    between = np.linalg.norm(latents[:, 0, 0] - latents[:, 1, 1], axis=-1)
    assert np.mean(between[:, None] > within) > 0.95


def test_it_goes_on_from_a_checkpoint_as_if_it_had_never_stopped(tmp_path):
    pairs = drawn_pairs(6)
    rng = np.random.default_rng(0)
    images = rng.normal(size=(12, N_CELLS)).astype(np.float32)
    real = RealImages(images, images[::-1].copy(), np.repeat(np.arange(4), 3))
    whole, losses = trained(104, pairs, real)

    def stop(step, _):
        if step == 102:
            raise InterruptedError

    checkpoint = tmp_path / "checkpoint.safetensors"
    with pytest.raises(InterruptedError):
        trained(104, pairs, real, checkpoint=checkpoint, on_step=stop)
    again, found = trained(104, pairs, real, checkpoint=checkpoint)
    assert found == losses
    torch.testing.assert_close(again.state_dict(), whole.state_dict(), rtol=0, atol=0)
    with pytest.raises(ModelError, match="other settings"):
        trained(105, pairs, real, checkpoint=checkpoint)
