import math

import numpy as np
import pytest

from ainerd_agent.agent import LimitError, Limits, NoSuggestionError, SpotAgent
from ainerd_agent.records import Analysis, Origin, ShearStress

LIMITS = Limits({"x": (0.0, 4.0), "y": (0.0, 4.0)})


def analysed(latents, start):
    n = len(latents)
    return Analysis(
        origin=Origin(raw_uid="run", seq_num=1, start=start, stop=start + 1),
        latents=np.asarray(latents, np.float32),
        cluster=np.zeros(n, np.int64),
        centre_distance=np.zeros(n),
        novelty=np.zeros(n),
        reconstruction_error=np.zeros(n),
        stress=ShearStress(),
    )


def watch(agent, latents_at, n):
    """Measure when the agent says; gives the waits and what moved."""
    now, waits, moved = 0.0, [], []
    for number in range(n):
        if agent.should_stop():
            break
        suggestion = agent.suggest()
        assert suggestion.position == {"x": 1.0, "y": 2.0}
        now += suggestion.wait
        rng = np.random.default_rng(number)
        moved.append(agent.ingest(suggestion, analysed(latents_at(now) + 0.05 * rng.normal(size=(4, 8)), now)))
        waits.append(suggestion.wait)
        now += 1.0
    return np.array(waits), np.array(moved)


def ageing(now):
    """The logarithm of the relaxation time grows with that of the age."""
    return np.full((4, 8), 2.0 * math.log(now + 5.0))


def test_waits_grow_as_ageing_slows_down():
    agent = SpotAgent(LIMITS, (1.0, 2.0), counting=1.0, repeatability=0.3, change=4.0, longest=1000.0)
    waits, moved = watch(agent, ageing, 14)
    assert waits[-1] > 5 * waits[3] > 0
    # Each change can be told from noise, and none is large.
    assert np.median(moved[4:]) == pytest.approx(4.0, rel=0.35)


def test_it_stops_where_the_dynamics_have_settled():
    agent = SpotAgent(LIMITS, (1.0, 2.0), counting=1.0, repeatability=0.5, longest=20.0)
    waits, _ = watch(agent, lambda _: np.zeros((4, 8)), 30)
    assert len(waits) < 20
    assert waits.max() == 20.0
    assert "have settled" in agent.should_stop()


def test_the_dose_of_the_spot_is_kept():
    agent = SpotAgent(LIMITS, (1.0, 2.0), counting=2.0, spot_dose=7.0)
    for _ in range(3):
        agent.suggest()
    assert "dose of the spot is spent: 6 s of exposure of 7 s" in agent.should_stop()
    with pytest.raises(NoSuggestionError, match="dose"):
        agent.suggest()


def test_failures_and_requests():
    agent = SpotAgent(LIMITS, (1.0, 2.0), counting=1.0)
    assert math.isnan(agent.ingest(agent.suggest(), None))
    assert agent.suggest().wait == 0.0
    agent.stop("enough")
    assert agent.should_stop() == "enough"


def test_bad_input_is_refused():
    with pytest.raises(LimitError):
        SpotAgent(LIMITS, (9.0, 2.0), counting=1.0)
    with pytest.raises(ValueError, match="make no sense"):
        SpotAgent(LIMITS, (1.0, 2.0), counting=1.0, shortest=10.0, longest=5.0)
    with pytest.raises(ValueError, match="none that can be waited for"):
        SpotAgent(LIMITS, (1.0, 2.0), counting=1.0, change=0.0)


def test_a_rejected_measurement_is_left_out_and_the_next_one_later():
    agent = SpotAgent(LIMITS, (1.0, 2.0), counting=2.0, spot_dose=4.0, longest=7.0)
    waits = []
    for _ in range(4):
        suggestion = agent.suggest()
        waits.append(suggestion.wait)
        agent.withdraw(suggestion)
    assert waits == [0.0, 4.0, 7.0, 7.0]
    # Nothing was exposed.
    assert agent.should_stop() == ""
    assert agent.suggest().id == f"{agent.name}-5"


def test_an_edit_moves_the_spot_for_good():
    agent = SpotAgent(LIMITS, (1.0, 2.0), counting=1.0, spot_dose=2.0, repeatability=0.3)
    for start in (0.0, 5.0):
        agent.ingest(agent.suggest(), analysed(np.full((4, 8), start), start))
    assert "dose of the spot" in agent.should_stop()
    agent = SpotAgent(LIMITS, (1.0, 2.0), counting=1.0, spot_dose=2.0, repeatability=0.3)
    agent.ingest(agent.suggest(), analysed(np.zeros((4, 8)), 0.0))
    suggestion = agent.suggest()
    with pytest.raises(LimitError):
        agent.edit(suggestion, {"x": 9.0, "y": 2.0})
    edited = agent.edit(suggestion, {"x": 3.0, "y": 2.0})
    assert (edited.position, edited.wait) == ({"x": 3.0, "y": 2.0}, 0.0)
    assert agent.edit(edited, {"x": 3.0, "y": 2.0}) == edited
    # What was measured at the former spot is not compared with it, and its dose does not count.
    assert math.isnan(agent.ingest(edited, analysed(np.ones((4, 8)), 5.0)))
    assert agent.should_stop() == ""
    last = agent.suggest()
    assert (last.position, last.inputs) == ({"x": 3.0, "y": 2.0}, ("run/primary/1",))
    assert agent.ingest(last, analysed(np.ones((4, 8)), 9.0)) == 0.0
    assert "2 s of exposure of 2 s" in agent.should_stop()


def test_what_was_exposed_near_the_spot_counts_for_its_dose():
    limits = Limits({"x": (0.0, 4.0), "y": (0.0, 4.0)}, exclusion=0.5)
    agent = SpotAgent(limits, (1.0, 2.0), counting=1.0, spot_dose=2.0)
    agent.suggest()
    agent.edit(agent.suggest(), {"x": 1.3, "y": 2.0})
    assert "2 s of exposure of 2 s" in agent.should_stop()


def test_other_bins_are_refused():
    agent = SpotAgent(LIMITS, (1.0, 2.0), counting=1.0)
    agent.ingest(agent.suggest(), analysed(np.ones((4, 8)), 0.0))
    with pytest.raises(ValueError, match="run/1 has 6 bins"):
        agent.ingest(agent.suggest(), analysed(np.ones((6, 8)), 1.0))


def test_it_is_made_again_from_its_settings():
    agent = SpotAgent(LIMITS, (1.0, 2.0), counting=1.0, spot_dose=9.0, longest=50.0, model="toy", name="spot")
    assert SpotAgent.from_settings(agent.settings).settings == agent.settings
    assert SpotAgent.from_settings(SpotAgent(LIMITS, (1.0, 2.0), counting=1.0).settings).should_stop() == ""
    for wrong in ({"agent": "NoveltyAgent"}, {"agent": "SpotAgent", "spot": [1.0, 2.0]}, {}):
        with pytest.raises(ValueError, match="not the settings of a SpotAgent"):
            SpotAgent.from_settings(wrong)
