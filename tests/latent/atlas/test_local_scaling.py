import numpy as np
import pytest

from ainerd_agent.errors import MapError
from ainerd_agent.latent import Atlas


def scattered() -> np.ndarray:
    """A dense crowd, and others far apart from each other."""
    rng = np.random.default_rng(0)
    return np.concatenate([0.1 * rng.normal(size=(60, 8)), 3 * rng.normal(size=(60, 8))]).astype(np.float32)


def test_distances_are_in_units_of_each_latents_own_neighbourhood():
    points = scattered()
    atlas = Atlas(repeatability=1.0)
    atlas.append(points)
    asked = np.random.default_rng(1).normal(size=(5, 8)).astype(np.float32)
    found = atlas.nearest(asked, 7, local=4)
    between = np.linalg.norm(points[:, None].astype(float) - points, axis=2)
    unit = np.sort(between, axis=1)[:, 4]
    expected = np.linalg.norm(asked[:, None].astype(float) - points, axis=2) / unit
    np.testing.assert_array_equal(found.index, np.argsort(expected, axis=1)[:, :7])
    np.testing.assert_allclose(found.distance, np.sort(expected, axis=1)[:, :7], rtol=1e-5)


def test_a_crowd_is_no_longer_near_to_everything():
    points = scattered()
    atlas = Atlas(repeatability=1.0)
    atlas.append(points, {"crowd": np.arange(120) < 60})
    asked = 2 * np.random.default_rng(2).normal(size=(40, 8)).astype(np.float32)
    plain, local = (np.mean(atlas.nearest(asked, 5, local=each).index < 60) for each in (None, 10))
    assert local < plain / 4
    assert (atlas.nearest(asked, 5, where={"crowd": True}, local=10).index < 60).all()


def test_copies_have_no_distance_and_too_few_are_refused():
    atlas = Atlas(repeatability=1.0)
    atlas.append(np.ones((4, 8), dtype=np.float32))
    np.testing.assert_array_equal(atlas.nearest(np.ones(8), 2, local=2).distance, 0)
    with pytest.raises(MapError, match="no neighbour 4 among 4 latents: take local from 1 to 3"):
        atlas.nearest(np.ones(8), 2, local=4)


def test_a_stored_latent_is_asked_for_in_local_units_without_itself():
    rng = np.random.default_rng(0)
    atlas = Atlas(repeatability=1.0)
    atlas.append(rng.normal(size=(60, 8)).astype(np.float32))
    found = atlas.nearest_to(3, 5, local=10)
    assert 3 not in found.index
    others = [number for number in range(60) if number != 3]
    expected = atlas.nearest(atlas._index.latents[3], 5, among=others, local=10)
    np.testing.assert_array_equal(found.index, expected.index)
    np.testing.assert_allclose(found.distance, expected.distance)
