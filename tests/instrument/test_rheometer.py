from __future__ import annotations

import asyncio
import subprocess
import sys
import time

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
import pytest
from ophyd_async.core import init_devices, observe_value

from ainerd_agent.instrument.rheometer import Rheometer

QUANTITIES = {"shear_stress": "Pa", "shear_rate": "1/s", "viscosity": "Pa s"}


@pytest.fixture
def t0():
    return time.time() - 3.0


@pytest.fixture
def rheometer(run_engine, in_loop, experiment, t0):
    with init_devices():
        rheometer = Rheometer(experiment, t0=t0, period=0.05)
    yield rheometer
    in_loop(rheometer.disconnect())


def test_reads_the_present_moment_as_soon_as_it_is_connected(in_loop, experiment, rheometer, t0):
    readings = in_loop(rheometer.read())

    now = readings["rheometer-shear_stress"]["timestamp"]
    assert 0 <= time.time() - now < 5
    assert [readings[f"rheometer-{name}"]["value"] for name in QUANTITIES] == list(experiment.rheometer(now - t0))


def test_describes_its_units(in_loop, rheometer):
    description = in_loop(rheometer.describe())

    assert {key: data_key["units"] for key, data_key in description.items()} == {
        f"rheometer-{name}": units for name, units in QUANTITIES.items()
    }


def test_monitors_give_one_stream_a_signal_with_the_times_of_the_samples(
    run_engine, documents, experiment, rheometer, t0
):
    @bpp.monitor_during_decorator([rheometer.shear_stress, rheometer.shear_rate, rheometer.viscosity])
    @bpp.run_decorator()
    def watch():
        yield from bps.sleep(0.5)

    run_engine(watch())

    samples = []
    for place, name in enumerate(QUANTITIES):
        key = f"rheometer-{name}"
        events = documents.events(f"{key}_monitor")
        times = [event["timestamps"][key] for event in events]
        assert len(times) >= 4
        assert times == sorted(times)
        assert [event["data"][key] for event in events] == [experiment.rheometer(t - t0)[place] for t in times]
        samples.append(times[1:])  # the first is what the signal held when the monitor began
    # The monitors begin and end one after the other, and a sample may fall between.
    begin, end = max(times[0] for times in samples), min(times[-1] for times in samples)
    shared = [[time for time in times if begin <= time <= end] for times in samples]
    assert shared[0] == shared[1] == shared[2]
    assert all(len(times) - len(shared[0]) <= 2 for times in samples)


def test_plain_monitor_works_with_a_stream_name(run_engine, documents, rheometer):
    @bpp.run_decorator()
    def watch():
        yield from bps.monitor(rheometer.shear_rate, name="rate")
        yield from bps.sleep(0.1)
        yield from bps.unmonitor(rheometer.shear_rate)

    run_engine(watch())

    assert {event["data"]["rheometer-shear_rate"] for event in documents.events("rate")} == {0.001}


def test_goes_on_after_a_failure_of_someone_who_monitors_it(in_loop, rheometer, caplog):
    def fail(readings):
        calls.append(readings)
        if len(calls) > 1:  # the first call is the subscription itself
            raise OSError("the disk is full")

    async def outlast():
        rheometer.shear_stress.subscribe_reading(fail)
        async for value in observe_value(rheometer.viscosity, timeout=5):
            viscosities.append(value)
            if len(viscosities) == 4:
                break
        rheometer.shear_stress.clear_sub(fail)

    calls, viscosities = [], []
    in_loop(outlast())

    assert len(calls) >= 3
    assert len(set(viscosities)) == 4
    assert "the disk is full" in caplog.text


def test_sampling_ends_with_disconnect(in_loop, rheometer):
    async def tasks():
        return [task.get_name() for task in asyncio.all_tasks()]

    assert "rheometer sampling" in in_loop(tasks())
    in_loop(rheometer.disconnect())
    assert "rheometer sampling" not in in_loop(tasks())
    in_loop(rheometer.connect())
    assert in_loop(tasks()).count("rheometer sampling") == 1
    in_loop(rheometer.connect())
    assert in_loop(tasks()).count("rheometer sampling") == 1


def test_a_mock_does_not_sample(in_loop, experiment):
    async def connect():
        rheometer = Rheometer(experiment, t0=0.0, name="mocked")
        await rheometer.connect(mock=True)
        return [task.get_name() for task in asyncio.all_tasks()]

    assert "mocked sampling" not in in_loop(connect())


def test_a_session_that_never_disconnects_ends_without_complaint():
    script = """
from types import SimpleNamespace
from bluesky import RunEngine
from ophyd_async.core import init_devices
from ainerd_agent.instrument.rheometer import Rheometer
RE = RunEngine({})
with init_devices():
    rheometer = Rheometer(SimpleNamespace(rheometer=lambda elapsed: (1.0, 2.0, 3.0)), t0=0.0)
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)

    assert ended.stderr == ""
