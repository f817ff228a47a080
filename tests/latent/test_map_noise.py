import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ainerd_agent.latent.map_noise import BLOCKS, N_NOISES, noise_of

MEAN_MODULUS = np.sqrt(2 / np.pi)
"""Of a normal number, in standard deviations."""


@settings(max_examples=10, deadline=None)
@given(sigma=st.floats(0.01, 3), seed=st.integers(0, 1000))
def test_white_noise_is_told_at_each_scale(sigma, seed):
    maps = np.random.default_rng(seed).normal(0, sigma, (1, 256, 256)).astype(np.float32)
    found = np.exp(noise_of(maps))[0]
    assert found.shape == (N_NOISES,)
    for number, block in enumerate(BLOCKS):
        expected = MEAN_MODULUS * sigma / block
        assert found[2 * number : 2 * number + 2] == pytest.approx(expected, rel=0.4 if block == 16 else 0.2)


def test_what_is_smooth_is_no_noise():
    lag = np.abs(np.subtract.outer(np.arange(256), np.arange(256))) / 256
    smooth = np.exp(-lag).astype(np.float32)[None]
    noisy = smooth + np.random.default_rng(0).normal(0, 0.1, smooth.shape).astype(np.float32)
    assert (noise_of(smooth)[0, :4] < noise_of(noisy)[0, :4] - 1).all()


def test_noise_that_whole_frames_share_is_told_apart():
    rng = np.random.default_rng(0)
    frames = rng.normal(0, 0.2, 256)
    maps = (frames[:, None] + frames)[None].astype(np.float32)
    found = noise_of(maps)[0]
    assert found[0] < np.log(1e-4)
    assert np.exp(found[-1]) == pytest.approx(0.2 * MEAN_MODULUS, rel=0.2)
