"""Fly scans without events, whose datums overlap or leave gaps: frames are joined as the documents count them."""

from __future__ import annotations

import numpy as np
import pytest

from ainerd_agent.callbacks.replay import whole_runs
from ainerd_agent.records import Bins, Events, NumberedFrames
from ainerd_agent.scattering import TwoTimeOptions, fingerprint, two_time
from ainerd_agent.scattering.geometry.partition import Partition
from ainerd_agent.settings import FileSettings, MovieSettings
from tests.callbacks import made_runs
from tests.callbacks.made_runs import MadeRun, array_key, movies, write_hdf5
from tests.callbacks.test_kinds_of_runs import assembled, failed, frames_of, measured

FRAMES = movies(1, 60)[0]
LABELS = np.ones((6, 5), dtype=np.int32)
ONE_BIN = Bins(q=np.array([0.02]), azimuth=np.array([0.0]), n_pixels=np.array([30]))


def flown(folder, *named, frames=FRAMES, n_files=1, shape=None):
    """A run of datums (start, stop, first number), or (start, stop, first number, file)."""
    run = MadeRun()
    run.stream("primary", {"detector": array_key(shape or frames.shape[1:], external="STREAM:")})
    resources = [run.stream_asset(write_hdf5(folder / f"fly{k}.h5", frames)) for k in range(n_files)]
    for start, stop, first, *file in named:
        run.rows(resources[file[0] if file else 0], "primary", start, stop, first)
    return made_runs.validated(run.stop())


def both(documents, **settings):
    """What a live run gave, and a replay."""
    (ordered,) = whole_runs(documents, "detector")
    yield assembled(documents, **settings)
    yield assembled(ordered, **settings)


def numbered(measurement):
    return numbered_frames(measurement.frames)


def numbered_frames(source):
    """Frames and their places in the movie."""
    blocks = list(source.blocks())
    assert all(isinstance(each, NumberedFrames) for each in blocks)
    return np.concatenate([each.frames for each in blocks]), np.concatenate([each.numbers for each in blocks])


@pytest.mark.parametrize(
    ("named", "taken", "places"),
    [
        (((0, 20, 1), (23, 40, 24)), [*range(20), *range(23, 40)], [*range(20), *range(23, 40)]),
        (((0, 20, 1), (20, 40, 24)), [*range(40)], [*range(20), *range(23, 43)]),
        (((0, 20, 1), (23, 40, 21)), [*range(20), *range(23, 40)], [*range(20), *range(23, 40)]),
        (((0, 20, 1), (0, 20, 24, 1)), [*range(20), *range(20)], [*range(20), *range(23, 43)]),
    ],
    ids=["rows and numbers", "numbers alone", "rows alone", "in the next file"],
)
@pytest.mark.situation(
    "datums of a fly scan without events leave rows or numbers out",
    "one movie with its frames at their places; those between are left out, and that is marked",
)
def test_a_gap_is_left_out_and_marked(named, taken, places, tmp_path):
    for records in both(flown(tmp_path, *named, n_files=2)):
        (movie,) = measured(records)
        frames, numbers = numbered(movie)
        np.testing.assert_array_equal(frames, FRAMES[taken])
        assert numbers.tolist() == places
        assert "3 frames between those of this movie are named by no document" in " ".join(movie.problems)
        assert movie.frames.shape[0] == places[-1] + 1
        assert movie.origin.stop - movie.origin.start == pytest.approx(0.01 * (places[-1] + 1))


def maps_of(movie):
    return fingerprint(movie, Partition(LABELS, LABELS, ONE_BIN), TwoTimeOptions(size=16))


def test_lags_go_on_over_a_gap(tmp_path):
    (movie,) = measured(assembled(flown(tmp_path, (0, 20, 1), (23, 40, 24))))
    found = maps_of(movie)
    assert found.quality.bad_share == pytest.approx(3 / 40)
    np.testing.assert_allclose(found.c2, two_time(FRAMES[:40], LABELS, size=16, bad_frames=[20, 21, 22]), atol=1e-5)


def test_a_movie_with_a_gap_may_be_cut_short(tmp_path):
    files = FileSettings(timeout=0.1)
    (movie,) = measured(assembled(flown(tmp_path, (0, 20, 1), (23, 40, 24), frames=FRAMES[:30]), files=files))
    found = maps_of(movie)
    assert (found.origin.exposure.frames, found.origin.exposure.ended) == (30, "stopped")
    np.testing.assert_allclose(found.c2, two_time(FRAMES[:30], LABELS, size=16, bad_frames=[20, 21, 22]), atol=1e-5)
    np.testing.assert_array_equal(numbered_frames(movie.frames.first(30))[0], FRAMES[[*range(20), *range(23, 30)]])
    assert movie.frames.first(22).shape[0] == 20


@pytest.mark.situation("datums of a fly scan name rows twice, for the same numbers", "each frame once")
def test_rows_that_were_named_twice_are_in_the_movie_once(tmp_path):
    for named in (((0, 20, 1), (15, 40, 16)), ((0, 40, 1), (10, 20, 11)), ((15, 40, 16), (0, 20, 1))):
        for records in both(flown(tmp_path, *named)):
            (movie,) = measured(records)
            assert movie.origin.events == Events("primary", 1, 40)
            np.testing.assert_array_equal(frames_of(movie), FRAMES[:40])


@pytest.mark.situation(
    "numbers of a fly scan come again with later rows, as after a pause", "the later rows count; the gap is marked"
)
def test_numbers_that_came_again_have_their_later_rows(tmp_path):
    for records in both(flown(tmp_path, (0, 20, 1), (20, 50, 16))):
        (movie,) = measured(records)
        frames, numbers = numbered(movie)
        np.testing.assert_array_equal(frames, FRAMES[[*range(15), *range(20, 50)]])
        assert numbers.tolist() == [*range(15), *range(20, 50)]
        assert "5 frames between those of this movie" in " ".join(movie.problems)


@pytest.mark.parametrize(
    "named",
    [
        ((0, 20, 1), (0, 20, 11, 1)),
        ((0, 20, 1), (10, 30, 21)),
        ((0, 20, 1), (15, 40, 11)),
        ((0, 20, 1), (23, 40, 26)),
        ((20, 40, 1), (0, 20, 21)),
    ],
    ids=["numbers in two files", "rows for other numbers", "both overlap", "gaps of two lengths", "out of order"],
)
@pytest.mark.situation(
    "rows and numbers of a fly scan contradict one another", "refused in one sentence that names them"
)
def test_rows_that_contradict_their_numbers_are_refused(named, tmp_path):
    for records in both(flown(tmp_path, *named, n_files=2)):
        assert measured(records) == []
        (failure,) = failed(records)
        assert "it is not known" in failure.message


def test_movies_of_a_fly_scan_that_are_named_twice_are_measured_once(tmp_path):
    stack = movies(4)
    documents = flown(tmp_path, (0, 3, 1), (1, 4, 2), frames=stack.reshape(-1, 6, 5), shape=stack.shape[1:])
    for records in both(documents):
        found = measured(records)
        assert [each.origin.seq_num for each in found] == [1, 2, 3, 4]
        for each, movie in zip(found, stack, strict=True):
            np.testing.assert_array_equal(frames_of(each), movie)


def test_gaps_of_a_movie_of_so_many_events_are_marked(tmp_path):
    documents = flown(tmp_path, (0, 20, 1), (23, 43, 24))
    for records in both(documents, movies=MovieSettings(events=40)):
        (movie,) = measured(records)
        assert "3 frames between those of this movie" in " ".join(movie.problems)
