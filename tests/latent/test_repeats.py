"""Distances of repeats whose noise is known, because it was made."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from ainerd_agent.latent.repeats import RepeatModel
from ainerd_agent.latent.training.learn_repeats import RepeatPairs, learn_repeats

LATENT, NOISES = 6, 2


def repeats(n: int, seed: int, *, apart: float = 0.0) -> RepeatPairs:
    """Latents around random places, whose noise differs twentyfold between dynamics; `apart` moves the second."""
    rng = np.random.default_rng(seed)
    place = rng.normal(0, 3, (n, LATENT))
    loud = rng.uniform(-1.5, 1.5, n)
    sigma = 0.3 * np.exp(loud)[:, None]
    sides = [place + sigma * rng.standard_t(5, (n, LATENT)) for _ in range(2)]
    noise = np.stack([loud, rng.normal(size=n)], axis=1).astype(np.float32)
    sides[1][:, 0] += apart
    first, second = (side.astype(np.float32) for side in sides)
    return RepeatPairs(first, second, noise, noise, np.arange(n))


@pytest.fixture(scope="module")
def model() -> RepeatModel:
    return learn_repeats([repeats(2000, 0)], steps=250)


def probabilities(model: RepeatModel, pairs: RepeatPairs):
    found = model.compare(pairs.first, pairs.first_noise, pairs.second, pairs.second_noise)
    return model.probability(found.surprise), found.distance


def test_probabilities_of_repeats_are_uniform_at_any_noise(model):
    pairs = repeats(3000, 1)
    found, distance = probabilities(model, pairs)
    assert kstest(found, "uniform").statistic < 0.06
    assert np.median(distance) == pytest.approx(1, abs=0.1)
    for low in (-1.5, -0.5, 0.5):
        here = (pairs.first_noise[:, 0] >= low) & (pairs.first_noise[:, 0] < low + 1)
        assert kstest(found[here], "uniform").statistic < 0.12
        assert np.mean(found[here] < 0.01) < 0.03
        assert np.mean(found[here] < 0.05) == pytest.approx(0.05, abs=0.04)


def test_the_same_distance_is_newer_where_repeats_are_near(model):
    """What one unit for all cannot tell."""
    pairs = repeats(3000, 2, apart=2.0)
    found, distance = probabilities(model, pairs)
    quiet, loud = (pairs.first_noise[:, 0] < -1), (pairs.first_noise[:, 0] > 1)
    assert np.mean(found[quiet] < 0.01) > 0.95
    assert np.mean(found[loud] < 0.01) < 0.2
    assert np.median(distance[quiet]) > 2 * np.median(distance[loud])


def test_a_part_that_alone_is_far_away_is_seen():
    """Two of six numbers differ by what is much for them, and little for the others."""
    quiet, change = (repeats(2000, seed) for seed in (6, 7))
    for pairs in (quiet, change):
        for side in (pairs.first, pairs.second):
            side[:, :2] *= 0.1
    change.second[:, 0] += 1.0 * np.exp(change.first_noise[:, 0])
    seen = {}
    for parts in ((2, 4), (6,)):
        model = learn_repeats([quiet], parts=parts, steps=200)
        seen[parts] = np.mean(probabilities(model, change)[0] < 0.01)
    assert seen[2, 4] > 0.9
    assert seen[2, 4] >= seen[(6,)] - 0.06


def test_a_comparison_has_no_direction(model):
    pairs = repeats(50, 3)
    there, _ = probabilities(model, pairs)
    turned = RepeatPairs(pairs.second, pairs.first, pairs.second_noise, pairs.first_noise, pairs.dynamics)
    np.testing.assert_allclose(probabilities(model, turned)[0], there, rtol=1e-3, atol=1e-4)


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=20))
def test_what_is_more_surprising_is_less_probable(values):
    surprise = np.sort(np.array(values))[:, None]
    found = RepeatModel((LATENT,), NOISES).probability(surprise)
    assert (np.diff(found) <= 1e-12).all()
    assert ((found > 0) & (found <= 1)).all()


def test_unknown_noise_is_taken_as_usual(model):
    pairs = repeats(20, 4)
    nothing = np.full_like(pairs.first_noise, np.nan)
    found = model.compare(pairs.first, nothing, pairs.second, nothing)
    assert np.isfinite(found.distance).all()


def test_random_numbers_of_the_caller_go_on_as_they_were():
    import torch

    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    learn_repeats([repeats(40, 5)], steps=2)
    torch.testing.assert_close(torch.rand(2), expected)
