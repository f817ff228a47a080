"""C2 against numpy in float64 and scikit-image's resize, which it must reproduce."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.transform import resize

from ainerd_agent.errors import BinError, FrameError
from ainerd_agent.instrument.dynamics import equilibrium
from ainerd_agent.instrument.speckle import covariance_root, speckle_intensity
from ainerd_agent.scattering import TwoTimeStream, two_time


def reference(frames, labels, size, *, sigma=None, static=None, diagonal="neighbours"):
    """The definition, in double precision, with the whole T x T matrix."""
    frames = np.asarray(frames, dtype=np.float64)
    rings = labels if static is None else static
    maps = []
    for number in range(1, labels.max() + 1):
        fluctuation = []
        for ring in np.unique(rings[labels == number]):
            # <I> is the mean over the whole ring, which may pass through several bins.
            mean = frames[:, (rings == ring) & (labels > 0)].mean()
            fluctuation.append(frames[:, (rings == ring) & (labels == number)] / mean - 1)
        fluctuation = np.concatenate(fluctuation, axis=1)
        matrix = fluctuation @ fluctuation.copy().T / fluctuation.shape[1]
        if diagonal == "neighbours":
            beside = np.diagonal(matrix, 1).copy()
            inner = (beside[:-1] + beside[1:]) / 2
            np.fill_diagonal(matrix, np.concatenate([beside[:1], inner, beside[-1:]]))
        shrinks = len(frames) > size
        maps.append(
            resize(matrix, (size, size), order=1, mode="reflect", anti_aliasing=shrinks,
                   anti_aliasing_sigma=sigma if shrinks else None, clip=False)
        )  # fmt: skip
    return np.stack(maps)


def random_labels(rng, shape, n_bins):
    labels = rng.integers(0, n_bins + 1, size=shape)
    labels.flat[: n_bins + 1] = np.arange(n_bins + 1)
    return labels


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.int32, np.float32, np.float64])
def test_equals_the_definition_for_every_type_of_counts(dtype):
    rng = np.random.default_rng(1)
    frames = rng.poisson(4, size=(130, 12, 10)).astype(dtype)
    labels = random_labels(rng, (12, 10), 3)
    found = two_time(frames, labels, size=32)
    assert found.dtype == np.float32
    assert found.shape == (3, 32, 32)
    np.testing.assert_allclose(found, reference(frames, labels, 32), atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    n_frames=st.integers(2, 300),
    size=st.sampled_from([8, 31, 64]),
    n_bins=st.integers(1, 4),
    diagonal=st.sampled_from(["neighbours", "keep"]),
    rings=st.booleans(),
    counts=st.sampled_from([0.003, 0.05, 1.0, 50.0, 1e5]),
    flash=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_equals_the_definition_for_any_movie(n_frames, size, n_bins, diagonal, rings, counts, flash, seed):
    rng = np.random.default_rng(seed)
    frames = rng.poisson(counts * rng.gamma(3, 1 / 3, size=(1, 9, 11)), size=(n_frames, 9, 11)).astype(np.uint32)
    labels = random_labels(rng, (9, 11), n_bins)
    static = rng.integers(1, 4, size=labels.shape) if rings else None
    frames[0] += 1  # a bin without any count is refused, which another test is for
    if flash:
        frames[n_frames // 2] *= 1000
    expected = reference(frames, labels, size, static=static, diagonal=diagonal)
    found = two_time(frames, labels, size=size, static=static, diagonal=diagonal)
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-6)


@pytest.mark.parametrize("sigma", [None, 0.7, 2.0])
def test_equals_the_definition_for_speckle_at_full_size(sigma):
    rng = np.random.default_rng(2)
    times = np.arange(600) / 600
    intensity = speckle_intensity(covariance_root(equilibrium(0.2).g1(times)), 400, 0.3, rng)
    frames = rng.poisson(2 * intensity).reshape(600, 20, 20).astype(np.uint16)
    labels = np.repeat([1, 2], 10)[:, None] * np.ones(20, dtype=int)
    found = two_time(frames, labels, sigma=sigma)
    np.testing.assert_allclose(found, reference(frames, labels, 256, sigma=sigma), atol=1e-5)


def test_the_sizes_of_blocks_do_not_matter():
    rng = np.random.default_rng(3)
    frames = rng.poisson(3, size=(200, 8, 8)).astype(np.uint16)
    labels = random_labels(rng, (8, 8), 2)
    stream = TwoTimeStream(labels, 200, size=64)
    for start, stop in [(0, 1), (1, 90), (90, 91), (91, 200)]:
        stream.add(frames[start:stop])
    np.testing.assert_allclose(stream.result().c2, two_time(frames, labels, size=64), atol=2e-6)


def test_a_static_image_divides_each_pixel():
    rng = np.random.default_rng(4)
    flat = rng.uniform(0.5, 2, size=(8, 8))
    frames = rng.poisson(20 * flat, size=(100, 8, 8))
    labels = np.ones((8, 8), dtype=int)
    stream = TwoTimeStream(labels, 100, size=32, static=20 * flat)
    stream.add(frames)
    fluctuation = (frames / (20 * flat) - 1).reshape(100, -1)
    matrix = fluctuation @ fluctuation.T / 64
    assert stream.result().contrast[0] == pytest.approx(np.diagonal(matrix, 1).mean(), abs=1e-5)
    assert stream.result().mean_counts[0] == pytest.approx(frames.mean(), rel=1e-3)


def test_memory_does_not_grow_with_the_number_of_frames():
    import tracemalloc

    labels = np.ones((20, 20), dtype=int)
    block = np.random.default_rng(5).poisson(2, size=(64, 20, 20)).astype(np.uint16)
    peaks = []
    for n_frames in (640, 6400):
        stream = TwoTimeStream(labels, n_frames, size=64)
        tracemalloc.start()
        for _ in range(n_frames // 64):
            stream.add(block)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


def test_contrast_and_counts_of_a_frozen_pattern():
    rng = np.random.default_rng(6)
    pattern = rng.gamma(4, 1 / 4, size=(50, 50))  # contrast 1/4
    frames = rng.poisson(10 * pattern, size=(60, 50, 50))
    stream = TwoTimeStream(np.ones((50, 50), dtype=int), 60)
    stream.add(frames)
    result = stream.result()
    assert result.contrast[0] == pytest.approx(pattern.var() / pattern.mean() ** 2, rel=0.02)
    assert result.mean_counts[0] == pytest.approx(10, rel=0.05)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.full((10, 4, 5), np.nan), "finite and not negative"),
        (np.full((10, 4, 5), -1), "finite and not negative"),
        (np.ones((10, 5, 4)), "do not fit the bins"),
        (np.ones((11, 4, 5)), "11 frames came where 10 were announced"),
        (np.zeros((10, 4, 5)), "no photon"),
        (np.ma.masked_equal(np.ones((10, 4, 5)), 2), "masked arrays"),
        (np.ones((9, 4, 5)), "ends after 9 of 10 frames"),
        (np.ones((10, 4, 5), dtype=complex), "real numbers"),
    ],
)
def test_frames_that_cannot_be_trusted_are_refused(frames, message):
    stream = TwoTimeStream(np.ones((4, 5), dtype=int), 10, size=8)

    def correlate():
        stream.add(frames)
        stream.result()

    with pytest.raises(FrameError, match=message):
        correlate()


def test_the_error_names_the_frame():
    frames = np.ones((100, 4, 4))
    frames[77, 2, 2] = np.nan
    with pytest.raises(FrameError, match="frame 77 holds 1 readings"):
        two_time(frames, np.ones((4, 4), dtype=int), size=8)


def test_a_bad_pixel_outside_of_the_bins_does_no_harm():
    frames = np.random.default_rng(7).poisson(5, size=(50, 4, 4)).astype(float)
    labels = np.ones((4, 4), dtype=int)
    labels[0, 0] = 0
    expected = two_time(frames, labels, size=16)
    frames[:, 0, 0] = np.nan
    np.testing.assert_array_equal(two_time(frames, labels, size=16), expected)


def test_saturation_is_refused():
    frames = np.full((20, 4, 4), 3, dtype=np.uint16)
    frames[:, 1, 1] = 255
    stream = TwoTimeStream(np.ones((4, 4), dtype=int), 20, size=8, saturation=255)
    stream.add(frames)
    with pytest.raises(FrameError, match=r"6\.2% of the readings .* ceiling of 255"):
        stream.result()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.ones((4, 4)), "integers"),
        (np.zeros((4, 4), dtype=int), "none is above 0"),
        (np.full((4, 4), 2), "bin 1 of 2 is empty"),
        (np.ones(4, dtype=int), "shape"),
    ],
)
def test_labels_that_make_no_bins_are_refused(labels, message):
    with pytest.raises(BinError, match=message):
        TwoTimeStream(labels, 10)


def test_the_value_that_detectors_give_gaps_is_refused_without_being_told():
    frames = np.random.default_rng(8).poisson(3, size=(20, 4, 4)).astype(np.uint16)
    frames[:, 1, 1] = 65535
    with pytest.raises(FrameError, match="mask the pixels that do not work"):
        two_time(frames, np.ones((4, 4), dtype=int), size=8)


def test_no_counts_are_no_correlation_with_a_static_image_either():
    with pytest.raises(FrameError, match="no photon"):
        two_time(np.zeros((10, 4, 4)), np.ones((4, 4), dtype=int), static=np.ones((4, 4)), size=8)


def test_a_dark_ring_does_not_cost_the_bin():
    frames = np.random.default_rng(9).poisson(3, size=(40, 4, 4))
    rings = np.repeat([1, 2], 2)[:, None] * np.ones(4, dtype=int)
    frames[:, 2:] = 0
    assert np.isfinite(two_time(frames, np.ones((4, 4), dtype=int), static=rings, size=8)).all()


@pytest.mark.parametrize("wrong", [{"size": 0}, {"sigma": -1.0}, {"diagonal": "none"}])
def test_options_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        TwoTimeStream(np.ones((4, 4), dtype=int), 10, **wrong)
