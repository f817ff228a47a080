import numpy as np
import pytest

from ainerd_agent.agent import BeamtimeCost, Limits, Sample
from ainerd_agent.agent.decision.budget import Ledger
from ainerd_agent.records import Suggestion


def suggestion(name, x, cost=2.0, **more):
    return Suggestion(id=name, position={"x": x, "y": 0.0}, reason="", cost=cost, **more)


@pytest.fixture
def ledger():
    return Ledger(Limits({"x": (0.0, 5.0), "y": (0.0, 5.0)}), BeamtimeCost(speed=2.0, counting=1.0))


def test_what_is_suggested_is_paid_for(ledger):
    assert ledger.here is None
    assert ledger.spots.shape == (0, 2)
    ledger.count(suggestion("a", 0.0))
    ledger.count(suggestion("b", 4.0, cost=3.0, counting=0.25))
    assert (len(ledger), ledger.spent, ledger.dose) == (2, 5.0, 1.25)
    assert ledger.here.tolist() == [4.0, 0.0]
    assert ledger.cost_of(np.array([0.0, 0.0])) == 3.0
    assert ledger.cost_of(np.array([0.0, 0.0]), counting=5.0) == 7.0


def test_what_was_not_measured_is_paid_back(ledger):
    first, second = suggestion("a", 0.0), suggestion("b", 1.0)
    ledger.count(first)
    ledger.count(second)
    ledger.refund(first)
    assert (len(ledger), ledger.spent, ledger.dose) == (2, 2.0, 1.0)
    ledger.take_back(second)
    assert (len(ledger), ledger.spent, ledger.dose) == (1, 0.0, 0.0)


def test_what_a_sample_costs_depends_on_the_way_to_it():
    holder = [Sample(name="a", axes={"x": (0.0, 1.0)}), Sample(name="b", axes={"x": (9.0, 10.0)}, seconds=8.0)]
    limits = Limits({"x": (0.0, 10.0)}, samples=holder)
    ledger = Ledger(limits, BeamtimeCost(speed=1.0, counting=1.0))
    ledger.count(Suggestion(id="1", position={"x": 9.0}, reason="", cost=2.0))
    assert ledger.suffices_for(np.array([[9.5], [10.0], [0.0]]))
    assert not ledger.suffices_for(np.array([[0.0], [10.0], [9.5]]))
    assert ledger.in_words() == "sample b has had 2 of 8 s"
    places = np.array([[9.5], [0.0], [5.0]])
    assert ledger.affordable(places, np.array([6.0, 99.0, 1.0])).tolist() == [True, True, False]
    assert ledger.affordable(places, np.array([6.1, np.inf, 1.0])).tolist() == [False, False, False]


def test_spots_have_the_time_of_their_measurement(ledger):
    first = suggestion("a", 0.0)
    ledger.count(first)
    ledger.count(suggestion("b", 1.0))
    ledger.move(first, np.array([3.0, 2.0]))
    ledger.measured("a", 7.0)
    assert ledger.exposed(now=9.0).tolist() == [[3.0, 2.0, 7.0], [1.0, 0.0, 9.0]]
