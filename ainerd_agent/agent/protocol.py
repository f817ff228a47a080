"""What an agent offers to those who run it, and who records what it does."""

from __future__ import annotations

from typing import Protocol

from ainerd_agent.errors import AinerdError
from ainerd_agent.records import Analysis, Suggestion


class Suggests(Protocol):
    """An agent."""

    @property
    def needs_results(self) -> bool:
        """Whether the next suggestion depends on the measurements before it."""
        ...

    def suggest(self) -> Suggestion:
        """The next position."""
        ...

    def ingest(self, suggestion: Suggestion, analysis: Analysis | None) -> float:
        """Learn what became of it; gives the novelty found."""
        ...

    def should_stop(self) -> str:
        """Why it is time to stop; empty where it is not."""
        ...


class Follows(Protocol):
    """Somebody who keeps a record of what the agent does."""

    def __call__(self, suggestion: Suggestion, event: str, *, raw_uid: str, seq_num: int, novelty: float) -> None:
        """Note that a suggestion was "proposed", "measured" or "failed"."""
        ...


class NoSuggestionError(AinerdError):
    """Every candidate was measured, is forbidden, or is too close to an exposed spot."""


class Record(Protocol):
    """Writes events of suggestions to the catalog (`SpooledWriter.record_suggestion`)."""

    def __call__(
        self,
        suggestion: Suggestion,
        event: str,
        *,
        raw_uid: str = "",
        seq_num: int = 0,
        novelty: float = ...,
        note: str = "",
    ) -> None:
        """Write one event."""
        ...
