"""What a look at a movie gives while it goes on, and that it leaves no trace."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ainerd_agent.errors import FrameError
from ainerd_agent.records import PhotonEvents
from ainerd_agent.scattering.correlation.age_lag_correlation import Ages
from ainerd_agent.scattering.correlation.resampling import resize_matrix, rows_within
from tests.scattering.correlation.streams import new_stream
from tests.scattering.correlation.test_two_time import reference

LABELS = np.repeat([0, 1, 1, 2, 2, 2], 8).reshape(6, 8)
AGES = Ages(n_ages=4, n_groups=2)


def movie(n_frames, seed=0, mean=3.0):
    """Photons on speckle that stands still, on a beam that decays."""
    rng = np.random.default_rng(seed)
    beam = mean * np.exp(-np.arange(n_frames) / n_frames / 2)
    return rng.poisson(beam[:, None, None] * rng.gamma(2.0, 0.5, size=LABELS.shape)).astype(np.uint16)


def as_events(frames, start=0):
    flat = frames.reshape(len(frames), -1)
    t, pixel = np.nonzero(flat)
    return PhotonEvents((t + start).astype(np.int64), pixel.astype(np.int32), flat[t, pixel], start + len(frames))


def stream_of(frames, kind="frames", **options):
    """A stream, and what adds the frames from one number to another."""
    stream = new_stream(LABELS, len(frames), size=32, **options)

    def add(first, stop):
        part = frames[first:stop]
        stream.add(as_events(part, first) if kind == "events" else part)

    return stream, add


@settings(max_examples=25, deadline=None)
@given(
    n_frames=st.integers(3, 260),
    share=st.floats(0.02, 1.0),
    sigma=st.sampled_from([None, 2.0]),
    diagonal=st.sampled_from(["neighbours", "keep"]),
    bad=st.sets(st.integers(0, 259), max_size=12),
    kind=st.sampled_from(["frames", "events"]),
    seed=st.integers(0, 2**16),
)
def test_a_look_is_the_definition_for_the_frames_so_far(n_frames, share, sigma, diagonal, bad, kind, seed):
    """In double precision, with the whole T x T matrix, whose later frames have no weight."""
    n = max(2, round(share * n_frames))
    bad = sorted(number for number in bad if number < n)
    if n - len(bad) < 2:
        bad = []
    frames = movie(n_frames, seed)
    frames[:, ::3, ::3] += 1
    stream, add = stream_of(frames, kind, sigma=sigma, diagonal=diagonal, bad_frames=bad)
    add(0, n)
    found = stream.look()
    expected = reference(frames, LABELS, 32, sigma=sigma, diagonal=diagonal, bad=[*bad, *range(n, n_frames)])
    n_rows = max(1, rows_within(n, n_frames, 32))
    assert found.c2.shape == (2, n_rows, n_rows)
    np.testing.assert_allclose(found.c2, expected[:, :n_rows, :n_rows], atol=2e-5, rtol=1e-4)
    assert found.n_so_far == n
    counts = np.stack([frames[:n, number == LABELS].mean() for number in (1, 2)])
    if not bad:
        np.testing.assert_allclose(found.mean_counts, counts)


@pytest.mark.parametrize("diagonal", ["neighbours", "keep"])
@pytest.mark.parametrize(("n_frames", "n"), [(640, 64), (640, 257), (640, 639), (20, 9)])
def test_rows_that_no_later_frame_reaches_are_those_of_the_whole_map(n_frames, n, diagonal):
    """Where <I> is known beforehand; the row after them is reached, and differs."""
    frames = movie(n_frames, seed=1)
    stream, add = stream_of(frames, diagonal=diagonal, static=np.full(LABELS.shape, 2.0))
    add(0, n)
    found = stream.look()
    add(n, n_frames)
    whole, done = stream.result().c2, found.n_complete
    assert 0 < done <= found.c2.shape[1] <= done + 12
    np.testing.assert_array_equal(found.c2[:, :done, :done], whole[:, :done, :done])
    if done < found.c2.shape[1]:
        assert (found.c2[:, done, : done + 1] != whole[:, done, : done + 1]).any()


def test_without_a_known_mean_a_look_differs_from_the_crop_by_the_mean_alone():
    """D = I / <I> - 1: with the other <I>, the look becomes the crop."""
    frames = movie(640, seed=2)
    stream, add = stream_of(frames, diagonal="keep")
    add(0, 320)
    found = stream.look()
    add(320, 640)
    whole, done = stream.result().c2, found.n_complete
    weights = resize_matrix(640, 32).toarray()[:done]
    for number in (1, 2):
        so_far, in_all = frames[:320, number == LABELS].mean(), frames[:, number == LABELS].mean()
        folded = weights @ frames[:, number == LABELS]
        level = folded.mean(axis=1)
        # <(F / a - 1)(F' / a - 1)> for either mean a, from the same products of F
        product = (found.c2[number - 1, :done, :done] - 1 + (level[:, None] + level) / so_far) * so_far**2
        expected = product / in_all**2 - (level[:, None] + level) / in_all + 1
        np.testing.assert_allclose(whole[number - 1, :done, :done], expected, atol=1e-5)
    assert np.abs(whole[:, :done, :done] - found.c2[:, :done, :done]).max() > 0.05


@pytest.mark.parametrize("kind", ["frames", "events"])
@pytest.mark.parametrize("detect", [None, "detect"])
def test_looks_change_nothing(kind, detect):
    frames = movie(700, seed=3, mean=6.0)
    options = {"bad_frames": detect, "bad_pixels": detect, "ages": AGES, "static": np.where(LABELS, LABELS, 0)}
    plain, add_plain = stream_of(frames, kind, **options)
    looked, add_looked = stream_of(frames, kind, **options)
    for first in range(0, 700, 70):
        add_plain(first, first + 70)
        add_looked(first, first + 70)
        for _ in range(first // 70 % 3):
            looked.look()
    last, expected, found = looked.look(), plain.result(), looked.result()
    for name in ("c2", "mean_counts", "contrast", "bad_frames", "intensity"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    for name in ("values", "errors", "groups", "n_pairs"):
        np.testing.assert_array_equal(getattr(found.age_lag, name), getattr(expected.age_lag, name))
    # The look at all frames is the result.
    np.testing.assert_array_equal(last.c2, found.c2)
    np.testing.assert_allclose(last.age_lag.values, found.age_lag.values, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(last.age_lag.errors, found.age_lag.errors, rtol=1e-6, atol=1e-12)
    np.testing.assert_array_equal(last.contrast, found.contrast)
    assert last.n_complete == 32
    assert last.complete_cells[np.isfinite(last.age_lag.values).all(axis=0)].all()


@pytest.mark.parametrize("kind", ["frames", "events"])
@pytest.mark.parametrize("n", [200, 333, 512])
def test_cells_all_of_whose_pairs_have_come_are_those_of_the_whole_age_lag_map(kind, n):
    frames = movie(640, seed=4)
    stream, add = stream_of(frames, kind, ages=AGES, static=np.full(LABELS.shape, 2.0))
    add(0, n)
    found = stream.look()
    add(n, 640)
    whole = stream.result().age_lag
    n_lags = len(found.age_lag.lags)
    np.testing.assert_array_equal(found.age_lag.lags, whole.lags[:n_lags])
    done = found.complete_cells
    assert done.any()
    assert not done.all()
    np.testing.assert_allclose(
        found.age_lag.values[:, done], whole.values[:, :, :n_lags][:, done], rtol=1e-9, atol=1e-9
    )
    part = ~done & np.isfinite(found.age_lag.values).all(axis=0)
    assert (found.age_lag.n_pairs[part] <= whole.n_pairs[:, :n_lags][part]).all()
    assert (found.age_lag.n_pairs[~done] < whole.n_pairs[:, :n_lags][~done]).any()


@pytest.mark.parametrize(
    ("kind", "n_frames", "n"), [("frames", 333, 200), ("events", 333, 200), ("frames", 9000, 6001)]
)
def test_a_device_of_torch_gives_the_same_look(kind, n_frames, n):
    """It copies all sums, where the processor sums apart what is not complete; in a long movie units are long, too."""
    frames = movie(n_frames, seed=10)
    found = []
    for device in (None, "cpu"):
        stream, add = stream_of(frames, kind, ages=AGES, bad_frames=[7, 8, 99], device=device, precision="double")
        add(0, 64)
        stream.look()
        add(64, n)
        found.append(stream.look())
    ours, torchs = found
    np.testing.assert_allclose(torchs.c2, ours.c2, atol=1e-6)
    np.testing.assert_allclose(torchs.age_lag.values, ours.age_lag.values, atol=1e-9)
    np.testing.assert_allclose(torchs.intensity, ours.intensity)
    assert torchs.n_complete == ours.n_complete


@pytest.mark.parametrize("kind", ["frames", "events"])
def test_threads_change_nothing(kind):
    frames = movie(300, seed=11)
    found = []
    for threads in (1, 2, 3):
        stream, add = stream_of(frames, kind, ages=AGES, threads=threads)
        add(0, 201)
        found.append(stream.look())
    for other in found[1:]:
        np.testing.assert_allclose(other.c2, found[0].c2, atol=1e-6)
        np.testing.assert_allclose(other.age_lag.groups, found[0].age_lag.groups, atol=1e-12)


def test_g2_of_a_look_is_that_of_its_frames():
    frames = movie(300, seed=5)
    stream, add = stream_of(frames, ages=AGES)
    add(0, 120)
    found = stream.look().age_lag.g2()
    for number in (1, 2):
        d = frames[:120, number == LABELS].astype(float)
        d = d / d.mean() - 1
        for at, lag in enumerate((1, 2, 7)):
            expected = 1 + (d[lag:] * d[:-lag]).mean()
            assert found.g2[number - 1, lag - 1] == pytest.approx(expected, abs=1e-9), at
    assert (found.error > 0).all()


def test_intensity_is_given_bin_by_bin_in_sections_of_the_plan():
    frames = movie(320, seed=6)
    stream, add = stream_of(frames, bad_frames=range(40, 55))
    add(0, 160)
    found = stream.look().intensity
    assert found.shape == (2, 16)
    assert np.isnan(found[:, 4]).all()  # frames 40 to 49
    for section in (0, 3, 15):
        part = frames[10 * section : 10 * section + 10]
        np.testing.assert_allclose(found[:, section], [part[:, number == LABELS].mean() for number in (1, 2)])
    np.testing.assert_allclose(found[0, 5], frames[55:60, LABELS == 1].mean())


def test_a_pixel_that_the_first_frames_show_is_out_and_one_found_later_is_still_in():
    frames = movie(400, seed=7, mean=6.0)
    hot, late = (1, 2), (3, 4)
    frames[:, hot[0], hot[1]] = 5000
    frames[150:, late[0], late[1]] = 5000
    stream, add = stream_of(frames, bad_pixels="detect")
    add(0, 200)
    found = stream.look()
    assert list(zip(found.bad_pixels.rows.tolist(), found.bad_pixels.columns.tolist(), strict=True)) == [hot]
    add(200, 400)
    assert len(stream.result().bad_pixels) == 2


def test_frames_that_wait_for_a_verdict_are_not_in_a_look():
    frames = movie(400, seed=8, mean=6.0)
    frames[200:] *= 4  # brighter for good: the beam was not there before
    stream, add = stream_of(frames, bad_frames="detect")
    add(0, 200)
    assert stream.look().n_so_far == 200
    add(200, 230)
    assert stream.look().n_so_far == 200
    add(230, 300)
    found = stream.look()
    assert found.n_so_far == 300
    assert found.bad_frames.tolist() == list(range(200))
    assert found.filled[:14].all()


def test_looks_that_cannot_be_given_are_refused():
    frames = movie(200, seed=9)
    with pytest.raises(FrameError, match="planned number of frames"):
        new_stream(LABELS, None).look()
    stream, add = stream_of(frames)
    with pytest.raises(FrameError, match="none of the 0 frames"):
        stream.look()
    add(0, 1)
    with pytest.raises(FrameError, match="1 of 200 frames"):
        stream.look()
    add(1, 3)
    assert stream.look().n_so_far == 3
    watching, add = stream_of(frames, bad_pixels="detect")
    add(0, 63)
    with pytest.raises(FrameError, match="none of the 63 frames"):
        watching.look()
    add(63, 64)
    assert watching.look().n_so_far == 64
    dark = frames.copy()
    dark[:100, LABELS == 2] = 0
    stream, add = stream_of(dark)
    add(0, 100)
    with pytest.raises(FrameError, match="no photon was counted in bin 2"):
        stream.look()
    frames[:, 2] = 65535
    stream, add = stream_of(frames)
    add(0, 50)
    with pytest.raises(FrameError, match="ceiling"):
        stream.look()
