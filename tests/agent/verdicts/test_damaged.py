import numpy as np
import pytest

from ainerd_agent.agent.verdicts.damaged import AgeingRate, damage, drift_of, rate_of
from ainerd_agent.scattering.simulation.dynamics import ageing_glass, equilibrium
from tests.agent.verdicts.looks_of_movies import looks_at


def rate(dynamics, seed):
    ((_, correlation),) = looks_at(dynamics, shares=(1.0,), seed=seed)
    return rate_of(correlation)


@pytest.fixture(scope="module")
def still():
    return [rate(equilibrium(15.0), seed) for seed in range(5)]


def test_a_sample_at_rest_does_not_age(still):
    assert all(abs(each.rate) < 5 * each.error for each in still)
    for place, each in enumerate(still):
        assert damage(each, still[:place] + still[place + 1 :], None, 0.1).sure == ""


def test_a_change_that_others_do_not_show_is_damage(still):
    changing = rate(ageing_glass(10.0, 150.0, 1.5), 9)
    assert changing.rate > 0
    assert "more than ageing" in damage(changing, still, None, 0.1).sure


def test_a_change_that_others_show_too_is_ageing():
    others = [rate(ageing_glass(10.0, 150.0, 1.5), seed) for seed in range(4)]
    assert damage(others[0], others[1:], None, 0.1).sure == ""


def test_without_others_nobody_can_tell(still):
    changing = AgeingRate(rate=0.02, error=0.001)
    found = damage(changing, still[:2], None, 0.1)
    assert found.sure == ""
    assert "ageing or damage" in found.doubtful
    assert damage(AgeingRate(rate=float("nan"), error=float("nan")), still, None, 0.1).doubtful == ""


def test_a_drift_of_the_intensity():
    sections = np.linspace(1, 0.7, 16)[None] * np.ones((3, 1))
    assert drift_of(sections) == pytest.approx(-0.3 / 0.85 * 16 / 15, rel=1e-6)
    assert "intensity changed by -38%" in damage(None, [], sections, 0.1).sure
    assert damage(None, [], sections, 0.5).sure == ""


def test_noise_and_little_knowledge_are_no_drift():
    rng = np.random.default_rng(0)
    assert drift_of(1 + 0.2 * rng.normal(size=(1, 16))) == 0
    assert drift_of(np.array([[1.0, 0.5, np.nan, np.nan]])) == 0
    assert drift_of(np.full((2, 16), np.nan)) == 0
    assert drift_of(None) == 0
