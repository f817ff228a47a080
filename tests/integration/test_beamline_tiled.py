"""The simulated beamline under a RunEngine, recorded by TiledWriter."""

from __future__ import annotations

import time

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
import numpy as np
import pytest
from bluesky import RunEngine
from bluesky.utils import RunEngineInterrupted
from bluesky_tiled_plugins import TiledWriter
from ophyd_async.core import init_devices
from tiled.client import from_uri
from tiled.structures.core import Spec

from ainerd_agent.catalog.server.embedded import TiledServer
from ainerd_agent.instrument.beamline import build_beamline
from ainerd_agent.instrument.camera import SpeckleCamera
from ainerd_agent.instrument.experiment import Experiment
from ainerd_agent.scattering.geometry.detector import Geometry

POSITIONS = [(0, 0), (0.25, 0.5), (1, 0.75)]
FRAME_TIME = 0.02
N_FRAMES = 15
SIGNALS = ("shear_stress", "shear_rate", "viscosity")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with TiledServer(tmp_path_factory.mktemp("catalog")) as server:
        yield server


@pytest.fixture(scope="module")
def raw(server):
    client = from_uri(server.uri)
    yield client.create_container("raw", specs=[Spec("CatalogOfBlueskyRuns", version="3.0")])
    client.context.close()


@pytest.fixture(scope="module")
def run_engine(raw):
    engine = RunEngine({}, call_returns_result=False)
    writer = TiledWriter(raw, batch_size=1)
    engine.subscribe(writer)
    yield engine
    engine.loop.call_soon_threadsafe(engine.loop.stop)
    engine._th.join()
    engine.loop.close()


@pytest.fixture(scope="module")
def experiment():
    geometry = Geometry(centre=(8.0, 10.0), distance=6.0, pixel_size=0.001)
    camera = SpeckleCamera(shape=(16, 20), geometry=geometry, n_sectors=4)
    return Experiment.random(7, camera, duration=N_FRAMES * FRAME_TIME)


@pytest.fixture(scope="module")
def t0():
    return time.time() - 20.0


@pytest.fixture(scope="module")
def beamline(run_engine, server, experiment, t0):
    beamline = build_beamline(
        experiment, server.frames, t0=t0, frame_time=FRAME_TIME, n_frames=N_FRAMES, rheometer_period=0.2
    )
    with init_devices():
        stage, detector, rheometer = beamline.stage, beamline.detector, beamline.rheometer
    assert (stage, detector, rheometer) == (beamline.stage, beamline.detector, beamline.rheometer)
    yield beamline
    beamline.close()


def scan(beamline, positions, *, pause=False):
    stage, detector, rheometer = beamline.stage, beamline.detector, beamline.rheometer

    @bpp.stage_decorator([detector])
    @bpp.monitor_during_decorator([getattr(rheometer, name) for name in SIGNALS])
    @bpp.run_decorator()
    def plan():
        for x, y in positions:
            yield from bps.mv(stage.x, x, stage.y, y)
            yield from bps.trigger_and_read([detector, stage.x, stage.y])
        if pause:
            yield from bps.trigger(detector)
            yield from bps.pause()

    return plan()


@pytest.fixture(scope="module")
def run(run_engine, raw, beamline):
    (uid,) = run_engine(scan(beamline, POSITIONS))
    return raw[uid]


def test_frames_are_an_array_of_events(run, experiment, t0):
    frames = run["primary"]["detector"]
    events = run["primary"].base["internal"].read()

    assert frames.shape == (len(POSITIONS), N_FRAMES, *experiment.shape)
    assert frames.dims == ("time", "frame", "row", "column")
    assert frames.dtype == np.uint16
    stored = frames.read()
    for index, ((x, y), start) in enumerate(zip(POSITIONS, events["detector-exposure_start"], strict=True)):
        expected = experiment.expose(x, y, start - t0, N_FRAMES, FRAME_TIME, index + 1)
        np.testing.assert_array_equal(stored[index], expected)
        np.testing.assert_array_equal(frames[index], expected)


def test_positions_are_columns_of_the_event_table(run):
    events = run["primary"].base["internal"].read()

    assert list(zip(events["stage-x"], events["stage-y"], strict=True)) == POSITIONS
    assert (events["time"] >= events["detector-exposure_start"] + N_FRAMES * FRAME_TIME).all()


def test_configuration_is_in_the_metadata_of_the_stream(run, experiment):
    configuration = run["primary"].metadata["configuration"]["detector"]["data"]

    assert configuration == {
        "detector-frame_time": FRAME_TIME,
        "detector-n_frames": N_FRAMES,
        "detector-saturation": experiment.saturation,
    }


def test_monitors_are_tables_that_join_by_the_time_of_the_sample(run, experiment, t0):
    samples = {}
    for place, name in enumerate(SIGNALS):
        key = f"rheometer-{name}"
        table = run[f"{key}_monitor"].base["internal"].read()
        assert list(table.columns) == ["seq_num", "time", key, f"ts_{key}"]
        assert list(table[key]) == [experiment.rheometer(moment - t0)[place] for moment in table[f"ts_{key}"]]
        samples[name] = set(table[f"ts_{key}"])
    # The monitors begin one after the other and end at once: only the first of their samples can differ.
    assert len(samples["shear_stress"]) >= 3
    assert len(set.intersection(*samples.values())) >= len(samples["viscosity"]) - 1


def test_an_aborted_run_stays_readable(run_engine, raw, beamline):
    with pytest.raises(RunEngineInterrupted):
        run_engine(scan(beamline, POSITIONS[:1], pause=True))
    (uid,) = run_engine.abort()

    run = raw[uid]
    assert run.metadata["stop"]["exit_status"] == "abort"
    assert run["primary"]["detector"].read().shape == (1, N_FRAMES, *beamline.detector._experiment.shape)


def test_validation_keeps_the_shape_of_events(run):
    before = run["primary"]["detector"].read()
    with pytest.warns(UserWarning, match="Fixed chunk shape mismatch"):
        assert run.validate()

    np.testing.assert_array_equal(run["primary"]["detector"].read(), before)
    assert len(list(run.documents())) > len(POSITIONS)
