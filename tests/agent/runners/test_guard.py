"""What a plan refuses before anything moves; with a real RE manager in tests/integration/test_guarded_plan.py."""

import json
import math
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ainerd_agent.agent import Axis, Disc, LimitError, Limits, Sample
from ainerd_agent.agent.runners.guard import Exposed, ExposureLedger, NotAllowedError, PlanGuard
from ainerd_agent.records import Decision, Suggestion

LIMITS = Limits({"x": (0.0, 4.0), "y": (0.0, 4.0)}, (Disc(1.0, 1.0, 0.4),), exclusion=0.2)


def unasked():
    raise AssertionError("the catalog was asked")


@pytest.fixture
def ledger(tmp_path):
    return ExposureLedger(tmp_path / "exposures.jsonl")


def check(guard, x, y, seconds=1.0, sample="gel", suggestion_id=""):
    guard.check({"x": x, "y": y}, seconds, sample=sample, suggestion_id=suggestion_id)


def test_limits_regions_and_spots_that_were_exposed_are_refused(ledger):
    guard = PlanGuard(LIMITS, ledger, unasked)
    for x, y, said in ((9.0, 1.0, "outside of the limits"), (math.nan, 1.0, "outside"), (1.1, 1.1, "forbidden region")):
        with pytest.raises(LimitError, match=said):
            check(guard, x, y)
    assert ledger.exposed("gel") == []
    check(guard, 2.0, 2.0)
    with pytest.raises(LimitError, match=r"within 0\.2 mm of a spot that was exposed before"):
        check(guard, 2.1, 2.0)
    check(guard, 2.1, 2.0, sample="another")
    # Another process knows it too.
    with pytest.raises(LimitError, match="exposed before"):
        check(PlanGuard(LIMITS, ledger, unasked), 2.0, 2.1)


def test_the_dose_of_a_sample_is_kept_across_processes(tmp_path):
    file = tmp_path / "exposures.jsonl"
    for number in range(3):
        check(PlanGuard(LIMITS, ExposureLedger(file), unasked, dose_budget=3.0), 2.0 + number / 2, 2.0)
    with pytest.raises(NotAllowedError, match=r"the sample gel does not allow 1 s more: 3 s of 3 s are spent"):
        check(PlanGuard(LIMITS, ExposureLedger(file), unasked, dose_budget=3.0), 2.0, 3.0)
    assert len(ExposureLedger(file).exposed("gel")) == 3


def test_a_ledger_that_cannot_be_read_lets_nothing_through(ledger, tmp_path):
    (tmp_path / "exposures.jsonl").write_text("no JSON\n")
    with pytest.raises(NotAllowedError, match=r"cannot be read from .*repair the file"):
        check(PlanGuard(LIMITS, ledger, unasked), 2.0, 2.0)


@given(st.integers(0, 60))
def test_a_line_that_a_crash_cut_off_is_no_exposure(tmp_path_factory, cut):
    file = tmp_path_factory.mktemp("ledger") / "exposures.jsonl"
    ledger = ExposureLedger(file)
    ledger.add(Exposed({"x": 1.0, "y": 2.0}, 1.0))
    line = file.read_text()
    file.write_text(line + line[:cut].rstrip("\n"))
    assert len(ledger.exposed("")) == 1
    ledger.add(Exposed({"x": 1.5, "y": 2.0}, 1.0))
    assert [each.position["x"] for each in ledger.exposed("")] == [1.0, 1.5]
    assert all(json.loads(each) for each in file.read_text().splitlines())


def test_where_approval_is_required_only_suggestions_pass(ledger):
    guard = PlanGuard(LIMITS, ledger, unasked, approval=True)
    with pytest.raises(NotAllowedError, match="no agent's suggestion"):
        check(guard, 2.0, 2.0)
    with pytest.raises(NotAllowedError, match="a scan chooses by itself"):
        guard.check_scan()
    PlanGuard(LIMITS, ledger, unasked).check_scan()


def test_a_scan_writes_down_what_it_is_about_to_expose(ledger):
    told = []
    record = PlanGuard(LIMITS, ledger, unasked).noting(lambda *given, **more: told.append(given), 2.0, sample="gel")
    suggestion = SimpleNamespace(position={"x": 1.0, "y": 2.0}, id="a-1")
    record(suggestion, "proposed", raw_uid="run", seq_num=1)
    record(suggestion, "measured", raw_uid="run", seq_num=1, novelty=1.0)
    assert [event for _, event in told] == ["proposed", "measured"]
    (found,) = ledger.exposed("gel")
    assert (dict(found.position), found.seconds, found.suggestion) == ({"x": 1.0, "y": 2.0}, 2.0, "a-1")


WARM = Limits({"temperature": Axis(280.0, 340.0, "K"), "depth": Axis(0.0, 1e-5, "m")}, exclusion={"depth": 1e-7})
"""Other axes than x and y, one of them of tiny numbers."""


def test_limits_and_exclusion_hold_on_any_axes(ledger):
    guard = PlanGuard(WARM, ledger, unasked)
    with pytest.raises(LimitError, match=r"temperature 350 K, depth 0 m is outside of the limits"):
        guard.check({"temperature": 350.0, "depth": 0.0}, 1.0, sample="gel", suggestion_id="")
    with pytest.raises(LimitError, match=r"lacks depth: give a value for each axis"):
        guard.check({"temperature": 300.0}, 1.0, sample="gel", suggestion_id="")
    guard.check({"temperature": 300.0, "depth": 5e-6}, 1.0, sample="gel", suggestion_id="")
    guard.check({"temperature": 300.0, "depth": 5.2e-6}, 1.0, sample="gel", suggestion_id="")
    # The same spot at another temperature had its dose.
    with pytest.raises(LimitError, match=r"within 1e-07 m.* of a spot that was exposed before"):
        guard.check({"temperature": 320.0, "depth": 5.05e-6}, 1.0, sample="gel", suggestion_id="")


def suggested_at(position):
    """A catalog with one suggestion, which was approved there."""
    suggestion = Suggestion(id="night-1", position=position, reason="new", agent="night")
    decision = Decision(suggestion_id="night-1", decision="approved", token="a")  # noqa: S106
    return lambda: SimpleNamespace(decision=lambda _: decision, suggestion=lambda _: (suggestion, []))


def test_a_position_is_the_approved_one_by_the_range_of_its_axis(ledger):
    """1e-6 m is another place where the axis has 1e-5 m."""
    approved = {"temperature": 300.0, "depth": 5e-6}
    guard = PlanGuard(WARM, ledger, suggested_at(approved), approval=True)
    for other in ({"depth": 6e-6}, {"temperature": 300.1}):
        with pytest.raises(NotAllowedError, match=r"was approved at temperature 300 K, depth 5e-06 m, not at "):
            guard.check({**approved, **other}, 1.0, sample="gel", suggestion_id="night-1")
    guard.check({"depth": 5e-6, "temperature": 300.0}, 1.0, sample="gel", suggestion_id="night-1")


def test_spots_on_other_axes_are_not_compared_in_silence(ledger):
    check(PlanGuard(LIMITS, ledger, unasked), 2.0, 2.0)
    guard = PlanGuard(WARM, ledger, unasked)
    with pytest.raises(NotAllowedError, match=r"gel was exposed at x 2, y 2 before, and the axes are"):
        guard.check({"temperature": 300.0, "depth": 5e-6}, 1.0, sample="gel", suggestion_id="")
    guard.check({"temperature": 300.0, "depth": 5e-6}, 1.0, sample="another", suggestion_id="")


def test_each_sample_of_a_holder_keeps_its_budgets(ledger):
    holder = Limits(
        {"x": (0.0, 30.0)},
        exclusion=0.1,
        samples=(
            Sample(name="a", axes={"x": (0.0, 10.0)}, measurements=2),
            Sample(name="b", axes={"x": (20.0, 30.0)}, seconds=3.0),
        ),
    )
    guard = PlanGuard(holder, ledger, unasked)

    def expose(x, seconds=1.0):
        guard.check({"x": x}, seconds, sample="holder 1", suggestion_id="")

    for x in (1.0, 2.0, 21.0, 22.0):
        expose(x)
    with pytest.raises(NotAllowedError, match=r"sample a does not allow this exposure: 2 of 2 measurements are spent"):
        expose(3.0)
    with pytest.raises(NotAllowedError, match=r"sample b does not allow this exposure: 2 of 3 seconds are spent"):
        expose(23.0, 1.5)
    expose(23.0)
    with pytest.raises(LimitError, match="on no sample"):
        expose(15.0)
