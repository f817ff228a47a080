"""Frames that were taken at another time than their event says are refused."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import pytest

from ainerd_agent.callbacks import Assembler
from ainerd_agent.callbacks.exposure_window import EPICS_EPOCH, refuse_other_frames
from ainerd_agent.errors import FrameError
from ainerd_agent.records import Measurement
from ainerd_agent.scattering.frames.arrays import ArrayFrames
from ainerd_agent.settings import ClockSettings, FileSettings, Settings
from tests.callbacks import made_runs
from tests.callbacks.made_runs import T0


@pytest.fixture
def stamped(tmp_path):
    """Measurements of a run whose file has a time stamp for each frame, so many seconds off."""

    def make(off):
        documents = made_runs.stepped(tmp_path)
        with h5py.File(tmp_path / "stack.h5", "a") as file:
            file["times"] = np.concatenate([T0 + 4.0 * k + 1.84 + 0.01 * np.arange(16) + off for k in range(3)])
        assembler = Assembler(Settings(files=FileSettings(timestamps="times")))
        found = [each for name, doc in documents for each in assembler.feed(name, doc)]
        return [each for each in found if isinstance(each, Measurement)]

    return make


@pytest.mark.parametrize("off", [0.0, 0.5, -1.0, -EPICS_EPOCH], ids=str)
def test_frames_of_the_exposure_are_taken(stamped, off):
    for each in stamped(off):
        refuse_other_frames(each, ClockSettings())


@pytest.mark.situation("time stamps say that frames are of another exposure", "a failure that says so")
@pytest.mark.parametrize("off", [-4.0, 30.0, 3600.0, -EPICS_EPOCH + 60.0], ids=str)
def test_frames_of_another_exposure_are_refused(stamped, off):
    for each in stamped(off):
        with pytest.raises(FrameError, match="outside of the exposure of their event"):
            refuse_other_frames(each, ClockSettings())


def test_a_clock_that_is_known_to_be_off_is_no_reason(stamped):
    for each in stamped(3600.0):
        refuse_other_frames(each, ClockSettings(detector=3600.0))


def test_without_time_stamps_nothing_is_checked(stamped):
    first = stamped(0.0)[0]
    refuse_other_frames(replace(first, frames=ArrayFrames(np.zeros((3, 2, 2)))), ClockSettings())
