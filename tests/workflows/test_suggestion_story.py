from dataclasses import replace

import pytest

from ainerd_agent.records import Suggestion
from ainerd_agent.records.suggestion import SuggestionEvent
from ainerd_agent.workflows.suggestion_story import _where, story

SUGGESTION = Suggestion(
    id="night-7",
    position={"x": 1.25, "y": 0.5},
    reason="1.4 mm from any spot",
    expected_novelty=4.0,
    uncertainty=1.0,
    cost=6.2,
    score=0.13,
    inputs=("run/1", "run/2", "run/3"),
    model="toy-1",
    seed=3,
    agent="night",
    terms={
        "gain": 0.81, "travel": 1.2, "counting": 5.0, "hole": 1.4, "most_expected": 4.5, "length": 2.0, "fades": 0.0,
        "noise": 0.02,
    },
    alternatives=({"x": 3.0, "y": 1.0, "score": 0.117, "cost": 7.0, "expected_novelty": 3.1},),
    settings={"goal": {"name": "coverage"}},
)  # fmt: skip


def event(name, *, novelty=float("nan"), note=""):
    return SuggestionEvent(
        time=0.0,
        suggestion_id="night-7",
        event=name,
        position={"x": 2.0, "y": 0.5},
        raw_uid="run",
        seq_num=4,
        novelty=novelty,
        note=note,
    )


def test_it_is_told_in_words():
    told = "\n".join(
        story(SUGGESTION, [event("proposed"), event("approved", note="Ann"), event("measured", novelty=4.2)])
    )
    for part in (
        "go to (1.25, 0.50) mm",
        "a gain of 0.81 for 6.2 s (1.2 s of travel, 5.0 s of counting) is 0.13 per second",
        "things change over 2 mm and not with time; noise is 2.0%",
        "4.0 ± 1.0 repeatabilities here, 4.5 at most",
        "(3.00, 1.00) mm, 90% of the score",
        "approved: Ann",
        "measured as run/4, novelty 4.2: about as expected (+0.2 standard deviations)",
    ):
        assert part in told


@pytest.mark.parametrize(("novelty", "said"), [(6.0, "newer than expected"), (2.0, "less new than expected")])
def test_it_is_judged(novelty, said):
    assert said in "\n".join(story(SUGGESTION, [event("measured", novelty=novelty)]))


def test_the_start_has_no_terms_and_what_waits_says_so():
    start = replace(SUGGESTION, terms={}, alternatives=(), inputs=(), expected_novelty=float("nan"))
    told = "\n".join(story(start, [event("proposed")]))
    assert "No measurement decided about it: 0 were known." in told
    assert "Nothing yet: it waits." in told


def test_edits_and_failures_are_told():
    told = "\n".join(story(SUGGESTION, [event("edited", note="Bo"), event("failed", note="no beam")]))
    assert "edited to (2.00, 0.50) mm: Bo" in told
    assert "failed: no beam" in told


def test_the_beam_went_where_it_was_decided():
    assert _where(SUGGESTION, []) == {"x": 1.25, "y": 0.5}
    decided = {"x": 3.0, "y": 1.0}
    assert _where(SUGGESTION, [event("proposed"), replace(event("edited"), position=decided)]) == decided
    without = replace(event("measured"), position={})
    assert _where(SUGGESTION, [replace(event("edited"), position=decided), without]) == decided


def test_axes_are_told_with_their_units():
    turned = replace(
        SUGGESTION,
        position={"theta": 12.5, "z": 1.0},
        units={"theta": "deg"},
        alternatives=({"theta": 3.0, "z": 0.5, "score": 0.1, "cost": 7.0, "expected_novelty": 3.1},),
    )
    told = "\n".join(story(turned, [replace(event("edited"), position={"theta": 20.0, "z": 1.0})]))
    assert "go to theta 12.50 deg, z 1.00 mm" in told
    assert "Not taken 1: theta 3.00 deg, z 0.50 mm" in told
    assert "edited to theta 20.00 deg, z 1.00 mm" in told


def test_samples_wells_and_the_length_of_each_axis_are_told():
    terms = {name: value for name, value in SUGGESTION.terms.items() if name not in ("length", "hole")}
    warm = replace(
        SUGGESTION,
        position={"temperature": 300.0, "z": 1.0},
        units={"temperature": "K"},
        alternatives=(),
        sample="gel",
        well="A1",
        terms={**terms, "length temperature": 12.0, "length z": 0.5},
    )
    told = "\n".join(story(warm, [event("proposed")]))
    assert "go to temperature 300.00 K, z 1.00 mm, sample gel, well A1" in told
    assert "things change over 12 K of temperature, 0.5 mm of z and" in told
    assert "Nothing was exposed on sample gel before" in told
    told = "\n".join(story(replace(warm, terms={**warm.terms, "hole": 0.25}), [event("proposed")]))
    assert "The nearest exposed spot is 0.25 away, in units of the scales of the axes" in told


def test_a_decision_says_whose_it_is_and_whether_the_server_vouches_for_that():
    known, named = (replace(event("approved", note="fine"), by="Ann", verified=each) for each in (True, False))
    assert any(line.endswith("approved by Ann: fine") for line in story(SUGGESTION, [event("proposed"), known]))
    told = "\n".join(story(SUGGESTION, [event("proposed"), named, event("moved")]))
    assert "approved by Ann (not verified): fine" in told
    assert "moved to " in told
    assert any("Nothing yet: it waits." in line for line in story(SUGGESTION, [event("proposed"), event("waiting")]))
