"""Maps to train on: windows at whole pixels, time either way, and nothing else."""

import numpy as np
import pytest

from ainerd_agent.errors import MapError
from ainerd_agent.latent.scaling import SIDE, resize
from ainerd_agent.latent.training.batches import LongMaps, MixedMaps, SmallMaps


@pytest.fixture(scope="module")
def long():
    rng = np.random.default_rng(0)
    maps = rng.random((3, SIDE + 7, SIDE + 7)).astype(np.float16)
    return LongMaps(maps, 2 * maps)


def test_a_window_is_a_part_of_the_diagonal_at_a_whole_pixel(long):
    maps, targets = long.draw(np.array([2, 0, 2]), np.random.default_rng(1))
    np.testing.assert_array_equal(targets, 2 * maps)
    for found, number in zip(maps, (2, 0, 2), strict=True):
        windows = [long.maps[number, k : k + SIDE, k : k + SIDE] for k in range(8)]
        same = [np.array_equal(found, turned) for each in windows for turned in (each, each[::-1, ::-1])]
        assert sum(same) == 1


def test_without_a_generator_it_is_the_first_window_as_it_is(long):
    np.testing.assert_array_equal(long.draw(np.array([1]), None)[0][0], long.maps[1, :SIDE, :SIDE])


def test_kinds_are_mixed_in_order(long):
    small = SmallMaps(np.ones((2, 20, 20), np.float16), np.zeros((2, 20, 20), np.float16))
    mixed = MixedMaps([long, small])
    assert len(mixed) == 5
    maps, targets = mixed.draw(np.array([4, 1, 3]), None)
    np.testing.assert_allclose(maps[[0, 2]], 1, rtol=1e-6)
    np.testing.assert_allclose(targets[[0, 2]], 0)
    np.testing.assert_array_equal(maps[1], long.draw(np.array([1]), None)[0][0])


def test_small_maps_are_enlarged_as_everywhere():
    maps = np.random.default_rng(2).random((1, 50, 50)).astype(np.float16)
    found, _ = SmallMaps(maps, maps).draw(np.array([0]), None)
    np.testing.assert_allclose(found, resize(maps.astype(np.float32), SIDE), atol=1e-6)


def test_maps_without_room_for_a_window_are_refused():
    maps = np.zeros((1, 100, 100), np.float16)
    with pytest.raises(MapError, match="256 or larger"):
        LongMaps(maps, maps)
