"""The life of a suggestion: a pure state machine of typed events and actions.

`step` is the one place that says what may follow on what. Whoever reads or writes a life uses it: the catalog, which
settles decisions; the runners, which act; and `restore`, which repeats a life. It knows neither Redis nor Tiled, and
no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ainerd_agent.errors import AinerdError
from ainerd_agent.records.life_events import (
    Action,
    AddToQueue,
    Approved,
    AskPeople,
    AwaitResults,
    Edited,
    EndedEarly,
    Event,
    Exposing,
    Failed,
    Forget,
    Learn,
    LearnFailure,
    Measured,
    Move,
    Moved,
    Proposed,
    Queued,
    Rejected,
    Remember,
    State,
    Waits,
    WatchQueue,
    Withdrawn,
)
from ainerd_agent.records.suggestion import SuggestionEvent

__all__ = [
    "FINAL",
    "MAY_FOLLOW",
    "MEASURED_THERE",
    "REACHES",
    "REMOVED",
    "TO_MEASURE",
    "UNDECIDED",
    "Action",
    "AddToQueue",
    "Approved",
    "AskPeople",
    "AwaitResults",
    "Edited",
    "EndedEarly",
    "Event",
    "Exposing",
    "Failed",
    "Forget",
    "Learn",
    "LearnFailure",
    "Life",
    "Measured",
    "Move",
    "Moved",
    "NotPossibleError",
    "Proposed",
    "Queued",
    "Rejected",
    "Remember",
    "State",
    "Step",
    "Waits",
    "WatchQueue",
    "Withdrawn",
    "diagram",
    "event_of",
    "life_of",
    "name_of",
    "note_of",
    "step",
]

MEASURED_THERE = "it was measured there"
"""The note by which version 0.2 wrote, as "edited", what is "moved" now."""

REMOVED = "the item was removed from the queue"
"""The note by which version 0.2 wrote, as "rejected", what is "withdrawn" now."""


class NotPossibleError(AinerdError):
    """An event that cannot follow on the state of a suggestion."""


REACHES: Mapping[type[Event], State] = {
    Proposed: State.PROPOSED,
    Waits: State.WAITING,
    Approved: State.APPROVED,
    Edited: State.EDITED,
    Rejected: State.REJECTED,
    Queued: State.QUEUED,
    Exposing: State.EXPOSING,
    EndedEarly: State.ENDED_EARLY,
    Measured: State.MEASURED,
    Failed: State.FAILED,
    Withdrawn: State.WITHDRAWN,
}
"""The state after an event; "moved" leaves it as it is, and so does a second "proposed"."""

_RUNS = (EndedEarly, Measured, Failed)
_UNDECIDED = (Approved, Edited, Rejected)

MAY_FOLLOW: Mapping[State | None, tuple[type[Event], ...]] = {
    None: (Proposed,),
    State.PROPOSED: (Proposed, Waits, *_UNDECIDED, Queued, Exposing, Moved, *_RUNS, Withdrawn),
    State.WAITING: (Proposed, *_UNDECIDED, Queued, Exposing, Moved, *_RUNS, Withdrawn),
    State.APPROVED: (Proposed, Queued, Exposing, Moved, *_RUNS, Withdrawn),
    State.EDITED: (Proposed, Queued, Exposing, Moved, *_RUNS, Withdrawn),
    State.QUEUED: (Proposed, Exposing, Moved, *_RUNS, Withdrawn),
    State.EXPOSING: (Proposed, Moved, *_RUNS),
    State.ENDED_EARLY: (Proposed, Moved, Measured, Failed),
    State.REJECTED: (),
    State.MEASURED: (),
    State.FAILED: (),
    State.WITHDRAWN: (),
}
"""What may happen in a state. None: before there is a suggestion."""

FINAL = frozenset(state for state, events in MAY_FOLLOW.items() if state is not None and not events)
"""Nothing follows on these."""

UNDECIDED = frozenset({State.PROPOSED, State.WAITING})
"""People may still decide."""

TO_MEASURE = frozenset({State.APPROVED, State.EDITED})
"""People decided that it is to be measured."""


@dataclass(frozen=True, slots=True)
class Step:
    """What comes of an event: the new state, and what is to be done."""

    state: State
    actions: tuple[Action, ...] = ()


def step(state: State | None, event: Event) -> Step:
    """Say what an event leads to.

    Parameters
    ----------
    state : State or None
        None before there is a suggestion.
    event : Event

    Returns
    -------
    Step

    Raises
    ------
    NotPossibleError
        The event cannot follow on this state. Nothing has changed then.
    """
    kind = type(event)
    if kind not in MAY_FOLLOW[state]:
        is_now = "not proposed yet" if state is None else f"{state.value} already"
        raise NotPossibleError(f"it is {is_now}, so it cannot be {name_of(event)} any more")
    if state is not None and kind in (Proposed, Moved):
        return Step(state, _actions(event) if kind is Moved else ())
    return Step(REACHES[kind], _actions(event))


def _actions(event: Event) -> tuple[Action, ...]:
    match event:
        case Proposed():
            return (Remember(),)
        case Waits():
            return (AskPeople(),)
        case Approved():
            return (AddToQueue(),)
        case Edited(position):
            return (Move(position), AddToQueue())
        case Moved(position):
            return (Move(position),)
        case Queued() | Exposing():
            return (WatchQueue(),)
        case EndedEarly():
            return (AwaitResults(),)
        case Measured(raw_uid, stream, seq_num):
            return (Learn(raw_uid, stream, seq_num),)
        case Failed():
            return (LearnFailure(),)
        case Rejected() | Withdrawn():
            return (Forget(),)


def name_of(event: Event) -> str:
    """As a `SuggestionEvent` names it."""
    return "moved" if isinstance(event, Moved) else REACHES[type(event)].value


def note_of(event: Event) -> str:
    """As a `SuggestionEvent` notes it: the item in the queue, or why; empty where there is nothing to say."""
    match event:
        case Queued(item):
            return item
        case EndedEarly(_, why) | Failed(why) | Withdrawn(why):
            return why
    return ""


def event_of(told: SuggestionEvent) -> Event:
    """The event that a record tells of, also as version 0.2 wrote it.

    Raises
    ------
    NotPossibleError
        There is no event of this name.
    """
    match told.event:
        case "proposed":
            return Proposed()
        case "waiting":
            return Waits()
        case "approved":
            return Approved()
        case "edited":
            return Moved(told.position) if told.note == MEASURED_THERE else Edited(told.position)
        case "rejected":
            return Withdrawn(told.note) if told.note == REMOVED else Rejected()
        case "queued":
            return Queued(told.note)
        case "exposing":
            return Exposing()
        case "ended early":
            return EndedEarly(told.raw_uid, told.note)
        case "moved":
            return Moved(told.position)
        case "measured":
            return Measured(told.raw_uid, told.stream, told.seq_num, told.novelty)
        case "failed":
            return Failed(told.note)
        case "withdrawn":
            return Withdrawn(told.note)
    raise NotPossibleError(f"nothing that is called {told.event!r} happens to a suggestion")


@dataclass(frozen=True, slots=True)
class Life:
    """What became of a suggestion.

    Attributes
    ----------
    state : State or None
        None where it was never proposed.
    happened : tuple of SuggestionEvent
        What led there, in order.
    ignored : tuple of SuggestionEvent
        What came too late, such as the later of two contrary decisions.
    """

    state: State | None = None
    happened: tuple[SuggestionEvent, ...] = ()
    ignored: tuple[SuggestionEvent, ...] = ()


def life_of(told: Iterable[SuggestionEvent]) -> Life:
    """Go through the events of one suggestion, whose order does not matter.

    They come from clocks of several machines, and a database may give them in any order. So what causes something comes
    first whatever its time says, as a decision before the item in the queue; and of two that could both come, such as
    contrary decisions, the one with the earlier time, then the one whose name and author come first. All readers agree
    by that.
    """
    state: State | None = None
    happened: list[SuggestionEvent] = []
    ignored: list[SuggestionEvent] = []
    for each in sorted(told, key=_order):
        try:
            state = step(state, event_of(each)).state
        except NotPossibleError:
            ignored.append(each)
        else:
            happened.append(each)
    return Life(state, tuple(happened), tuple(ignored))


_CAUSES_FIRST: tuple[tuple[type[Event], ...], ...] = (
    (Proposed,),
    (Waits,),
    (Approved, Edited, Rejected),
    (Queued,),
    (Exposing,),
    (EndedEarly,),
    (Moved,),
    (Measured, Failed, Withdrawn),
)
_RANK: Mapping[type[Event], int] = {kind: rank for rank, kinds in enumerate(_CAUSES_FIRST) for kind in kinds}


def _order(told: SuggestionEvent) -> tuple[int, float, str, str]:
    try:
        rank = _RANK[type(event_of(told))]
    except NotPossibleError:
        rank = len(_RANK)
    return rank, told.time, told.event, told.by


def diagram() -> str:
    """The table as a Mermaid state diagram, for the documentation."""
    names = {state: state.value.replace(" ", "_") for state in State}
    lines = ["stateDiagram-v2"]
    lines += [f'    state "{state.value}" as {names[state]}' for state in State if names[state] != state.value]
    lines.append(f"    [*] --> {names[State.PROPOSED]}")
    for state in State:
        for kind in MAY_FOLLOW[state]:
            if kind in REACHES and kind is not Proposed:
                lines.append(f"    {names[state]} --> {names[REACHES[kind]]}")
    lines += [f"    {names[state]} --> [*]" for state in State if state in FINAL]
    return "\n".join(lines)
