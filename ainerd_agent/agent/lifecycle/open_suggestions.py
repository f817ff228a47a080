"""The suggestion that a runner waits for: to be decided, to run, and to be analysed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from ainerd_agent.records import Suggestion


@dataclass(slots=True)
class OpenSuggestion:
    """The suggestion that is waited for."""

    suggestion: Suggestion
    item: str = ""
    raw_uid: str = ""
    since: float = field(default_factory=time.monotonic)

    def is_due(self) -> bool:
        """Whether the agent's wait is over."""
        return time.monotonic() - self.since >= self.suggestion.wait
