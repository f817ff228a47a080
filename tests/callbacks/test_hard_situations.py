"""Situations that were silently wrong once: each is analysed rightly, or refused or marked."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ainerd_agent.callbacks import Assembler
from ainerd_agent.callbacks.replay import whole_runs
from ainerd_agent.records import Events
from ainerd_agent.rheology import stress_during
from ainerd_agent.settings import DataKeys, MovieSettings, Settings
from tests.callbacks import made_runs
from tests.callbacks.made_runs import (
    POSITION_KEYS,
    T0,
    MadeRun,
    array_key,
    counted,
    events_of,
    movies,
    number_key,
    write_hdf5,
)
from tests.callbacks.test_kinds_of_runs import assembled, failed, frames_of, measured


def replayed(documents, **settings):
    (ordered,) = whole_runs(documents, "detector")
    return measured(assembled(ordered, **settings))


@pytest.mark.situation("a run with a repeated event is replayed", "the last take alone, with its own frames")
def test_a_replay_takes_the_last_take_of_an_event(tmp_path):
    frames = movies(4)
    run = MadeRun()
    run.stream("primary", {"detector": array_key(frames.shape[1:], external="STREAM:")})
    resource = run.stream_asset(write_hdf5(tmp_path / "again.h5", frames.reshape(-1, 6, 5)))
    for row, number in enumerate((1, 2, 2, 3)):
        run.rows(resource, "primary", row, row + 1, first=number)
        run.event("primary", {}, T0 + row + 1.0, seq_num=number)
    found = replayed(made_runs.validated(run.stop()))
    assert [each.origin.seq_num for each in found] == [1, 2, 3]
    for each, row in zip(found, (0, 2, 3), strict=True):
        np.testing.assert_array_equal(frames_of(each), frames[row])


@pytest.mark.situation("streams with movies of different length share a file", "each event has its own frames")
def test_streams_of_different_length_may_share_a_file(tmp_path):
    long, short = movies(2, 16), movies(2, 8, seed=1)
    stack = np.concatenate([short[0], long[0], short[1], long[1]])
    run = MadeRun()
    run.stream("dark", {"detector": array_key(short.shape[1:], external="STREAM:")})
    run.stream("primary", {"detector": array_key(long.shape[1:], external="STREAM:")})
    resource = run.stream_asset(write_hdf5(tmp_path / "shared.h5", stack))
    for row, (stream, number) in enumerate((("dark", 1), ("primary", 1), ("dark", 2), ("primary", 2))):
        run.rows(resource, stream, row, row + 1, first=number)
        run.event(stream, {}, T0 + row + 1.0, seq_num=number)
    documents = made_runs.validated(run.stop())
    for found in (measured(assembled(documents)), replayed(documents)):
        for each, movie in zip(found, long, strict=True):
            np.testing.assert_array_equal(frames_of(each), movie)


@pytest.mark.situation("a detector numbers its events from 0", "each event has its own frames")
def test_events_that_are_numbered_from_zero_have_their_frames(tmp_path):
    frames = movies(3)
    run = MadeRun()
    run.stream("primary", {"detector": array_key(frames.shape[1:], external="STREAM:")})
    resource = run.stream_asset(write_hdf5(tmp_path / "zero.h5", frames.reshape(-1, 6, 5)))
    for row in range(3):
        run.rows(resource, "primary", row, row + 1, first=row)
        run.event("primary", {}, T0 + row + 1.0)
    documents = run.stop()
    for found in (measured(assembled(documents)), replayed(documents)):
        for each, movie in zip(found, frames, strict=True):
            np.testing.assert_array_equal(frames_of(each), movie)


@pytest.mark.situation(
    "an event comes again, and no frames are named for it", "analysed with the frames before, and marked"
)
def test_an_event_that_came_again_without_frames_is_marked(tmp_path):
    documents = made_runs.stepped(tmp_path)
    again = next(doc for doc in events_of(documents) if "stage-x" in doc["data"])
    documents.insert(-1, ("event", {**again, "uid": "again", "time": T0 + 50.0}))
    *_, last = measured(assembled(documents))
    assert last.retake
    assert "may be those of the first take" in " ".join(last.problems)


@pytest.mark.situation("frames in Tiled that are no single range", "refused in one sentence")
def test_frames_elsewhere_that_are_no_range_are_refused(tmp_path):
    frames = movies(3)
    run = MadeRun()
    run.stream("primary", {"detector": array_key(frames.shape[1:], external="STREAM:")})
    for row in range(3):
        resource = run.stream_asset(write_hdf5(tmp_path / f"{row}.h5", frames[row]))
        run.rows(resource, "primary", 0, 1, first=row + 1)
        run.event("primary", {}, T0 + row + 1.0)
    assembler = Assembler(Settings(), lambda *_: pytest.fail("nothing may be asked for"))
    (ordered,) = whole_runs(run.stop(), "detector")  # frames are elsewhere in a replay only
    records = [each for name, doc in ordered for each in assembler.feed(name, doc)]
    assert ["read from the files only" in each.message for each in failed(records)] == [True] * 3


@pytest.mark.parametrize("shape", [[16, 6, 5, 1, 1], [None, 6, 5], "16x6x5", [16], [], None, [0, 6, 5]], ids=str)
@pytest.mark.situation("the shape of the frames makes no sense", "each event is a failure that shows it")
def test_a_shape_that_is_none_is_refused(shape, tmp_path):
    documents = made_runs.stepped(tmp_path)
    for name, doc in documents:
        if name == "descriptor" and "detector" in doc["data_keys"]:
            doc["data_keys"]["detector"]["shape"] = shape
    records = assembled(documents)
    assert measured(records) == []
    assert {"instead of (frames, rows, columns)" in each.message for each in failed(records)} == {True}


@pytest.mark.parametrize("shape", [[1, 16, 6, 5], [16, 1, 6, 5]], ids=str)
def test_a_shape_with_a_further_axis_of_one_is_understood(shape, tmp_path):
    documents = made_runs.stepped(tmp_path)
    for name, doc in documents:
        if name == "descriptor" and "detector" in doc["data_keys"]:
            doc["data_keys"]["detector"]["shape"] = shape
    for each, movie in zip(measured(assembled(documents)), movies(3), strict=True):
        np.testing.assert_array_equal(frames_of(each), movie)


@pytest.mark.situation("the detector's stamps stand still, or one comes twice", "frame time from the events")
def test_stamps_that_stand_still_do_not_change_the_frame_time(tmp_path):
    documents = counted(tmp_path)
    for event in events_of(documents):
        event["timestamps"] = {"detector": T0}
    assert measured(assembled(documents))[0].frame_time == pytest.approx(0.1)
    documents = counted(tmp_path)
    for event in events_of(documents):
        event["time"] = event["time"] if event["seq_num"] != 7 else event["time"] + 0.1
    assert measured(assembled(documents))[0].frame_time == pytest.approx(0.1)


@pytest.mark.situation("the frame time is scanned, and read in the event", "that of the event")
def test_a_frame_time_of_the_event_is_newer_than_the_configuration(tmp_path):
    documents = made_runs.stepped(tmp_path)
    for name, doc in documents:
        if name == "descriptor" and "detector" in doc["data_keys"]:
            doc["data_keys"]["detector-frame_time"] = number_key("s")
    for k, event in enumerate(each for each in events_of(documents) if "stage-x" in each["data"]):
        event["data"]["detector-frame_time"] = 0.01 * (k + 1)
    assert [each.frame_time for each in measured(assembled(documents))] == pytest.approx([0.01, 0.02, 0.03])


@pytest.mark.situation(
    "several events of many frames are made one movie, with time between them", "analysed, and marked"
)
def test_movies_of_events_with_gaps_are_marked(tmp_path):
    (movie,) = measured(assembled(made_runs.stepped(tmp_path, 2), movies=MovieSettings(events=2)))
    assert movie.origin.start == pytest.approx(T0 + 1.84)
    assert "lie between the events of this movie" in " ".join(movie.problems)


@pytest.mark.parametrize("what", ["first unknown", "metres", "another key"])
@pytest.mark.situation(
    "single frames in a scan whose axis is unknown at first, in metres, or none of ours", "a movie for each place"
)
def test_places_are_kept_apart(what, tmp_path):
    frames = movies(1, 60)[0]
    key, unit = ("oven", "K") if what == "another key" else ("stage-x", "m" if what == "metres" else "mm")
    hints = {"dimensions": [[[key], "primary"]]}
    run = MadeRun(md={"hints": hints})
    run.stream("primary", {"detector": array_key(frames.shape[1:], external="STREAM:"), key: number_key(unit)})
    resource = run.stream_asset(write_hdf5(tmp_path / "places.h5", frames))
    for k in range(60):
        run.rows(resource, "primary", k, k + 1)
        place = (0.001 if what == "metres" else 1.0) * (k // 20)
        run.event("primary", {key: math.nan if what == "first unknown" and k == 0 else place}, T0 + 0.1 * (k + 1))
    found = measured(assembled(run.stop()))
    assert [each.origin.events for each in found] == [
        Events("primary", 1, 20), Events("primary", 21, 40), Events("primary", 41, 60),
    ]  # fmt: skip


def in_two_units(folder, one, other, key="oven", frame_times=(0.01, 0.01), per_event=1, **settings):
    """A movie of a whole stream, whose key is 300 in one unit for 20 events, and 310 in another for 20 more."""
    frames = movies(1, 40 * per_event)[0]
    run = MadeRun()
    resource = run.stream_asset(write_hdf5(folder / "units.h5", frames))
    shape = (per_event, *frames.shape[1:]) if per_event > 1 else frames.shape[1:]
    for k in range(40):
        if k in (0, 20):
            run.frame_time = frame_times[k // 20]
            run.stream(
                "primary", {"detector": array_key(shape, external="STREAM:"), key: number_key((one, other)[k // 20])}
            )
        run.rows(resource, "primary", k, k + 1)
        run.event("primary", {key: 300.0 + 10.0 * (k // 20)}, T0 + 0.1 * (k + 1), seq_num=k + 1)
    return assembled(made_runs.validated(run.stop()), movies=MovieSettings(made_of="stream"), **settings)


@pytest.mark.situation(
    "units of a reading change within a movie of a whole stream",
    "its mean is in the first unit; left out, and said once, where one cannot be converted",
)
def test_units_that_change_within_a_movie_are_converted(tmp_path, caplog):
    (movie,) = measured(in_two_units(tmp_path, "K", "degC"))
    assert movie.origin.extra == pytest.approx({"oven": (300.0 + 310.0 + 273.15) / 2})
    assert movie.origin.units == {"oven": "K"}
    axes = {"keys": DataKeys(axes={"theta": "theta"})}
    (movie,) = measured(in_two_units(tmp_path, "deg", "rad", key="theta", **axes))
    assert movie.origin.position == pytest.approx({"theta": (300.0 + math.degrees(310.0)) / 2})
    for one, other in (("bar", "K"), ("K", None), (None, "K"), ("mm", "K")):
        caplog.clear()
        (movie,) = measured(in_two_units(tmp_path, one, other))
        assert math.isnan(movie.origin.extra["oven"])
        assert caplog.text.count("oven has units that differ within one movie, and is left out of it") == 1
        (movie,) = measured(in_two_units(tmp_path, one, other, key="theta", **axes))
        assert movie.origin.position == {}


@pytest.mark.situation("the frame time changes within a movie of a whole stream", "refused in one sentence")
def test_a_frame_time_that_changes_within_a_movie_is_refused(tmp_path):
    (failure,) = failed(in_two_units(tmp_path, "K", "K", frame_times=(0.01, 0.02), per_event=4))
    assert "detector-frame_time changes within the movie" in failure.message


@pytest.mark.situation("the start of the exposure is that of the event before", "not believed, and marked")
def test_a_start_that_did_not_change_is_not_believed(tmp_path):
    documents = made_runs.stepped(tmp_path, extra={"detector-exposure_start": (T0 + 1.8, "s")})
    for event in events_of(documents):
        if "stage-x" in event["data"]:
            event["data"]["detector-exposure_start"] = T0 + 1.8
    first, second, _ = measured(assembled(documents))
    assert first.origin.start == pytest.approx(T0 + 1.8)
    assert second.origin.start == pytest.approx(T0 + 6.0 - 0.16)
    assert "was not believed" in second.problems[0]


@pytest.mark.situation("`multiplier` contradicts the descriptor", "a failure that names both numbers")
def test_a_multiplier_that_contradicts_the_descriptor_is_refused(tmp_path):
    documents = made_runs.stepped(tmp_path)
    for name, doc in documents:
        if name == "stream_resource":
            doc["parameters"]["multiplier"] = 8
    records = assembled(documents)
    assert measured(records) == []
    assert "the descriptor says 16 frames an event, the detector's file 8" in failed(records)[0].message


@pytest.mark.parametrize("stamp", [4e9, T0 + 60.0], ids=str)
@pytest.mark.situation("one time stamp of the rheometer is wrong", "the other readings count")
def test_one_wrong_stamp_costs_itself(stamp, tmp_path):
    documents = made_runs.stepped(tmp_path, 6)
    readings = [each for each in events_of(documents) if "rheometer-shear_stress" in each["data"]]
    right = [stress_during(m.rheometer, m.origin.start, m.origin.stop).mean for m in measured(assembled(documents))]
    readings[10]["timestamps"] = {"rheometer-shear_stress": stamp}
    wrong = [stress_during(m.rheometer, m.origin.start, m.origin.stop).mean for m in measured(assembled(documents))]
    assert wrong[3:] == pytest.approx(right[3:], abs=1.0)


@pytest.mark.situation("a long run is replayed", "the stress of every exposure")
def test_a_replay_of_a_long_run_has_all_of_its_stress(tmp_path):
    frames = movies(3)
    run = MadeRun()
    run.stream("primary", {"detector": array_key(frames.shape[1:], external="STREAM:"), **POSITION_KEYS})
    resource = run.stream_asset(write_hdf5(tmp_path / "long.h5", frames.reshape(-1, 6, 5)))
    run.stress(T0 + np.arange(0.0, 30_000.0, 10.0), np.arange(3000.0))
    for k in range(3):
        run.rows(resource, "primary", k, k + 1)
        run.event("primary", {"stage-x": 1.0, "stage-y": 1.0}, T0 + 10_000.0 * k + 500.5)
    for each in replayed(run.stop()):
        assert len(each.rheometer.time) >= 1


@pytest.mark.situation("an event is delivered again, much later", "passed over")
def test_an_event_that_is_delivered_again_changes_nothing(tmp_path):
    documents = counted(tmp_path)
    tenth = next(each for each in events_of(documents) if each["seq_num"] == 10)
    documents.insert(-1, ("event", dict(tenth)))
    (movie,) = measured(assembled(documents))
    assert movie.origin.events == Events("primary", 1, 40)


@pytest.mark.situation("all documents are delivered twice", "each measurement once, and no failure")
def test_documents_that_are_delivered_twice_change_nothing(tmp_path):
    documents = made_runs.stepped(tmp_path)
    records = assembled([each for each in documents for _ in range(2)])
    assert [each.origin.seq_num for each in measured(records)] == [1, 2, 3]
    assert failed(records) == []


@pytest.mark.situation("one event of a page has no number", "the others are measured")
def test_one_bad_event_of_a_page_costs_itself(tmp_path):
    from event_model import pack_event_page

    documents = made_runs.stepped(tmp_path)
    events = [doc for doc in events_of(documents) if "stage-x" in doc["data"]]
    page = dict(pack_event_page(*events))
    page["seq_num"] = [1, "two", 3]
    rest = [each for each in documents if each[0] != "event" or each[1] not in events]
    found = measured(assembled([*rest[:-1], ("event_page", page), rest[-1]]))
    assert [each.origin.seq_num for each in found] == [1, 3]


@pytest.mark.situation(
    "classic documents: a bad dark descriptor, a missing datum, one datum for two events", "the rest is measured"
)
def test_classic_documents_that_are_bad_cost_themselves(tmp_path):
    documents = made_runs.classic(tmp_path)
    dark = {
        "uid": "dark-descriptor", "run_start": documents[0][1]["uid"], "name": "dark", "time": T0,
        "data_keys": {"detector": {"shape": [16, 6, 5]}}, "configuration": {}, "hints": {}, "object_keys": {},
    }  # fmt: skip
    assert len(measured(assembled([documents[0], ("descriptor", dark), *documents[1:]]))) == 3
    datums = [doc for name, doc in documents if name == "datum"]
    late = [each for each in documents if each[0] != "datum"]
    late[-1:-1] = [("datum", datums[2]), ("datum", datums[0])]
    records = assembled(late)
    assert sorted(each.origin.seq_num for each in measured(records)) == [1, 3]
    assert [each.seq_num for each in failed(records)] == [2]
    for event in events_of(documents):
        if event["data"].get("detector") == datums[1]["datum_id"]:
            event["data"]["detector"] = datums[0]["datum_id"]
    first, second, _ = measured(assembled(documents))
    np.testing.assert_array_equal(frames_of(first), frames_of(second))


@pytest.mark.situation("a classic path that begins nowhere", "refused in one sentence")
def test_a_relative_path_of_a_classic_resource_is_refused(tmp_path, caplog):
    documents = made_runs.classic(tmp_path)
    for name, doc in documents:
        if name == "resource":
            doc["root"] = "data"
    records = assembled(documents)
    assert measured(records) == []
    assert "has no folder to begin at (root 'data')" in caplog.text
    for name, doc in documents:
        if name == "resource":
            del doc["root"]
            doc["resource_path"] = str(tmp_path / doc["resource_path"])
    assert len(measured(assembled(documents))) == 3
