"""What the latent model says of one measurement."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import CatalogError
from ainerd_agent.records.arrays import FloatArray
from ainerd_agent.records.rheometry import ShearStress
from ainerd_agent.records.run import Origin

KINDS = ("equilibrium", "ageing", "intermittent", "oscillating", "flowing")
"""Kinds of dynamics, by what their correlation does from age to age and over the lag."""

UNKNOWN = "unknown"
"""Kind of a map that is like none of them, or as like to one as to another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapNoise:
    """How noisy maps are, as natural logarithms of the noise in units of the contrast (`latent.map_noise`).

    Distances between latents are judged by it, so it is kept beside them: a session that goes on from the catalog then
    finds the same novelty as one that was never interrupted.

    Attributes
    ----------
    near, far : ndarray, shape (n_bins,)
        Of single pixels of the map, at lags near the diagonal and far from it.
    near_4, far_4, near_16, far_16 : ndarray, shape (n_bins,)
        Of means over 4 x 4 and 16 x 16 pixels.
    frames : ndarray, shape (n_bins,)
        Of what whole rows of the map share.
    """

    near: FloatArray
    far: FloatArray
    near_4: FloatArray
    far_4: FloatArray
    near_16: FloatArray
    far_16: FloatArray
    frames: FloatArray

    @classmethod
    def of(cls, noise: NDArray[np.float32]) -> Self | None:
        """From `Encoding.noise`, shape (n_bins, 7); None where none of it is known."""
        if not np.isfinite(noise).any():
            return None
        columns = noise.astype(np.float64).T.copy()
        return cls(**{each.name: column for each, column in zip(fields(cls), columns, strict=True)})

    def as_array(self) -> NDArray[np.float32]:
        """Shape (n_bins, 7), exactly as it was given to `of`."""
        return np.stack([getattr(self, each.name) for each in fields(self)], axis=1).astype(np.float32)


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
        Distance to the nearest latent seen before, in units of what repeats of a measurement have there, or, for a
        model without these units, anywhere; NaN for the first measurement of a session, which has nothing to compare
        with.
    reconstruction_error : ndarray, shape (n_bins,)
        Mean squared difference between the scaled map and its reconstruction.
    unlike : ndarray of bool, shape (n_bins,), or None
        Which maps are unlike those that the model was trained on: their other values cannot be trusted. None where
        nobody looked.
    reasons : tuple of str, shape (n_bins,), or None
        Why they are, in words; empty for a map that is not. None where no map is, or it is not known why.
    cluster_probability : ndarray, shape (n_bins,), or None
        Of `cluster`: that a repeat of the measurement falls into the same one. None for a model without it, as for
        those below.
    kind : tuple of str, shape (n_bins,), or None
        Kind of dynamics: "equilibrium", "ageing", "intermittent", "oscillating", "flowing" or "unknown".
    kind_probability : ndarray, shape (n_bins,), or None
        Of `kind`; of an unknown one, of the most probable kind.
    repeat_probability : ndarray, shape (n_bins,), or None
        That a repeat of the nearest map seen before lies as far from it as this one does, or farther. NaN for the
        first measurement of a session.
    noise : MapNoise or None
        Of the maps. None for a model whose novelty does not depend on it.
    recognised_as : str
        What the measurement was taken for, where it ended for that.
    p_new : float
        Probability that it would have been new; NaN where nobody asked.
    """

    origin: Origin
    latents: NDArray[np.float32]
    cluster: NDArray[np.int64]
    centre_distance: FloatArray
    novelty: FloatArray
    reconstruction_error: FloatArray
    stress: ShearStress
    unlike: NDArray[np.bool_] | None = None
    reasons: tuple[str, ...] | None = None
    cluster_probability: FloatArray | None = None
    kind: tuple[str, ...] | None = None
    kind_probability: FloatArray | None = None
    repeat_probability: FloatArray | None = None
    noise: MapNoise | None = None
    recognised_as: str = ""
    p_new: float = float("nan")

    @property
    def dominant_cluster(self) -> int:
        """The cluster that most bins belong to (the slower one of a tie)."""
        return int(np.bincount(self.cluster).argmax())


@dataclass(frozen=True, kw_only=True)
class ModelIdentity:
    """Which latent model an analysis comes from.

    Attributes
    ----------
    name : str
        The key of the model in `/ainerd`.
    weights_sha256 : str
        Of the file of weights, hexadecimal.
    n_clusters : int
    parameters : mapping
        Whatever else decides the result: architecture, scaling, settings of the analysis.
    geometry : mapping
        Where the detector stood, for those who ask where bins come from; empty where it is not known.
    """

    name: str
    weights_sha256: str
    n_clusters: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
    geometry: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w.+-]+", self.name):
            raise CatalogError(
                f"A model cannot be called {self.name!r} in the catalog: use letters, digits, and any of . _ + -"
            )
