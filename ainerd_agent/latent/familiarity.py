"""Whether maps are like those that a model was trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import MapError
from ainerd_agent.records import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Familiarity:
    """Limits of a model, beyond which its latents cannot be trusted.

    Attributes
    ----------
    largest_error : float
        Misfit (`Encoding.misfit`, squared scaled C2) that maps of the training seldom exceed.
    largest_distance : float
        The same for the distance to the nearest latent, or centre, of the training.
    """

    largest_error: float
    largest_distance: float

    @classmethod
    def of(cls, errors: FloatArray, distances: FloatArray, *, quantile: float = 0.99) -> Familiarity:
        """Limits from the errors and distances (n,) of known maps that were held back from the training."""
        if not len(errors) or not len(distances) or not (np.isfinite(errors).all() and np.isfinite(distances).all()):
            raise MapError("limits need finite errors and distances of at least one known map")
        return cls(
            largest_error=float(np.quantile(errors, quantile)),
            largest_distance=float(np.quantile(distances, quantile)),
        )

    def unlike(self, errors: FloatArray, distances: FloatArray) -> NDArray[np.bool_]:
        """Which maps (n,) are unlike the training: of either a larger error or a larger distance, or of unknown."""
        return ~((np.asarray(errors) <= self.largest_error) & (np.asarray(distances) <= self.largest_distance))

    def advice(self, errors: FloatArray, distances: FloatArray) -> str | None:
        """What to tell the person who measures, where some maps are unlike the training."""
        unlike = self.unlike(errors, distances)
        if not unlike.any():
            return None
        return (
            f"{np.count_nonzero(unlike)} of {len(unlike)} maps are unlike those that the model was trained on; "
            "do not trust their clusters and neighbours. Fine-tune the model on such maps: ainerd train --from MODEL"
        )
