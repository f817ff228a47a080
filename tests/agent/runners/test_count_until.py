"""Exposures that end on a verdict, on a RunEngine with the simulated detector; the verdicts are given by the test."""

from __future__ import annotations

import threading
import time

import pytest
from bluesky.utils import RunEngineInterrupted

from ainerd_agent.agent.runners.count_until import count_until
from ainerd_agent.agent.runners.ways_to_end import Aborting, Bursts, Whole, way_for
from ainerd_agent.agent.verdicts.until import Until
from ainerd_agent.records.verdict import Verdict


class Said:
    """Verdicts by exposure, from the so many-th question on; it notes who asks."""

    def __init__(self, after=None, **verdict):
        self.after, self.verdict, self.asked, self.threads = after or {}, verdict, [], set()

    def latest(self, raw_uid, exposure, after=0):
        self.asked.append((raw_uid, exposure))
        self.threads.add(threading.current_thread().name)
        if exposure not in self.after or self.asked.count((raw_uid, exposure)) < self.after[exposure]:
            return None
        about = {"raw_uid": raw_uid, "exposure": exposure, "look": 2, "frames": 64, "planned": 128, "stop": True}
        return Verdict(**{**about, "time": time.time(), "ended": "converged", "reason": "enough", **self.verdict})


@pytest.fixture
def beamline(beamline_in, glass, tmp_path):
    return beamline_in(glass, tmp_path)


def ended(documents):
    keys = ("exposure", "exposure_first", "exposure_last", "exposure_planned", "exposure_ended", "exposure_look")
    return [tuple(each["data"][key] for key in keys) for each in documents.events("exposures")]


def test_bursts_end_where_it_is_enough(run_engine, documents, beamline):
    verdicts = Said({2: 1})
    way = Bursts(beamline.detector, 32, read=[beamline.stage.x])
    axes = [beamline.stage.x, beamline.stage.y]
    run_engine(count_until([beamline.detector], verdicts, frames=128, num=3, axes=axes, way=way, until=Until(tau=0.05)))
    assert ended(documents) == [
        (1, 1, 4, 128, "planned", 0),
        (2, 5, 5, 128, "converged", 2),
        (3, 6, 9, 128, "planned", 0),
    ]
    assert len(documents.events()) == 9
    start = documents.named("start")[0]
    assert start["exposures"]["stream"] == "primary"
    assert Until.from_plain(start["exposures"]["until"]) == Until(tau=0.05)
    begun = documents.events("exposing")
    assert [each["data"]["exposure"] for each in begun] == [1, 2, 3]
    assert "stage-x" in begun[0]["data"]
    assert {uid for uid, _ in verdicts.asked} == {start["uid"]}
    assert documents.named("stop")[0]["exit_status"] == "success"


def test_a_flying_detector_is_stopped_and_goes_on_after_what_came(run_engine, documents, beamline):
    class OnceThereAreRows(Said):
        def latest(self, raw_uid, exposure, after=0):
            named = documents.named("stream_datum")
            return super().latest(raw_uid, exposure, after) if named and named[-1]["indices"]["stop"] > 200 else None

    run_engine(count_until([beamline.detector], OnceThereAreRows({2: 1}), frames=200, num=3))
    (one, two, three) = ended(documents)
    assert one == (1, 1, 200, 200, "planned", 0)
    number, first, last, planned, why, look = two
    assert (number, first, planned, why, look) == (2, 201, 200, "converged", 2)
    assert 201 <= last < 400
    assert three == (3, last + 1, last + 200, 200, "planned", 0)
    named = [doc["indices"] for doc in documents.named("stream_datum")]
    assert named[0]["start"] == 0
    assert named[-1]["stop"] == last + 200
    assert documents.named("stop")[0]["exit_status"] == "success"


def test_what_a_flying_detector_took_before_an_abort_is_kept(run_engine, documents, beamline):
    class Pausing(Said):
        def latest(self, raw_uid, exposure, after=0):
            if documents.named("stream_datum") and not self.asked:
                run_engine.request_pause()
                return super().latest(raw_uid, exposure, after)
            return None

    with pytest.raises(RunEngineInterrupted):
        run_engine(count_until([beamline.detector], Pausing(), frames=2000))
    run_engine.abort()
    ((_, first, last, planned, why, _),) = ended(documents)
    assert (first, planned, why) == (1, 2000, "stopped")
    assert 1 <= last < 2000
    assert documents.named("stop")[0]["exit_status"] == "abort"


def test_the_acquisition_of_a_classic_area_detector_is_aborted(run_engine, documents, tmp_path):
    pytest.importorskip("ophyd")
    from tests.callbacks.classic_area_detector import ClassicAreaDetector

    detector = ClassicAreaDetector(tmp_path, n_frames=500)
    way = Aborting(detector, detector.cam.acquire, detector.cam.num_captured)
    run_engine(count_until([detector], Said({2: 1}), frames=500, num=3, way=way))
    frames = [each["data"]["exposure_frames"] for each in documents.events("exposures")]
    assert [each[1:5] for each in ended(documents)] == [
        (1, 1, 500, "planned"),
        (2, 2, 500, "converged"),
        (3, 3, 500, "planned"),
    ]
    assert frames[0] == frames[2] == 0  # whole rows
    assert 0 < frames[1] < 500
    assert isinstance(way_for(detector), Aborting)


def test_the_plan_asks_on_another_thread(run_engine, documents, beamline):
    verdicts = Said()
    run_engine(count_until([beamline.detector], verdicts, frames=64, way=Bursts(beamline.detector, 32)))
    assert verdicts.threads
    assert not any("bluesky" in name or name == "MainThread" for name in verdicts.threads)


def test_what_can_do_neither_counts_to_the_end_and_says_so_once(run_engine, documents, beamline, caplog):
    verdicts = Said({1: 1, 2: 1})
    run_engine(count_until([beamline.detector], verdicts, frames=32, num=2, way=Whole(beamline.detector)))
    assert [each[4] for each in ended(documents)] == ["planned", "planned"]
    assert verdicts.asked == []
    assert sum("can be neither stopped nor aborted" in each.message for each in caplog.records) == 1


@pytest.mark.parametrize(
    "verdict",
    [
        {"raw_uid": "another"},
        {"exposure": 7},
        {"stop": False},
        {"look": 0},
    ],
)
def test_only_a_verdict_on_this_exposure_ends_it(run_engine, documents, beamline, verdict):
    way = Bursts(beamline.detector, 32)
    run_engine(count_until([beamline.detector], Said({1: 1}, **verdict), frames=64, way=way))
    assert ended(documents) == [(1, 1, 2, 64, "planned", 0)]


def test_verdicts_that_cannot_be_had_end_nothing(run_engine, documents, beamline, caplog):
    class Broken:
        def latest(self, raw_uid, exposure, after=0):
            raise RuntimeError("no channel")

    for verdicts in (Broken(), None):
        run_engine(count_until([beamline.detector], verdicts, frames=64, way=Bursts(beamline.detector, 32)))
    ends = [each["data"]["exposure_ended"] for each in documents.named("event") if "exposure_ended" in each["data"]]
    assert ends == ["planned", "planned"]
    assert "No verdict can be had (RuntimeError: no channel)" in caplog.text


def test_an_exposure_goes_on_through_a_pause(run_engine, documents, beamline):
    """Nothing is exposed twice, and the numbers stay right."""
    paused = []

    class Pausing(Said):
        def latest(self, raw_uid, exposure, after=0):
            if len(self.asked) == 1 and not paused:
                paused.append(True)
                run_engine.request_pause()
            return super().latest(raw_uid, exposure, after)

    with pytest.raises(RunEngineInterrupted):
        run_engine(count_until([beamline.detector], Pausing(), frames=128, num=2, way=Bursts(beamline.detector, 32)))
    run_engine.resume()
    assert paused
    assert ended(documents) == [(1, 1, 4, 128, "planned", 0), (2, 5, 8, 128, "planned", 0)]
    assert [each["seq_num"] for each in documents.events()] == list(range(1, 9))


@pytest.mark.parametrize("way_out", ["stop", "abort"])
def test_what_came_before_somebody_stops_it_is_kept(run_engine, documents, beamline, way_out):
    class Stopping(Said):
        def latest(self, raw_uid, exposure, after=0):
            if len(self.asked) == 1:
                run_engine.request_pause()
            return super().latest(raw_uid, exposure, after)

    with pytest.raises(RunEngineInterrupted):
        run_engine(count_until([beamline.detector], Stopping(), frames=320, way=Bursts(beamline.detector, 32)))
    getattr(run_engine, way_out)()
    ((number, first, last, planned, why, look),) = ended(documents)
    assert (number, first, planned, why, look) == (1, 1, 320, "stopped", 0)
    assert last == len(documents.events())
    assert 1 <= last < 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": 0}, "0 frames are planned"),
        ({"frames": 64, "num": 0}, "0 exposures"),
        ({"frames": 50}, "no whole number of bursts"),
    ],
)
def test_what_cannot_be_counted_is_refused(run_engine, documents, beamline, options, message):
    with pytest.raises(ValueError, match=message):
        run_engine(count_until([beamline.detector], None, way=Bursts(beamline.detector, 32), **options))
    with pytest.raises(ValueError, match="no detector"):
        run_engine(count_until([], None, frames=10))
