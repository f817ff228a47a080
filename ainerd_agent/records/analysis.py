"""What the latent model says of one measurement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records.arrays import FloatArray
from ainerd_agent.records.rheometry import ShearStress
from ainerd_agent.records.run import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What the latent model says of one measurement, per bin.

    Attributes
    ----------
    latents : ndarray of float32, shape (n_bins, 64)
    cluster : ndarray of int, shape (n_bins,)
        0 is the slowest.
    centre_distance : ndarray, shape (n_bins,)
        Euclidean distance to the cluster's centre.
    novelty : ndarray, shape (n_bins,)
        Distance to the nearest latent seen before, in units of the repeatability of a measurement; NaN for the first
        measurement of a session, which has nothing to be compared with.
    reconstruction_error : ndarray, shape (n_bins,)
        Mean squared difference between the scaled map and its reconstruction.
    unlike : ndarray of bool, shape (n_bins,), or None
        Which maps are unlike those that the model was trained on: their other values cannot be trusted. None where the
        model does not tell.
    """

    origin: Origin
    latents: NDArray[np.float32]
    cluster: NDArray[np.int64]
    centre_distance: FloatArray
    novelty: FloatArray
    reconstruction_error: FloatArray
    stress: ShearStress
    unlike: NDArray[np.bool_] | None = None

    @property
    def dominant_cluster(self) -> int:
        """The cluster that most bins belong to (the slower one of a tie)."""
        return int(np.bincount(self.cluster).argmax())
