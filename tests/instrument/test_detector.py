from __future__ import annotations

import asyncio
import subprocess
import sys
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlparse

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
import h5py
import numpy as np
import pytest
from bluesky.utils import FailedStatus, RunEngineInterrupted
from ophyd_async.core import DetectorTrigger, TriggerInfo

from ainerd_agent.errors import AinerdError, FrameError
from ainerd_agent.instrument.detector import FRAMES, TIMESTAMPS, SpeckleDetector

T0 = 1000.0
FRAME_TIME = 0.005
N_FRAMES = 16


@pytest.fixture
def detector(in_loop, experiment, tmp_path):
    async def position():
        return 1.25, 2.5

    detector = SpeckleDetector(
        experiment, position, tmp_path / "frames here", t0=T0, frame_time=FRAME_TIME, n_frames=N_FRAMES
    )
    in_loop(detector.connect())
    return detector


def measure(detector, n_events):
    @bpp.stage_decorator([detector])
    @bpp.run_decorator()
    def plan():
        for _ in range(n_events):
            yield from bps.trigger_and_read([detector])

    return plan()


def path_of(resource) -> Path:
    return Path(unquote(urlparse(resource["uri"]).path))


def stored(resource):
    with h5py.File(path_of(resource), "r") as file:
        return file[FRAMES][()], file[TIMESTAMPS][()]


def bursts(experiment, *exposures):
    return np.concatenate([experiment.frames(N_FRAMES, exposure) for exposure in exposures])


def test_another_process_reads_the_frames_when_the_event_comes(run_engine, documents, experiment, detector):
    read = "import h5py, sys; f = h5py.File(sys.argv[1], 'r', swmr=True); sys.stdout.buffer.write(f[sys.argv[2]][()])"
    seen = []

    def on_event(name, doc):
        path = path_of(documents.named("stream_resource")[0])
        with h5py.File(path, "r", libver="latest", swmr=True) as file:
            seen.append(file[FRAMES][()])
        elsewhere = subprocess.run(
            [sys.executable, "-c", read, str(path), FRAMES], capture_output=True, check=True, timeout=60
        )
        assert elsewhere.stdout == seen[-1].tobytes()

    run_engine(measure(detector, 2), {"event": [on_event]})

    assert [len(frames) for frames in seen] == [N_FRAMES, 2 * N_FRAMES]
    np.testing.assert_array_equal(seen[1], bursts(experiment, 1, 2))
    assert seen[1].dtype == np.uint16


def test_a_reader_that_stays_open_follows_the_run(run_engine, documents, experiment, detector):
    readers = []

    def on_event(name, doc):
        if not readers:
            path = path_of(documents.named("stream_resource")[0])
            readers.append(h5py.File(path, "r", libver="latest", swmr=True))
        frames = readers[0][FRAMES]
        frames.refresh()
        lengths.append(len(frames))
        np.testing.assert_array_equal(frames[-N_FRAMES:], experiment.frames(N_FRAMES, doc["seq_num"]))

    lengths = []
    run_engine(measure(detector, 3), {"event": [on_event]})
    readers[0].close()

    assert lengths == [N_FRAMES, 2 * N_FRAMES, 3 * N_FRAMES]


def test_documents_say_where_the_frames_are(run_engine, documents, experiment, detector):
    run_engine(measure(detector, 3))

    descriptor = documents.descriptor("primary")
    frames = descriptor["data_keys"]["detector"]
    assert (frames["shape"], frames["dtype_numpy"]) == ([N_FRAMES, *experiment.shape], "<u2")
    assert (frames["external"], frames["units"], frames["dims"]) == ("STREAM:", "counts", ["frame", "row", "column"])
    assert descriptor["data_keys"]["detector-exposure_start"]["units"] == "s"
    configuration = descriptor["configuration"]["detector"]
    assert configuration["data"] == {
        "detector-frame_time": FRAME_TIME,
        "detector-n_frames": N_FRAMES,
        "detector-saturation": experiment.saturation,
    }
    assert configuration["data_keys"]["detector-frame_time"]["units"] == "s"
    assert configuration["data_keys"]["detector-saturation"]["units"] == "counts"

    (resource,) = documents.named("stream_resource")
    assert (resource["data_key"], resource["mimetype"]) == ("detector", "application/x-hdf5")
    assert resource["parameters"]["dataset"] == FRAMES
    assert [datum["indices"] for datum in documents.named("stream_datum")] == [
        {"start": index, "stop": index + 1} for index in range(3)
    ]
    assert [datum["seq_nums"] for datum in documents.named("stream_datum")] == [
        {"start": number, "stop": number + 1} for number in (1, 2, 3)
    ]
    assert [set(event["data"]) for event in documents.events()] == [{"detector-exposure_start"}] * 3


def test_times_of_event_exposure_and_frames_agree(run_engine, documents, experiment, detector):
    run_engine(measure(detector, 2))

    starts = [event["data"]["detector-exposure_start"] for event in documents.events()]
    for event, start in zip(documents.events(), starts, strict=True):
        assert event["time"] >= start + N_FRAMES * FRAME_TIME
        assert 0 <= event["timestamps"]["detector-exposure_start"] - start < 0.1
    _, timestamps = stored(documents.named("stream_resource")[0])
    expected = np.add.outer(starts, FRAME_TIME * np.arange(N_FRAMES))
    np.testing.assert_allclose(timestamps, expected.ravel(), rtol=0, atol=1e-6)
    assert experiment.exposures == [
        (1.25, 2.5, start - T0, N_FRAMES, FRAME_TIME, number) for number, start in enumerate(starts, start=1)
    ]


def test_chunks_belong_to_one_burst_each(run_engine, documents, detector, monkeypatch):
    monkeypatch.setattr("ainerd_agent.instrument.frame_file.CHUNK_BYTES", 6 * 12 * 20 * 2)  # room for six frames
    run_engine(measure(detector, 1))

    (resource,) = documents.named("stream_resource")
    with h5py.File(path_of(resource), "r") as file:
        assert file[FRAMES].chunks == (4, 12, 20)
    assert resource["parameters"]["chunk_shape"] == (1, 4, 12, 20)


def test_runs_in_a_row_have_files_of_their_own(run_engine, documents, experiment, detector):
    run_engine(measure(detector, 2))
    run_engine(measure(detector, 1))

    first, second = documents.named("stream_resource")
    assert path_of(first) != path_of(second)
    np.testing.assert_array_equal(stored(first)[0], bursts(experiment, 1, 2))
    np.testing.assert_array_equal(stored(second)[0], bursts(experiment, 3))
    assert [datum["indices"]["stop"] for datum in documents.named("stream_datum")] == [1, 2, 1]


def test_an_aborted_run_leaves_the_frames_of_its_events(run_engine, documents, experiment, detector):
    @bpp.stage_decorator([detector])
    @bpp.run_decorator()
    def plan():
        yield from bps.trigger_and_read([detector])
        experiment.seconds = 0.3
        yield from bps.trigger(detector)
        while len(experiment.exposures) < 2:
            yield from bps.sleep(0.005)
        yield from bps.pause()

    with pytest.raises(RunEngineInterrupted):
        run_engine(plan())
    run_engine.abort()

    assert documents.named("stop")[0]["exit_status"] == "abort"
    np.testing.assert_array_equal(stored(documents.named("stream_resource")[0])[0], bursts(experiment, 1))
    experiment.seconds = 0.0
    run_engine(measure(detector, 1))
    np.testing.assert_array_equal(stored(documents.named("stream_resource")[1])[0], bursts(experiment, 3))


def test_a_pause_repeats_the_exposure_it_interrupts(run_engine, documents, experiment, detector):
    @bpp.stage_decorator([detector])
    @bpp.run_decorator()
    def plan():
        yield from bps.checkpoint()
        yield from bps.trigger(detector, group="exposed")
        while not experiment.exposures:
            yield from bps.sleep(0.005)
        yield from bps.pause()
        yield from bps.wait("exposed")
        yield from bps.create()
        yield from bps.read(detector)
        yield from bps.save()
        yield from bps.trigger_and_read([detector])

    experiment.seconds = 0.2
    with pytest.raises(RunEngineInterrupted):
        run_engine(plan())
    run_engine.resume()

    assert documents.named("stop")[0]["exit_status"] == "success"
    assert len(documents.events()) == 2
    assert [exposure[-1] for exposure in experiment.exposures] == [1, 2, 3]
    np.testing.assert_array_equal(stored(documents.named("stream_resource")[0])[0], bursts(experiment, 2, 3))


def test_a_failed_exposure_fails_the_plan_at_once(run_engine, documents, experiment, detector, monkeypatch):
    def broken(*arguments):
        raise OSError("the shutter is stuck")

    monkeypatch.setattr(experiment, "expose", broken)

    with pytest.raises(FailedStatus) as failure:
        run_engine(measure(detector, 1))

    assert "the shutter is stuck" in str(failure.value.__cause__)
    assert documents.named("stop")[0]["exit_status"] == "fail"
    (path,) = detector._directory.glob("*.h5")
    with h5py.File(path, "r") as file:
        assert file[FRAMES].shape == (0, *experiment.shape)


def test_refuses_frames_of_another_shape(run_engine, experiment, detector, monkeypatch):
    monkeypatch.setattr(experiment, "expose", lambda *arguments: np.zeros((3, 2, 2), np.uint16))

    with pytest.raises(FailedStatus) as failure:
        run_engine(measure(detector, 1))

    assert isinstance(failure.value.__cause__, FrameError)
    assert "(16, 12, 20)" in str(failure.value.__cause__)


def test_refuses_to_expose_without_a_file(run_engine, detector):
    with pytest.raises(FailedStatus) as failure:
        run_engine(bps.trigger(detector, wait=True))

    assert isinstance(failure.value.__cause__, AinerdError)
    assert "stage_decorator" in str(failure.value.__cause__)


def test_the_length_of_a_burst_changes_between_runs_only(run_engine, documents, experiment, detector):
    @bpp.stage_decorator([detector])
    def change():
        yield from bps.mv(detector.n_frames, 5)

    with pytest.raises(FailedStatus) as failure:
        run_engine(change())
    assert "is staged" in str(failure.value.__cause__)

    run_engine(bps.mv(detector.n_frames, 5, detector.frame_time, 0.001))
    run_engine(measure(detector, 1))

    assert documents.descriptor("primary")["data_keys"]["detector"]["shape"] == [5, *experiment.shape]
    assert experiment.exposures[0][3:5] == (5, 0.001)
    assert len(stored(documents.named("stream_resource")[0])[0]) == 5


@pytest.mark.parametrize(("frame_time", "n_frames"), [(0.0, 5), (0.1, 0), (float("nan"), 5)])
def test_refuses_a_burst_that_lasts_no_time(experiment, tmp_path, frame_time, n_frames):
    with pytest.raises(AinerdError, match="must be positive"):
        SpeckleDetector(experiment, None, tmp_path, t0=0.0, frame_time=frame_time, n_frames=n_frames)


async def reaches(detector, n_rows):
    while await detector.get_index() < n_rows:
        await asyncio.sleep(0.002)


def fly(detector, exposures, per_row=1):
    """Exposures of so many rows; those with another number are stopped once the file has so many rows more."""

    @bpp.stage_decorator([detector])
    @bpp.run_decorator()
    def plan():
        for number, (planned, enough) in enumerate(exposures):
            info = TriggerInfo(number_of_events=planned, collections_per_event=per_row)
            yield from bps.prepare(detector, info, wait=True)
            if not number:
                yield from bps.declare_stream(detector, name="primary", collect=True)
            before = detector._file.n_rows
            yield from bps.kickoff(detector, wait=True)
            yield from bps.complete(detector, group="exposed", wait=False)
            if enough is not None:
                yield from bps.wait_for([partial(reaches, detector, before + enough)])
                yield from bps.collect(detector, name="primary")
                yield from bps.stop(detector)
            yield from bps.wait("exposed")
            yield from bps.collect(detector, name="primary")

    return plan()


@pytest.mark.parametrize("per_row", [1, 4])
def test_it_flies_and_an_acquisition_can_be_ended(run_engine, documents, experiment, detector, per_row):
    run_engine(fly(detector, [(8, None), (200, 5), (6, None)], per_row))
    (resource,), datums = documents.named("stream_resource"), documents.named("stream_datum")
    assert resource["parameters"]["multiplier"] == per_row
    limits = [(each["indices"]["start"], each["indices"]["stop"]) for each in datums]
    assert [stop for _, stop in limits[:-1]] == [start for start, _ in limits[1:]]
    n_rows = limits[-1][1]
    stopped = n_rows - 8 - 6
    assert 5 <= stopped < 200
    frames, times = stored(resource)
    assert len(frames) == len(times) == n_rows * per_row
    lengths = [(8, 8), (200, stopped), (6, 6)]
    expected = [experiment.frames(n * per_row, k)[: there * per_row] for k, (n, there) in enumerate(lengths, 1)]
    np.testing.assert_array_equal(frames, np.concatenate(expected))
    assert (np.diff(times) > 0).all()
    assert documents.named("stop")[0]["exit_status"] == "success"


def test_rows_are_seen_while_they_are_exposed(run_engine, documents, detector):
    run_engine(fly(detector, [(100, 5)]))
    first = documents.named("stream_datum")[0]
    assert 5 <= first["indices"]["stop"] < 100


@pytest.mark.parametrize(
    ("info", "words"),
    [
        (TriggerInfo(number_of_events=0), "does not expose for ever"),
        (TriggerInfo(number_of_events=3, livetime=0.5), "not each 0.5 s"),
        (TriggerInfo(number_of_events=3, exposures_per_collection=2), "does not add frames up"),
        (TriggerInfo(number_of_events=3, trigger=DetectorTrigger.EXTERNAL_LEVEL), "triggers itself"),
    ],
)
def test_what_it_cannot_fly_is_refused(run_engine, detector, info, words):
    @bpp.stage_decorator([detector])
    def plan():
        yield from bps.prepare(detector, info, wait=True)

    with pytest.raises(FailedStatus) as error:
        run_engine(plan())
    assert words in str(error.value.__cause__)


def test_rows_of_another_length_need_another_file(run_engine, detector):
    @bpp.stage_decorator([detector])
    @bpp.run_decorator()
    def plan():
        yield from bps.trigger_and_read([detector])
        yield from bps.prepare(detector, TriggerInfo(number_of_events=3), wait=True)

    with pytest.raises(FailedStatus) as error:
        run_engine(plan())
    assert "cannot go on with rows of 1: stage it anew" in str(error.value.__cause__)
