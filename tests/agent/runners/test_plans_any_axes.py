"""The plans on axes of any names: soft devices of ophyd-async on a RunEngine."""

import numpy as np
import pytest
from ophyd_async.core import init_devices, soft_signal_rw

from ainerd_agent.agent import (
    Axis,
    BeamtimeCost,
    Box,
    LimitError,
    Limits,
    NoveltyAgent,
    Sample,
    measure_at,
    novelty_scan,
)
from tests.agent.runners.test_plans import analysed

COST = BeamtimeCost(speed=10.0, counting=1.0)
SPACE = {
    "temperature": Axis(280.0, 320.0, "K", speed=0.5, settle=60.0),
    "rate": Axis(0.1, 10.0, "1/s", speed=1.0),
}


@pytest.fixture
def devices(run_engine):
    with init_devices():
        cryo = soft_signal_rw(float, 300.0, units="K")
        shear = soft_signal_rw(float, 1.0, units="s^-1")
        stage = soft_signal_rw(float, 0.0, units="mm")
        untold = soft_signal_rw(float, 0.0)
    return {"temperature": cryo, "rate": shear, "x": stage, "well": untold}


@pytest.fixture
def axes(devices):
    return {"temperature": devices["temperature"], "rate": devices["rate"]}


def visited(documents, *names):
    return [tuple(event["data"][name] for name in names) for event in documents.events()]


def test_temperature_and_shear_rate(run_engine, documents, axes):
    """A simulated run: eight measurements, each where the agent said, none in the forbidden region."""
    limits = Limits(SPACE, (Box({"temperature": (310.0, 320.0), "rate": (5.0, 10.0)}),))
    agent = NoveltyAgent(limits, COST, n_start=4, seed=1)
    proposed = []

    def record(suggestion, event, **_):
        if event == "proposed":
            proposed.append(suggestion)

    run_engine(novelty_scan([], axes, agent, analysed, n_measurements=8, record=record))
    assert documents.named("start")[0]["motors"] == ["cryo", "shear"]
    assert documents.named("stop")[0]["exit_status"] == "success"
    asked = [(each.position["temperature"], each.position["rate"]) for each in proposed]
    assert visited(documents, "cryo", "shear") == asked
    assert limits.allowed(np.array(asked)).all()
    assert len(set(asked)) == 8
    assert "length temperature" in proposed[-1].terms


def test_wells_until_none_is_left(run_engine, documents, devices):
    wells = {f"A{number + 1}": {"x": 9.0 * number} for number in range(5)}
    agent = NoveltyAgent(Limits({"x": (0.0, 40.0)}, wells=wells), COST, n_start=2, seed=1)
    run_engine(novelty_scan([], {"x": devices["x"]}, agent, analysed, n_measurements=9))
    assert documents.named("stop")[0]["exit_status"] == "success"
    assert sorted(visited(documents, "stage")) == [(9.0 * number,) for number in range(5)]


def test_samples_with_their_budgets(run_engine, documents, devices):
    holder = [
        Sample(name="gel", axes={"x": (0.0, 10.0)}, measurements=2),
        Sample(name="glass", axes={"x": (20.0, 30.0)}, measurements=3),
    ]
    agent = NoveltyAgent(Limits({"x": (0.0, 30.0)}, samples=holder), COST, n_start=2, seed=1)
    told = []
    run_engine(
        novelty_scan(
            [], {"x": devices["x"]}, agent, analysed, n_measurements=9,
            record=lambda suggestion, event, **_: told.append((suggestion.sample, event)),
        )
    )  # fmt: skip
    measured = [x for (x,) in visited(documents, "stage")]
    assert sum(x <= 10 for x in measured) == told.count(("gel", "measured")) == 2
    assert sum(x >= 20 for x in measured) == told.count(("glass", "measured")) == 3


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("temperature",), "no device moves rate: the axes of the limits are temperature, rate"),
        (("temperature", "rate", "x"), "there is a device for x, and the axes of the limits are temperature, rate"),
        ((), "no device moves temperature, rate"),
    ],
)
@pytest.mark.situation(
    "a device that is missing for an axis of the agent, or is for none", "refused before anything moves"
)
def test_devices_that_are_not_those_of_the_axes_are_refused(run_engine, documents, devices, names, said):
    given = {name: devices[name] for name in names}
    agent = NoveltyAgent(SPACE, COST)
    for plan in (
        novelty_scan([], given, agent, analysed, n_measurements=2),
        measure_at([], given, {"temperature": 300.0, "rate": 1.0}, limits=Limits(SPACE)),
    ):
        with pytest.raises(ValueError, match=said):
            run_engine(plan)
    assert documents.named("start") == []
    with pytest.raises(ValueError, match=said):
        run_engine(novelty_scan([], given, object(), analysed, n_measurements=2, limits=Limits(SPACE)))
    assert documents.named("start") == []


@pytest.mark.situation(
    "a device that counts in another unit than the limits of its axis", "refused before anything moves"
)
def test_a_device_in_another_unit_is_refused(run_engine, documents, axes):
    celsius = {**SPACE, "temperature": Axis(7.0, 47.0, "degC", speed=0.5)}
    agent = NoveltyAgent(celsius, COST)
    with pytest.raises(
        ValueError, match="the limits of temperature are in degC, and its device cryo counts in K: give"
    ):
        run_engine(novelty_scan([], axes, agent, analysed, n_measurements=2))
    with pytest.raises(ValueError, match="the limits of rate are in mm, and its device shear counts in"):
        run_engine(measure_at([], {"rate": axes["rate"]}, {"rate": 1.0}, limits=Limits({"rate": (0.1, 10.0)})))
    assert documents.named("start") == []


def test_budgets_that_nobody_would_keep_are_refused(run_engine, documents, devices):
    holder = [Sample(name="gel", axes={"x": (0.0, 10.0)}, measurements=2), Sample(name="b", axes={"x": (20.0, 30.0)})]
    limits, without = Limits({"x": (0.0, 30.0)}, samples=holder), NoveltyAgent({"x": (0.0, 30.0)}, COST)
    with pytest.raises(ValueError, match="have budgets of gel, which only an agent keeps"):
        run_engine(novelty_scan([], {"x": devices["x"]}, without, analysed, n_measurements=2, limits=limits))
    assert documents.named("start") == []
    run_engine(
        novelty_scan([], {"x": devices["x"]}, NoveltyAgent(limits, COST), analysed, n_measurements=2, limits=limits)
    )
    assert len(documents.events()) == 2


def test_a_device_that_cannot_be_described_is_not_driven(run_engine, documents, axes):
    class Broken:
        name = "broken"

        def describe(self):
            raise OSError("no answer from the cryostat")

    with pytest.raises(OSError, match="no answer from the cryostat"):
        run_engine(
            novelty_scan([], {**axes, "temperature": Broken()}, NoveltyAgent(SPACE, COST), analysed, n_measurements=2)
        )
    assert documents.named("start") == []


def test_a_device_that_does_not_say_its_unit_is_taken_at_its_word(run_engine, documents, devices):
    wells = Limits({"carousel": Axis(0.5, 24.5, "")}, wells={str(slot): {"carousel": slot} for slot in range(1, 4)})
    agent = NoveltyAgent(wells, COST, seed=1)
    run_engine(novelty_scan([], {"carousel": devices["well"]}, agent, analysed, n_measurements=9))
    assert sorted(visited(documents, "untold")) == [(1.0,), (2.0,), (3.0,)]


def test_one_measurement_on_any_axes(run_engine, documents, axes):
    run_engine(measure_at([], axes, {"temperature": 290.0, "rate": 2.0}, limits=Limits(SPACE)))
    assert visited(documents, "cryo", "shear") == [(290.0, 2.0)]
    for position, error, said in (
        ({"temperature": 290.0}, LimitError, "lacks rate"),
        ({"temperature": 400.0, "rate": 2.0}, LimitError, "outside of the limits: temperature 280 to 320"),
    ):
        with pytest.raises(error, match=said):
            run_engine(measure_at([], axes, position, limits=Limits(SPACE)))
    with pytest.raises(ValueError, match="give one device for each axis of the position"):
        run_engine(measure_at([], axes, {"temperature": 290.0}))
    assert len(documents.events()) == 1
