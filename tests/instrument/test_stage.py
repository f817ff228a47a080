from __future__ import annotations

import asyncio
import time

import bluesky.plan_stubs as bps
import pytest
from bluesky.utils import FailedStatus

from ainerd_agent.errors import AinerdError
from ainerd_agent.instrument.stage import SampleStage


@pytest.fixture
def stage(in_loop):
    stage = SampleStage(limits={"x": (0.0, 4.0), "y": (-1.0, 2.0)})
    in_loop(stage.connect())
    return stage


def test_moves_to_where_it_is_sent(run_engine, in_loop, stage):
    run_engine(bps.mv(stage.x, 1.5, stage.y, -0.5))

    assert in_loop(stage.position()) == (1.5, -0.5)
    assert in_loop(stage.x.locate()) == {"setpoint": 1.5, "readback": 1.5}


def test_takes_the_time_its_velocity_asks_for(run_engine, stage):
    started = time.monotonic()
    run_engine(bps.mv(stage.x, 2.0))

    assert time.monotonic() - started >= 2.0 / 10.0

    run_engine(bps.mv(stage.x.velocity, 1000.0))
    started = time.monotonic()
    run_engine(bps.mv(stage.x, 0.0))

    assert time.monotonic() - started < 2.0 / 10.0


@pytest.mark.parametrize("target", [4.001, -0.001, float("nan"), float("inf")])
def test_refuses_to_leave_its_limits(run_engine, in_loop, stage, target):
    run_engine(bps.mv(stage.x, 1.0))

    with pytest.raises(FailedStatus) as failure:
        run_engine(bps.mv(stage.x, target))

    assert isinstance(failure.value.__cause__, AinerdError)
    assert f"stage-x cannot go to {target} mm: its soft limits are 0.0 to 4.0 mm" in str(failure.value.__cause__)
    assert in_loop(stage.x.locate()) == {"setpoint": 1.0, "readback": 1.0}


def test_each_axis_has_limits_of_its_own_that_can_be_moved(run_engine, in_loop, stage):
    with pytest.raises(AinerdError, match="stage-y"):
        in_loop(stage.y.check_value(3.0))
    run_engine(bps.mv(stage.y.high_limit, 3.0))
    in_loop(stage.y.check_value(3.0))


def test_stops_on_the_way(in_loop, stage):
    async def move_and_stop():
        moving = stage.x.set(4.0)
        while (await stage.position())[0] == 0.0:
            await asyncio.sleep(0.01)
        await stage.x.stop(success=True)
        await moving
        return await stage.x.locate()

    location = in_loop(move_and_stop())

    assert 0.0 < location["readback"] < 4.0
    assert location["setpoint"] == location["readback"]


def test_a_stop_that_nobody_asked_for_fails_the_move(in_loop, stage):
    async def move_and_stop():
        moving = stage.x.set(4.0)
        await asyncio.sleep(0.01)
        await stage.x.stop()
        await moving

    with pytest.raises(RuntimeError, match="stage-x was stopped"):
        in_loop(move_and_stop())


def test_describes_positions_in_millimetres(in_loop, stage):
    description = in_loop(stage.describe())
    configuration = in_loop(stage.x.describe_configuration())

    assert {key: data_key["units"] for key, data_key in description.items()} == {"stage-x": "mm", "stage-y": "mm"}
    assert {key: data_key["units"] for key, data_key in configuration.items()} == {
        "stage-x-velocity": "mm/s",
        "stage-x-low_limit": "mm",
        "stage-x-high_limit": "mm",
    }
    assert stage.hints == {"fields": ["stage-x", "stage-y"]}


def test_reads_floats_even_where_it_was_sent_to_an_integer(run_engine, in_loop, stage):
    run_engine(bps.mv(stage.x, 1))

    assert type(in_loop(stage.read())["stage-x"]["value"]) is float


def test_refuses_to_stand_still(run_engine, stage):
    with pytest.raises(AinerdError, match="must be positive"):
        SampleStage(velocity=0.0)
    with pytest.raises(FailedStatus) as failure:
        run_engine(bps.mv(stage.x.velocity, -1.0))
    assert isinstance(failure.value.__cause__, AinerdError)
