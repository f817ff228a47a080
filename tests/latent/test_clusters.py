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
