"""What an agent offers to those who run it, and who records what it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ainerd_agent.agent.limits import Limits
from ainerd_agent.errors import AinerdError
from ainerd_agent.records import Analysis, Suggestion


class Suggests(Protocol):
    """The part of an agent that a scan asks for: enough for a strategy of one's own under `plans.novelty_scan`."""

    @property
    def needs_results(self) -> bool:
        """Whether the next suggestion depends on the measurements before it."""
        ...

    def suggest(self) -> Suggestion:
        """The next position, or the one that comes first after a restart.

        Raises
        ------
        NoSuggestionError
            There is none left.
        """
        ...

    def ingest(self, suggestion: Suggestion, analysis: Analysis | None) -> float:
        """Learn what became of it, None where it failed; gives the novelty found."""
        ...

    def should_stop(self) -> str:
        """Why it is time to stop; empty where it is not."""
        ...


class Agent(Suggests, Protocol):
    """What every strategy offers to those who run it (`runners`) and who make it again (`lifecycle.restore`).

    A strategy can be made again from `settings`, by its classmethod `from_settings`. Repeating the life of all its
    suggestions by `recall`, `edit`, `withdraw` and `ingest` brings it back to where it was.
    """

    @property
    def name(self) -> str:
        """By which its suggestions are found again."""
        ...

    @property
    def model(self) -> str:
        """Name of the latent model that it learns from."""
        ...

    @property
    def limits(self) -> Limits:
        """What may be measured: axes, samples and forbidden regions."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """How it was made, in plain values: the kind under "agent", "limits", and what else it needs."""
        ...

    def stop(self, reason: str = "somebody asked to stop") -> None:
        """Ask to stop before the next suggestion; from any thread."""
        ...

    def edit(self, suggestion: Suggestion, position: Mapping[str, float]) -> Suggestion:
        """Take note that somebody wants to measure elsewhere instead; gives the suggestion for there.

        Parameters
        ----------
        suggestion : Suggestion
        position : mapping of str to float
            A value for each axis, in its unit.

        Raises
        ------
        LimitError
            That is outside of the limits or forbidden, or the budget of the sample there is spent. Nothing has changed
            then.
        """
        ...

    def withdraw(self, suggestion: Suggestion) -> None:
        """Take note that a suggestion was rejected: nothing was exposed or spent."""
        ...

    def recall(self, suggestion: Suggestion) -> None:
        """Take note of a suggestion that this agent made in another process: it counts as exposed."""
        ...

    def repeat(self, suggestion: Suggestion) -> None:
        """Suggest once more, before anything else, what nothing came of: its process ended first."""
        ...


ResultOf = Callable[[str, int], Analysis | None]
"""Blocks until the measurement (run uid, seq_num) is analysed, and gives None where it failed."""


class NoSuggestionError(AinerdError):
    """Every candidate was measured, is forbidden, or is too close to an exposed spot."""


class Record(Protocol):
    """Keeps what becomes of suggestions: writes it to the catalog (`SpooledWriter.record_suggestion`)."""

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
        """Keep one event, such as "proposed", "measured" or "failed"."""
        ...
