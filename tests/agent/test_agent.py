import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ainerd_agent.agent import BeamtimeCost, NoSuggestionError, NoveltyAgent
from ainerd_agent.records import Analysis, Origin, ShearStress

LIMITS = {"x": (0.0, 4.0), "y": (-1.0, 1.0)}
COST = BeamtimeCost(speed=10.0, counting=1.0)


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


@settings(deadline=None, max_examples=6)
@given(
    low=st.floats(-100, 100), extent=st.floats(0.1, 50), seed=st.integers(0, 1000), n_start=st.integers(1, 6),
    scale=st.floats(0, 1e3),
)  # fmt: skip
def test_no_suggestion_leaves_the_limits(low, extent, seed, n_start, scale):
    limits = {"x": (low, low + extent), "y": (low, low + extent / 2)}
    agent = NoveltyAgent(limits, COST, n_start=n_start, exclusion=extent / 100, seed=seed)

    def landscape(x, y, number):
        return analysed(scale * np.random.default_rng([seed, number]).normal(size=(2, 8)), number)

    for suggestion in run(agent, landscape, n_start + 3):
        for axis in ("x", "y"):
            assert limits[axis][0] <= suggestion.position[axis] <= limits[axis][1]


def test_the_same_seed_makes_the_same_choices():
    choices = [
        [s.position for s in run(NoveltyAgent(LIMITS, COST, seed=3), two_phases, 9)],
        [s.position for s in run(NoveltyAgent(LIMITS, COST, seed=3), two_phases, 9)],
        [s.position for s in run(NoveltyAgent(LIMITS, COST, seed=4), two_phases, 9)],
    ]
    assert choices[0] == choices[1]
    assert choices[0] != choices[2]


def test_it_goes_where_the_dynamics_are_new():
    suggestions = run(NoveltyAgent(LIMITS, COST, n_start=6, seed=1), two_phases, 20)
    chosen = np.array([s.position["x"] for s in suggestions[6:]])
    # The gradient covers 30 % of the sample, and chance would find it as often.
    assert np.mean(chosen > 2.7) > 0.45
    assert all(s.expected_novelty > 0 and s.cost >= 1 for s in suggestions[6:])


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


def test_no_spot_is_exposed_twice():
    suggestions = run(NoveltyAgent(LIMITS, COST, exclusion=0.3, seed=2), two_phases, 20)
    spots = np.array([[s.position["x"], s.position["y"]] for s in suggestions])
    distance = np.linalg.norm(spots[:, None] - spots[None], axis=-1) + 10 * np.eye(20)
    assert distance[5:].min() > 0.3 - 1e-9


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


def test_travel_costs_beamtime():
    cost = BeamtimeCost(speed=2.0, counting=1.0)
    there = np.array([[0.0, 0.0], [4.0, 1.0]])
    np.testing.assert_allclose(cost(np.zeros(2), there), [1.0, 3.0])
    np.testing.assert_allclose(cost(None, there), [1.0, 1.0])


def test_limits_without_room_are_refused():
    with pytest.raises(ValueError, match="no room"):
        NoveltyAgent({"x": (1.0, 1.0), "y": (0.0, 1.0)}, COST)
