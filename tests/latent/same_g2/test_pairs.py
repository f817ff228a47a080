"""Pairs of dynamics with one g2."""

import numpy as np
import pytest

from ainerd_agent.latent.same_g2 import KINDS, NULL, draw_pair, g2_of, truth_of
from ainerd_agent.latent.same_g2.pairs import LARGEST_G2_DIFFERENCE, LEAST_DIFFERENCE


@pytest.mark.parametrize("kind", KINDS)
def test_both_sides_have_one_g2_and_are_not_the_same(kind):
    rng = np.random.default_rng(0)
    for _ in range(3):
        one, other = (truth_of(side) for side in draw_pair(kind, rng).sides)
        lags = range(len(one))
        averages = [np.array([np.diagonal(truth, lag).mean() for lag in lags]) for truth in (one, other)]
        assert np.abs(averages[0] - averages[1]).max() <= LARGEST_G2_DIFFERENCE
        assert np.sqrt(np.mean((one - other) ** 2)) >= LEAST_DIFFERENCE


@pytest.mark.parametrize("kind", [*KINDS, NULL])
def test_each_population_is_a_covariance(kind):
    for side in draw_pair(kind, np.random.default_rng(1)).sides:
        assert sum(side.shares) == pytest.approx(1)
        for g1 in side.g1:
            np.testing.assert_allclose(np.diagonal(g1), 1, atol=1e-6)
            assert np.linalg.eigvalsh(g1).min() > -1e-6


def test_a_twin_does_the_same_at_all_ages():
    for kind, made in KINDS.items():
        if made.other.__name__ == "stationary_twin":
            twin = truth_of(draw_pair(kind, np.random.default_rng(2)).sides[1])
            np.testing.assert_allclose(twin[1:, 1:], twin[:-1, :-1], atol=1e-9)


def test_the_null_is_one_dynamics_twice():
    one, other = draw_pair(NULL, np.random.default_rng(3)).sides
    np.testing.assert_array_equal(truth_of(one), truth_of(other))


def test_g2_is_that_of_two_populations_side_by_side():
    side = draw_pair("some pixels jump, and the twin", np.random.default_rng(4)).sides[0]
    parts = [np.abs(np.diagonal(g1, 40)) ** 2 for g1 in side.g1]
    assert g2_of(side)[40] == pytest.approx(np.dot(side.shares, np.mean(parts, axis=1)))


def test_kinds_kept_for_judging_are_at_least_four():
    assert sum(kind.unseen for kind in KINDS.values()) >= 4
