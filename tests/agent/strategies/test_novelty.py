import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ainerd_agent.agent import (
    Alike,
    BeamtimeCost,
    Boundary,
    Coverage,
    Limits,
    NoSuggestionError,
    Novelty,
    NoveltyAgent,
    Rectangle,
)
from ainerd_agent.records import Analysis, Origin, ShearStress

LIMITS = {"x": (0.0, 4.0), "y": (-1.0, 1.0)}
COST = BeamtimeCost(speed=10.0, counting=1.0)
GOALS = [Coverage(), Novelty(), Alike((0.0,) * 8), Boundary((0.0,) * 8, (1.0,) * 8)]


def analysed(latents, seq_num=1):
    n_bins = len(latents)
    return Analysis(
        origin=Origin(raw_uid="run", seq_num=seq_num, start=0.0, stop=1.0),
        latents=np.asarray(latents, dtype=np.float32),
        cluster=np.zeros(n_bins, dtype=np.int64),
        centre_distance=np.zeros(n_bins),
        novelty=np.zeros(n_bins),
        reconstruction_error=np.zeros(n_bins),
        stress=ShearStress(),
    )


def run(agent, landscape, n):
    """Measure `landscape(x, y)`, latents of shape (n_bins, 64), where the agent says."""
    suggestions = []
    for number in range(1, n + 1):
        suggestion = agent.suggest()
        suggestions.append(suggestion)
        agent.ingest(suggestion, landscape(suggestion.position["x"], suggestion.position["y"], number))
    return suggestions


def two_phases(x, y, number):
    """One dynamics nearly everywhere, and a gradient of others at the right end."""
    rng = np.random.default_rng(number)
    level = np.zeros(64)
    level[0] = 10 * max(0.0, x - 2.8)
    return analysed(level + 0.05 * rng.normal(size=(18, 64)), number)


@pytest.fixture(scope="module")
def long_run():
    """Twenty measurements, of which six are the start."""
    return run(NoveltyAgent(LIMITS, COST, goal="novelty", n_start=6, exclusion=0.3, seed=1), two_phases, 20)


@settings(deadline=None, max_examples=12)
@given(
    low=st.floats(-100, 100), extent=st.floats(0.1, 50), seed=st.integers(0, 1000), n_start=st.integers(1, 6),
    scale=st.floats(0, 1e3), goal=st.sampled_from(GOALS),
)  # fmt: skip
def test_no_suggestion_leaves_the_limits(low, extent, seed, n_start, scale, goal):
    limits = {"x": (low, low + extent), "y": (low, low + extent / 2)}
    agent = NoveltyAgent(limits, COST, goal=goal, n_start=n_start, exclusion=extent / 100, seed=seed)

    def landscape(x, y, number):
        return analysed(scale * np.random.default_rng([seed, number]).normal(size=(2, 8)), number)

    for suggestion in run(agent, landscape, n_start + 2):
        for axis in ("x", "y"):
            assert limits[axis][0] <= suggestion.position[axis] <= limits[axis][1]


def test_the_same_seed_makes_the_same_choices():
    choices = [
        [s.position for s in run(NoveltyAgent(LIMITS, COST, n_start=4, seed=seed), two_phases, 7)] for seed in (3, 3, 4)
    ]
    assert choices[0] == choices[1]
    assert choices[0] != choices[2]


def test_it_goes_where_the_dynamics_are_new(long_run):
    chosen = np.array([s.position["x"] for s in long_run[6:]])
    # The gradient covers 30 % of the sample, and chance would find it as often.
    assert np.mean(chosen > 2.7) > 0.45
    assert all(s.expected_novelty > 0 and s.cost >= 1 for s in long_run[6:])


def test_coverage_leaves_no_large_hole_and_takes_no_long_ways():
    slow = BeamtimeCost(speed=0.5, counting=1.0)
    suggestions = run(NoveltyAgent(LIMITS, slow, n_start=4, seed=1), two_phases, 24)
    spots = np.array([[s.position["x"], s.position["y"]] for s in suggestions])
    places = np.random.default_rng(0).uniform([0, -1], [4, 1], (2000, 2))
    hole = np.linalg.norm(places[:, None] - spots[None], axis=-1).min(axis=1)
    assert hole.max() < 1.0
    anywhere = run(NoveltyAgent(LIMITS, COST, n_start=24, seed=1), two_phases, 24)
    spots_there = np.array([[s.position["x"], s.position["y"]] for s in anywhere])
    way, way_there = (np.abs(np.diff(each, axis=0)).max(axis=1)[4:].sum() for each in (spots, spots_there))
    assert way < 0.7 * way_there
    with pytest.raises(ValueError, match="not one of coverage, novelty"):
        NoveltyAgent(LIMITS, COST, goal="luck")


def test_the_start_needs_no_results_and_fills_space():
    agent = NoveltyAgent(LIMITS, COST, n_start=8, seed=0)
    start = []
    while not agent.needs_results:
        start.append(agent.suggest())
    assert len(start) == agent.n_start == 8
    x = np.array([s.position["x"] for s in start])
    y = np.array([s.position["y"] for s in start])
    # Eight Sobol points: two in each quarter of every axis.
    assert np.bincount((x // 1).astype(int)).tolist() == [2, 2, 2, 2]
    assert np.bincount(((y + 1) // 0.5).astype(int)).tolist() == [2, 2, 2, 2]
    assert all("space-filling start" in s.reason for s in start)


def test_no_spot_is_exposed_twice(long_run):
    spots = np.array([[s.position["x"], s.position["y"]] for s in long_run])
    distance = np.linalg.norm(spots[:, None] - spots[None], axis=-1) + 10 * np.eye(20)
    assert distance.min() > 0.3 - 1e-9


def test_failures_are_left_behind_and_not_repeated():
    agent = NoveltyAgent(LIMITS, COST, n_start=4, seed=5)

    def broken(x, y, number):
        return None if number % 2 else two_phases(x, y, number)

    suggestions = run(agent, broken, 10)
    assert len({tuple(s.position.values()) for s in suggestions}) == 10
    assert len(suggestions[-1].inputs) == 4


def test_it_goes_on_while_nothing_succeeds():
    suggestions = run(NoveltyAgent(LIMITS, COST, n_start=2, seed=5), lambda *_: None, 6)
    assert "too few measurements" in suggestions[-1].reason


def test_latents_that_are_not_finite_count_as_failed():
    agent = NoveltyAgent(LIMITS, COST, n_start=2)
    assert np.isnan(agent.ingest(agent.suggest(), analysed(np.full((2, 8), np.nan))))


def test_equal_measurements_do_not_stop_it():
    suggestions = run(NoveltyAgent(LIMITS, COST, n_start=3), lambda *_: analysed(np.ones((3, 8))), 8)
    assert np.isfinite(suggestions[-1].expected_novelty)


def test_a_used_up_sample_is_said():
    agent = NoveltyAgent(LIMITS, COST, n_start=1, exclusion=10.0)
    agent.ingest(agent.suggest(), analysed(np.ones((2, 8))))
    with pytest.raises(NoSuggestionError, match="used up"):
        agent.suggest()


def test_novelty_found_is_the_distance_to_the_nearest_measurement():
    agent = NoveltyAgent(LIMITS, COST, n_start=3, repeatability=2.0)
    found = [
        agent.ingest(agent.suggest(), analysed(np.full((9, 4), value), number))
        for number, value in enumerate([0.0, 3.0, 2.0], start=1)
    ]
    assert np.isnan(found[0])
    # Root mean square over the bins: each bin has moved by value * sqrt(4).
    assert found[1:] == pytest.approx([3.0, 1.0])


def test_an_exclusion_beside_limits_is_refused():
    """It was ignored: protection from radiation damage was gone without a word."""
    with pytest.raises(ValueError, match=r"already have an exclusion of 0\.1 mm: leave out the agent's .* of 0\.4,"):
        NoveltyAgent(Limits(LIMITS), COST, exclusion=0.4)
    assert NoveltyAgent(Limits(LIMITS, exclusion=0.4), COST).limits.exclusion == 0.4
    assert NoveltyAgent(LIMITS, COST, exclusion=0.4).limits.exclusion == 0.4


def test_the_exclusion_is_the_same_however_the_limits_are_given():
    assert NoveltyAgent(Limits(LIMITS), COST).limits.exclusion == NoveltyAgent(LIMITS, COST).limits.exclusion == 0.1


@pytest.mark.parametrize(("n_start", "exclusion"), [(6, 0.8), (40, 0.5), (9, 10.0)])
def test_the_start_keeps_the_exclusion_too(n_start, exclusion):
    agent = NoveltyAgent(LIMITS, COST, n_start=n_start, exclusion=exclusion)
    spots = np.array([list(agent.suggest().position.values()) for _ in range(agent.n_start)])
    distance = np.linalg.norm(spots[:, None] - spots[None], axis=-1) + 100 * np.eye(len(spots))
    assert distance.min() > exclusion
    assert agent.n_start == 1 or len(spots) > 3
    if agent.n_start < n_start:
        with pytest.raises(NoSuggestionError, match="used up"):
            agent.suggest()


def test_the_start_keeps_away_from_what_people_had_exposed():
    plain = NoveltyAgent(LIMITS, COST, n_start=3, exclusion=0.5)
    agent = NoveltyAgent(LIMITS, COST, n_start=3, exclusion=0.5)
    second = [plain.suggest() for _ in range(2)][1].position
    agent.edit(agent.suggest(), {"x": second["x"] + 0.1, "y": second["y"]})
    found = agent.suggest()
    assert found.reason == "space-filling start, 2 of 3"
    assert math.dist((second["x"] + 0.1, second["y"]), found.position.values()) > 0.5


def test_travel_costs_beamtime():
    cost = BeamtimeCost(speed=2.0, counting=1.0)
    there = np.array([[0.0, 0.0], [4.0, 1.0]])
    np.testing.assert_allclose(cost(np.zeros(2), there), [1.0, 3.0])
    np.testing.assert_allclose(cost(None, there), [1.0, 1.0])


def test_costs_and_repeatabilities_of_nothing_are_refused():
    for speed, counting in ((0.0, 1.0), (1.0, 0.0), (math.nan, 1.0)):
        with pytest.raises(ValueError, match="make no sense"):
            BeamtimeCost(speed, counting)
    with pytest.raises(ValueError, match=r"more than 0; got 0\.0"):
        NoveltyAgent(LIMITS, COST, repeatability=0.0)


def test_limits_without_room_are_refused():
    with pytest.raises(ValueError, match="no room"):
        NoveltyAgent({"x": (1.0, 1.0), "y": (0.0, 1.0)}, COST)


def test_a_batch_is_spread_out_and_visited_on_a_short_way():
    agent = NoveltyAgent(LIMITS, COST, n_start=4, exclusion=0.1, seed=2)
    run(agent, two_phases, 8)
    batch = agent.suggest_batch(5)
    spots = np.array([[s.position["x"], s.position["y"]] for s in batch])
    distance = np.linalg.norm(spots[:, None] - spots[None], axis=-1) + 10 * np.eye(5)
    assert distance.min() > 0.1
    assert len({s.id for s in batch}) == 5
    way = sum(s.cost for s in batch[1:])
    reverse = COST(spots[0], spots[[2]])[0] + COST(spots[2], spots[[1]])[0] + COST(spots[1], spots[[3]])[0]
    assert way <= reverse + COST(spots[3], spots[[4]])[0] + 1e-9
    # Imagined results are forgotten: the same measurements give the same next suggestion.
    again = NoveltyAgent(LIMITS, COST, n_start=4, exclusion=0.1, seed=2)
    run(again, two_phases, 8)
    assert [s.position for s in again.suggest_batch(5)] == [s.position for s in batch]


def test_it_says_why_to_stop():
    flat = [analysed(np.ones((4, 8)) + 0.1 * np.random.default_rng(n).normal(size=(4, 8)), n) for n in range(12)]
    agent = NoveltyAgent(LIMITS, COST, n_start=3, repeatability=1.0, stop_below=1.0)
    assert agent.should_stop() == ""
    run(agent, lambda x, y, number: flat[number], 6)
    assert "nothing new is expected" in agent.should_stop()

    agent = NoveltyAgent(LIMITS, COST, n_start=3, time_budget=4.0)
    run(agent, two_phases, 4)
    assert "the beamtime is spent" in agent.should_stop()
    agent = NoveltyAgent(LIMITS, COST, n_start=3, dose_budget=2.5)
    run(agent, two_phases, 3)
    assert "the dose is spent: 3 s of exposure of 2 s" in agent.should_stop()
    agent = NoveltyAgent(LIMITS, COST)
    agent.stop("the user went home")
    assert agent.should_stop() == "the user went home"
    with pytest.raises(ValueError, match="budgets are seconds"):
        NoveltyAgent(LIMITS, COST, time_budget=0.0)


def test_measurements_of_other_bins_are_refused():
    agent = NoveltyAgent(LIMITS, COST, n_start=3)
    agent.ingest(agent.suggest(), analysed(np.ones((4, 8)), 1))
    with pytest.raises(ValueError, match="run/2 has 6 bins"):
        agent.ingest(agent.suggest(), analysed(np.ones((6, 8)), 2))


def test_one_candidate_is_enough():
    tiny = Limits({"x": (0.0, 1.0), "y": (0.0, 1.0)}, (Rectangle((0.001, 1.0), (0.0, 1.0)),), exclusion=0.5)
    agent = NoveltyAgent(tiny, COST, n_start=1)
    assert agent.suggest().position["x"] == 0.0


def test_one_candidate_is_enough_for_one_suggestion():
    """All of the grid is forbidden but its last corner."""
    forbidden = (Rectangle((-1.0, 3.97), (-2.0, 2.0)), Rectangle((-1.0, 5.0), (-2.0, 0.98)))
    agent = NoveltyAgent(Limits(LIMITS, forbidden, 0.1), COST, n_start=1)
    assert agent.suggest().position == {"x": 4.0, "y": 1.0}
    with pytest.raises(NoSuggestionError, match="used up"):
        agent.suggest()


def test_the_same_place_twice_is_no_problem():
    agent = NoveltyAgent(LIMITS, COST, n_start=2, exclusion=0.0)
    first = agent.suggest()
    agent.ingest(first, two_phases(1.0, 0.0, 1))
    for number in (2, 3):
        again = agent.expose(first.position, f"again-{number}")
        agent.ingest(again, two_phases(1.0, 0.0, number))
    assert np.isfinite(agent.suggest().cost)
    assert np.isfinite(agent.suggest().expected_novelty)


def test_reasons_are_told():
    agent = NoveltyAgent(LIMITS, COST, n_start=4, exclusion=0.2, repeatability=0.5, seed=2)
    first, *_, last = run(agent, two_phases, 9)
    assert first.predicted is None
    assert first.alternatives == ()
    assert last.predicted.shape == (18, 64)
    assert last.terms["gain"] / last.cost == pytest.approx(last.score)
    assert last.terms["travel"] + last.terms["counting"] == pytest.approx(last.cost)
    assert all(0 < each["score"] <= last.score for each in last.alternatives)
    spots = np.array([[each["x"], each["y"]] for each in (last.position, *last.alternatives)])
    apart = np.linalg.norm(spots[:, None] - spots[None], axis=-1) + 10 * np.eye(len(spots))
    assert apart.min() > 0.5


def test_reasons_of_a_batch_are_those_of_its_order():
    agent = NoveltyAgent(LIMITS, COST, n_start=4, exclusion=0.2, seed=2)
    run(agent, two_phases, 6)
    for each in agent.suggest_batch(3):
        assert each.terms["gain"] / each.cost == pytest.approx(each.score)
        assert each.terms["travel"] + each.terms["counting"] == pytest.approx(each.cost)


def test_what_is_predicted_is_what_is_there():
    agent = NoveltyAgent(LIMITS, COST, n_start=20, seed=2)
    last = run(agent, two_phases, 22)[-1]
    truth = two_phases(last.position["x"], last.position["y"], 99).latents
    assert np.abs(last.predicted.mean(axis=0)[0] - truth.mean(axis=0)[0]) < 1.0


def test_a_rejected_suggestion_costs_nothing_and_is_not_repeated():
    agent = NoveltyAgent(LIMITS, COST, n_start=2, exclusion=0.3, dose_budget=3.0)
    for _ in range(5):
        agent.withdraw(agent.suggest())
    assert agent.should_stop() == ""
    rejected = [agent.suggest().position for _ in range(2)]
    assert rejected[0] != rejected[1]


def test_an_agent_is_made_again_from_its_settings():
    limits = Limits(LIMITS, (Rectangle((0.0, 1.0), (0.0, 1.0)),), 0.2)
    agent = NoveltyAgent(limits, COST, n_start=3, repeatability=0.7, stop_below=0.1, seed=9, name="night")
    again = NoveltyAgent.from_settings(agent.suggest().settings)
    assert again.suggest().settings == agent.suggest().settings
    with pytest.raises(ValueError, match="not the settings of a NoveltyAgent"):
        NoveltyAgent.from_settings({"agent": "SpotAgent", "spot": [0, 0]})
    with pytest.raises(ValueError, match="but of a ShortFirst"):
        NoveltyAgent.from_settings({**agent.settings, "agent": "ShortFirst"})
