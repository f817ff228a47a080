"""False alarms and misses of a flag."""

import numpy as np
import pytest

from ainerd_agent.latent.damage import DAMAGES, damaged, score_flag


@pytest.fixture
def maps():
    """Sound maps of contrast 0.4 above a baseline of 1."""
    lag = np.abs(np.subtract.outer(np.arange(50), np.arange(50)))
    return np.stack([1 + 0.4 * np.exp(-lag / tau) for tau in (3.0, 10.0, 40.0)]).astype(np.float32)


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damage_changes_maps_and_leaves_what_was_given(maps, name):
    before = maps.copy()
    found = damaged(maps, DAMAGES[name], baseline=1.0, contrast=0.4, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(maps, before)
    assert found.dtype == np.float32
    assert (np.abs(found - maps).max(axis=(1, 2)) > 0.05).all()


def test_a_gap_holds_zeros_as_stored_in_2_to_30_percent_of_the_frames(maps):
    for seed in range(20):
        found = damaged(maps, DAMAGES["gap"], baseline=1.0, contrast=0.4, rng=np.random.default_rng(seed))
        empty = (np.abs(found) < 1e-6).all(axis=2).mean(axis=1)
        assert ((empty >= 0.02) & (empty <= 0.3)).all()


def test_what_a_shuffled_or_asymmetric_map_is(maps):
    shuffled = damaged(maps, DAMAGES["shuffled"], baseline=1.0, contrast=0.4, rng=np.random.default_rng(0))
    np.testing.assert_allclose(np.sort(shuffled.ravel()), np.sort(maps.ravel()), atol=1e-6)
    np.testing.assert_allclose(shuffled, shuffled.transpose(0, 2, 1), atol=1e-6)
    lopsided = damaged(maps, DAMAGES["asymmetric"], baseline=1.0, contrast=0.4, rng=np.random.default_rng(0))
    assert np.abs(lopsided - lopsided.transpose(0, 2, 1)).max() > 0.1


def test_a_flag_is_scored_by_what_it_says(maps):
    def never(each):
        return np.zeros(len(each), dtype=bool)

    def lopsided(each):
        return np.abs(each - each.transpose(0, 2, 1)).max(axis=(1, 2)) > 0.05

    found = score_flag(never, maps, baseline=1.0, contrast=0.4)
    assert found.false_alarms == 0
    assert set(found.missed.values()) == {1.0}
    found = score_flag(lambda each: ~never(each), maps, baseline=1.0, contrast=0.4)
    assert found.false_alarms == 1
    assert set(found.missed.values()) == {0.0}
    found = score_flag(lopsided, maps, baseline=1.0, contrast=0.4)
    assert found.false_alarms == 0
    assert {name for name, share in found.missed.items() if share == 0} == {"asymmetric"}


def test_intervals_hold_their_share():
    score = score_flag(
        lambda each: np.zeros(len(each), dtype=bool), np.ones((3, 8, 8), np.float32), baseline=0.0, contrast=1.0
    )
    low, high = score.interval(0.0)
    assert low == 0
    assert 0.4 < high < 0.7
    low, high = score.interval(1 / 3)
    assert low < 1 / 3 < high
