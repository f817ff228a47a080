import math

import pytest

from ainerd_agent.agent import BeamtimeCost, Limits
from ainerd_agent.agent.decision.budget import Ledger
from ainerd_agent.agent.decision.stopping import Stopping
from ainerd_agent.records import Suggestion


@pytest.fixture
def ledger():
    ledger = Ledger(Limits({"x": (0.0, 5.0), "y": (0.0, 5.0)}), BeamtimeCost(speed=2.0, counting=1.0))
    ledger.count(Suggestion(id="a", position={"x": 0.0, "y": 0.0}, reason="", cost=5.0))
    return ledger


@pytest.mark.parametrize(
    ("budgets", "said"),
    [
        ((math.inf, math.inf), ""),
        ((5.1, 1.1), ""),
        ((5.0, math.inf), "beamtime is spent: 5 s of 5 s"),
        ((math.inf, 1.0), "dose is spent: 1 s of exposure of 1 s"),
    ],
)
def test_budgets(ledger, budgets, said):
    reason = Stopping(*budgets, 0.0).reason(ledger)
    assert said in reason
    assert bool(said) == bool(reason)


def test_three_in_a_row_without_news(ledger):
    stopping = Stopping(math.inf, math.inf, 2.0)
    for novelty, stops in [(1.0, False), (1.5, False), (2.5, False), (1.0, False), (1.0, False), (1.9, True)]:
        stopping.expect(novelty)
        assert bool(stopping.reason(ledger)) == stops


def test_somebody_asks(ledger):
    stopping = Stopping(math.inf, math.inf, 0.0)
    stopping.ask("lunch")
    assert stopping.reason(ledger) == "lunch"


def test_settings_and_refusals():
    assert Stopping(math.inf, 3.0, 1).as_settings() == {"time_budget": None, "dose_budget": 3.0, "stop_below": 1.0}
    with pytest.raises(ValueError, match="budgets are seconds"):
        Stopping(0.0, 1.0, 0.0)
