"""An ophyd-async detector through a real RunEngine, in steps and in flight: live and replayed with equal results."""

from __future__ import annotations

import json

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import bluesky.preprocessors as bpp
import numpy as np
import pytest
from ophyd_async.core import TriggerInfo
from ophyd_async.sim import SimMotor

from ainerd_agent.callbacks import AnalysisCallback, Assembler
from ainerd_agent.callbacks.replay import documents_in, whole_runs
from ainerd_agent.latent import Analyst, Encoder
from ainerd_agent.records import Bins, Events, Measurement
from ainerd_agent.scattering import fingerprint
from ainerd_agent.scattering.frames.arrays import ArrayFrames
from ainerd_agent.scattering.geometry.partition import Partition
from ainerd_agent.settings import DataKeys, Settings
from tests.callbacks.async_detector import AsyncDetector
from tests.callbacks.test_analysis import Notes

N_FRAMES = 32
HALVES = np.repeat([1, 2], 4 * 8).reshape(8, 8).astype(np.int32)
BINS = Bins(q=np.array([0.02, 0.02]), azimuth=np.array([270.0, 90.0]), n_pixels=np.array([32, 32]))
PARTITION = Partition(labels=HALVES, rings=HALVES, bins=BINS)


@pytest.fixture(scope="module")
def encoder():
    return Encoder.load()


@pytest.fixture
def detector(in_loop, tmp_path):
    detector = AsyncDetector(tmp_path)
    in_loop(detector.connect())
    return detector


@pytest.fixture
def stage(in_loop):
    stage = SimMotor(name="stage-x", instant=True)
    in_loop(stage.connect())
    return stage


def analysed(encoder):
    """A callback with a new atlas, and what it writes."""
    writer = Notes()
    settings = Settings(keys=DataKeys(x="stage-x"))
    return AnalysisCallback(Assembler(settings), lambda shape: PARTITION, Analyst(encoder), writer), writer


def live_and_replayed(engine, plan, encoder, folder):
    """What was written while the run went on, and from its documents in a file; both lists of (analysis, maps)."""
    live, writer = analysed(encoder)
    path = folder / "documents.jsonl"
    with path.open("w") as file:
        engine.subscribe(lambda name, doc: file.write(json.dumps([name, doc]) + "\n"))
        token = engine.subscribe(live)
        engine(plan)
        engine.unsubscribe(token)
    again, written = analysed(encoder)
    (run,) = whole_runs(documents_in(path), "detector")
    for name, doc in run:
        again(name, doc)
    assert writer.named("failure") == written.named("failure") == []
    return [call[1:] for call in writer.named("append")], [call[1:] for call in written.named("append")]


def assert_equal_results(live, replayed):
    for (one, maps), (other, again) in zip(live, replayed, strict=True):
        assert one.origin == other.origin
        assert maps.quality.problems == again.quality.problems
        for name in ("c2", "g2", "contrast", "mean_counts"):
            np.testing.assert_array_equal(getattr(maps, name), getattr(again, name))
        for name in ("latents", "cluster", "novelty"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def assert_movies(found, movies):
    """The maps are those of the movies, in their order."""
    for (_, maps), movie in zip(found, movies, strict=True):
        in_memory = Measurement(origin=maps.origin, frames=ArrayFrames(movie), frame_time=0.01)
        np.testing.assert_allclose(maps.c2, fingerprint(in_memory, PARTITION).c2, atol=1e-6)


@pytest.mark.situation(
    "an ophyd-async detector takes several frames at each step of a scan", "a movie each; replayed with equal results"
)
def test_a_scan_with_several_frames_an_event(run_engine, detector, stage, encoder, tmp_path):
    def at_each_place(detectors, step, pos_cache):
        yield from bps.move_per_step(step, pos_cache)
        yield from bps.prepare(detector, TriggerInfo(collections_per_event=N_FRAMES, livetime=0.02), wait=True)
        yield from bps.trigger_and_read([*detectors, *step])

    plan = bp.scan([detector], stage, 0.0, 2.0, 3, per_step=at_each_place)
    live, replayed = live_and_replayed(run_engine, plan, encoder, tmp_path)
    assert [each.origin.events for each, _ in live] == [Events("primary", k, k) for k in (1, 2, 3)]
    assert [each.origin.position["x"] for each, _ in live] == [0.0, 1.0, 2.0]
    assert [each.origin.exposure.frame_time for each, _ in live] == [0.02] * 3
    assert_movies(live, detector.taken.reshape(3, N_FRAMES, 8, 8))
    assert_equal_results(live, replayed)


def test_counted_single_frames_are_a_movie(run_engine, detector, encoder, tmp_path):
    live, replayed = live_and_replayed(run_engine, bp.count([detector], num=N_FRAMES), encoder, tmp_path)
    assert [each.origin.events for each, _ in live] == [Events("primary", 1, N_FRAMES)]
    assert_movies(live, [detector.taken])
    assert_equal_results(live, replayed)


def flown(detector, info, n_flights=1):
    @bpp.stage_decorator([detector])
    @bpp.run_decorator()
    def plan():
        for flight in range(n_flights):
            yield from bps.prepare(detector, info, wait=True)
            if flight == 0:
                yield from bps.declare_stream(detector, name="primary", collect=True)
            yield from bps.kickoff_all(detector, wait=True)
            yield from bps.collect_while_completing([detector], [detector], flush_period=0.1, stream_name="primary")

    return plan()


@pytest.mark.situation(
    "an ophyd-async detector flies: prepare, kickoff, complete, collect", "a movie each; replayed with equal results"
)
def test_a_fly_scan_with_several_frames_an_event(run_engine, detector, encoder, tmp_path):
    info = TriggerInfo(number_of_events=3, collections_per_event=N_FRAMES, livetime=0.005)
    live, replayed = live_and_replayed(run_engine, flown(detector, info), encoder, tmp_path)
    assert [each.origin.events for each, _ in live] == [Events("primary", k, k) for k in (1, 2, 3)]
    assert [each.origin.exposure.frame_time for each, _ in live] == [0.005] * 3
    assert_movies(live, detector.taken.reshape(3, N_FRAMES, 8, 8))
    assert_equal_results(live, replayed)


def test_two_flights_of_single_frames_are_one_movie(run_engine, detector, encoder, tmp_path):
    plan = flown(detector, TriggerInfo(number_of_events=20), n_flights=2)
    live, replayed = live_and_replayed(run_engine, plan, encoder, tmp_path)
    assert [each.origin.events for each, _ in live] == [Events("primary", 1, 40)]
    assert_movies(live, [detector.taken])
    assert_equal_results(live, replayed)
