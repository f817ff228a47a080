"""The life of a suggestion: every pair of state and event, without any server."""

from itertools import permutations
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ainerd_agent.records import SuggestionEvent
from ainerd_agent.records import life as lives
from ainerd_agent.records.life import (
    FINAL,
    UNDECIDED,
    AddToQueue,
    AskPeople,
    AwaitResults,
    Forget,
    Learn,
    LearnFailure,
    Move,
    NotPossibleError,
    Remember,
    State,
    WatchQueue,
    diagram,
    event_of,
    life_of,
    step,
)

EVENTS = (
    lives.Proposed(), lives.Waits(), lives.Approved(), lives.Edited({"x": 1.0}), lives.Rejected(), lives.Queued("i"),
    lives.Exposing(), lives.EndedEarly("run", "converged"), lives.Moved({"x": 2.0}),
    lives.Measured("run", "primary", 1, 2.0), lives.Failed("no beam"), lives.Withdrawn("removed"),
)  # fmt: skip
P, W, A, E, R, Q, X, EE, M, F, O = State  # noqa: E741

# Written down by hand, a row for each state: what each of EVENTS leads to, None where it cannot happen.
WANTED = {
    None: (P, None, None, None, None, None, None, None, None, None, None, None),
    P: (P, W, A, E, R, Q, X, EE, P, M, F, O),
    W: (W, None, A, E, R, Q, X, EE, W, M, F, O),
    A: (A, None, None, None, None, Q, X, EE, A, M, F, O),
    E: (E, None, None, None, None, Q, X, EE, E, M, F, O),
    R: (None,) * 12,
    Q: (Q, None, None, None, None, None, X, EE, Q, M, F, O),
    X: (X, None, None, None, None, None, None, EE, X, M, F, None),
    EE: (EE, None, None, None, None, None, None, None, EE, M, F, None),
    M: (None,) * 12,
    F: (None,) * 12,
    O: (None,) * 12,
}
ACTIONS = (
    (Remember(),), (AskPeople(),), (AddToQueue(),), (Move({"x": 1.0}), AddToQueue()), (Forget(),), (WatchQueue(),),
    (WatchQueue(),), (AwaitResults(),), (Move({"x": 2.0}),), (Learn("run", "primary", 1),), (LearnFailure(),),
    (Forget(),),
)  # fmt: skip


def test_the_states_are_those_of_the_design():
    assert [state.value for state in State] == [
        "proposed", "waiting", "approved", "edited", "rejected", "queued", "exposing", "ended early", "measured",
        "failed", "withdrawn",
    ]  # fmt: skip
    assert {type(event) for event in EVENTS} == set(get_args(lives.Event))


@pytest.mark.parametrize("state", [None, *State])
@pytest.mark.parametrize("place", range(len(EVENTS)))
def test_every_pair_of_state_and_event(state, place):
    event, wanted = EVENTS[place], WANTED[state][place]
    if wanted is None:
        with pytest.raises(NotPossibleError, match="not proposed yet" if state is None else f"is {state} already"):
            step(state, event)
        return
    found = step(state, event)
    assert found.state is wanted
    again = state is not None and isinstance(event, lives.Proposed)
    assert found.actions == (() if again else ACTIONS[place])


def test_every_life_comes_to_an_end():
    """From each state an end can be reached, and each state can be reached."""
    reached, new = set(), {None}
    while new:
        state = new.pop()
        reached.add(state)
        new |= {each for each in WANTED[state] if each is not None} - reached
    assert reached == {None, *State}
    for state in set(State) - FINAL:
        assert any(each in FINAL for each in WANTED[state])
    assert {R, M, F, O} == FINAL


def told(event, time=0.0, **more):
    return SuggestionEvent(time=time, suggestion_id="a-1", event=event, **more)


@given(st.permutations(["proposed", "waiting", "edited", "queued", "exposing", "ended early", "moved", "measured"]))
def test_neither_clocks_nor_the_order_of_rows_matter(order):
    """Rows come in any order from PostgreSQL, and their times from clocks of several machines."""
    found = life_of(told(event, time=float(place)) for place, event in enumerate(order))
    assert found.state is State.MEASURED
    assert not found.ignored


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_of_contrary_decisions_one_counts_for_all_readers(order):
    rows = [told("proposed", 5.0), told("approved", 6.0, by="Ann"), told("rejected", 6.0, by="Bo")]
    found = life_of([rows[place] for place in order])
    assert found.state is State.APPROVED
    assert [each.event for each in found.ignored] == ["rejected"]


@given(st.lists(st.sampled_from([*State]).map(str), max_size=12))
def test_any_rows_make_a_life(events):
    rows = [told(event, float(place)) for place, event in enumerate(events)]
    found = life_of(rows)
    assert len(found.happened) + len(found.ignored) == len(rows)
    assert (found.state is None) == ("proposed" not in events)
    decisions = [each for each in found.happened if each.event in ("approved", "edited", "rejected")]
    assert len(decisions) <= 1
    if decisions:
        assert found.state not in UNDECIDED


def test_what_version_02_wrote_is_understood():
    assert isinstance(event_of(told("edited", note="it was measured there")), lives.Moved)
    assert isinstance(event_of(told("rejected", note="the item was removed from the queue")), lives.Withdrawn)
    with pytest.raises(NotPossibleError, match="'exploded'"):
        event_of(told("exploded"))
    assert [each.event for each in life_of([told("proposed"), told("exploded")]).ignored] == ["exploded"]


def test_the_diagram_of_the_documentation_is_that_of_the_table():
    page = (Path(__file__).parents[2] / "docs" / "explanation" / "agent.md").read_text()
    assert f"```mermaid\n{diagram()}\n```" in page
