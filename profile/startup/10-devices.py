"""The simulated beamline. At a real one, replace this file by the one that makes your devices."""

import os
from pathlib import Path

from ophyd_async.core import init_devices

from ainerd_agent.instrument.beamline import build_beamline
from ainerd_agent.instrument.experiment import FRAME_TIME, simulated_experiment

n_frames = int(os.environ.get("AINERD_FRAMES", "500"))
session_folder = Path(os.environ.get("AINERD_SESSION", "ainerd-session")).resolve()
experiment = simulated_experiment((160, 160), frames=n_frames, seed=0)
beamline = build_beamline(
    experiment,
    session_folder / "frames",
    frame_time=FRAME_TIME,
    n_frames=n_frames,
    limits=experiment.sample.limits,
    rheometer_period=0.5,
)
with init_devices():
    stage, detector, rheometer = beamline.stage, beamline.detector, beamline.rheometer
