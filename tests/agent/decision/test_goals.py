import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ainerd_agent.agent import BeamtimeCost, NoveltyAgent
from ainerd_agent.agent.decision.goals import Alike, Boundary, Coverage, Novelty, Outlook, as_settings, from_settings
from ainerd_agent.agent.decision.surrogate import Surrogate
from tests.agent.strategies.test_novelty import analysed

LIMITS = {"x": (0.0, 4.0), "y": (0.0, 4.0)}
COST = BeamtimeCost(speed=10.0, counting=1.0)
SLOW, FAST = np.zeros(8), np.full(8, 2.0)


def halves(x, y, number=1):
    """Slow at the left, fast at the right, and a smooth way between them."""
    level = 1 / (1 + np.exp(-(x - 2.0) / 0.2))
    noise = 0.02 * np.random.default_rng(number).normal(size=(4, 8))
    return analysed((1 - level) * SLOW + level * FAST + noise, number)


def search(goal, n, seed=0):
    agent = NoveltyAgent(LIMITS, COST, goal=goal, n_start=8, seed=seed)
    for number in range(1, n + 1):
        suggestion = agent.suggest()
        agent.ingest(suggestion, halves(suggestion.position["x"], suggestion.position["y"], number))
        yield suggestion


def test_alike_looks_where_the_target_is():
    x = [each.position["x"] for each in search(Alike(tuple(FAST)), 24)][8:]
    assert np.mean(np.array(x) > 2.0) > 0.8


def test_alike_takes_a_whole_measurement_too():
    target = tuple(float(each) for each in np.tile(FAST, 4))
    x = [each.position["x"] for each in search(Alike(target), 20)][8:]
    assert np.mean(np.array(x) > 2.0) > 0.8
    with pytest.raises(ValueError, match="do not fit"):
        list(search(Alike((1.0, 2.0, 3.0)), 10))


def test_boundary_is_mapped():
    x = np.array([each.position["x"] for each in search(Boundary(tuple(SLOW), tuple(FAST)), 24)][8:])
    assert np.median(np.abs(x - 2.0)) < 0.5


def test_what_was_measured_fades_where_things_change():
    where = np.array([[1.0, 1.0, 0.0], [3.0, 3.0, 90.0]])
    asked = np.array([[1.1, 1.1, 100.0], [3.1, 3.1, 100.0]])

    class Changing:
        fades = 50.0

    class Still:
        fades = np.inf

    rng = np.random.default_rng(0)
    gains = [Coverage().gain(Outlook(asked, where, 4.0, each, rng)) for each in (Changing(), Still())]
    assert gains[0][0] > 0.9 > 0.7 > gains[0][1]
    np.testing.assert_allclose(*gains[1])


@settings(deadline=None, max_examples=20)
@given(n=st.integers(3, 12), scale=st.floats(0, 100), seed=st.integers(0, 99))
def test_gains_are_never_negative(n, scale, seed):
    rng = np.random.default_rng(seed)
    where = rng.uniform(0, 4, (n, 3))
    latents = scale * rng.normal(size=(n, 16))
    surrogate = Surrogate(4.0, 8).fit(where, latents)
    outlook = Outlook(rng.uniform(0, 4, (30, 3)), where, 4.0, surrogate, rng)
    for goal in (Coverage(), Novelty(), Alike(tuple(latents[0])), Boundary(tuple(SLOW), tuple(FAST))):
        gain = goal.gain(outlook)
        assert gain.shape == (30,)
        assert np.isfinite(gain).all()
        assert (gain >= 0).all()


@pytest.mark.parametrize(
    "goal", [Coverage(), Coverage(0.5), Novelty(), Alike((1.0, 2.0), 3.0), Boundary((0.0,), (1.0,))]
)
def test_goals_are_written_down_and_made_again(goal):
    assert from_settings(json.loads(json.dumps(as_settings(goal)))) == goal


def test_goals_that_are_none_are_refused():
    with pytest.raises(ValueError, match="not one of coverage, novelty, alike, boundary"):
        from_settings("luck")
    with pytest.raises(ValueError, match="cannot be made"):
        from_settings("alike")


def test_latents_of_any_kind_can_be_written_down():
    """A row of an array holds numbers that JSON does not know: the suggestion could not be written."""
    rows = np.arange(4, dtype=np.float32).reshape(2, 2)
    for goal in (Alike(rows[1]), Boundary(rows[0], rows[1])):
        assert from_settings(json.loads(json.dumps(as_settings(goal)))) == goal
    assert Alike(rows[1]).target == (2.0, 3.0)
