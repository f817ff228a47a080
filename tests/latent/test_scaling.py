import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ainerd_agent.errors import MapError
from ainerd_agent.latent import scale
from ainerd_agent.latent.scaling import resize

LAG = np.abs(np.subtract.outer(np.arange(64), np.arange(64)))


@settings(deadline=None, max_examples=30)
@given(contrast=st.floats(1e-3, 10), baseline=st.floats(-2, 2), shot_noise=st.floats(0, 100))
def test_neither_contrast_nor_baseline_nor_shot_noise_matter(contrast, baseline, shot_noise):
    clean = np.exp(-LAG / 10.0)
    measured = baseline + contrast * (clean + shot_noise * np.eye(64))
    found = scale(measured, baseline=baseline)
    np.testing.assert_allclose(found.maps, scale(clean).maps, atol=1e-3)
    assert found.contrast[0] == pytest.approx(contrast * np.exp(-0.1), rel=1e-2)


def test_the_extremes_of_the_noise_do_not_set_the_scale():
    rng = np.random.default_rng(0)
    clean = np.exp(-LAG / 20.0)
    noisy = clean + 0.3 * rng.normal(size=clean.shape)
    noisy = (noisy + noisy.T) / 2
    assert scale(noisy).contrast[0] == pytest.approx(scale(clean).contrast[0], rel=0.1)


def test_a_map_without_contrast_stays_flat():
    noise = np.random.default_rng(1).normal(size=(64, 64)) * 1e-3
    assert np.abs(scale(noise + noise.T).maps).mean() < 1


@pytest.mark.parametrize("size", [8, 50, 256, 700])
def test_maps_of_any_size_become_256(size):
    assert scale(np.ones((2, size, size))).maps.shape == (2, 256, 256)


def test_resizing_a_constant_keeps_it():
    np.testing.assert_allclose(resize(np.full((1, 50, 50), 3.0, dtype=np.float32), 256), 3.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        (np.zeros((3, 10, 11)), "must be square"),
        (np.zeros(16), "must be square"),
        (np.zeros((4, 4)), "too small"),
        (np.full((2, 16, 16), np.nan), "2 of 2 C2 maps hold NaN"),
        ("maps", "array of numbers"),
    ],
)
def test_what_is_no_map_is_refused(maps, message):
    with pytest.raises(MapError, match=message):
        scale(maps)
