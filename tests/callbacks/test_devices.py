"""Real devices through a real RunEngine, live and replayed, give the same measurements."""

from __future__ import annotations

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import bluesky.preprocessors as bpp
import numpy as np
import pytest
from bluesky.utils import Msg, RunEngineInterrupted

pytest.importorskip("ophyd")
from ophyd.sim import SynAxis

from ainerd_agent.callbacks import Assembler, RunEnd
from ainerd_agent.callbacks.replay import whole_runs
from ainerd_agent.records import Events, Measurement
from ainerd_agent.settings import DataKeys, Settings
from tests.callbacks.devices import ClassicDetector, StreamDetector


@pytest.fixture(params=[ClassicDetector, StreamDetector])
def detector(request, tmp_path):
    return request.param(tmp_path)


@pytest.fixture
def stage():
    return SynAxis(name="stage-x")


def run(engine, plan):
    """Measurements as the run goes on, the end of the run, and all documents."""
    documents, records = [], []
    assembler = Assembler(Settings(keys=DataKeys(axes={"setpoint": "stage-x_setpoint"})))

    def feed(name, doc):
        documents.append((name, doc))
        records.extend(assembler.feed(name, doc))

    token = engine.subscribe(feed)
    try:
        engine(plan)
    except RunEngineInterrupted:
        engine.resume()
    engine.unsubscribe(token)
    ends = [each for each in records if isinstance(each, RunEnd)]
    return [each for each in records if isinstance(each, Measurement)], ends, documents


def frames_of(measurement):
    return np.concatenate(list(measurement.frames.blocks()))


def test_a_scan_is_measured_live_and_replayed(run_engine, detector, stage):
    found, (end,), documents = run(run_engine, bp.scan([detector], stage, 0.0, 2.0, 3))
    assert end.status == "success"
    assert [each.origin.position for each in found] == [{"x": x, "setpoint": x} for x in (0.0, 1.0, 2.0)]
    for each, movie in zip(found, detector.movies.taken, strict=True):
        np.testing.assert_array_equal(frames_of(each), movie)
        assert each.frame_time == pytest.approx(0.01)
    assembler = Assembler(Settings(keys=DataKeys(axes={"setpoint": "stage-x_setpoint"})))
    (ordered,) = whole_runs(documents, "detector")
    records = [each for name, doc in ordered for each in assembler.feed(name, doc)]
    again = [each for each in records if isinstance(each, Measurement)]
    assert [each.origin for each in again] == [each.origin for each in found]


def test_counted_single_frames_are_a_movie(run_engine, tmp_path):
    for kind in (ClassicDetector, StreamDetector):
        folder = tmp_path / kind.__name__
        folder.mkdir()
        detector = kind(folder, n_frames=1)
        (movie,), _, _ = run(run_engine, bp.count([detector], num=12))
        assert movie.origin.events == Events("primary", 1, 12)
        np.testing.assert_array_equal(frames_of(movie), np.concatenate(detector.movies.taken))


@pytest.mark.situation("the RunEngine pauses, rewinds and repeats an event", "the last take counts")
def test_after_a_pause_the_last_take_of_an_event_counts(run_engine, detector):
    paused = []

    @bpp.stage_decorator([detector])
    @bpp.run_decorator()
    def plan():
        for k in range(3):
            yield from bps.checkpoint()
            yield from bps.trigger_and_read([detector])
            if k == 1 and not paused:
                paused.append(True)
                yield Msg("pause")

    found, (end,), _ = run(run_engine, plan())
    assert end.status == "success"
    assert len(detector.movies.taken) == 4
    last = {each.origin.seq_num: frames_of(each) for each in found}
    for number, movie in zip((1, 2, 3), (0, 2, 3), strict=True):
        np.testing.assert_array_equal(last[number], detector.movies.taken[movie])
    assert [(each.origin.seq_num, each.retake) for each in found] == [(1, False), (2, False), (2, True), (3, False)]


@pytest.mark.situation("a run is aborted", "it ends, and what was measured stays")
def test_an_aborted_run_ends_and_keeps_what_was_measured(run_engine, detector):
    def plan():
        yield from bps.open_run()
        yield from bps.stage(detector)
        yield from bps.trigger_and_read([detector])
        raise RuntimeError("the hutch was opened")

    with pytest.raises(RuntimeError, match="hutch"):
        run(run_engine, plan())
    documents, records = [], []
    assembler = Assembler(Settings())

    def feed(name, doc):
        documents.append(name)
        records.extend(assembler.feed(name, doc))

    run_engine.subscribe(feed)
    detector.unstage()
    with pytest.raises(RuntimeError, match="hutch"):
        run_engine(plan())
    assert records[-1].status == "fail"
    assert sum(isinstance(each, Measurement) for each in records) == 1
