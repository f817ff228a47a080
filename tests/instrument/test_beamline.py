from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import urlparse

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
import h5py
import numpy as np
import pytest
from bluesky.utils import FailedStatus
from ophyd_async.core import init_devices

from ainerd_agent.instrument.beamline import build_beamline
from ainerd_agent.instrument.camera import SpeckleCamera
from ainerd_agent.instrument.experiment import Experiment
from ainerd_agent.scattering.geometry.detector import Geometry

POSITIONS = [(0.5, 0.0), (1.0, 0.75), (0.25, 0.5)]
FRAME_TIME = 0.02
N_FRAMES = 15


@pytest.fixture
def experiment():
    geometry = Geometry(centre=(8.0, 10.0), distance=6.0, pixel_size=0.001)
    camera = SpeckleCamera(shape=(16, 20), geometry=geometry, n_sectors=4)
    return Experiment.random(7, camera, duration=N_FRAMES * FRAME_TIME)


@pytest.fixture
def t0():
    return time.time() - 20.0


@pytest.fixture
def beamline(run_engine, experiment, tmp_path, t0):
    beamline = build_beamline(experiment, tmp_path, t0=t0, frame_time=FRAME_TIME, n_frames=N_FRAMES)
    with init_devices():
        stage, detector, rheometer = beamline.stage, beamline.detector, beamline.rheometer
    assert [device.name for device in (stage, detector, rheometer)] == ["stage", "detector", "rheometer"]
    yield beamline
    beamline.close()


def scan(beamline):
    stage, detector, rheometer = beamline.stage, beamline.detector, beamline.rheometer

    @bpp.stage_decorator([detector])
    @bpp.monitor_during_decorator([rheometer.shear_stress, rheometer.shear_rate, rheometer.viscosity])
    @bpp.run_decorator()
    def plan():
        for x, y in POSITIONS:
            yield from bps.mv(stage.x, x, stage.y, y)
            yield from bps.trigger_and_read([detector, stage.x, stage.y])

    return plan()


def test_every_event_holds_the_frames_of_its_place_and_time(run_engine, documents, beamline, experiment, t0):
    run_engine(scan(beamline))

    events = documents.events()
    assert [(event["data"]["stage-x"], event["data"]["stage-y"]) for event in events] == POSITIONS
    with h5py.File(Path(urlparse(documents.named("stream_resource")[0]["uri"]).path), "r") as file:
        frames = file["/entry/data/data"][()].reshape(len(events), N_FRAMES, *experiment.shape)
    for number, (event, (x, y)) in enumerate(zip(events, POSITIONS, strict=True), start=1):
        elapsed = event["data"]["detector-exposure_start"] - t0
        np.testing.assert_array_equal(
            frames[number - 1], experiment.expose(x, y, elapsed, N_FRAMES, FRAME_TIME, number)
        )


def test_the_rheometer_goes_on_during_exposures(run_engine, documents, beamline, experiment, t0):
    run_engine(scan(beamline))

    assert set(documents.named("stop")[0]["num_events"]) == {
        "primary",
        "rheometer-shear_stress_monitor",
        "rheometer-shear_rate_monitor",
        "rheometer-viscosity_monitor",
    }
    key = "rheometer-shear_stress"
    times = np.array([event["timestamps"][key] for event in documents.events(f"{key}_monitor")])
    stress = [event["data"][key] for event in documents.events(f"{key}_monitor")]
    assert stress == [experiment.rheometer(moment - t0)[0] for moment in times]
    for event in documents.events():
        start = event["data"]["detector-exposure_start"]
        assert np.any((times > start) & (times < start + N_FRAMES * FRAME_TIME))


def test_cessation_is_now_where_it_is_not_given(run_engine, in_loop, experiment, tmp_path):
    before = time.time()
    beamline = build_beamline(experiment, tmp_path, frame_time=FRAME_TIME, n_frames=N_FRAMES)
    after = time.time()
    with init_devices():
        rheometer = beamline.rheometer
    reading = in_loop(rheometer.shear_stress.read())["rheometer-shear_stress"]
    beamline.close()

    stress = sorted(experiment.rheometer(reading["timestamp"] - t0)[0] for t0 in (before, after))
    assert stress[0] <= reading["value"] <= stress[1]


def test_the_stage_keeps_to_the_sample(run_engine, beamline, experiment, tmp_path):
    with pytest.raises(FailedStatus):
        run_engine(bps.mv(beamline.stage.y, 4.5))

    wider = build_beamline(
        experiment, tmp_path, frame_time=FRAME_TIME, n_frames=N_FRAMES, limits={"x": (0.0, 4.0), "y": (0.0, 5.0)}
    )
    run_engine(bps.mv(wider.stage.y, 4.5))
