"""What an agent proposes to measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A position that the agent proposes, and why.

    Attributes
    ----------
    position : mapping
        By axis, in millimetres where `units` says nothing else.
    expected_novelty, uncertainty : float
        Mean and standard deviation of the novelty that the surrogate predicts; NaN in the space-filling start.
    cost : float
        Seconds of travel, waiting and counting.
    score : float
        What was maximised.
    reason : str
        One sentence for people.
    inputs : tuple of str
        The measurements it was inferred from, as "uid/stream/events" (see `Events`); "uid/seq_num" of version 0.1.
    model, seed
        The latent model, and the seed of this choice.
    agent : str
        Whose suggestion it is.
    counting : float
        Seconds of exposure; NaN where the plan's usual one is meant.
    wait : float
        Seconds to let pass before the exposure.
    predicted : ndarray of float32, shape (n_bins, n_latents), or None
        The latents that the surrogate expects there; None where nothing is known yet.
    predicted_std : float
        Standard deviation of a measurement's distance from `predicted`, as the surrogate expects it.
    terms : mapping
        What the score was made of: numbers by name.
    alternatives : tuple of mapping
        The best positions that were not taken: each axis, "score", "cost", and "expected_novelty" where it is known.
    settings : mapping
        How the agent was made, so that another process can make it again.
    units : mapping
        Of the axes that are not in millimetres.
    sample, well : str
        Which of several samples on a holder, and which of its named positions; empty where there are none.
    """

    id: str
    position: Mapping[str, float]
    reason: str
    expected_novelty: float = float("nan")
    uncertainty: float = float("nan")
    cost: float = 0.0
    score: float = float("nan")
    inputs: tuple[str, ...] = ()
    model: str = ""
    seed: int = 0
    agent: str = ""
    counting: float = float("nan")
    wait: float = 0.0
    predicted: NDArray[np.float32] | None = field(default=None, compare=False)
    predicted_std: float = float("nan")
    terms: Mapping[str, float] = field(default_factory=dict)
    alternatives: tuple[Mapping[str, float], ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    sample: str = ""
    well: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestionEvent:
    """One event in the life of a suggestion.

    Attributes
    ----------
    time : float
        Seconds since the epoch.
    event : str
        One of the events of `records.life`, as "proposed", "approved", "ended early" or "measured".
    position : mapping
        Where to measure as of this event, by axis.
    raw_uid : str
        Run that measured it; empty where there is none.
    stream, seq_num, last_seq_num
        The measurement in that run, as in its `Origin`; 0 where the number is not known.
    novelty : float
        What was found, for "measured".
    note : str
        Who decided and why; why it failed; the item in the queue.
    by : str
        Who decided; empty where nobody is named.
    verified : bool or None
        Whether the server vouches for that; None where nobody is named.
    """

    time: float
    suggestion_id: str
    event: str
    position: Mapping[str, float] = field(default_factory=dict)
    raw_uid: str = ""
    stream: str = "primary"
    seq_num: int = 0
    last_seq_num: int = 0
    novelty: float = float("nan")
    note: str = ""
    by: str = ""
    verified: bool | None = None

    def __post_init__(self) -> None:
        if self.last_seq_num == 0:
            object.__setattr__(self, "last_seq_num", self.seq_num)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided about a suggestion, and holds: there is one at most.

    Attributes
    ----------
    decision : str
        "approved", "edited" or "rejected" by people; "queued" by its agent, where nobody was to be asked.
    token : str
        Of whom it came from, so that a caller knows their own decision again.
    position : mapping
        By axis, for "edited"; otherwise empty.
    time : float
        Seconds since the epoch.
    note, by, verified
        As for `SuggestionEvent`.
    """

    suggestion_id: str
    decision: str
    token: str
    position: Mapping[str, float] = field(default_factory=dict)
    time: float = float("nan")
    note: str = ""
    by: str = ""
    verified: bool | None = None

    def __str__(self) -> str:
        """As "approved by Ann", or "approved by Ann (not verified)"."""
        by = f" by {self.by}" if self.by else ""
        return f"{self.decision}{by}{'' if self.verified else ' (not verified)'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRequest:
    """Something that people ask of a running agent.

    Attributes
    ----------
    time : float
        Seconds since the epoch.
    agent : str
        Its name.
    what : str
        "pause", "resume" or "stop"; or the mode "suggest", "ask" or "automatic".
    note : str
        Why.
    by : str
        Who asks; empty where nobody is named.
    verified : bool or None
        Whether the server vouches for that; None where nobody is named.
    """

    time: float
    agent: str
    what: str
    note: str = ""
    by: str = ""
    verified: bool | None = None
