"""Novelty in units of what repeats have at a place, corrected by what a session shows."""

import numpy as np
import pytest

from ainerd_agent.errors import MapError
from ainerd_agent.latent import Atlas
from ainerd_agent.latent.map_noise import N_NOISES
from ainerd_agent.latent.repeats import RepeatModel
from ainerd_agent.latent.training.learn_repeats import RepeatPairs, learn_repeats

OPPOSITE, LATENT = np.array([0.0, 180.0]), 6


def noise_like(n: int, loud: float) -> np.ndarray:
    noise = np.zeros((n, N_NOISES), np.float32)
    noise[:, 0] = loud
    return noise


@pytest.fixture(scope="module")
def repeats() -> RepeatModel:
    rng = np.random.default_rng(0)
    loud = rng.uniform(-1, 1, 2000)
    first, second = (0.3 * np.exp(loud)[:, None] * rng.normal(size=(2000, LATENT)) for _ in range(2))
    noise = np.stack([noise_like(1, each)[0] for each in loud])
    return learn_repeats(
        [RepeatPairs(first.astype(np.float32), second.astype(np.float32), noise, noise, np.arange(2000))],
        steps=250,
    )


def measurement(rng: np.random.Generator, loud: float, factor: float = 1.0) -> np.ndarray:
    return (factor * 0.3 * np.exp(loud) * rng.normal(size=(2, LATENT))).astype(np.float32)


def test_the_first_has_no_novelty_and_repeats_have_one_of_about_one(repeats):
    rng, atlas = np.random.default_rng(1), Atlas(1.0, repeats=repeats)
    unknown = np.full(2, np.nan)
    first = atlas.judge(measurement(rng, 0), unknown, noise=noise_like(2, 0))
    assert np.isnan(first.novelty).all()
    assert np.isnan(first.repeat_probability).all()
    second = atlas.judge(measurement(rng, 0), unknown, noise=noise_like(2, 0))
    assert 0.3 < second.novelty.mean() < 1.6
    assert second.repeat_probability.min() > 0.005
    far = atlas.judge(measurement(rng, 0) + 5, unknown, noise=noise_like(2, 0))
    assert far.novelty.min() > 5
    assert far.repeat_probability.max() < 0.001


def test_one_distance_is_newer_between_quiet_maps(repeats):
    found = {}
    for loud in (-1.0, 1.0):
        atlas = Atlas(1.0, repeats=repeats)
        atlas.judge(np.zeros((1, LATENT), np.float32), np.array([np.nan]), noise=noise_like(1, loud))
        moved = np.full((1, LATENT), 0.5, np.float32)
        found[loud] = atlas.judge(moved, np.array([np.nan]), noise=noise_like(1, loud))
    assert found[-1.0].novelty[0] > 2.5 * found[1.0].novelty[0]
    assert found[-1.0].repeat_probability[0] < 0.01 < found[1.0].repeat_probability[0]


def test_partners_that_lie_farther_apart_correct_the_unit(repeats):
    rng = np.random.default_rng(2)
    told, alone = (Atlas(1.0, repeats=repeats) for _ in range(2))
    for _ in range(100):
        latents = measurement(rng, 0, factor=3)
        with_partners = told.judge(latents, OPPOSITE, noise=noise_like(2, 0))
        without = alone.judge(latents, np.full(2, np.nan), noise=noise_like(2, 0))
    # Repeats fall farther apart than the model expects: the unit becomes larger.
    assert (without.novelty > 1.2 * with_partners.novelty).all()
    assert (with_partners.repeat_probability > without.repeat_probability).all()


def test_without_the_noise_of_maps_there_are_no_probabilities(repeats):
    rng, atlas = np.random.default_rng(3), Atlas(1.0, repeats=repeats)
    for _ in range(2):
        found = atlas.judge(measurement(rng, 0), np.full(2, np.nan))
    assert np.isfinite(found.novelty).all()
    assert np.isnan(found.repeat_probability).all()
    with pytest.raises(MapError, match="noise of 2 latents"):
        atlas.judge(measurement(rng, 0), np.full(2, np.nan), noise=np.zeros((3, N_NOISES)))


def test_a_saved_atlas_goes_on(repeats, tmp_path):
    rng, atlas = np.random.default_rng(4), Atlas(1.0, repeats=repeats)
    for _ in range(5):
        atlas.judge(measurement(rng, 0), OPPOSITE, noise=noise_like(2, 0))
    atlas.save(tmp_path / "atlas.npz")
    loaded = Atlas.load(tmp_path / "atlas.npz", repeats=repeats)
    latents = measurement(rng, 0)
    expected = atlas.judge(latents, OPPOSITE, noise=noise_like(2, 0))
    found = loaded.judge(latents, OPPOSITE, noise=noise_like(2, 0))
    np.testing.assert_allclose(found.novelty, expected.novelty)
    np.testing.assert_allclose(found.repeat_probability, expected.repeat_probability)
    assert Atlas.load(tmp_path / "atlas.npz").judge(latents, OPPOSITE).repeat_probability is None


def test_latents_that_do_not_join_leave_no_trace(repeats):
    rng = np.random.default_rng(6)
    atlas, alone = Atlas(1.0, repeats=repeats), Atlas(1.0, repeats=repeats)
    first, other, last = (measurement(rng, k) for k in range(3))
    for each in (atlas, alone):
        each.judge(first, OPPOSITE, noise=noise_like(2, 0))
    atlas.judge(other, OPPOSITE, noise=noise_like(2, 0), joins=False)
    found, expected = (each.judge(last, OPPOSITE, noise=noise_like(2, 0)) for each in (atlas, alone))
    np.testing.assert_array_equal(found.novelty, expected.novelty)
    assert len(atlas) == len(alone) == 4
