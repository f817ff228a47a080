import numpy as np
import pytest
from event_model import pack_event_page

from ainerd_agent.callbacks import Assembler, Failure, RunEnd
from ainerd_agent.errors import FrameError
from ainerd_agent.records import Measurement, Run
from ainerd_agent.settings import DataKeys, FileSettings, Settings
from tests.callbacks.conftest import POSITIONS


def assemble(documents, keys=None):
    assembler = Assembler(Settings(keys=keys or DataKeys()))
    return [record for name, doc in documents for record in assembler.feed(name, doc)]


def measurements(records):
    return [record for record in records if isinstance(record, Measurement)]


def test_a_run_becomes_its_measurements(recorded, glass):
    run, *found, end = assemble(recorded)
    start = recorded[0][1]
    assert isinstance(run, Run)
    assert (run.uid, run.time, run.scan_id, run.source) == (start["uid"], start["time"], 1, "bluesky")
    assert (run.sample, run.access) == ("glass", {"data_session": "pass-1"})
    assert end == RunEnd(start["uid"], "success", "")
    assert len(found) == 3
    for number, (measurement, (x, y)) in enumerate(zip(found, POSITIONS, strict=True), start=1):
        origin = measurement.origin
        assert (origin.raw_uid, origin.stream, origin.seq_num) == (start["uid"], "primary", number)
        assert origin.position == pytest.approx({"x": x, "y": y})
        assert origin.stop - origin.start == pytest.approx(0.16)
        assert origin.elapsed == pytest.approx(origin.start - start["time"])
        assert measurement.frame_time == 0.005
        assert measurement.saturation == glass.saturation
    assert found[0].origin.stop <= found[1].origin.start


def test_frames_are_those_of_the_event(recorded):
    movies = [np.concatenate(list(each.frames.blocks())) for each in measurements(assemble(recorded))]
    assert [movie.shape for movie in movies] == [(32, 64, 64)] * 3
    assert np.any(movies[0] != movies[1])
    whole = measurements(assemble(recorded))[0].frames.path
    import h5py

    with h5py.File(whole) as file:
        np.testing.assert_array_equal(np.concatenate(movies), file["/entry/data/data"][:])


def test_rheometer_readings_of_the_exposure_come_along(recorded, glass):
    for measurement in measurements(assemble(recorded)):
        samples = measurement.rheometer
        inside = (samples.time >= measurement.origin.start) & (samples.time <= measurement.origin.stop)
        assert inside.sum() >= 2
        assert np.all(np.diff(samples.time) >= 0)
        np.testing.assert_allclose(samples.viscosity[inside], samples.shear_stress[inside] / samples.shear_rate[inside])


def test_a_datum_may_come_after_its_event(recorded):
    documents = list(recorded)
    for index, (name, _) in enumerate(documents[:-1]):
        if name == "stream_datum":
            documents[index], documents[index + 1] = documents[index + 1], documents[index]
    assert len(measurements(assemble(documents))) == 3


def test_one_datum_may_cover_several_events(recorded):
    datums = [doc for name, doc in recorded if name == "stream_datum"]
    joined = {**datums[0], "indices": {"start": 0, "stop": 3}, "seq_nums": {"start": 1, "stop": 4}}
    documents = [(name, doc) for name, doc in recorded if name != "stream_datum"]
    documents.insert(-1, ("stream_datum", joined))
    expected = [each.frames for each in measurements(assemble(recorded))]
    assert [each.frames for each in measurements(assemble(documents))] == expected


def test_event_pages_are_events(recorded):
    documents = [(name if name != "event" else "event_page", doc if name != "event" else pack_event_page(doc))
                 for name, doc in recorded]  # fmt: skip
    assert len(measurements(assemble(documents))) == 3


def test_without_the_start_of_the_exposure_it_is_taken_from_the_event(recorded):
    found = measurements(assemble(recorded, DataKeys(exposure_start="not there")))
    events = [doc for name, doc in recorded if name == "event" and "stage-x" in doc["data"]]
    for measurement, event in zip(found, events, strict=True):
        assert measurement.origin.stop == pytest.approx(event["time"])


def test_a_run_without_rheometer_or_stage_is_measured_all_the_same(recorded):
    keys = DataKeys(shear_stress="a", shear_rate="b", viscosity="c", x="d", y="e")
    found = measurements(assemble(recorded, keys))
    assert len(found) == 3
    assert len(found[0].rheometer.time) == 0
    assert found[0].origin.position == {}


def test_a_missing_frame_time_is_a_failure_of_the_measurement(recorded):
    failures = [r for r in assemble(recorded, DataKeys(frame_time="nowhere")) if isinstance(r, Failure)]
    assert [failure.seq_num for failure in failures] == [1, 2, 3]
    assert "nowhere" in failures[0].message


def test_an_aborted_run_keeps_what_it_had(recorded):
    last_event = max(
        index for index, (name, doc) in enumerate(recorded) if name == "event" and "stage-x" in doc["data"]
    )
    # The last event's frames were never named.
    before = [doc for index, doc in enumerate(recorded) if index < last_event]
    datums = [index for index, (name, _) in enumerate(before) if name == "stream_datum"]
    del before[datums[-1]]
    cut = [*before, recorded[last_event]]
    stop = {**recorded[-1][1], "exit_status": "abort", "reason": "beam lost"}
    records = assemble([*cut, ("stop", stop)])
    assert len(measurements(records)) == 2
    assert isinstance(records[-2], Failure)
    assert "before the detector named" in records[-2].message
    assert records[-1] == RunEnd(stop["run_start"], "abort", "beam lost")


def test_runs_may_be_interleaved_and_strangers_are_passed_over(recorded):
    stranger = [(name, doc) for name, doc in recorded if name != "start"]
    assert assemble(stranger) == []
    assert assemble(
        [("start", {"uid": "other", "time": 0.0}), ("stop", {"run_start": "other", "exit_status": "fail"})]
    )[-1] == RunEnd("other", "fail", "")


def test_what_stands_beside_frames_in_files_is_refused_where_they_come_from_elsewhere():
    """It was ignored: dropped frames would have gone unnoticed."""
    files = FileSettings(timestamps="/entry/times", frame_numbers="/entry/numbers")
    with pytest.raises(FrameError, match="timestamps and frame_numbers under"):
        Assembler(Settings(files=files), lambda *_: None)


def test_a_run_without_the_detectors_key_is_not_measured_and_that_is_said(recorded, caplog):
    assert measurements(assemble(recorded, DataKeys(frames="another-detector"))) == []
    assert "no data key 'another-detector', so nothing" in caplog.text


def test_a_reading_that_is_told_again_counts_once(recorded):
    """As monitors do after a pause."""
    stress = [doc for name, doc in recorded if name == "event" and "rheometer-shear_stress" in doc["data"]]
    again = [*recorded[:-1], *(("event", doc) for doc in stress), recorded[-1]]
    # Before the frames are named, so that the readings are there in time.
    again.sort(key=lambda document: document[0] in ("stream_datum", "stop"))
    for measurement in measurements(assemble(again)):
        assert len(np.unique(measurement.rheometer.time)) == len(measurement.rheometer.time)


@pytest.mark.parametrize("after", [False, True])
def test_another_detector_in_the_stream_is_not_taken_for_this_one(recorded, after):
    """Its files are named in the same stream, before or after the detector's."""
    documents = []
    for name, doc in recorded:
        other = None
        if name == "stream_resource":
            other = {**doc, "uid": "other", "data_key": "camera", "uri": "file://localhost/nowhere/camera.h5"}
        elif name == "stream_datum":
            other = {**doc, "stream_resource": "other", "uid": f"other/{doc['uid']}"}
        pair = [(name, doc)] if other is None else [(name, doc), (name, other)]
        documents += pair if after else pair[::-1]
    expected = [each.frames for each in measurements(assemble(recorded))]
    assert [each.frames for each in measurements(assemble(documents))] == expected


@pytest.mark.parametrize("reading", [None, "n/a", [1.0]])
def test_a_reading_that_is_no_number_does_not_cost_the_measurement(recorded, reading):
    documents = [
        (name, {**doc, "data": {**doc["data"], "rheometer-shear_stress": reading}})
        if name == "event" and "rheometer-shear_stress" in doc["data"]
        else (name, doc)
        for name, doc in recorded
    ]
    found = measurements(assemble(documents))
    assert len(found) == 3
    assert np.isnan(found[0].rheometer.shear_stress).all()
