"""What models are trained on."""

import numpy as np
import pytest

from ainerd_agent.errors import MapError
from ainerd_agent.latent.training.lessons import (
    LONG_SIDE,
    groups_of,
    real_lesson,
    simulated_lessons,
    slowness_of,
    split_by_series,
)
from ainerd_agent.scattering.files.map_files import StoredMaps


@pytest.fixture(scope="module")
def stored():
    rng = np.random.default_rng(0)
    lag = np.abs(np.subtract.outer(np.arange(20), np.arange(20)))
    series, roi = np.repeat(np.arange(5), 8), np.tile(np.repeat([0, 1], 4), 5)
    clean = np.stack([1 + np.exp(-lag / (2 + s + 5 * r)) for s, r in zip(series, roi, strict=True)])
    noise = rng.normal(0, 0.3, clean.shape)
    is_mean = np.tile([False, False, False, True], 10)
    return StoredMaps(clean + noise + noise.transpose(0, 2, 1), {"series": series, "roi": roi, "is_mean": is_mean})


def test_simulated_maps_are_nearer_to_their_targets_than_to_others():
    made = []
    fine, coarse = simulated_lessons(15, seed=3, on_part=made.append)
    assert (len(fine.maps), len(coarse.maps), made[-1]) == (12, 3, 15)
    assert fine.maps.maps.shape[1] == LONG_SIDE
    maps, targets = (each.reshape(12, -1) for each in fine.maps.draw(np.arange(12), None))
    own = ((maps - targets) ** 2).mean(axis=1)
    others = ((maps[:, None] - targets[None]) ** 2).mean(axis=2)
    assert np.mean(others.argmin(axis=1) == np.arange(12)) > 0.8
    assert np.median(own) < 0.2
    assert fine.repeats.clean.shape == fine.repeats.noisy.shape


def test_what_belongs_together_is_reconstructed_to_its_mean_without_itself(stored):
    lesson = real_lesson(stored, baseline=1.0, contrast=1.0)
    maps, targets = lesson.maps.maps.astype(float), lesson.maps.targets.astype(float)
    assert len(maps) == 30  # the means are left out
    off = ~np.eye(20, dtype=bool)
    expected = np.clip(maps[[1, 2]], -1, 2).mean(axis=0)
    np.testing.assert_allclose(targets[0][off], expected[off], atol=2e-3)
    assert len(lesson.repeats.members) == 10
    # The diagonal, of which shot noise may be a part, is that beside it.
    beside = np.diagonal(maps[0], 1)
    np.testing.assert_allclose(np.diagonal(maps[0])[1:-1], (beside[1:] + beside[:-1]) / 2, atol=5e-3)


def test_maps_that_stand_alone_are_their_own_targets(stored):
    alone = StoredMaps(stored.maps, {})
    assert groups_of(alone) is None
    lesson = real_lesson(alone, baseline=1.0)
    assert lesson.repeats is None
    np.testing.assert_array_equal(lesson.maps.targets, lesson.maps.maps.clip(-1, 2))


def test_experiments_are_kept_apart_as_a_whole(stored):
    own, apart = split_by_series(stored, seed=0, share=0.3)
    assert not set(own.columns["series"]) & set(apart.columns["series"])
    assert len(own) + len(apart) == len(stored)
    with pytest.raises(MapError, match="one experiment"):
        split_by_series(stored.select(stored.columns["series"] == 1), seed=0)


def test_slow_maps_are_slow():
    lag = np.abs(np.subtract.outer(np.arange(50), np.arange(50))) / 50
    found = slowness_of(np.stack([np.exp(-lag / tau) for tau in (0.05, 0.2, 1.0, 10.0)]))
    np.testing.assert_allclose(np.exp(found), [0.05, 0.2, 1.0, 10.0], rtol=0.1)


def test_a_file_without_a_finite_map_is_refused():
    with pytest.raises(MapError, match="no finite map"):
        real_lesson(StoredMaps(np.full((2, 20, 20), np.nan), {}), baseline=1.0)
