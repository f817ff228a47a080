"""Speckles, photons and C2 of a measurement."""

import numpy as np
import pytest

from ainerd_agent.latent.same_g2 import Level, draw_pair, measure, random_level, truth_of


@pytest.mark.parametrize("kind", ["avalanche early or late", "phase drift over q and its twin"])
@pytest.mark.parametrize("modes", [1, 3])
def test_the_mean_of_many_measurements_is_the_truth_times_the_contrast(kind, modes):
    rng = np.random.default_rng(0)
    side = draw_pair(kind, rng).sides[0]
    level = Level(pixels=1500, counts=5.0, modes=modes)
    mean = np.mean([measure(side, level, rng) for _ in range(12)], axis=0)
    truth = truth_of(side) * level.contrast
    np.fill_diagonal(truth, np.diagonal(mean))
    assert np.abs(mean - truth).mean() < 0.02
    assert mean.mean() == pytest.approx(truth.mean(), abs=0.03)


def test_shot_noise_is_not_on_the_diagonal():
    rng = np.random.default_rng(1)
    side = draw_pair("ageing and its twin", rng).sides[0]
    c2 = measure(side, Level(pixels=400, counts=0.2, modes=2), rng)
    assert np.diagonal(c2).mean() == pytest.approx(np.diagonal(c2, 1).mean(), abs=0.05)
    np.testing.assert_allclose(c2, c2.T, atol=1e-5)


def test_levels_cover_what_they_say():
    rng = np.random.default_rng(2)
    levels = [random_level(rng) for _ in range(500)]
    assert {level.modes for level in levels} == {1, 2, 3, 4, 5}
    assert min(level.contrast for level in levels) == 0.2
    assert 100 <= min(level.pixels for level in levels) < 110
    assert 1350 < max(level.pixels for level in levels) <= 1500
    assert 0.2 <= min(level.counts for level in levels) < 0.25
    assert 16 < max(level.counts for level in levels) <= 20
