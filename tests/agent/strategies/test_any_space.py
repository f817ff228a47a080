"""Agents on one, two and three axes of any names, on wells, and on several samples with budgets."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from ainerd_agent.agent import (
    Axis,
    Ball,
    BeamtimeCost,
    Box,
    LimitError,
    Limits,
    NoSuggestionError,
    NoveltyAgent,
    Sample,
    ShortFirst,
    SpotAgent,
)
from tests.agent.strategies.test_novelty import analysed

COST = BeamtimeCost(speed=10.0, counting=1.0)
TEMPERATURE = Axis(280.0, 320.0, "K", speed=0.5, settle=10.0)
RATE = Axis(-2.0, 2.0, "log10(1/s)", speed=1.0)
AXES = {"temperature": TEMPERATURE, "rate": RATE, "x": Axis(0.0, 4.0), "age": Axis(0.0, 60.0, "min", speed=1.0)}
PLATE = {
    f"{row}{column + 1}": {"x": 9.0 * column, "y": 9.0 * number}
    for number, row in enumerate("ABCD")
    for column in range(6)
}
HOLDER = (
    Sample(name="gel", axes={"x": (0.0, 10.0)}, measurements=4),
    Sample(name="glass", axes={"x": (20.0, 30.0)}, seconds=12.0),
    Sample(name="capillary", axes={"x": (40.0, 40.0)}, measurements=2),
)
STAGE = {"x": (0.0, 50.0), "y": (0.0, 10.0)}
RECORDED = json.loads((Path(__file__).parent / "suggestions-on-x-and-y.json").read_text())


def found_at(position, number):
    """Latents that depend on where it was, whatever the axes are."""
    level = np.sin(np.arange(1, 9) * sum(place * value for place, value in enumerate(position.values(), 1)) / 50)
    noise = 0.05 * np.random.default_rng(number).normal(size=(4, 8))
    return analysed(level + noise, number)


def go_on(agent, n):
    """Suggestions until `n` were measured, or nothing is left."""
    for number in range(1, n + 1):
        if agent.should_stop():
            return
        try:
            suggestion = agent.suggest()
        except NoSuggestionError:
            return
        agent.ingest(suggestion, found_at(suggestion.position, number))
        yield suggestion


def landscape(x, y, number):
    level = np.zeros(16)
    level[0], level[1] = 10 * max(0.0, x - 2.5), 3 * np.sin(2 * y + number / 20)
    seen = analysed(level + 0.05 * np.random.default_rng(number).normal(size=(6, 16)), number)
    object.__setattr__(seen.origin, "start", 10.0 * number)
    return seen


@pytest.mark.parametrize("goal", ["coverage", "novelty"])
def test_on_x_and_y_the_suggestions_are_those_of_the_version_before(goal):
    """Recorded before agents knew other axes; made from the settings that were written then."""
    recorded = RECORDED[goal]
    agent = NoveltyAgent.from_settings(recorded["settings"])
    assert agent.settings == recorded["settings"]
    number = 0
    suggestions = []
    for batch in (*[1] * 9, 3, 1):
        for suggestion in agent.suggest_batch(batch) if batch > 1 else [agent.suggest()]:
            number += 1
            suggestions.append(suggestion)
            agent.ingest(suggestion, landscape(suggestion.position["x"], suggestion.position["y"], number))
    assert [each.position for each in suggestions] == [each["position"] for each in recorded["suggestions"]]
    assert [each.reason for each in suggestions] == [each["reason"] for each in recorded["suggestions"]]
    scores = [np.nan if each["score"] is None else each["score"] for each in recorded["suggestions"]]
    np.testing.assert_allclose([each.score for each in suggestions], scores, rtol=1e-9)


@pytest.mark.parametrize("names", [["temperature"], ["temperature", "rate"], ["x", "temperature", "rate"], list(AXES)])
def test_any_number_of_axes(names):
    limits = Limits({name: AXES[name] for name in names})
    agent = NoveltyAgent(limits, COST, n_start=4, seed=2)
    suggestions = list(go_on(agent, 8))
    assert len(suggestions) == 8
    for each in suggestions:
        assert list(each.position) == names
        limits.check(each.position)
        assert each.units == {name: AXES[name].unit for name in names if AXES[name].unit != "mm"}
    last = suggestions[-1]
    assert {name for name in last.terms if name.startswith("length")} == (
        {"length"} if len(names) == 1 else {f"length {name}" for name in names}
    )
    assert all(set(names) < set(each) for each in last.alternatives)
    # The start is spread over every axis.
    start = np.array([list(each.position.values()) for each in suggestions[:4]])
    assert (np.ptp(start, axis=0) > 0.4 * (limits.high - limits.low)).all()


def restarted(agent, suggestions, known):
    """As `lifecycle.restore` makes it again, from what was written down."""
    again = type(agent).from_settings(json.loads(json.dumps(suggestions[0].settings)))
    for number, each in enumerate(suggestions[:known], start=1):
        again.recall(each)
        again.ingest(each, found_at(each.position, number))
    return again


@pytest.mark.parametrize(
    "limits",
    [
        Limits({name: AXES[name] for name in ("x", "temperature", "rate")}, (Ball({"rate": 0.0}, 0.2),)),
        Limits({"x": (0.0, 45.0), "y": (0.0, 27.0)}, wells=PLATE),
        Limits(STAGE, samples=HOLDER, exclusion=0.5),
    ],
)
def test_another_process_goes_on_with_the_same_suggestions(limits):
    agent = NoveltyAgent(limits, COST, n_start=3, seed=5, name="night")
    suggestions = list(go_on(agent, 9))
    again = restarted(agent, suggestions, 6)
    for number, expected in enumerate(suggestions[6:], start=7):
        found = again.suggest()
        assert found == expected
        again.ingest(found, found_at(found.position, number))


def test_wells_are_measured_once_each_and_spread_out_to_begin_with():
    limits = Limits({"x": (0.0, 45.0), "y": (0.0, 27.0)}, wells=PLATE)
    agent = NoveltyAgent(limits, COST, n_start=4, seed=1)
    suggestions = list(go_on(agent, 30))
    assert sorted(each.well for each in suggestions) == sorted(PLATE)
    assert all(each.position == PLATE[each.well] for each in suggestions)
    assert suggestions[0].reason.startswith(f"well {suggestions[0].well}: space-filling start, 1 of 4")
    start = np.array([list(each.position.values()) for each in suggestions[:4]])
    apart = np.linalg.norm(start[:, None] - start[None], axis=-1)[np.triu_indices(4, 1)]
    assert apart.min() > 20
    with pytest.raises(NoSuggestionError, match="the sample is used up"):
        agent.suggest()


def test_a_well_is_all_that_may_be_asked_for():
    agent = NoveltyAgent(Limits({"x": (0.0, 45.0), "y": (0.0, 27.0)}, wells=PLATE), COST)
    suggestion = agent.suggest()
    with pytest.raises(LimitError, match="is on no sample: the wells are A1, A2"):
        agent.edit(suggestion, {"x": 1.0, "y": 0.0})
    free = next(name for name in PLATE if name != suggestion.well)
    assert agent.edit(suggestion, PLATE[free]).well == free


def test_every_sample_has_its_budget_and_no_more():
    agent = NoveltyAgent(Limits(STAGE, samples=HOLDER, exclusion=0.5), COST, n_start=2, seed=3)
    suggestions = list(go_on(agent, 40))
    assert {each.sample for each in suggestions[:3]} == {"gel", "glass", "capillary"}
    counts = {name: sum(each.sample == name for each in suggestions) for name in ("gel", "glass", "capillary")}
    assert (counts["gel"], counts["capillary"]) == (4, 2)
    assert 3 < counts["glass"] <= 12
    assert sum(each.cost for each in suggestions if each.sample == "glass") <= 12.0
    assert all(each.position["x"] == 40.0 for each in suggestions if each.sample == "capillary")
    with pytest.raises(NoSuggestionError, match=r"gel has had 4 of 4 measurements; sample glass has had .* of 12 s"):
        agent.suggest()


def test_a_rejected_measurement_is_paid_back_to_its_sample():
    holder = (Sample(name="a", axes={"x": (0.0, 10.0)}, measurements=1),)
    agent = NoveltyAgent(Limits(STAGE, samples=holder, exclusion=0.5), COST, n_start=1)
    first = agent.suggest()
    with pytest.raises(NoSuggestionError):
        agent.suggest()
    agent.withdraw(first)
    assert agent.suggest().position != first.position


def test_people_cannot_spend_more_than_the_budget_of_a_sample():
    holder = (
        Sample(name="a", axes={"x": (0.0, 10.0)}, measurements=1),
        Sample(name="b", axes={"x": (20.0, 30.0)}, measurements=2),
    )
    agent = NoveltyAgent(Limits(STAGE, samples=holder, exclusion=0.5), COST, n_start=2)
    first, second = agent.suggest(), agent.suggest()
    assert (first.sample, second.sample) == ("a", "b")
    with pytest.raises(LimitError, match="cannot be paid for: sample a has had 1 of 1 measurements"):
        agent.edit(second, {"x": 5.0, "y": 5.0})
    with pytest.raises(LimitError, match="sample a has had 1 of 1"):
        agent.expose({"x": 5.0, "y": 5.0}, "mine")
    assert agent.edit(first, {"x": 5.0, "y": 5.0}).sample == "a"
    assert agent.edit(first, {"x": 25.0, "y": 5.0}).sample == "b"
    assert agent.suggest().sample == "a"


def test_a_long_count_is_left_out_where_its_sample_has_no_budget(caplog):
    holder = (Sample(name="a", axes={"x": (0.0, 10.0)}, measurements=1),)
    brief = ShortFirst(NoveltyAgent(Limits(STAGE, samples=holder, exclusion=0.5), COST), short=0.5, long=5.0)
    suggestion = brief.suggest()
    brief.ingest(suggestion, found_at(suggestion.position, 1))
    assert "No long count follows" in caplog.text
    with pytest.raises(NoSuggestionError):
        brief.suggest()


def test_nothing_is_learnt_from_one_sample_about_another():
    """The second sample is as unknown as ever after many measurements beside it."""
    holder = (Sample(name="a", axes={"x": (0.0, 10.0)}), Sample(name="b", axes={"x": (10.1, 20.0)}, measurements=1))
    agent = NoveltyAgent(Limits(STAGE, samples=holder, exclusion=0.5), COST, n_start=1, seed=1)
    list(go_on(agent, 6))
    surrogate = agent._measured.surrogate()
    where = agent.limits.coordinates(np.array([[9.9, 5.0], [19.9, 5.0]]))
    near, far = surrogate.predict(np.column_stack([where, [0.0, 0.0]])).std[:, 0]
    assert near <= far


@pytest.mark.parametrize(("settle", "most"), [(0.0, np.inf), (600.0, 0.15)])
def test_what_takes_minutes_is_moved_less(settle, most):
    """The temperature is changed with almost every measurement where that costs nothing, and rarely where it does."""
    axes = {"x": (0.0, 4.0), "temperature": Axis(280.0, 320.0, "K", speed=100.0, settle=settle)}
    agent = NoveltyAgent(Limits(axes, exclusion=0, wells=steps()), COST, n_start=3, seed=1)
    visited = np.array([each.position["temperature"] for each in go_on(agent, 24)])
    changes = np.count_nonzero(np.diff(visited)[2:]) / 21
    assert changes <= most
    if not settle:
        assert changes > 0.3


def steps():
    return {
        f"{x:g} mm at {temperature:g} K": {"x": float(x), "temperature": float(temperature)}
        for x in np.linspace(0, 4, 12)
        for temperature in (280.0, 300.0, 320.0)
    }


def test_the_near_one_of_two_equal_wells_comes_first():
    wells = {"here": {"x": 0.0}, "near": {"x": 10.0}, "far": {"x": 100.0}}
    slow = NoveltyAgent(Limits({"x": (0.0, 100.0)}, wells=wells), BeamtimeCost(1.0, 1.0), n_start=1, seed=0)
    first = slow.suggest()
    slow.edit(first, {"x": 0.0})
    slow.ingest(first, found_at({"x": 0.0}, 1))
    slow.ingest(slow.expose({"x": 0.0}, "again"), found_at({"x": 0.0}, 2))
    assert slow.suggest().well == "near"


def test_an_axis_that_cannot_go_back_is_driven_forward_only():
    axes = {"age": Axis(0.0, 100.0, "s", speed=1.0, one_way=True), "temperature": TEMPERATURE}
    agent = NoveltyAgent(axes, COST, n_start=3, seed=1)
    suggestions = list(go_on(agent, 10))
    ages = [each.position["age"] for each in suggestions]
    assert ages[:3] == [0.0] * 3
    assert all(later >= earlier for earlier, later in pairwise(ages))
    assert ages[-1] > 0
    with pytest.raises(LimitError, match="lies behind on an axis that cannot go back"):
        agent.expose({"age": ages[-1] - 1.0, "temperature": 300.0}, "mine")
    batch = [each.position["age"] for each in agent.suggest_batch(3)]
    assert batch == sorted(batch)


def test_a_spot_agent_watches_a_spot_on_any_axes():
    limits = Limits({"temperature": TEMPERATURE, "x": (0.0, 4.0)}, samples=[Sample(name="gel", measurements=2)])
    for spot in ({"x": 1.0, "temperature": 300.0}, (300.0, 1.0)):
        agent = SpotAgent(limits, spot, counting=1.0, name="spot")
        suggestion = agent.suggest()
        assert (suggestion.position, suggestion.sample) == ({"temperature": 300.0, "x": 1.0}, "gel")
        assert SpotAgent.from_settings(json.loads(json.dumps(agent.settings))).settings == agent.settings
        agent.suggest()
        assert agent.should_stop() == "the budget is spent: sample gel has had 2 of 2 measurements"
    with pytest.raises(ValueError, match="has 1 values, and the axes are temperature, x"):
        SpotAgent(limits, (300.0,), counting=1.0)
    with pytest.raises(LimitError, match="lacks x"):
        SpotAgent(limits, {"temperature": 300.0}, counting=1.0)


XYT = {"x": (0.0, 4.0), "y": (0.0, 2.0), "temperature": TEMPERATURE}
regions = st.lists(
    st.one_of(
        st.builds(
            lambda x, y, t, r: Ball({"x": x, "y": y, "temperature": t}, {"x": r, "y": r, "temperature": 10 * r}),
            st.floats(0, 4), st.floats(0, 2), st.floats(280, 320), st.floats(0.1, 0.8),
        ),
        st.builds(lambda t, width: Box({"temperature": (t, t + width)}), st.floats(280, 310), st.floats(0, 9)),
        st.builds(lambda x, y: Box({"x": (x, x + 0.5), "y": (y, 2.0)}), st.floats(0, 3), st.floats(0, 2)),
    ),
    max_size=3,
)  # fmt: skip


@settings(max_examples=15)
@given(
    forbidden=regions, exclusion=st.floats(0.05, 0.5), seed=st.integers(0, 99),
    budgets=st.tuples(st.integers(1, 4), st.floats(5.0, 60.0)), batch=st.integers(1, 3),
)  # fmt: skip
def test_no_suggestion_breaks_limits_regions_exclusion_or_budgets(forbidden, exclusion, seed, budgets, batch):
    holder = (
        Sample(name="a", axes={"x": (0.0, 1.5)}, measurements=budgets[0]),
        Sample(name="b", axes={"x": (2.0, 4.0)}, seconds=budgets[1], forbidden=(Ball({"x": 3.0, "y": 1.0}, 0.3),)),
    )
    try:
        limits = Limits(XYT, tuple(forbidden), {"x": exclusion, "y": exclusion}, samples=holder)
        agent = NoveltyAgent(limits, COST, n_start=3, seed=seed)
    except ValueError as error:
        if "leave no room" not in str(error):
            raise
        reject()
    exposed, spent = [], {"a": 0.0, "b": 0.0}
    for number in range(1, 9):
        try:
            suggestions = agent.suggest_batch(batch) if number % 2 else [agent.suggest()]
        except NoSuggestionError:
            break
        for each in suggestions:
            limits.check(each.position, np.array(exposed).reshape(-1, 3))
            exposed.append(limits.space.array(each.position))
            assert each.sample == limits.sample_and_well(each.position)[0]
            spent[each.sample] += 1 if each.sample == "a" else each.cost
            agent.ingest(each, found_at(each.position, len(exposed)))
    assert spent["a"] <= budgets[0]
    assert spent["b"] <= budgets[1] + 1e-9
