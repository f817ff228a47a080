import numpy as np
import pytest

from ainerd_agent.errors import MapError
from ainerd_agent.latent import Clusters


def test_clusters_are_numbered_from_slow_to_fast():
    rng = np.random.default_rng(0)
    group = rng.permutation(np.repeat(np.arange(4), 50))
    latents = (10 * np.eye(4, 64)[group] + 0.1 * rng.normal(size=(200, 64))).astype(np.float32)
    slowness = np.array([0.2, 0.9, 0.1, 0.5])[group] + 0.01 * rng.normal(size=200)
    clusters = Clusters.fit(latents, slowness, 4)
    found, distance = clusters.predict(latents)
    assert len(clusters) == 4
    np.testing.assert_array_equal(found, np.array([2, 0, 3, 1])[group])
    assert distance.max() < 2


def test_too_few_maps_are_refused():
    with pytest.raises(MapError, match="3 maps cannot form 4 clusters"):
        Clusters.fit(np.zeros((3, 64), dtype=np.float32), np.zeros(3), 4)


def blobs(seed: int, shift: float = 0.0):
    rng = np.random.default_rng(seed)
    group = rng.integers(3, size=300)
    latents = (10 * np.eye(3, 64)[group] + shift + 0.1 * rng.normal(size=(300, 64))).astype(np.float32)
    return latents, np.array([3.0, 1.0, 2.0])[group]


def test_a_refit_is_of_another_version_and_leaves_the_old_labels():
    latents, slowness = blobs(0)
    first = Clusters.fit(latents, slowness, 3)
    labels, version = first.predict(latents)[0], first.version
    grown = [np.concatenate(both) for both in zip(blobs(0), blobs(1, shift=0.5), strict=True)]
    second = first.refit(*grown)
    assert second.version != version == first.version == Clusters(first.centres.copy()).version
    np.testing.assert_array_equal(first.predict(latents)[0], labels)
    np.testing.assert_array_equal(second.predict(latents)[0], labels)
    assert np.abs(second.centres - first.centres).max() > 0.1


def test_latents_with_nan_form_no_clusters():
    latents, slowness = blobs(0)
    clusters = Clusters.fit(latents, slowness, 3)
    with pytest.raises(MapError, match="NaN"):
        clusters.predict(np.full((1, 64), np.nan, dtype=np.float32))
    with pytest.raises(MapError, match=r"\(n, 64\), got \(1, 63\)"):
        clusters.predict(np.zeros((1, 63), dtype=np.float32))
    for wrong in (slowness[1:], np.full(300, np.nan)):
        with pytest.raises(MapError, match="a finite slowness for each of 300"):
            Clusters.fit(latents, wrong, 3)
    latents[7, 3] = np.nan
    with pytest.raises(MapError, match="1 of 300 latents hold NaN"):
        Clusters.fit(latents, slowness, 3)
