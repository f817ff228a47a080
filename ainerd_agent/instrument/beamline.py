"""The simulated rheo-XPCS beamline: a stage, a detector and a rheometer that look at one experiment."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bluesky.run_engine import call_in_bluesky_event_loop

from ainerd_agent.instrument.detector import ExposesFrames, SpeckleDetector
from ainerd_agent.instrument.rheometer import MeasuresShear, Rheometer
from ainerd_agent.instrument.stage import TRAVEL, SampleStage


class RheoXPCS(ExposesFrames, MeasuresShear, Protocol):
    """A sample that is seen by a detector and a rheometer at once."""


@dataclass(frozen=True, slots=True)
class Beamline:
    """The devices, which share a clock (seconds since shear cessation) and the place of the beam on the sample."""

    stage: SampleStage
    detector: SpeckleDetector
    rheometer: Rheometer

    def close(self) -> None:
        """Stop the rheometer's sampling; call it before the RunEngine's event loop goes, and outside of plans."""
        call_in_bluesky_event_loop(self.rheometer.disconnect())


def build_beamline(
    experiment: RheoXPCS,
    directory: Path,
    *,
    t0: float | None = None,
    frame_time: float,
    n_frames: int,
    limits: Mapping[str, tuple[float, float]] = TRAVEL,
    rheometer_period: float = 0.1,
) -> Beamline:
    """Make the devices of a beamline.

    Connect them in the RunEngine's event loop::

        RE = RunEngine({})
        beamline = build_beamline(experiment, directory, frame_time=0.01, n_frames=100)
        with init_devices():  # from ophyd_async.core; connects the devices it finds among the names set inside
            stage, detector, rheometer = beamline.stage, beamline.detector, beamline.rheometer
        ...
        beamline.close()

    A plan stages the detector anew for every run, and monitors the rheometer's signals::

        signals = [rheometer.shear_stress, rheometer.shear_rate, rheometer.viscosity]

        @bpp.stage_decorator([detector])
        @bpp.monitor_during_decorator(signals)
        @bpp.run_decorator()
        def measure(positions):
            for x, y in positions:
                yield from bps.mv(stage.x, x, stage.y, y)
                yield from bps.trigger_and_read([detector, stage.x, stage.y])

    Parameters
    ----------
    experiment : RheoXPCS
        The sample and its physics.
    directory : Path
        Where the detector's files go.
    t0 : float, optional
        Shear cessation, seconds since the epoch; now, if it is not given.
    frame_time : float
        Seconds from one frame to the next.
    n_frames : int
        Frames per event.
    limits : mapping
        Soft limits of the stage by axis ("x", "y"), mm.
    rheometer_period : float
        Seconds from one rheometer sample to the next. Callbacks run in the event loop: where they take longer than
        this for the three documents of a sample, samples are skipped and the plan slows down.
    """
    cessation = time.time() if t0 is None else t0
    stage = SampleStage(limits=limits)
    detector = SpeckleDetector(
        experiment, stage.position, directory, t0=cessation, frame_time=frame_time, n_frames=n_frames
    )
    return Beamline(stage, detector, Rheometer(experiment, t0=cessation, period=rheometer_period))
