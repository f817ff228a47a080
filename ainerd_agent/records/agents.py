"""A process of an agent, as the catalog knows it."""

from __future__ import annotations

from dataclasses import dataclass

BEAT = 15.0
"""Seconds after which a running agent writes that it lives, where nothing else changed."""

DEAD_AFTER = 3 * BEAT
"""Seconds without a word after which an agent counts as dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentProcess:
    """A process of an agent.

    Attributes
    ----------
    agent : str
        Its name.
    number : int
        Of this process, from 1: the last one is the agent.
    token : str
        Of this process alone.
    machine : str
        Where it runs.
    process : int
        Its number there.
    started, seen : float
        When it started, and wrote last; seconds since the epoch.
    doing : str
        "running"; "waiting" for a decision; "paused"; or "ended", in good order.
    mode, highest : str
        What becomes of suggestions, and the most that who started it allows.
    held : str
        "pause" or "stop", where somebody asked for it and nobody to resume; otherwise empty.
    heeded : tuple of (float, str)
        Requests that it has heeded: when they were made, and for what.
    why : str
        Why it ended.
    """

    agent: str
    number: int
    token: str
    machine: str
    process: int
    started: float
    seen: float
    doing: str = "running"
    mode: str = ""
    highest: str = ""
    held: str = ""
    heeded: tuple[tuple[float, str], ...] = ()
    why: str = ""

    def state(self, now: float, *, known_dead: bool = False) -> str:
        """What it does at a moment (seconds since the epoch): as `doing`, or "dead"."""
        if self.doing != "ended" and (known_dead or now - self.seen > DEAD_AFTER):
            return "dead"
        return self.doing
