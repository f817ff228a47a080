"""Runs of every kind become their measurements: frames, place, time, stress and everything that their events read."""

from __future__ import annotations

import dataclasses
import math
import time

import numpy as np
import pytest
import tifffile

from ainerd_agent.callbacks import Assembler, Failure, RunEnd
from ainerd_agent.callbacks.replay import whole_runs
from ainerd_agent.records import Events, Measurement, Run
from ainerd_agent.scattering import HDF5Frames
from ainerd_agent.settings import DataKeys, MovieSettings, Settings
from tests.callbacks import made_runs
from tests.callbacks.made_runs import T0, array_key, counted, events_of, movies, number_key, write_hdf5
from tests.scattering.frames.test_assets import eiger


def assembled(documents, **settings):
    assembler = Assembler(Settings(**settings))
    return [record for name, doc in documents for record in assembler.feed(name, doc)]


def measured(records):
    return [record for record in records if isinstance(record, Measurement)]


def failed(records):
    return [record for record in records if isinstance(record, Failure)]


def frames_of(measurement):
    return np.concatenate(list(measurement.frames.blocks()))


KINDS = {
    "a step scan with stream assets": made_runs.stepped,
    "classic areaDetector assets": made_runs.classic,
    "frames in the events": lambda folder: made_runs.with_arrays(),
    "a fly scan without events": made_runs.flown,
}


@pytest.mark.situation(
    "events of many frames: stream assets, classic assets, frames in the events, a fly scan without events",
    "each is a movie",
)
@pytest.mark.parametrize("kind", KINDS)
def test_each_event_of_many_frames_is_a_movie(kind, tmp_path):
    records = assembled(KINDS[kind](tmp_path))
    assert isinstance(records[0], Run)
    assert isinstance(records[-1], RunEnd)
    found = measured(records)
    assert [each.origin.events for each in found] == [Events("primary", k, k) for k in (1, 2, 3)]
    for measurement, expected in zip(found, movies(3), strict=True):
        np.testing.assert_array_equal(frames_of(measurement), expected)
        assert measurement.frame_time == pytest.approx(0.01)
        assert measurement.origin.stop - measurement.origin.start == pytest.approx(0.16)


@pytest.mark.parametrize("kind", ["a step scan with stream assets", "classic areaDetector assets"])
def test_place_time_and_stress_are_those_of_the_event(kind, tmp_path):
    for k, measurement in enumerate(measured(assembled(KINDS[kind](tmp_path)))):
        assert measurement.origin.position == {"x": 0.5 + k, "y": 1.0}
        assert measurement.origin.stop == pytest.approx(T0 + 4.0 * k + 2.0)
        assert T0 + 4.0 * k + 2.0 in measurement.rheometer.time
        assert measurement.problems == ()


@pytest.mark.situation("a run is replayed", "the same measurements as live")
@pytest.mark.parametrize("kind", KINDS)
def test_a_replay_gives_what_the_live_run_gave(kind, tmp_path):
    documents = KINDS[kind](tmp_path)
    (ordered,) = whole_runs(documents, "detector")
    live, replayed = measured(assembled(documents)), measured(assembled(ordered))
    for one, other in zip(live, replayed, strict=True):
        assert one.origin == other.origin
        np.testing.assert_array_equal(frames_of(one), frames_of(other))


@pytest.mark.situation(
    "single frames, as `bp.count` takes them", "one movie; its frame time is that between the events"
)
def test_single_frames_at_one_place_are_one_movie(tmp_path, caplog):
    caplog.set_level("INFO")
    (movie,) = measured(assembled(counted(tmp_path)))
    assert caplog.text.count("events of one frame are a movie where they follow one another at one place") == 1
    assert movie.origin.events == Events("primary", 1, 40)
    np.testing.assert_array_equal(frames_of(movie), movies(1, 40)[0])
    # Lags are in the time between events, not in the exposure time of a frame.
    assert movie.frame_time == pytest.approx(0.1)
    assert movie.origin.start == pytest.approx(T0)


@pytest.mark.situation("several single frames at each place", "a movie for each place")
def test_single_frames_at_several_places_are_a_movie_each(tmp_path):
    found = measured(assembled(counted(tmp_path, 20, places=(0.5, 1.5, 2.5))))
    assert [each.origin.position["x"] for each in found] == [0.5, 1.5, 2.5]
    assert [each.origin.events for each in found] == [
        Events("primary", 1, 20), Events("primary", 21, 40), Events("primary", 41, 60),
    ]  # fmt: skip
    np.testing.assert_array_equal(np.concatenate([frames_of(each) for each in found]), movies(1, 60)[0])


@pytest.mark.situation("a movie is a fixed number of events", "`movies.events`")
def test_a_fixed_number_of_events_makes_a_movie_if_the_settings_say_so(tmp_path):
    found = measured(assembled(counted(tmp_path, 40), movies=MovieSettings(events=10)))
    assert [each.origin.events for each in found] == [Events("primary", 10 * k + 1, 10 * k + 10) for k in range(4)]


def test_the_whole_stream_is_a_movie_if_the_settings_say_so(tmp_path):
    documents = counted(tmp_path, 20, places=(0.5, 1.5))
    (movie,) = measured(assembled(documents, movies=MovieSettings(made_of="stream")))
    assert movie.origin.events == Events("primary", 1, 40)


@pytest.mark.situation("one frame at each place", "a failure for each: no movie")
def test_too_few_frames_at_a_place_are_a_failure_in_one_sentence(tmp_path):
    records = assembled(counted(tmp_path, 1, places=(0.5, 1.5)))
    assert [each.message for each in failed(records)] == ["1 frame at one place are no movie: 8 are needed"] * 2


@pytest.mark.situation("frames come unevenly", "analysed, and marked in `problems`")
def test_uneven_frames_are_marked(tmp_path):
    documents = counted(tmp_path)
    for k, event in enumerate(events_of(documents)):
        event["time"] += 3.0 * (k > 20)
    (movie,) = measured(assembled(documents))
    assert "unevenly, 0.1 to 3.1 s apart" in movie.problems[0]


@pytest.mark.situation("the number of frames or the frame time changes in a run", "each measurement has its own")
def test_exposures_of_one_run_may_differ_in_frames_and_frame_time(tmp_path):
    long, short = movies(2, 16), movies(1, 24, seed=1)
    stack = np.concatenate([*long, *short])
    run = made_runs.MadeRun()
    run.stream("primary", {"detector": array_key(long.shape[1:], external="STREAM:")})
    resource = run.stream_asset(write_hdf5(tmp_path / "mixed.h5", stack))
    for k in range(2):
        run.rows(resource, "primary", k, k + 1)
        run.event("primary", {}, T0 + k + 1.0)
    run.frame_time = 0.02
    run.stream("primary", {"detector": array_key(short.shape[1:], external="STREAM:")})
    run.rows(resource, "primary", 2, 3)
    run.event("primary", {}, T0 + 3.0, seq_num=3)
    found = measured(assembled(made_runs.validated(run.stop())))
    assert [each.frame_time for each in found] == [0.01, 0.01, 0.02]
    for each, expected in zip(found, [*long, *short], strict=True):
        np.testing.assert_array_equal(frames_of(each), expected)


@pytest.mark.situation(
    "several streams have the detector", "all are analysed but dark, flat, baseline and background ones"
)
def test_several_streams_are_analysed_and_dark_ones_left_alone(tmp_path, caplog):
    frames = movies(3)
    run = made_runs.MadeRun()
    for k, stream in enumerate(("primary", "second", "dark")):
        run.stream(stream, {"detector": array_key(frames.shape[1:], external="STREAM:")})
        resource = run.stream_asset(write_hdf5(tmp_path / f"{stream}.h5", frames[k]))
        run.rows(resource, stream, 0, 1)
        run.event(stream, {}, T0 + k + 1.0)
    documents = made_runs.validated(run.stop())
    found = measured(assembled(documents))
    assert [each.origin.name.partition("/")[2] for each in found] == ["primary/1", "second/1"]
    np.testing.assert_array_equal(frames_of(found[1]), frames[1])
    assert "stream 'dark' is left alone" in caplog.text
    only = measured(assembled(documents, movies=MovieSettings(streams=("second",))))
    assert [each.origin.stream for each in only] == ["second"]


@pytest.mark.situation("an event comes again with its number", "the last one counts, and that is said")
def test_an_event_that_came_again_counts_as_it_came_last(tmp_path, caplog):
    frames = movies(4)
    run = made_runs.MadeRun()
    run.stream("primary", {"detector": array_key(frames.shape[1:], external="STREAM:")})
    resource = run.stream_asset(write_hdf5(tmp_path / "again.h5", frames.reshape(-1, 6, 5)))
    for row, number in enumerate((1, 2, 2, 3)):  # after a pause, event 2 is taken again
        run.rows(resource, "primary", row, row + 1, first=number)
        run.event("primary", {}, T0 + row + 1.0, seq_num=number)
    found = measured(assembled(made_runs.validated(run.stop())))
    assert [(each.origin.seq_num, each.retake) for each in found] == [(1, False), (2, False), (2, True), (3, False)]
    np.testing.assert_array_equal(frames_of(found[2]), frames[2])
    assert "events primary/2 came again: the last ones count" in caplog.text


@pytest.mark.situation("a pause repeats some single frames", "they are in the movie once")
def test_single_frames_that_came_again_are_in_the_movie_once(tmp_path):
    frames = movies(1, 25)[0]
    run = made_runs.MadeRun()
    run.stream("primary", {"detector": array_key(frames.shape[1:], external="STREAM:")})
    resource = run.stream_asset(write_hdf5(tmp_path / "again.h5", frames))
    for row, number in enumerate([*range(1, 14), *range(11, 23)]):
        run.rows(resource, "primary", row, row + 1, first=number)
        run.event("primary", {}, T0 + 0.1 * row, seq_num=number)
    (movie,) = measured(assembled(made_runs.validated(run.stop())))
    assert movie.origin.events == Events("primary", 1, 22)
    np.testing.assert_array_equal(frames_of(movie), np.concatenate([frames[:10], frames[13:]]))


@pytest.mark.situation("an event reads temperature, age, rotation", "columns with their units")
def test_everything_that_an_event_read_is_kept(tmp_path):
    documents = made_runs.stepped(tmp_path, extra={"oven-temperature": (20.0, "degC"), "age": (5, "s")})
    for k, measurement in enumerate(measured(assembled(documents))):
        assert measurement.origin.extra == {"oven-temperature": 20.0 + k, "age": 5.0 + k}
        assert measurement.origin.units == {"oven-temperature": "degC", "age": "s"}


@pytest.mark.situation("axes other than x and y", "`keys.axes`; lengths in mm, others in their unit")
def test_axes_have_any_names(tmp_path):
    documents = made_runs.stepped(tmp_path, extra={"stage-theta": (20.0, "deg"), "stage-z": (300.0, "um")})
    keys = DataKeys(axes={"theta": "stage-theta", "z": "stage-z"})
    first, *_ = measured(assembled(documents, keys=keys))
    assert first.origin.position == pytest.approx({"x": 0.5, "y": 1.0, "theta": 20.0, "z": 0.3})
    assert first.origin.units == {"theta": "deg"}
    assert first.origin.extra == {}


@pytest.mark.situation("the start document has a proposal, a cycle, a sample with properties", "searchable metadata")
def test_what_the_start_says_becomes_searchable(tmp_path):
    md = {
        "proposal": "P-123", "cycle": 3, "sample": {"name": "PEO", "wt": 0.3}, "motors": ["x"], "hints": {"a": {}},
        "beam": {"slits": 0.1, "mirror": {"stripe": "Rh", "deep": {"er": 1}}}, "nothing": None,
    }  # fmt: skip
    run, *_ = assembled(made_runs.stepped(tmp_path, md=md))
    assert run.metadata == {
        "proposal": "P-123", "cycle": 3, "sample_wt": 0.3, "motors": ["x"],
        "beam": {"slits": 0.1, "mirror": {"stripe": "Rh"}},
    }  # fmt: skip
    assert run.sample == "PEO"


@pytest.mark.situation("the frame time is in ms or us", "converted")
@pytest.mark.parametrize(("value", "units", "seconds"), [(10.0, "ms", 0.01), (0.01, None, 0.01), (10_000, "us", 0.01)])
def test_frame_times_are_converted(value, units, seconds, tmp_path):
    first, *_ = measured(assembled(made_runs.stepped(tmp_path, frame_time=value, frame_time_units=units)))
    assert first.frame_time == pytest.approx(seconds)


@pytest.mark.situation(
    "the frame time is zero, negative, NaN, a text, missing, or in mm",
    "each measurement fails in a sentence that names the key",
)
@pytest.mark.parametrize(
    ("value", "units", "message"),
    [
        (0.0, "s", "the frame time detector-frame_time is 0.0, which is no time above zero"),
        (-1.0, "s", "is -1.0, which is no time above zero"),
        (math.nan, "s", "is nan, which is no time above zero"),
        (math.inf, "s", "is inf, which is no time above zero"),
        ("fast", "s", "is 'fast', which is no time above zero"),
        ([0.1, 0.2], "s", "is [0.1, 0.2], which is no time above zero"),
        (0.1, "mm", "is in 'mm', which is no unit of time"),
        (0.1, "EGU", "is in 'EGU', which is no unit of time"),
        (None, "s", "no frame time: neither the detector's configuration nor the event has detector-frame_time"),
    ],
)
def test_a_frame_time_that_is_none_is_refused_by_name(value, units, message, tmp_path):
    records = assembled(made_runs.stepped(tmp_path, frame_time=value, frame_time_units=units))
    assert measured(records) == []
    assert [message in each.message for each in failed(records)] == [True] * 3


@pytest.mark.situation("a key of the settings is nearly right", '"did you mean"')
def test_a_key_that_is_nearly_right_is_named(tmp_path, caplog):
    documents = made_runs.stepped(tmp_path)
    records = assembled(documents, keys=DataKeys(frame_time="detector-frametime"))
    assert "did you mean 'detector-frame_time'?" in failed(records)[0].message
    assembled(documents, keys=DataKeys(frames="detecter"))
    assert "did you mean 'detector'?" in caplog.text


@pytest.mark.situation(
    "a position or a temperature is None, a text, an array, NaN", "that value is left out, said once"
)
@pytest.mark.parametrize("value", [None, "far", [1.0, 2.0], math.nan])
def test_what_is_no_number_costs_its_column_only(value, tmp_path, caplog):
    documents = made_runs.stepped(tmp_path, extra={"oven": (20.0, "K")})
    for event in events_of(documents):
        if "stage-x" in event["data"]:
            event["data"] |= {"stage-x": value, "oven": value}
    found = measured(assembled(documents))
    assert [each.origin.position for each in found] == [{"y": 1.0}] * 3
    assert all(math.isnan(each.origin.extra["oven"]) for each in found)
    assert caplog.text.count("stage-x is") == 1


@pytest.mark.situation("stress in kPa; in a unit of something else", "converted; left out by name")
def test_stress_in_other_units_is_converted_or_refused_by_name(tmp_path, caplog):
    def in_units(units):
        documents = made_runs.stepped(tmp_path)
        for name, doc in documents:
            if name == "descriptor" and "rheometer-shear_stress" in doc["data_keys"]:
                doc["data_keys"] = {"rheometer-shear_stress": number_key(units)}
        return measured(assembled(documents))[1].rheometer.shear_stress

    np.testing.assert_allclose(in_units("kPa"), 1000 * in_units("Pa"))
    assert np.isnan(in_units("furlong")).all()
    assert "rheometer-shear_stress is left out: 'furlong' cannot be converted to Pa" in caplog.text


@pytest.mark.situation("frames of a kind that nobody knows", "a failure that names it, at the first event")
def test_an_asset_of_an_unknown_kind_is_named_at_the_first_event(tmp_path):
    documents = made_runs.classic(tmp_path, spec="MY_FORMAT")
    messages = [each.message for each in failed(assembled(documents))]
    assert len(messages) == 3
    assert "MY_FORMAT" in messages[0]


@pytest.mark.situation("documents of several runs are mixed", "each belongs to its run")
def test_a_measurement_equals_itself_with_other_documents_between(tmp_path):
    """Documents of several runs at once belong to their own."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = made_runs.stepped(tmp_path / "a"), made_runs.classic(tmp_path / "b")
    mixed = [each for pair in zip(one, other, strict=False) for each in pair]
    mixed += one[len(other) :] + other[len(one) :]
    apart = measured(assembled(one)) + measured(assembled(other))
    together = measured(assembled(mixed))
    key = lambda each: each.origin.name  # noqa: E731
    for a, b in zip(sorted(apart, key=key), sorted(together, key=key), strict=True):
        assert a.origin == b.origin
        assert dataclasses.astuple(a.rheometer)[0].tolist() == dataclasses.astuple(b.rheometer)[0].tolist()


@pytest.mark.situation(
    "positions are read in a baseline or by a monitor only", "the last reading before the event, live and replayed"
)
def test_positions_of_other_streams_are_taken_where_events_have_none(tmp_path):
    frames = movies(3)
    run = made_runs.MadeRun()
    run.stream("primary", {"detector": array_key(frames.shape[1:], external="STREAM:")})
    run.stream("baseline", {"stage-y": number_key("um")})
    run.stream("stage-x_monitor", {"stage-x": number_key("mm")})
    resource = run.stream_asset(write_hdf5(tmp_path / "far.h5", frames.reshape(-1, 6, 5)))
    run.event("baseline", {"stage-y": 1500.0}, T0)
    for k in range(3):
        run.event("stage-x_monitor", {"stage-x": 0.5 + k}, T0 + 4.0 * k + 0.5)
        run.rows(resource, "primary", k, k + 1)
        run.event("primary", {}, T0 + 4.0 * k + 2.0)
    run.event("baseline", {"stage-y": 9000.0}, T0 + 20.0)
    documents = made_runs.validated(run.stop())
    (ordered,) = whole_runs(documents, "detector")
    for given in (documents, ordered):
        assert [each.origin.position for each in measured(assembled(given))] == [
            {"x": 0.5 + k, "y": 1.5} for k in range(3)
        ]


@pytest.mark.situation(
    "old resource documents that name no run, while several runs are open", "each run has its frames"
)
def test_resources_without_a_run_belong_to_the_run_whose_datums_name_them(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = made_runs.classic(tmp_path / "a"), made_runs.classic(tmp_path / "b", seed=1)
    for name, doc in one + other:
        if name == "resource":
            del doc["run_start"]
    mixed = [each for pair in zip(one, other, strict=True) for each in pair]
    found = measured(assembled(mixed))
    assert len(found) == 6
    for each in found:
        seed = int(each.origin.raw_uid == other[0][1]["uid"])
        np.testing.assert_array_equal(frames_of(each), movies(3, seed=seed)[each.origin.seq_num - 1])


@pytest.mark.situation("classic Eiger files (`AD_EIGER2`), one master a movie", "each movie from its own files")
def test_classic_eiger_files_are_each_a_movie(tmp_path):
    taken = movies(3)
    for number, movie in zip((5, 6, 7), taken, strict=True):
        eiger(tmp_path, number, movie)
    datums = [{"seq_id": number} for number in (5, 6, 7)]
    kwargs = {"frame_per_point": 16, "images_per_file": 4}
    documents = made_runs.of_classic_files(tmp_path, "AD_EIGER2", kwargs, datums, "run", taken.shape[1:])
    found = measured(assembled(documents))
    assert [each.origin.seq_num for each in found] == [1, 2, 3]
    for each, movie in zip(found, taken, strict=True):
        np.testing.assert_array_equal(frames_of(each), movie)


@pytest.mark.situation("a sequence of TIFF files, one a frame", "one movie at each place")
def test_single_frames_in_tiff_files_are_a_movie(tmp_path):
    frames = movies(1, 20)[0]
    for k, frame in enumerate(frames):
        tifffile.imwrite(tmp_path / f"shot_{k:05d}.tiff", frame)
    kwargs = {"template": "%s%s_%5.5d.tiff", "filename": "shot", "frame_per_point": 1}
    datums = [{"point_number": k} for k in range(20)]
    documents = made_runs.of_classic_files(tmp_path, "AD_TIFF", kwargs, datums, "", frames.shape[1:])
    for event in events_of(documents):
        event["data"]["stage-x"] = 0.5
    (movie,) = measured(assembled(documents))
    np.testing.assert_array_equal(frames_of(movie), frames)


@pytest.mark.situation("a movie of single frames goes on in the next file", "one movie from both files")
def test_a_movie_may_go_on_in_the_next_file(tmp_path):
    frames = movies(1, 30)[0]
    run = made_runs.MadeRun()
    run.stream("primary", {"detector": array_key(frames.shape[1:], external="STREAM:")})
    for start, stop in ((0, 18), (18, 30)):
        resource = run.stream_asset(write_hdf5(tmp_path / f"part{start}.h5", frames[start:stop]))
        for k in range(start, stop):
            run.rows(resource, "primary", k - start, k - start + 1, first=k + 1)
            run.event("primary", {}, T0 + 0.1 * (k + 1))
    (movie,) = measured(assembled(made_runs.validated(run.stop())))
    np.testing.assert_array_equal(frames_of(movie), frames)


def test_the_next_movie_of_a_stack_can_be_followed_ahead(tmp_path):
    """Prefetching expects the frames after those of a measurement: they must be what the next event names."""
    first, second, _ = (each.frames for each in measured(assembled(made_runs.stepped(tmp_path))))
    assert isinstance(first, HDF5Frames)
    assert dataclasses.replace(first, start=first.stop, stop=2 * first.stop - first.start) == second


@pytest.mark.situation("a fly scan of single frames, whose datums come piece by piece", "one movie")
def test_a_fly_scan_of_single_frames_is_one_movie(tmp_path):
    frames = movies(1, 40)[0]
    run = made_runs.MadeRun()
    run.stream("primary", {"detector": array_key(frames.shape[1:], external="STREAM:")})
    resource = run.stream_asset(write_hdf5(tmp_path / "fly.h5", frames))
    for start, stop in ((0, 7), (7, 8), (8, 31), (31, 40)):
        run.rows(resource, "primary", start, stop)
    (movie,) = measured(assembled(made_runs.validated(run.stop())))
    assert movie.origin.events == Events("primary", 1, 40)
    np.testing.assert_array_equal(frames_of(movie), frames)
    assert movie.frame_time == pytest.approx(0.01)


@pytest.mark.parametrize("seed", range(5))
def test_events_and_datums_in_any_order_give_the_same_movies(seed, tmp_path):
    documents = made_runs.stepped(tmp_path, 6)
    expected = {each.origin.seq_num: frames_of(each) for each in measured(assembled(documents))}
    *beginning, _ = [each for each in documents if each[0] not in ("event", "stream_datum")]
    rest = [each for each in documents if each[0] in ("event", "stream_datum")]
    np.random.default_rng(seed).shuffle(rest)
    found = measured(assembled([*beginning, *rest, documents[-1]]))
    assert {each.origin.seq_num for each in found} == set(expected)
    for each in found:
        np.testing.assert_array_equal(frames_of(each), expected[each.origin.seq_num])


def test_ten_thousand_events_that_wait_for_their_datum_take_no_longer_each(tmp_path):
    run = made_runs.MadeRun()
    run.stream("primary", {"detector": array_key((6, 5), external="STREAM:")})
    resource = run.stream_asset(tmp_path / "late.h5")
    for k in range(10_000):
        event = {"seq_num": k + 1, "time": T0 + 0.1 * k, "data": {}, "timestamps": {}, "uid": str(k), "filled": {}}
        run.keep("event", {**event, "descriptor": run.streams["primary"].descriptor_doc["uid"]})
    run.rows(resource, "primary", 0, 10_000)
    started = time.perf_counter()
    (movie,) = measured(assembled(run.stop()))
    assert movie.origin.events == Events("primary", 1, 10_000)
    assert time.perf_counter() - started < 5.0
