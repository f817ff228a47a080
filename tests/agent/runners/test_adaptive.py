"""Under the plan of bluesky-adaptive, on a RunEngine with the simulated beamline."""

import numpy as np
import pytest

protocols = pytest.importorskip("bluesky_adaptive.protocols", reason="the extra adaptive is not installed")
from bluesky_adaptive.plans import optimize, sample_suggestions  # noqa: E402

from ainerd_agent.agent import Axis, BeamtimeCost, LimitError, NoveltyAgent  # noqa: E402
from ainerd_agent.agent.runners.adaptive import NoveltyOptimizer  # noqa: E402
from ainerd_agent.errors import AinerdError  # noqa: E402
from tests.agent.runners.test_plans import analysed  # noqa: E402

AXES = ("stage-x", "stage-y")


@pytest.fixture
def beamline(beamline_in, glass, tmp_path):
    return beamline_in(glass, tmp_path)


@pytest.fixture
def told():
    return []


@pytest.fixture
def make_optimizer(told):
    def record(suggestion, event, *, raw_uid, seq_num, novelty):
        told.append((suggestion.id, event))

    def make(result_of=analysed, *, axes=AXES, keep=None):
        agent = NoveltyAgent({"x": (1.0, 1.4), "y": (1.0, 1.4)}, BeamtimeCost(10.0, 0.3), n_start=3, seed=1, name="opt")
        return NoveltyOptimizer(agent, result_of, axes=axes, record=record, keep=keep)

    return make


@pytest.fixture
def optimizer(make_optimizer):
    return make_optimizer()


def problem(optimizer, beamline):
    return optimizer.problem([beamline.stage.x, beamline.stage.y], [beamline.detector])


def test_it_has_all_protocols(optimizer):
    for protocol in (
        "Optimizer",
        "SupportsStoppingCriteria",
        "TrialFaultAware",
        "CanRegisterSuggestions",
        "Checkpointable",
    ):
        assert isinstance(optimizer, getattr(protocols, protocol))


def test_it_runs_under_optimize(run_engine, documents, beamline, optimizer, told):
    plan = optimize(
        problem(optimizer, beamline),
        iterations=3,
        n_points=2,
        checkpoint_interval=1,
        monitors=[beamline.rheometer.shear_stress],
    )
    run_engine(plan)
    runs = [doc for doc in documents.named("start") if doc["plan_name"] == "acquire_suggestions"]
    # Two at a time, in the order of the shorter way.
    assert [set(each["blop_acquisition_order"]) for each in runs] == [{f"opt-{n}", f"opt-{n + 1}"} for n in (1, 3, 5)]
    measured = [doc for doc in documents.named("event") if "stage-x" in doc["data"] and "novelty" not in doc["data"]]
    assert len(measured) == 6
    outcomes = [doc["data"] for doc in documents.named("event") if "novelty" in doc["data"]]
    assert len(outcomes) == 6
    assert {each["suggestion_ids"] for each in outcomes} == {f"opt-{n}" for n in range(1, 7)}
    assert told.count(("opt-4", "proposed")) == told.count(("opt-4", "measured")) == 1
    best = optimizer.get_best_points()
    assert len(best) == 5
    assert best[0][2]["novelty"] >= best[1][2]["novelty"]
    assert set(best[0][1]) == set(AXES)


def test_failed_measurements_are_learnt_from(run_engine, beamline, make_optimizer, told):
    optimizer = make_optimizer(lambda uid, seq_num: None)
    run_engine(optimize(problem(optimizer, beamline), iterations=2))
    assert [event for _, event in told] == ["proposed", "failed"] * 2
    assert optimizer.get_best_points() == []


def test_a_plan_that_fails_registers_it(run_engine, beamline, make_optimizer, told):
    def broken(uid, seq_num):
        raise ValueError("the analysis broke")

    optimizer = make_optimizer(broken)
    with pytest.raises(ValueError, match="broke"):
        run_engine(optimize(problem(optimizer, beamline), iterations=2))
    assert told == [("opt-1", "proposed"), ("opt-1", "failed")]


def test_points_of_people_are_measured(run_engine, documents, beamline, optimizer, told):
    points = [{"stage-x": 1.1, "stage-y": 1.3}]
    run_engine(sample_suggestions(problem(optimizer, beamline), points))
    assert [event for name, event in told if name.startswith("opt-own-")] == ["proposed", "measured"]
    (event,) = [doc for doc in documents.named("event") if "stage-x" in doc["data"] and "novelty" not in doc["data"]]
    assert event["data"]["stage-x"] == pytest.approx(1.1)
    with pytest.raises(LimitError, match="outside of the limits"):
        optimizer.register_suggestions([{"stage-x": 9.0, "stage-y": 1.3}])
    with pytest.raises(ValueError, match="has no stage-y"):
        optimizer.register_suggestions([{"stage-x": 1.2}])


def test_nothing_moves_beyond_the_limits(run_engine, documents, beamline, optimizer):
    asked = [{"_id": "opt-9", "stage-x": 3.0, "stage-y": 1.0}]
    with pytest.raises(LimitError):
        run_engine(optimizer.acquire(asked, [beamline.stage.x, beamline.stage.y], [beamline.detector]))
    assert documents.named("start") == []


def test_unknown_motors_are_refused(run_engine, documents, beamline, make_optimizer):
    optimizer = make_optimizer(axes=("x", "y"))
    with pytest.raises(ValueError, match="the actuators are stage-x, stage-y and the agent's axes x and y"):
        run_engine(optimizer.acquire([], [beamline.stage.x, beamline.stage.y]))
    assert documents.named("start") == []


def test_no_points_are_not_one(optimizer):
    assert len(optimizer.suggest()) == 1
    with pytest.raises(ValueError, match="at least one position, got 0"):
        optimizer.suggest(0)


def test_points_of_people_have_names_of_their_own_in_every_process(optimizer):
    """Another process that goes on with the agent took the same names again."""
    point = {"stage-x": 1.1, "stage-y": 1.3}
    again = NoveltyOptimizer(optimizer.agent, analysed, axes=AXES)
    ((one,), (other,)) = optimizer.register_suggestions([point]), again.register_suggestions([point])
    assert one["_id"] != other["_id"]


def test_it_says_why_to_stop(optimizer):
    assert optimizer.should_stop() == (False, None)
    optimizer.agent.stop("the night is over")
    assert optimizer.should_stop() == (True, "the night is over")


def test_a_checkpoint_makes_sure_that_all_is_kept(optimizer, make_optimizer):
    optimizer.checkpoint()  # nobody keeps anything
    make_optimizer(keep=lambda: 0).checkpoint()
    with pytest.raises(AinerdError, match="2 records wait"):
        make_optimizer(keep=lambda: 2).checkpoint()


def test_outcomes_from_elsewhere(optimizer):
    optimizer.ingest([{"stage-x": 1.2, "stage-y": 1.2, "raw_uid": "past", "seq_num": 4}])
    assert optimizer.agent.suggest().inputs == ("past/primary/4",)
    assert np.isnan(optimizer.get_best_points()[0][2]["novelty"])
    with pytest.raises(ValueError, match="no suggestion that is open"):
        optimizer.ingest([{"_id": "opt-77", "raw_uid": "past", "seq_num": 5}])


def test_points_have_the_names_of_the_actuators_on_any_axes():
    axes = {"temperature": Axis(280.0, 320.0, "K", speed=1.0), "x": (0.0, 4.0)}
    agent = NoveltyAgent(axes, BeamtimeCost(10.0, 0.3), seed=1)
    optimizer = NoveltyOptimizer(agent, analysed, axes=("cryo", "stage"))
    (point,) = optimizer.suggest()
    assert set(point) == {"_id", "cryo", "stage"}
    (own,) = optimizer.register_suggestions([{"cryo": 300.0, "stage": 2.0}])
    assert (own["cryo"], own["stage"]) == (300.0, 2.0)
    assert set(NoveltyOptimizer(agent, analysed).suggest()[0]) == {"_id", "temperature", "x"}
    with pytest.raises(
        ValueError, match="the agent's axes are temperature, x, and the actuators cryo: give one for each"
    ):
        NoveltyOptimizer(agent, analysed, axes=("cryo",))
