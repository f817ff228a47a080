"""Learning by contrast that noise does not matter."""

import numpy as np
import pytest
import torch

from ainerd_agent.errors import MapError, ModelError
from ainerd_agent.latent.lag_autoencoder import LagAutoencoder
from ainerd_agent.latent.retrieval import leak_free, retrieve
from ainerd_agent.latent.training.contrast import Repeats, contrast_loss, raw_profiles, train_decay


def test_loss_is_small_where_repeats_are_nearest():
    apart = 10 * torch.eye(5)
    twice = torch.stack([apart, apart], dim=1)
    # Two repeats share the choice: log 2 is the least.
    assert contrast_loss(apart, twice).item() == pytest.approx(np.log(2), abs=1e-6)
    assert contrast_loss(apart, apart[:, None]).item() == pytest.approx(0, abs=1e-6)
    assert contrast_loss(apart, twice.roll(1, 0)).item() > 100


def repeats(n_groups, seed):
    """Profiles whose first two numbers tell the dynamics, among others that are only noise."""
    rng = np.random.default_rng(seed)
    n_lags = len(LagAutoencoder().lag_bins)
    signal = np.zeros((n_groups, 1, n_lags))
    signal[:, 0, :2] = rng.uniform(-1, 1, (n_groups, 2))
    noise = rng.standard_normal((n_groups, 6, n_lags)) * np.where(np.arange(n_lags) < 2, 0.05, 1.0)
    return (signal + noise).reshape(-1, n_lags).astype(np.float32), np.repeat(np.arange(n_groups), 6)


def test_what_is_noise_is_learnt_and_left_out():
    known, group = repeats(60, seed=0)
    torch.manual_seed(0)
    model = LagAutoencoder(width=32)
    losses = []
    train_decay(
        model,
        [Repeats.of_groups(known, group)],
        steps=200,
        on_step=lambda step, loss: losses.append(loss),
    )
    assert np.mean(losses[-20:]) < 0.5 * np.mean(losses[:5])
    unseen, group = repeats(20, seed=1)
    task = leak_free(group, np.zeros_like(group), np.tile(np.arange(6), 20), overlap=0)

    def found_by(vectors):
        queries = np.stack([vectors[each].mean(axis=0) for each in task.sources])
        return retrieve(task, vectors, queries).mean

    with torch.inference_mode():
        units = (torch.from_numpy(unseen) - model.centre) / model.spread
        learnt = model.encode_profile(units).numpy()
    assert found_by(learnt) > 2 * found_by(unseen)


class KilledError(Exception):
    pass


def test_a_training_that_was_killed_goes_on_as_if_it_had_not_been(tmp_path):
    known, group = repeats(20, seed=0)
    sets = [Repeats.of_groups(known, group)]

    def trained(checkpoint=None, steps=250, on_step=None):
        torch.manual_seed(0)
        model = LagAutoencoder(width=16)
        return model, train_decay(model, sets, steps=steps, checkpoint=checkpoint, on_step=on_step)

    def die(step, _):
        if step == 130:
            raise KilledError

    checkpoint = tmp_path / "model.checkpoint.safetensors"
    with pytest.raises(KilledError):
        trained(checkpoint, on_step=die)
    seen = []
    found, losses = trained(checkpoint, on_step=lambda step, _: seen.append(step))
    whole, expected = trained()
    assert seen == list(range(101, 251))
    assert losses == pytest.approx(expected)
    for mine, others in zip(found.state_dict().values(), whole.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, others)
    with pytest.raises(ModelError, match="other settings"):
        trained(checkpoint, steps=300)


def test_profile_of_a_mean_map_is_the_mean_of_profiles():
    model = LagAutoencoder()
    maps = np.random.default_rng(0).standard_normal((3, 256, 256)).astype(np.float32)
    one_by_one = raw_profiles(model, maps)
    np.testing.assert_allclose(raw_profiles(model, maps.mean(axis=0)[None])[0], one_by_one.mean(axis=0), atol=1e-6)


def test_groups_stand_for_their_mean_and_small_ones_are_left_out():
    noisy = np.arange(14, dtype=np.float32).reshape(7, 2)
    found = Repeats.of_groups(noisy, ["b", "a", "b", "c", "b", "c", "a"])
    assert [each.tolist() for each in found.members] == [[0, 2, 4]]
    np.testing.assert_allclose(found.clean, noisy[[0, 2, 4]].mean(axis=0, keepdims=True))
    with pytest.raises(MapError, match="3 repeats"):
        Repeats.of_groups(noisy, np.arange(7))


def test_refining_keeps_the_units_of_the_profile():
    known, group = repeats(20, seed=0)
    model = LagAutoencoder(width=16)
    centre = model.centre.clone()
    train_decay(model, [Repeats.of_groups(known, group)], steps=3, fix_units=False)
    assert torch.equal(model.centre, centre)
    train_decay(model, [Repeats.of_groups(known, group)], steps=3)
    np.testing.assert_allclose(model.centre.numpy(), known.mean(axis=0), rtol=1e-5)
