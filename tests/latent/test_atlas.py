import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ainerd_agent.latent import Atlas
from ainerd_agent.latent.atlas import friedel_pairs

EIGHTEEN = np.arange(10.0, 360, 20)


def test_friedel_partners_lie_opposite():
    pairs = friedel_pairs(EIGHTEEN)
    assert len(pairs) == 9
    np.testing.assert_allclose(EIGHTEEN[pairs[:, 1]] - EIGHTEEN[pairs[:, 0]], 180)
    assert len(friedel_pairs(np.array([np.nan, np.nan]))) == 0
    two_rings = friedel_pairs(np.tile(EIGHTEEN, 2), np.repeat([0.02, 0.03], 18))
    assert len(two_rings) == 2 * len(pairs)
    assert (two_rings // 18 == two_rings[:, :1] // 18).all()
    assert len(friedel_pairs(np.arange(0.0, 360, 120))) == 0


@settings(deadline=None)
@given(n_bins=st.integers(1, 18), n_measurements=st.integers(2, 8), seed=st.integers(0, 2**32 - 1))
def test_novelty_is_the_distance_to_the_nearest_of_all_earlier_latents(n_bins, n_measurements, seed):
    rng = np.random.default_rng(seed)
    measurements = rng.normal(size=(n_measurements, n_bins, 5)).astype(np.float32)
    atlas = Atlas(repeatability=2.0)
    unknown = np.full(n_bins, np.nan)
    assert np.isnan(atlas.add(measurements[0], unknown)).all()
    for number in range(1, n_measurements):
        earlier = measurements[:number].reshape(-1, 5)
        expected = [np.linalg.norm(earlier - latent, axis=1).min() / 2.0 for latent in measurements[number]]
        np.testing.assert_allclose(atlas.add(measurements[number], unknown), expected, rtol=1e-4)
    assert len(atlas) == n_bins * n_measurements


def test_repeats_have_a_novelty_of_about_one():
    """Whatever the noise is, the Friedel partners measure it."""
    rng = np.random.default_rng(0)
    atlas = Atlas(repeatability=1e9)
    for _ in range(30):
        novelty = atlas.add((0.3 * rng.normal(size=(18, 64))).astype(np.float32), EIGHTEEN)
    assert novelty.mean() == pytest.approx(1, abs=0.3)
    far = atlas.add((100 + 0.3 * rng.normal(size=(18, 64))).astype(np.float32), EIGHTEEN)
    assert far.min() > 50
