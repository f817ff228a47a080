import numpy as np
import pytest

from ainerd_agent.agent.verdicts.judge import Judge
from ainerd_agent.agent.verdicts.until import Until
from ainerd_agent.records.verdict import Verdict
from ainerd_agent.scattering.simulation.dynamics import equilibrium
from tests.agent.verdicts.looks_of_movies import looks_at


@pytest.fixture(scope="module")
def looks():
    return list(looks_at(equilibrium(8.0)))


def test_an_exposure_ends_when_it_has_converged(looks):
    judge = Judge(Until(tau=0.08))
    verdicts = [judge.verdict(4, *each) for each in looks]
    first = next(each for each in verdicts if each.stop)
    assert (first.ended, first.exposure, first.raw_uid) == ("converged", 4, "run")
    assert first.frames < first.planned == 600
    assert "known tau to" in first.reason
    assert first.values["tau_error"] <= 0.08
    assert not verdicts[-1].stop  # it is over


def test_without_a_wish_it_goes_on(looks):
    assert not any(Judge(Until()).verdict(1, *each).stop for each in looks)
    assert not any(Judge(Until(tau=0.0001)).verdict(1, *each).stop for each in looks)
    verdict = Judge(Until(tau=0.05)).verdict(1, looks[0][0], None)
    assert not verdict.stop


@pytest.mark.parametrize(
    ("damaged", "stops", "warns"), [("stop", True, False), ("warn", False, True), ("ignore", False, False)]
)
def test_a_beam_that_fades(damaged, stops, warns):
    (look, correlation), _ = looks_at(equilibrium(8.0), shares=(0.6, 1.0), brightness=np.linspace(1, 0.5, 600))
    verdict = Judge(Until(damaged=damaged)).verdict(1, look, correlation)
    assert verdict.stop == stops
    assert (verdict.ended == "damaged") == stops
    assert any("intensity" in each for each in verdict.warnings) == warns


def test_verdicts_travel_as_json(looks):
    import json

    verdict = Judge(Until(tau=0.08)).verdict(1, *looks[1])
    back = Verdict.from_plain(json.loads(json.dumps(verdict.as_plain(), allow_nan=False)))
    assert repr(back) == repr(verdict)
