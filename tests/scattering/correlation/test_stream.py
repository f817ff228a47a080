"""What a stream can do while a movie goes on, and what it refuses."""

import numpy as np
import pytest

from ainerd_agent.errors import BinError, FrameError
from ainerd_agent.records import PhotonEvents
from ainerd_agent.scattering import TwoTimeStream, two_time, warm_up
from ainerd_agent.scattering.correlation._engine import age_lag_kernels, kernels
from ainerd_agent.scattering.correlation.age_lag_correlation import Ages
from ainerd_agent.scattering.correlation.computation import Computation
from ainerd_agent.scattering.correlation.normalisation import Normalisation
from tests.scattering.correlation.streams import new_stream

LABELS = np.ones((6, 8), dtype=int)


def frames_of(n, seed=0):
    return np.random.default_rng(seed).poisson(3, size=(n, 6, 8)).astype(np.uint16)


@pytest.mark.parametrize("bad_frames", [None, "detect"])
def test_a_map_can_be_looked_at_while_frames_come(bad_frames):
    frames = frames_of(400)
    stream = TwoTimeStream(LABELS, 400, size=40, normalisation=Normalisation(bad_frames=bad_frames))
    stream.add(frames[:200])
    partial = stream.partial()
    whole = two_time(frames[:200], LABELS, size=20)
    known = np.isfinite(partial.c2[0]).all(axis=1) | np.isfinite(partial.c2[0]).any(axis=1)
    assert known[:15].all()
    assert not known[25:].any()
    np.testing.assert_allclose(partial.c2[0, :17, :17], whole[0, :17, :17], atol=1e-5)
    stream.add(frames[200:])
    np.testing.assert_allclose(stream.result().c2, two_time(frames, LABELS, size=40), atol=1e-6)


def test_maps_are_the_same_with_any_number_of_threads_and_without_those_of_blas(monkeypatch):
    from threadpoolctl import threadpool_info

    from ainerd_agent.scattering.correlation._engine.numba_fold import NumbaFold

    used = []
    gram = NumbaFold.gram

    def watched(self, *arguments):
        used.extend(library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas")
        return gram(self, *arguments)

    labels = np.repeat([1, 2, 3], 16).reshape(6, 8)
    frames = frames_of(200)
    maps = []
    for threads in (1, 2):
        stream = TwoTimeStream(labels, 200, size=40, computation=Computation(threads=threads))
        stream.add(frames)
        if threads == 2:
            monkeypatch.setattr(NumbaFold, "gram", watched)
        maps.append(stream.result().c2)
    assert used
    assert set(used) == {1}
    np.testing.assert_allclose(maps[0], maps[1], atol=1e-6)


def test_before_the_first_frame_there_is_nothing_to_see():
    assert np.isnan(TwoTimeStream(LABELS, 10, size=8).partial().c2).all()
    with pytest.raises(FrameError, match="at least 2 frames, got 0"):
        TwoTimeStream(LABELS, None).partial()


def test_a_movie_whose_length_nobody_knew_goes_on_after_a_look():
    frames = frames_of(150)
    stream = TwoTimeStream(LABELS, None, size=32)
    stream.add(frames[:70])
    np.testing.assert_allclose(stream.partial().c2, two_time(frames[:70], LABELS, size=32), atol=1e-6)
    stream.add(frames[70:])
    result = stream.result()
    np.testing.assert_allclose(result.c2, two_time(frames, LABELS, size=32), atol=1e-6)
    assert result.n_frames == 150


@pytest.mark.parametrize("top", [3, 254, 255, 60000])
def test_frames_that_do_not_fit_in_memory_wait_in_a_file(monkeypatch, top):
    monkeypatch.setattr("ainerd_agent.scattering.correlation._engine.segment_store.IN_MEMORY", 5000)
    frames = frames_of(300)
    frames[::50, 0, 0] = top
    stream = TwoTimeStream(LABELS, None, size=32)
    for start in range(0, 300, 37):
        stream.add(frames[start : start + 37])
    np.testing.assert_allclose(stream.result().c2, two_time(frames, LABELS, size=32), atol=1e-5, rtol=1e-5)


def test_dropped_frames_keep_their_place():
    frames = frames_of(120)
    dropped = [3, 50, 51, 52, 100]
    kept = np.setdiff1d(np.arange(120), dropped)
    stream = TwoTimeStream(LABELS, 120, size=32)
    stream.add(frames[kept[:60]], kept[:60])
    stream.add(frames[kept[60:]], kept[60:])
    result = stream.result()
    assert result.bad_frames.tolist() == dropped
    np.testing.assert_allclose(result.c2, two_time(frames, LABELS, size=32, bad_frames=dropped), atol=1e-6)


def test_times_without_a_good_frame_are_filled_and_told():
    frames = frames_of(160)
    stream = TwoTimeStream(LABELS, 160, size=40, normalisation=Normalisation(bad_frames=range(60, 100)))
    stream.add(frames)
    result = stream.result()
    assert np.isfinite(result.c2).all()
    assert 5 <= result.filled.sum() <= 10
    assert result.filled[17:23].all()


@pytest.mark.parametrize(
    ("numbers", "message"),
    [([0, 2, 1], "must rise"), ([0, 0, 1], "must rise"), ([0, 1], "3 frames came with 2"), ([0, 1, 10], "11 frames")],
)
def test_frame_numbers_out_of_order_are_refused(numbers, message):
    with pytest.raises(FrameError, match=message):
        TwoTimeStream(LABELS, 10).add(frames_of(3), numbers)


def test_what_was_refused_leaves_nothing_half_done():
    stream = TwoTimeStream(LABELS, 10, size=8)
    with pytest.raises(FrameError, match="frame 1 holds 1 readings"):
        stream.add(np.where(np.arange(480).reshape(10, 6, 8) == 50, np.nan, 1.0))
    with pytest.raises(FrameError, match="begin anew"):
        stream.add(frames_of(10))


@pytest.mark.parametrize(
    ("frame", "pixel", "count", "message"),
    [
        ([0, 2, 1], [1, 2, 3], [1, 1, 1], "sort the events"),
        ([0, 1, 9], [1, 2, 3], [1, 1, 1], "outside of the block"),
        ([0, 1, 2], [1, 48, 3], [1, 1, 1], "another detector"),
        ([0, 1, 2], [1, -1, 3], [1, 1, 1], "another detector"),
        ([0, 1, 2], [1, 2, 3], [1, -1, 1], "must not be negative"),
        ([0, 1, 2], [1, 2], [1, 1, 1], "as many frames as pixels"),
    ],
)
@pytest.mark.parametrize("device", [None, "cpu"])
def test_events_that_cannot_be_trusted_are_refused(frame, pixel, count, message, device):
    stream = TwoTimeStream(LABELS, 5, size=8, computation=Computation(device=device))
    with pytest.raises(FrameError, match=message):
        stream.add(PhotonEvents(np.array(frame), np.array(pixel), np.array(count), 5))


def test_frames_and_events_do_not_mix():
    stream = TwoTimeStream(LABELS, 10, size=8)
    stream.add(frames_of(3))
    with pytest.raises(FrameError, match="not of both"):
        stream.add(PhotonEvents(np.array([4]), np.array([4]), np.array([1]), 5))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"mask": np.ones((6, 8), dtype=bool)}, BinError, "no pixel in bin 1"),
        ({"mask": np.ones((6, 7), dtype=bool)}, BinError, "the mask must be boolean"),
        ({"mask": np.ones((6, 8), dtype=int)}, BinError, "the mask must be boolean"),
        ({"flat_field": np.ones((6, 7))}, BinError, "flat field has the shape"),
        ({"flat_field": np.zeros((6, 8))}, BinError, "must be positive"),
        ({"static": np.full((6, 8), np.nan)}, BinError, "must be positive"),
        ({"normalise": "both ways"}, ValueError, "normalise must be"),
        ({"dead_time": 1.0}, ValueError, "dead_time"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        new_stream(LABELS, 10, **options)


def test_a_masked_pixel_does_not_count():
    frames, mask = frames_of(60), np.zeros((6, 8), dtype=bool)
    mask[2, 3] = True
    expected = two_time(frames, np.where(mask, 0, LABELS), size=16)
    frames[:, 2, 3] = 65535
    np.testing.assert_array_equal(two_time(frames, LABELS, size=16, mask=mask), expected)


def test_sums_do_not_overflow():
    """Square of 4e9 counts, over pixels and frames: far beyond 64-bit integers."""
    frames = np.random.default_rng(2).integers(3_900_000_000, 4_000_000_000, (50, 6, 8)).astype(np.uint32)
    found = two_time(frames, LABELS, size=16, saturation=2**32 - 1)
    fluctuation = (frames / frames.mean() - 1).reshape(50, -1)
    assert found[0].mean() == pytest.approx((fluctuation.mean(axis=0) ** 2).mean(), abs=1e-5)


def test_a_device_that_is_not_there_is_said():
    with pytest.raises(FrameError, match="torch cannot compute on"):
        TwoTimeStream(LABELS, 10, size=8, computation=Computation(device="cuda:77")).add(frames_of(10))


def test_compiling_beforehand_changes_nothing():
    warm_up(np.uint8)
    assert two_time(frames_of(20), LABELS, size=8).shape == (1, 8, 8)


@pytest.mark.parametrize(
    ("kernel", "ages"), [(kernels.fold_frames, None), (age_lag_kernels.correlate_frames, Ages(n_ages=2, n_groups=2))]
)
def test_kernels_are_compiled_once_whoever_may_write_to_frames_and_whatever_number_the_ceiling_is(kernel, ages):
    """A live session compiles before it begins: no setting and no source of frames makes it do so again."""

    def compiled_for(frames, **options):
        stream = TwoTimeStream(LABELS, len(frames), size=8, normalisation=Normalisation(**options), ages=ages)
        stream.add(frames)
        stream.result()
        return len(kernel.signatures)

    frames = frames_of(80)
    once = compiled_for(frames)
    given = frames.copy()
    given.setflags(write=False)
    assert compiled_for(given) == once
    assert compiled_for(frames, saturation=200) == compiled_for(frames, saturation=200.5) == once
    assert compiled_for(frames, bad_pixels="detect", normalise="both") == once
