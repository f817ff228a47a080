"""The states of a suggestion, what can happen to it, and what is to be done then: the words of `life`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class State(StrEnum):
    """Where a suggestion is in its life."""

    PROPOSED = "proposed"
    WAITING = "waiting"
    APPROVED = "approved"
    EDITED = "edited"
    REJECTED = "rejected"
    QUEUED = "queued"
    EXPOSING = "exposing"
    ENDED_EARLY = "ended early"
    MEASURED = "measured"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Proposed:
    """An agent proposes it, or proposes it once more after a restart."""


@dataclass(frozen=True, slots=True)
class Waits:
    """People are asked to decide."""


@dataclass(frozen=True, slots=True)
class Approved:
    """Somebody wants it to be measured."""


@dataclass(frozen=True, slots=True)
class Edited:
    """Somebody wants it to be measured elsewhere.

    Attributes
    ----------
    position : mapping
        By axis.
    """

    position: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rejected:
    """Somebody does not want it to be measured."""


@dataclass(frozen=True, slots=True)
class Queued:
    """It is in the queue of a queue server, as this item."""

    item: str = ""


@dataclass(frozen=True, slots=True)
class Exposing:
    """Its plan runs."""


@dataclass(frozen=True, slots=True)
class EndedEarly:
    """Its exposure ended before the planned count.

    Attributes
    ----------
    raw_uid : str
        The run.
    why : str
        "converged", "recognised", "damaged" or "stopped".
    """

    raw_uid: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Moved:
    """It was measured elsewhere than it was suggested: at this position, by axis."""

    position: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measured:
    """Its results are there.

    Attributes
    ----------
    raw_uid, stream, seq_num
        The measurement.
    novelty : float
        What was found.
    """

    raw_uid: str = ""
    stream: str = "primary"
    seq_num: int = 0
    novelty: float = math.nan


@dataclass(frozen=True, slots=True)
class Failed:
    """Its plan or its analysis failed, and why; it may have exposed the spot."""

    why: str = ""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """It will not be measured, though nobody rejected it, and why."""

    why: str = ""


Event = (
    Proposed
    | Waits
    | Approved
    | Edited
    | Rejected
    | Queued
    | Exposing
    | EndedEarly
    | Moved
    | Measured
    | Failed
    | Withdrawn
)


@dataclass(frozen=True, slots=True)
class Remember:
    """The agent counts its spot as exposed."""


@dataclass(frozen=True, slots=True)
class AskPeople:
    """Tell people that it waits for their decision."""


@dataclass(frozen=True, slots=True)
class Move:
    """The agent takes note of the new position, by axis."""

    position: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class AddToQueue:
    """Put it into the queue, once it is due."""


@dataclass(frozen=True, slots=True)
class WatchQueue:
    """Look what becomes of its item."""


@dataclass(frozen=True, slots=True)
class AwaitResults:
    """Wait for what the analysis finds."""


@dataclass(frozen=True, slots=True)
class Learn:
    """The agent learns from the results of this measurement."""

    raw_uid: str
    stream: str
    seq_num: int


@dataclass(frozen=True, slots=True)
class LearnFailure:
    """The agent takes note that it failed."""


@dataclass(frozen=True, slots=True)
class Forget:
    """The agent takes note that nothing was exposed."""


Action = Remember | AskPeople | Move | AddToQueue | WatchQueue | AwaitResults | Learn | LearnFailure | Forget
