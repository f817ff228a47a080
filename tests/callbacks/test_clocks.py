"""Clocks that differ from the control system's are recognised, corrected, and reported."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ainerd_agent.callbacks import Assembler
from ainerd_agent.callbacks.clocks import DeviceClock
from ainerd_agent.records import Measurement
from ainerd_agent.rheology import stress_during
from ainerd_agent.settings import ClockSettings, Settings
from tests.callbacks import made_runs
from tests.callbacks.made_runs import POSITION_KEYS, T0, MadeRun, array_key, movies, number_key, write_hdf5


def run_with_clocks(folder, *, rheometer=0.0, detector=None, n=3):
    """Three exposures of 0.16 s, a stress that is the time since the start, and devices that are ahead by so much."""
    frames = movies(n)
    path = write_hdf5(folder / "clocks.h5", frames.reshape(-1, *frames.shape[2:]))
    run = MadeRun()
    keys = {"detector": array_key(frames.shape[1:], external="STREAM:"), **POSITION_KEYS}
    if detector is not None:
        keys["detector-exposure_start"] = number_key("s")
    run.stream("primary", keys)
    resource = run.stream_asset(path)
    times = T0 + np.arange(0.0, 20.0, 0.05)
    run.stress(times, times - T0, offset=rheometer)
    for k in range(n):
        data = {"stage-x": 0.5 + k, "stage-y": 1.0}
        if detector is not None:
            data["detector-exposure_start"] = T0 + 4.0 * k + 2.0 - 0.2 + detector
        run.rows(resource, "primary", k, k + 1)
        run.event("primary", data, T0 + 4.0 * k + 2.0)
    return made_runs.validated(run.stop())


def measured(documents, **clocks):
    assembler = Assembler(Settings(clocks=ClockSettings(**clocks)))
    found = [record for name, doc in documents for record in assembler.feed(name, doc)]
    return [record for record in found if isinstance(record, Measurement)]


def stress_of(measurement):
    return stress_during(measurement.rheometer, measurement.origin.start, measurement.origin.stop).mean


@pytest.mark.situation(
    "the rheometer's clock is off by seconds, hours, or counts from its start",
    "corrected by the estimate, with its uncertainty in `problems`",
)
@pytest.mark.parametrize("ahead", [3600.0, -7200.0, 40.0, -40.0, -T0 + 5000.0], ids=str)
def test_a_rheometer_on_another_clock_is_corrected_and_that_is_said(ahead, tmp_path):
    for k, each in enumerate(measured(run_with_clocks(tmp_path, rheometer=ahead))):
        assert stress_of(each) == pytest.approx(4.0 * k + 1.92, abs=0.1)
        (said,) = each.problems
        way = "ahead" if ahead > 0 else "behind"
        assert said.startswith("the rheometer's clock is ")
        assert f"s {way} of the control system's, and was corrected by that" in said


@pytest.mark.parametrize("ahead", [0.0, 0.5, -0.5])
def test_a_delay_is_no_difference(ahead, tmp_path):
    for each in measured(run_with_clocks(tmp_path, rheometer=ahead)):
        assert each.problems == ()


def test_a_difference_that_is_given_is_taken_without_a_word(tmp_path):
    for k, each in enumerate(measured(run_with_clocks(tmp_path, rheometer=1.5), rheometer=1.5)):
        assert stress_of(each) == pytest.approx(4.0 * k + 1.92, abs=0.1)
        assert each.problems == ()


@pytest.mark.situation(
    "the detector's clock is off, or counts from its start",
    "corrected by the estimate, with its uncertainty in `problems`",
)
@pytest.mark.parametrize("ahead", [100.0, 86_400.0, -86_400.0, -T0 + 77.0], ids=str)
def test_a_detector_on_another_clock_is_corrected_and_that_is_said(ahead, tmp_path):
    for k, each in enumerate(measured(run_with_clocks(tmp_path, detector=ahead))):
        assert each.origin.start == pytest.approx(T0 + 4.0 * k + 1.84, abs=0.1)
        assert stress_of(each) == pytest.approx(4.0 * k + 1.92, abs=0.1)
        assert each.problems[0].startswith("the detector's clock is ")


def test_a_detector_on_the_right_clock_is_believed(tmp_path):
    for k, each in enumerate(measured(run_with_clocks(tmp_path, detector=0.0))):
        assert each.origin.start == pytest.approx(T0 + 4.0 * k + 1.8)
        assert each.problems == ()


@pytest.mark.situation(
    "events come seconds after their exposures, as where reading out is slow",
    "the detector's time is believed, and the delay is marked",
)
def test_a_detector_that_is_read_out_slowly_is_believed(tmp_path):
    """Its exposures begin after the events before them: nothing says that its clock is behind."""
    for k, each in enumerate(measured(run_with_clocks(tmp_path, detector=-2.5))):
        assert each.origin.start == pytest.approx(T0 + 4.0 * k - 0.7)
        (said,) = [problem for problem in each.problems if "taken for delay" in problem]
        assert said.startswith("its event came 2.5 s after the end of the exposure, by ")


@pytest.mark.situation("the rheometer read nothing during an exposure", "no stress, and the reason in `problems`")
def test_no_stress_comes_with_a_reason(tmp_path):
    documents = [
        (name, doc)
        for name, doc in run_with_clocks(tmp_path)
        if not (name == "event" and "rheometer-shear_stress" in doc["data"] and doc["time"] > T0 + 3.0)
    ]
    first, *later = measured(documents)
    assert first.problems == ()
    for each in later:
        assert each.problems == ("no stress: the rheometer read nothing within a second of the exposure",)


@given(
    difference=st.floats(-1e6, 1e6),
    delays=st.lists(st.floats(0.0, 0.5), min_size=3, max_size=30),
)
def test_an_estimate_is_right_within_its_uncertainty_and_the_delay(difference, delays):
    clock = DeviceClock(None, 2.0)
    for k, delay in enumerate(delays):
        clock.add(10.0 * k + delay, 10.0 * k + difference)
    found = clock.difference()
    if abs(difference) > 3.0:
        assert found.estimated
        assert -difference - 1e-6 <= found.seconds <= -difference + 0.5 + 1e-6
        assert found.uncertainty <= 0.25 + 1e-6
    elif abs(difference) < 1.5:
        assert not found.estimated


def test_a_value_that_stays_the_same_is_no_clock_that_is_behind():
    clock = DeviceClock(None, 2.0)
    for k in range(100):
        clock.add(1000.0 + k, 0.0)
    assert not clock.difference().estimated
    clock.add(math.nan, 1.0)
    clock.add(1.0, math.inf)
    assert not clock.difference().estimated
