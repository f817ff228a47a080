"""Whether maps are like those that a model was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ainerd_agent.errors import MapError
from ainerd_agent.records import FloatArray

MARGIN = 1.5
"""Factor by which a limit lies above what known maps reach: other experiments differ from them."""

CANNOT_DRAW = "the model cannot draw it"
FAR = "far from all maps of the training"
"""Reasons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Familiarity:
    """Limits of a model, beyond which its latents cannot be trusted.

    Attributes
    ----------
    largest_excess : float
        Misfit in units of the noise (`Encoding.excess`) that maps of the training do not have.
    largest_distance : float
        The same for the distance to the nearest latent, or centre, of the training.
    """

    largest_excess: float
    largest_distance: float

    @classmethod
    def of(cls, excess: FloatArray, distances: FloatArray, *, quantile: float = 0.999) -> Familiarity:
        """Limits from the excess and distances (n,) of known maps that were held back from the training."""
        if not len(excess) or not len(distances) or not (np.isfinite(excess).all() and np.isfinite(distances).all()):
            raise MapError("limits need finite misfits and distances of at least one known map")
        return cls(
            largest_excess=MARGIN * float(np.quantile(excess, quantile)),
            largest_distance=MARGIN * float(np.quantile(distances, quantile)),
        )

    @classmethod
    def read(cls, told: Mapping[str, float] | None) -> Familiarity | None:
        """Limits from a model's file; None for older files, whose limits did not take noise into account."""
        return None if told is None or "largest_excess" not in told else cls(**told)

    def reasons(self, excess: FloatArray, distances: FloatArray) -> list[tuple[str, ...]]:
        """Why each of maps (n,) is unlike the training; nothing, as a rule. What is not known is beyond a limit."""
        beyond = (
            (CANNOT_DRAW, ~(np.asarray(excess) <= self.largest_excess)),
            (FAR, ~(np.asarray(distances) <= self.largest_distance)),
        )
        return [tuple(reason for reason, where in beyond if where[index]) for index in range(len(excess))]
