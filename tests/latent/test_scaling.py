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


def test_a_known_contrast_keeps_how_low_a_fast_map_is():
    lag = np.abs(np.subtract.outer(np.arange(256), np.arange(256)))
    fast = 0.2 * np.exp(-lag / 0.5)
    assert scale(fast).maps[0, 100, 101] == pytest.approx(1)
    found = scale(1 + np.stack([fast, 2 * fast]), baseline=1.0, contrast=[0.2, 0.4])
    np.testing.assert_allclose(found.maps[:, 100, 101], np.exp(-2), rtol=1e-4)


def test_without_clipping_the_mean_of_noise_is_kept():
    noise = 0.3 + 5 * np.random.default_rng(2).normal(size=(256, 256))
    noise = (noise + noise.T) / 2
    wanted = np.diagonal(noise, 20).mean()
    kept = scale(noise, contrast=1.0, clip=False).maps[0]
    assert np.diagonal(kept, 20).mean() == pytest.approx(wanted, rel=1e-4)
    assert np.abs(kept).max() > 5 > np.abs(scale(noise, contrast=1.0).maps[0]).max()


@pytest.mark.parametrize("contrast", [0.0, -1.0, [1.0, np.inf]])
def test_a_contrast_must_be_positive(contrast):
    with pytest.raises(MapError, match="contrast must be positive"):
        scale(np.ones((2, 16, 16)), contrast=contrast)


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


def test_a_contrast_that_is_not_known_is_estimated():
    rng = np.random.default_rng(3)
    maps = rng.random((3, 20, 20)) + 1
    mixed = scale(maps, contrast=[0.5, np.nan, 0.7])
    np.testing.assert_allclose(mixed.contrast, [0.5, scale(maps).contrast[1], 0.7])
    with pytest.raises(MapError, match="one for each of 3 maps"):
        scale(maps, contrast=[0.5, 0.7])
