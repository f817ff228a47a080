"""What documents become besides measurements: failures, and the ends of runs."""

from __future__ import annotations

from dataclasses import dataclass

from ainerd_agent.records import Events


@dataclass(frozen=True, slots=True)
class Failure:
    """A measurement that could not be made or analysed, and why."""

    raw_uid: str
    events: Events
    message: str

    @property
    def seq_num(self) -> int:
        """Number of its first event."""
        return self.events.first

    @property
    def name(self) -> str:
        """The measurement in text, as "uid/primary/3"."""
        return f"{self.raw_uid}/{self.events}"


@dataclass(frozen=True, slots=True)
class RunEnd:
    """The end of a run; `status` is "success", "abort" or "fail"."""

    raw_uid: str
    status: str
    reason: str = ""
