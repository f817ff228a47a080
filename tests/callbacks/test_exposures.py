"""Exposures that end early become measurements of their own length, however their documents come."""

from __future__ import annotations

import dataclasses
from itertools import permutations

import numpy as np
import pytest
from event_model import compose_resource
from hypothesis import given, settings
from hypothesis import strategies as st

from ainerd_agent.callbacks.replay import whole_runs
from ainerd_agent.callbacks.shots import Spans
from ainerd_agent.records import Events
from tests.callbacks.exposed_runs import ExposedRun, frames_of, stream_after_stream
from tests.callbacks.made_runs import FRAME_TIME, POSITION_KEYS, T0, MadeRun, array_key, movies, validated, write_hdf5
from tests.callbacks.test_kinds_of_runs import assembled, failed, measured

ROWS = [(1, True), (1, False), (10, True), (10, False)]


def three(folder, per_row=1, flown=True):
    """Exposures of 100, 40 and 60 frames."""
    made = ExposedRun(folder, per_row, flown)
    made.expose(100 // per_row)
    made.expose(40 // per_row, "converged")
    made.expose(60 // per_row, "damaged")
    return made


@pytest.mark.situation(
    "exposures end early (streams `exposing` and `exposures`)",
    "a measurement for each, of its own length, with what was planned, why it ended and at which look",
)
@pytest.mark.parametrize(("per_row", "flown"), ROWS)
def test_each_exposure_is_a_measurement_of_its_length(per_row, flown, tmp_path):
    made = three(tmp_path, per_row, flown)
    documents = made.documents()
    records = assembled(documents)
    assert not failed(records)
    found = measured(records)
    rows = [(1, 100), (101, 140), (141, 200)]
    events = [Events("primary", (a - 1) // per_row + 1, b // per_row) for a, b in rows]
    assert [each.origin.events for each in found] == events
    for each, (first, last) in zip(found, rows, strict=True):
        np.testing.assert_array_equal(frames_of(each), made.frames[first - 1 : last])
        assert each.frame_time == pytest.approx(FRAME_TIME)
        assert each.origin.exposure.planned == pytest.approx(100 * FRAME_TIME)
        assert each.origin.stop - each.origin.start == pytest.approx((last - first + 1) * FRAME_TIME)
        assert each.problems == ()
    assert [each.origin.exposure.ended for each in found] == ["planned", "converged", "damaged"]
    assert [each.origin.exposure.look for each in found] == [None, 2, 2]
    assert [each.origin.position for each in found] == [{"x": x, "y": 1.0} for x in (0.5, 1.0, 1.5)]
    assert found[0].origin.start == pytest.approx(T0 + 1.0, abs=0.011)


@pytest.mark.parametrize(("per_row", "flown"), ROWS)
def test_the_order_of_the_documents_does_not_matter(per_row, flown, tmp_path):
    documents = three(tmp_path, per_row, flown).documents()
    live = measured(assembled(documents))
    (ordered,) = whole_runs(documents, "detector")
    others = [ordered, *(stream_after_stream(documents, order)
                         for order in permutations(["primary", "exposing", "exposures"]))]  # fmt: skip
    for other in others:
        found = sorted(measured(assembled(other)), key=lambda each: each.origin.seq_num)
        assert [each.origin for each in found] == [each.origin for each in live]
        for one, two in zip(found, live, strict=True):
            np.testing.assert_array_equal(frames_of(one), frames_of(two))


def test_a_measurement_comes_when_its_exposure_ends(tmp_path):
    made = ExposedRun(tmp_path)
    made.expose(100)
    made.begin()
    (found,) = measured(assembled(made.run.documents))
    assert found.origin.events == Events("primary", 1, 100)


@pytest.mark.situation(
    "a run is aborted within an exposure", "its frames are a measurement that was stopped, where they are a movie"
)
@pytest.mark.parametrize(("per_row", "flown"), ROWS)
def test_an_exposure_that_the_run_broke_off_is_a_movie_that_was_stopped(per_row, flown, tmp_path):
    made = ExposedRun(tmp_path, per_row, flown)
    made.expose(100 // per_row)
    made.begin()
    made.rows(50 // per_row)
    documents = validated(made.run.stop(exit_status="abort"))
    _, second = measured(assembled(documents))
    assert second.origin.exposure.ended == "stopped"
    assert second.origin.exposure.planned == pytest.approx(100 * FRAME_TIME)
    assert second.origin.position["x"] == 1.0
    assert "no event tells of its end" in second.problems[0]
    np.testing.assert_array_equal(frames_of(second), made.frames[100:150])


@pytest.mark.parametrize("flown", [True, False])
def test_what_the_run_broke_off_too_soon_is_no_movie(flown, tmp_path):
    made = ExposedRun(tmp_path, 1, flown)
    made.begin()
    made.rows(3)
    (failure,) = failed(assembled(made.documents()))
    assert failure.message == "exposure 1 has 3 frames, and is no movie: 8 are needed"


def test_an_exposure_without_rows_is_named_when_the_run_ends(tmp_path):
    made = ExposedRun(tmp_path)
    made.expose(20)
    made.begin()
    (failure,) = failed(assembled(made.documents()))
    assert failure.events == Events("exposing", 2, 2)
    assert failure.message == "exposure 2 began, and the run ended before it had any frames"


@pytest.mark.situation("rows of frames belong to no exposure", "they are named as lost; the exposures are analysed")
@pytest.mark.parametrize("flown", [True, False])
def test_rows_of_no_exposure_are_named(flown, tmp_path):
    made = ExposedRun(tmp_path, 1, flown)
    made.expose(20)
    made.rows(5)
    made.expose(30)
    made.rows(10)
    records = assembled(made.documents())
    assert [each.origin.events for each in measured(records)] == [Events("primary", 1, 20), Events("primary", 26, 55)]
    assert [each.events for each in failed(records)] == [Events("primary", 21, 25), Events("primary", 56, 65)]
    assert "belong to no exposure" in failed(records)[0].message


def bad(report, **data):
    made = report
    made.expose(20)
    made.expose(30, **data)
    made.expose(40)
    return assembled(made.documents())


@pytest.mark.situation(
    "what is told of an exposure contradicts itself: rows of another one, no number, no rows",
    "a failure in one sentence; the exposures before and after it are analysed",
)
@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"exposure_first": 15}, "names the rows primary/15-50, and primary/1-20 are those of an exposure before"),
        ({"exposure": 0}, "the number of the exposure (exposure) is 0"),
        ({"exposure": "two"}, "the number of the exposure (exposure) is 'two'"),
        ({"exposure_first": -4}, "exposure 2 names the rows -4 to 50"),
        ({"exposure_last": 20}, "exposure 2 has no frames"),
        ({"exposure_first": 0, "exposure_last": 0}, "exposure 2 has no frames"),
    ],
)
def test_what_is_told_wrongly_costs_its_exposure_alone(data, words, tmp_path):
    records = bad(ExposedRun(tmp_path), **data)
    assert any(words in each.message for each in failed(records))
    events = [each.origin.events for each in measured(records)]
    assert events[:1] + events[-1:] == [Events("primary", 1, 20), Events("primary", 51, 90)]


@pytest.mark.parametrize("flown", [True, False])
def test_a_planned_count_of_zero_is_said(flown, tmp_path):
    made = ExposedRun(tmp_path, 1, flown)
    made.expose(20, planned=0)
    made.expose(0, planned=0)
    made.expose(20)
    records = assembled(made.documents())
    first, last = measured(records)
    assert first.origin.exposure.planned is None
    assert "its planned count is 0, which is no number of frames" in first.problems[0]
    assert last.problems == ("it ended as planned with 20 of 100 frames: taken as stopped",)
    (failure,) = failed(records)
    assert failure.message == "exposure 2 has no frames and planned none, it ended as planned"


@pytest.mark.parametrize(
    ("data", "ended", "words"),
    [
        ({"exposure_ended": "bored"}, "", "why it ended is 'bored', which is none of planned, converged"),
        ({"exposure_frames": 17}, "converged", "the detector says that it took 17 frames, and its rows have 30"),
    ],
)
def test_what_does_not_fit_is_marked(data, ended, words, tmp_path):
    records = bad(ExposedRun(tmp_path), ended="converged", **data)
    assert not failed(records)
    marked = measured(records)[1]
    assert marked.origin.exposure.ended == ended
    assert words in marked.problems[0]


@pytest.mark.situation("an exposure is told twice", "once analysed for the same rows; else each, and that is marked")
def test_an_exposure_that_is_told_twice(tmp_path):
    made = ExposedRun(tmp_path)
    made.expose(20, "converged")
    made.end(20, "converged")
    made.begin()
    made.rows(30)
    made.number -= 1
    made.end(30, "converged")
    found = measured(assembled(made.documents()))
    assert [each.origin.events for each in found] == [Events("primary", 1, 20), Events("primary", 21, 50)]
    assert found[1].problems == ("exposure 1 is told twice, as rows primary/1-20 and as primary/21-50",)


def test_after_a_pause_the_exposure_counts_as_it_was_taken_last(tmp_path):
    made = ExposedRun(tmp_path, 10, flown=False)
    made.begin()
    made.rows(3)
    # The RunEngine goes back to its last checkpoint: the same events again, with new rows.
    made.number -= 1
    made.begin()
    for number in (1, 2, 3, 4):
        made.run.rows(made.resource, "primary", 2 + number, 3 + number, first=number)
        made.time += 0.1
        made.run.event("primary", {}, made.time, seq_num=number)
    made.row = 4
    made.end(4, "converged")
    (found,) = measured(assembled(made.documents()))
    assert found.origin.events == Events("primary", 1, 4)
    assert found.retake
    np.testing.assert_array_equal(frames_of(found), made.frames[30:70])


def classic(folder, counts, per_row=50, told=True):
    """A classic areaDetector, one acquisition an exposure, of which some were aborted; all frames in one file."""
    frames = movies(1, sum(counts))[0]
    path = write_hdf5(folder / "classic.h5", frames)
    made = ExposedRun(folder, per_row, flown=False)
    made.run = run = MadeRun(md=dict(made.start))
    made.streams = set()
    run.stream("primary", {"detector": array_key((per_row, 6, 5), external="FILESTORE:"), **POSITION_KEYS})
    resource = compose_resource(
        spec="AD_HDF5", root=str(folder), resource_path=path.name, resource_kwargs={"frame_per_point": per_row},
        start=run.bundle.start_doc,
    )  # fmt: skip
    run.keep("resource", resource.resource_doc)
    for k, n in enumerate(counts):
        made.begin(per_row)
        datum = resource.compose_datum(datum_kwargs={"point_number": k})
        run.keep("datum", datum)
        made.time += n * FRAME_TIME
        data = {"detector": datum["datum_id"], "stage-x": 0.5 + k, "stage-y": 1.0}
        run.event("primary", data, made.time, filled={"detector": False})
        made.row += 1
        ended = "planned" if n == per_row else "converged"
        made.end(1, ended, per_row, exposure_frames=n if told else 0)
    return frames, validated(run.stop())


@pytest.mark.situation(
    "an acquisition is aborted (classic areaDetector, Acquire = 0)",
    "its row has the frames that came, and later rows begin after them (`exposure_frames`)",
)
@pytest.mark.parametrize("counts", [(50, 20, 50), (20, 30, 50), (12, 12, 12, 50)])
def test_a_row_that_was_aborted_is_shorter_and_later_rows_begin_after_it(counts, tmp_path):
    frames, documents = classic(tmp_path, counts)
    (ordered,) = whole_runs(documents, "detector")
    ends = np.cumsum(counts)
    orders = [documents, ordered]
    for each in orders:
        records = assembled(each)
        assert not failed(records)
        for movie, n, last in zip(measured(records), counts, ends, strict=True):
            np.testing.assert_array_equal(frames_of(movie), frames[last - n : last])
            assert movie.origin.stop - movie.origin.start == pytest.approx(n * FRAME_TIME)


@pytest.mark.parametrize("given", [5, "exposures", ["a"], None])
def test_metadata_of_that_name_is_left_as_it_was(given, tmp_path, caplog):
    made = ExposedRun(tmp_path, start={"exposures": given})
    made.rows(60)
    (movie,) = measured(assembled(made.documents()))
    assert movie.origin.events == Events("primary", 1, 60)
    assert not caplog.text


@pytest.mark.parametrize("given", [{}, {"stream": "primary"}, {"stream": "a", "begun": "a", "ended": "b"}])
def test_streams_that_are_not_named_are_said(given, tmp_path, caplog):
    made = ExposedRun(tmp_path, start={"exposures": given})
    made.expose(60)
    (movie,) = measured(assembled(made.documents()))
    assert movie.origin.exposure == dataclasses.replace(movie.origin.exposure, ended="", look=None)
    assert "must name three different streams as stream, begun and ended" in caplog.text


def test_what_the_beginning_read_besides_is_kept(tmp_path):
    made = ExposedRun(tmp_path)
    made.begin(temperature=301.5)
    made.rows(20)
    made.end(20, "converged")
    documents = made.documents()
    for name, doc in documents:
        if name == "descriptor" and doc["name"] == "exposing":
            doc["data_keys"]["temperature"] = {"source": "x", "dtype": "number", "shape": [], "units": "K"}
    (movie,) = measured(assembled(documents))
    assert movie.origin.extra == {"temperature": 301.5}
    assert movie.origin.units == {"temperature": "K"}


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=30), st.data())
@settings(deadline=None)
def test_rows_begin_after_all_frames_of_those_before(rows, data):
    spans, total = Spans(), 0
    for row in range(len(rows)):
        spans.add(row, row + 1, 10)
    order = data.draw(st.permutations(range(len(rows))))
    for row in order:
        if rows[row][1]:
            spans.shorten(row, rows[row][0])
    for row, (short, is_short) in enumerate(rows):
        assert spans.frames_before(row) == total
        total += short if is_short else 10
