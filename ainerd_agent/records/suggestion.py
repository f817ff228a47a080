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
        By axis ("x", "y"), millimetres.
    expected_novelty, uncertainty : float
        Mean and standard deviation of the novelty that the surrogate predicts; NaN in the space-filling start.
    cost : float
        Seconds of travel, waiting and counting.
    score : float
        What was maximised.
    reason : str
        One sentence for people.
    inputs : tuple of str
        The measurements it was inferred from, as "uid/seq_num".
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
        The best positions that were not taken: "x", "y", "score", "cost", and "expected_novelty" where it is known.
    settings : mapping
        How the agent was made, so that another process can make it again.
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


@dataclass(frozen=True, slots=True)
class SuggestionEvent:
    """One event in the life of a suggestion, or a request to its agent.

    Attributes
    ----------
    position : mapping
        Where to measure as of this event.
    novelty : float
        What was found, for "measured".
    """

    time: float
    suggestion_id: str
    event: str
    position: Mapping[str, float]
    raw_uid: str
    seq_num: int
    novelty: float
    note: str
