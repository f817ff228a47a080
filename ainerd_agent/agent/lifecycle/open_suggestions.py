"""The suggestion that a runner waits for: to be decided, to run, and to be analysed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from ainerd_agent.records import Suggestion
from ainerd_agent.records.life import FINAL, TO_MEASURE, UNDECIDED, State


@dataclass(slots=True)
class OpenSuggestion:
    """The suggestion that is waited for.

    Attributes
    ----------
    suggestion : Suggestion
        As it was edited or moved, where it was.
    state : State or None
        None before it is proposed.
    raw_uid : str or None
        The run whose results are waited for; None before there is one.
    since : float
        When the wait for what comes next began, seconds of the monotonic clock.
    """

    suggestion: Suggestion
    state: State | None = None
    raw_uid: str | None = None
    since: float = field(default_factory=time.monotonic)

    @property
    def is_under_way(self) -> bool:
        """Whether it is in the queue, or further."""
        return self.state is not None and self.state not in UNDECIDED | TO_MEASURE | FINAL

    def is_due(self) -> bool:
        """Whether the agent's wait is over."""
        return time.monotonic() - self.since >= self.suggestion.wait

    def await_results(self, raw_uid: str) -> None:
        """Wait for the results of a run from now on."""
        self.raw_uid, self.since = raw_uid, time.monotonic()
