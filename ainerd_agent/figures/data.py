"""What the figures of the paper are drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import MapError
from ainerd_agent.latent import Embedding
from ainerd_agent.records import Fingerprints, FloatArray, MapStack
from ainerd_agent.records.arrays import IntArray

if TYPE_CHECKING:
    from ainerd_agent.figures.places import Places


class MissingError(MapError):
    """A figure needs what the data do not have."""


@dataclass(slots=True, kw_only=True, eq=False)
class FigureData:
    """Points of the latent space, and what is known of each; None for what is not known.

    Attributes
    ----------
    latents : ndarray of float32, shape (n, 64)
    cluster : ndarray of int, shape (n,)
    n_clusters : int
    maps : ndarray of float32, shape (n, 256, 256), or None
        Scaled: 0 without correlation, 1 without motion.
    azimuth, time : ndarray, shape (n,), or None
        Degrees and s.
    duration : ndarray, shape (n,), or None
        Seconds that a side of each map spans.
    label : ndarray, shape (n,), or None
        What is alike has the same.
    places : Places or None
        Where the measurements of a run were made.
    fingerprints : Fingerprints or None
        A measurement of a run, with its maps.
    sigma : float or None
        Of the anti-aliasing of its maps, frames; None for the usual one.
    fitted : Embedding or None
        Of these latents; fitted when it is first asked for where there is none.
    """

    latents: NDArray[np.float32]
    cluster: IntArray
    n_clusters: int
    maps: MapStack | None = None
    azimuth: FloatArray | None = None
    time: FloatArray | None = None
    duration: FloatArray | None = None
    label: NDArray[Any] | None = None
    places: Places | None = None
    fingerprints: Fingerprints | None = None
    sigma: float | None = None
    fitted: Embedding | None = None

    def __len__(self) -> int:
        return len(self.latents)

    def embedding(self) -> FloatArray:
        """Where the points lie in the UMAP embedding, fitted once; (n, 2)."""
        if self.fitted is None:
            self.fitted = Embedding.fit(self.latents)
        return self.fitted.points

    def durations(self) -> FloatArray:
        """Seconds that a side of each map spans, NaN where it is not known; (n,)."""
        return np.full(len(self), np.nan) if self.duration is None else self.duration

    def known_maps(self) -> MapStack:
        """The maps, (n, 256, 256).

        Raises
        ------
        MissingError
            There are none.
        """
        if self.maps is None:
            raise MissingError("it needs maps, and there are only latents")
        return self.maps
