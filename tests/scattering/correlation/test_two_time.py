"""C2 against numpy in float64 and scikit-image's resize, which it must reproduce."""

import warnings

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from skimage.transform import resize

from ainerd_agent.errors import BinError, FrameError
from ainerd_agent.records import PhotonEvents
from ainerd_agent.scattering import TwoTimeStream, two_time
from ainerd_agent.scattering.correlation._engine.numba_fold import NumbaFold
from ainerd_agent.scattering.correlation.normalisation import Normalisation
from ainerd_agent.scattering.simulation.dynamics import equilibrium
from ainerd_agent.scattering.simulation.speckle import covariance_root, speckle_intensity
from tests.scattering.correlation.streams import new_stream


def reference(
    frames, labels, size, *, sigma=None, static=None, diagonal="neighbours", normalise="static", bad=(), flat=None,
    dead_time=0.0,
):  # fmt: skip
    """The definition, in double precision, with the whole T x T matrix."""
    frames = np.asarray(frames, dtype=np.float64)
    frames = frames / (1 - dead_time * frames)
    if flat is not None:
        frames = frames / flat
    good = np.setdiff1d(np.arange(len(frames)), bad)
    rings = labels if static is None or normalise == "frame" else static
    maps = []
    for number in range(1, labels.max() + 1):
        fluctuation = []
        scale = np.ones_like(frames)
        if normalise != "static":
            for each in range(1, labels.max() + 1):  # a ring may pass through several bins
                scale[:, labels == each] = frames[:, labels == each].mean(axis=1)[:, None]
        scaled = frames / np.where(scale > 0, scale, np.nan)
        for ring in np.unique(rings[labels == number]):
            # <I> is the mean over the whole ring, which may pass through several bins.
            mean = scaled[good][:, (rings == ring) & (labels > 0)].mean()
            fluctuation.append(scaled[:, (rings == ring) & (labels == number)] / mean - 1)
        fluctuation = np.concatenate(fluctuation, axis=1)[good]
        matrix = fluctuation @ fluctuation.copy().T / fluctuation.shape[1]
        if diagonal == "neighbours":
            matrix[np.diag_indices(len(good))] = [beside(matrix, good, k) for k in range(len(good))]
        maps.append(shrink(matrix, good, len(frames), size, sigma))
    return np.stack(maps)


def beside(matrix, good, k):
    """Mean over the neighbours of a frame; over those next to it, if there are any."""
    neighbours = [other for other in (k - 1, k + 1) if 0 <= other < len(good)]
    near = [other for other in neighbours if abs(good[other] - good[k]) == 1]
    return np.mean([matrix[k, other] for other in near or neighbours])


def shrink(matrix, good, n_frames, size, sigma):
    """scikit-image's resize, with the weights of missing frames given to the others."""
    options = {
        "order": 1, "mode": "reflect", "clip": False, "anti_aliasing": n_frames > size or sigma is not None,
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that a sigma is given where nothing shrinks
        if len(good) == n_frames:
            return resize(matrix, (size, size), anti_aliasing_sigma=sigma, **options)
        along_rows = None if sigma is None else (sigma, 0)
        weights = resize(np.eye(n_frames), (size, n_frames), anti_aliasing_sigma=along_rows, **options)[:, good]
    total = weights.sum(axis=1)
    seen = np.flatnonzero(total > 1e-6)
    weights = weights[seen] / total[seen][:, None]
    fill = np.stack([np.interp(np.arange(size), seen, column) for column in np.eye(len(seen))], axis=1)
    return fill @ weights @ matrix @ weights.T @ fill.T


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
    stream = TwoTimeStream(labels, 100, size=32, normalisation=Normalisation(static=20 * flat))
    stream.add(frames)
    fluctuation = (frames / (20 * flat) - 1).reshape(100, -1)
    matrix = fluctuation @ fluctuation.T / 64
    assert stream.result().contrast[0] == pytest.approx(np.diagonal(matrix, 1).mean(), abs=1e-5)
    assert stream.result().mean_counts[0] == pytest.approx(frames.mean(), rel=1e-3)


def streamed(frames, labels, blocks=(64,), n_frames="known", **options):
    """Through a stream, in blocks of these sizes over and over."""
    stream = new_stream(labels, len(frames) if n_frames == "known" else n_frames, **options)
    start, turn = 0, 0
    while start < len(frames):
        stop = start + blocks[turn % len(blocks)]
        stream.add(frames[start:stop])
        start, turn = stop, turn + 1
    return stream.result()


def as_events(frames, rng, split=False):
    """Photon events of frames; with `split` each count is an event of its own, in any order within a frame."""
    flat = frames.reshape(len(frames), -1)
    frame, pixel = np.nonzero(flat)
    count = flat[frame, pixel].astype(np.int64)
    if split:
        frame, pixel = np.repeat(frame, count), np.repeat(pixel, count)
        count = np.ones(len(frame), dtype=np.int64)
        order = np.lexsort((rng.random(len(frame)), frame))
        frame, pixel = frame[order], pixel[order]
    return frame.astype(np.int32), pixel.astype(np.int32), count.astype(np.uint8 if count.max() < 256 else np.int64)


def event_blocks(frames, rng, size, split=False):
    frame, pixel, count = as_events(frames, rng, split)
    for start in range(0, len(frames), size):
        stop = min(start + size, len(frames))
        part = slice(*np.searchsorted(frame, [start, stop]))
        yield PhotonEvents(frame[part], pixel[part], count[part], stop)


@settings(max_examples=60, deadline=None)
@given(
    n_frames=st.integers(3, 260),
    size=st.sampled_from([8, 31, 64]),
    n_bins=st.integers(1, 4),
    normalise=st.sampled_from(["static", "frame", "both"]),
    diagonal=st.sampled_from(["neighbours", "keep"]),
    rings=st.booleans(),
    flat=st.booleans(),
    dead_time=st.sampled_from([0.0, 0.002]),
    sigma=st.sampled_from([None, 1.3]),
    blocks=st.lists(st.integers(1, 150), min_size=1, max_size=4),
    known=st.booleans(),
    bad=st.sets(st.integers(0, 259), max_size=30),
    gap=st.booleans(),
    device=st.sampled_from([None, "cpu"]),
    seed=st.integers(0, 2**32 - 1),
)
@example(  # beside the gap, a row keeps 1e-14 of its weight: as good as none
    n_frames=80, size=64, n_bins=1, normalise="static", diagonal="neighbours", rings=False, flat=False, dead_time=0.0,
    sigma=None, blocks=[1], known=False, bad=set(), gap=True, device=None, seed=0,
)  # fmt: skip
def test_every_option_equals_the_definition(
    n_frames, size, n_bins, normalise, diagonal, rings, flat, dead_time, sigma, blocks, known, bad, gap, device, seed
):
    rng = np.random.default_rng(seed)
    labels = random_labels(rng, (9, 11), n_bins)
    brightness = rng.uniform(0.7, 1.3, size=(n_frames, 1, 1))
    frames = rng.poisson(brightness * rng.gamma(3, 2, size=(1, 9, 11)), size=(n_frames, 9, 11)).astype(np.uint16)
    frames[:, labels > 0] += 1
    static = rng.integers(1, 4, size=labels.shape) if rings else None
    flat_field = rng.uniform(0.5, 1.5, size=labels.shape) if flat else None
    excluded = {number for number in bad if number < n_frames}
    if gap:
        excluded |= set(range(n_frames // 3, n_frames // 3 + n_frames // 4))
    if n_frames - len(excluded) < 2:
        excluded = set()
    options = {"size": size, "sigma": sigma, "static": static, "normalise": normalise, "diagonal": diagonal}
    found = streamed(
        frames, labels, blocks, "known" if known else None, bad_frames=sorted(excluded), flat_field=flat_field,
        dead_time=dead_time, device=device, **options,
    )  # fmt: skip
    expected = reference(frames, labels, bad=sorted(excluded), flat=flat_field, dead_time=dead_time, **options)
    np.testing.assert_allclose(found.c2, expected, atol=1e-5, rtol=1e-6)
    assert found.bad_frames.tolist() == sorted(excluded)
    raw = np.delete(frames, sorted(excluded), axis=0)
    means = [raw[:, labels == number].mean() for number in range(1, n_bins + 1)]
    np.testing.assert_allclose(found.mean_counts, means)


@settings(max_examples=40, deadline=None)
@given(
    n_frames=st.integers(2, 300),
    size=st.sampled_from([8, 64]),
    counts=st.sampled_from([0.01, 0.1, 3.0]),
    block=st.integers(1, 120),
    split=st.booleans(),
    normalise=st.sampled_from(["static", "frame"]),
    flat=st.booleans(),
    bad=st.sets(st.integers(0, 299), max_size=20),
    known=st.booleans(),
    device=st.sampled_from([None, "cpu"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_photon_events_give_what_their_frames_give(
    n_frames, size, counts, block, split, normalise, flat, bad, known, device, seed
):
    rng = np.random.default_rng(seed)
    frames = rng.poisson(counts, size=(n_frames, 9, 11)).astype(np.uint8)
    labels = random_labels(rng, (9, 11), 3)
    for number in range(1, 4):  # every bin needs a count in every frame, to be divided by its mean
        frames[:, *np.argwhere(labels == number)[0]] += 1
    options = {
        "size": size, "normalise": normalise, "flat_field": rng.uniform(0.5, 2, size=(9, 11)) if flat else None,
        "bad_frames": [number for number in bad if number < n_frames and number > 1], "device": device,
    }  # fmt: skip
    stream = new_stream(labels, n_frames if known else None, **options)
    for events in event_blocks(frames, rng, block, split):
        stream.add(events)
    found, expected = stream.result(), streamed(frames, labels, **{**options, "device": None})
    np.testing.assert_allclose(found.c2, expected.c2, atol=1e-5, rtol=1e-6)
    np.testing.assert_allclose(found.contrast, expected.contrast, atol=1e-9, rtol=1e-6)
    np.testing.assert_allclose(found.mean_counts, expected.mean_counts)
    assert found.bad_frames.tolist() == expected.bad_frames.tolist()


@pytest.fixture(scope="module")
def intensity():
    """Of 1500 times and 1200 pixels, which takes most of the time of the tests that count photons of it."""
    rng = np.random.default_rng(30)
    return speckle_intensity(covariance_root(equilibrium(0.3).g1(np.arange(1500) / 1500)), 1200, 0.3, rng)


@pytest.mark.parametrize("counts", [0.02, 0.5, 20.0])
def test_single_precision_is_good_to_a_hundred_thousandth(counts, intensity):
    rng = np.random.default_rng(31)
    frames = rng.poisson(counts * intensity).reshape(1500, 30, 40).astype(np.uint16)
    labels = np.repeat([1, 2, 3], 10)[:, None] * np.ones(40, dtype=int)
    expected = reference(frames, labels, 128)
    for device in (None, "cpu"):
        found = streamed(frames, labels, size=128, precision="single", device=device).c2
        np.testing.assert_allclose(found, expected, atol=1e-5, err_msg=str(device))


def test_a_movie_in_memory_and_a_stream_of_it_agree():
    rng = np.random.default_rng(31)
    frames = rng.poisson(2, size=(2100, 20, 30)).astype(np.uint16)
    labels = random_labels(rng, (20, 30), 5)
    found = two_time(frames, labels, size=64, bad_frames=[5, 1000, 1001], threads=2)
    expected = streamed(frames, labels, size=64, bad_frames=[5, 1000, 1001], threads=1).c2
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_memory_hardly_grows_with_the_number_of_frames():
    import tracemalloc

    labels = np.ones((100, 100), dtype=int)
    block = np.random.default_rng(5).poisson(2, size=(64, 100, 100)).astype(np.uint16)
    peaks = []
    for n_frames in (640, 6400):
        stream = TwoTimeStream(labels, n_frames, size=64)
        tracemalloc.start()
        for _ in range(n_frames // 64):
            stream.add(block)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert (peaks[1] - peaks[0]) / (6400 - 640) < 2000  # bytes for a frame of 20,000, mostly of the resize matrix


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
    with pytest.raises(FrameError, match="frame 77 holds 1 readings that are"):
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
    stream = TwoTimeStream(np.ones((4, 4), dtype=int), 20, size=8, normalisation=Normalisation(saturation=255))
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


def test_a_large_movie_is_summed_alike_in_memory_and_as_a_stream(monkeypatch):
    """In single precision, by the readings of all bins together: bin by bin would be double, and slower."""
    monkeypatch.setattr("ainerd_agent.scattering.correlation.computation.EXACT_READINGS", 5000)
    rng = np.random.default_rng(32)
    frames = rng.poisson(2, size=(200, 10, 10)).astype(np.uint16)
    labels = np.repeat([1, 2, 3, 4, 5], 20).reshape(10, 10)
    made = []

    class Watched(NumbaFold):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            made.append(self.dtype)

    monkeypatch.setattr("ainerd_agent.scattering.correlation.two_time_stream.NumbaFold", Watched)
    two_time(frames, labels, size=32)
    streamed(frames, labels, size=32)
    assert made == [np.float32] * 6
