import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.transform import resize

from ainerd_agent.scattering import resize_matrix
from ainerd_agent.scattering.correlation.resampling import resize_band, rows_within


@settings(max_examples=60, deadline=None)
@given(n_frames=st.integers(2, 900), size=st.integers(8, 256), seed=st.integers(0, 2**32 - 1))
def test_is_the_resize_of_scikit_image(n_frames, size, seed):
    signal = np.random.default_rng(seed).normal(size=n_frames)
    shrinks = n_frames > size
    expected = resize(signal, (size,), order=1, mode="reflect", anti_aliasing=shrinks, clip=False)
    np.testing.assert_allclose(resize_matrix(n_frames, size) @ signal, expected, atol=1e-10)


@settings(deadline=None)
@given(n_frames=st.integers(2, 2000), size=st.integers(8, 256), sigma=st.one_of(st.none(), st.floats(0, 5)))
def test_rows_add_up_to_one(n_frames, size, sigma):
    weights = resize_matrix(n_frames, size, sigma)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert weights.min() >= 0


def test_every_frame_contributes_by_default_but_not_with_the_sigma_of_the_paper():
    assert np.all(resize_matrix(5000, 256).sum(axis=0) > 0)
    used = np.mean(resize_matrix(5000, 256, 2.0).sum(axis=0) > 0)
    assert used == pytest.approx(0.92, abs=0.01)


@given(n_frames=st.integers(2, 5000), size=st.integers(1, 256), share=st.floats(0, 1), step=st.integers(0, 50))
def test_rows_within_the_first_frames_are_those_whose_middle_has_come(n_frames, size, share, step):
    n = int(share * n_frames)
    found = rows_within(n, n_frames, size)
    middle = (np.arange(size) + 0.5) * n_frames / size  # in frames from the beginning
    assert found == np.count_nonzero(middle <= n * (1 + 1e-12))
    assert found <= rows_within(min(n + step, n_frames), n_frames, size)
    assert rows_within(n_frames, n_frames, size) == size


@settings(deadline=None)
@given(n_frames=st.integers(2, 900), size=st.integers(8, 128), sigma=st.one_of(st.none(), st.floats(0, 4)))
def test_the_last_frame_of_each_row(n_frames, size, sigma):
    weights = resize_matrix(n_frames, size, sigma).toarray()
    expected = [np.flatnonzero(row).max() for row in weights]
    np.testing.assert_array_equal(resize_band(n_frames, size, sigma).last_frames(size), expected)
