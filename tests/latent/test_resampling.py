"""Intervals by resampling."""

import numpy as np
import pytest

from ainerd_agent.latent.resampling import interval, stratified_interval


def test_the_interval_is_that_of_the_mean():
    values = np.random.default_rng(0).standard_normal(400)
    mean, low, high = interval(values)
    assert mean == pytest.approx(values.mean())
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_values_of_one_owner_are_drawn_together():
    each = np.random.default_rng(1).standard_normal(40)
    alone, together = interval(each), interval(np.repeat(each, 25), np.repeat(np.arange(40), 25))
    assert together == pytest.approx(alone, abs=1e-9)


def test_the_interval_holds_the_true_mean_19_times_of_20():
    rng = np.random.default_rng(2)
    held = []
    for _ in range(200):
        _, low, high = interval(rng.standard_normal(15))
        held.append(low <= 0 <= high)
    assert np.mean(held) == pytest.approx(0.95, abs=0.05)


def test_two_values_have_no_interval():
    mean, low, high = interval([0.2, 0.4])
    assert mean == pytest.approx(0.3)
    assert np.isnan([low, high]).all()
    assert np.isnan(stratified_interval([[0.2], [0.4, 0.5]])[1])


def test_strata_are_weighed_alike_and_differ_without_widening_the_interval():
    rng = np.random.default_rng(3)
    groups = [0.5 + 0.01 * rng.standard_normal(8), 0.9 + 0.01 * rng.standard_normal(20)]
    mean, low, high = stratified_interval(groups)
    assert mean == pytest.approx(np.mean([each.mean() for each in groups]))
    assert high - low < 0.02


def test_ends_stay_where_a_mean_can_be():
    assert interval([1, 1, 1, 1, 0.5])[2] > 1
    assert interval([1, 1, 1, 1, 0.5], within=(0, 1))[2] == 1
