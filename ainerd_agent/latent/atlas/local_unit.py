"""How new latents are, in units of what repeats have at that place and noise, in a session."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.latent.clusters import Latents
from ainerd_agent.latent.repeats import SURE, Noise, RepeatModel
from ainerd_agent.records import FloatArray

KEPT_PARTNERS = 50_000
"""Latest partners, by which the unit of the model is corrected."""


@dataclass(frozen=True, slots=True, eq=False)
class Newness:
    """How new the latents of one measurement are.

    Attributes
    ----------
    novelty : ndarray, shape (n_bins,)
        Distance to the nearest latent of an earlier measurement, 1 for a usual repeat; NaN for the first measurement.
    repeat_probability : ndarray, shape (n_bins,), or None
        That a repeat of that nearest one is as far from it, or farther; NaN where it is not known. None where the model
        does not tell.
    """

    novelty: FloatArray
    repeat_probability: FloatArray | None = None

    @classmethod
    def unknown(cls, n_bins: int, *, probabilities: bool) -> Newness:
        """Of the first measurement."""
        return cls(np.full(n_bins, np.nan), np.full(n_bins, np.nan) if probabilities else None)


class LocalUnit:
    """The unit of novelty that a model gives, corrected by the partners of a session.

    Partners see the same dynamics. Where they lie farther apart than the model expects of repeats, or nearer, all
    distances of the session are corrected by what they show, the more the more partners there were.

    Parameters
    ----------
    model : RepeatModel
    """

    def __init__(self, model: RepeatModel) -> None:
        self.model = model
        self.partners: FloatArray = np.empty(0)
        """Logarithms of their distances in the model's unit."""

    @property
    def log_correction(self) -> float:
        """Logarithm of the session's unit in that of the model."""
        n = len(self.partners)
        return float(np.median(self.partners)) * n / (n + SURE) if n else 0.0

    def meet(self, latents: Latents, noise: Noise, pairs: NDArray[np.int64]) -> None:
        """Learn from partners, pairs (n, 2) of the latents of a measurement."""
        first, second = pairs.T
        found = self.model.compare(latents[first], noise[first], latents[second], noise[second])
        self.partners = np.concatenate([self.partners, np.log(found.distance)])[-KEPT_PARTNERS:]

    def newness(self, latents: Latents, noise: Noise, nearest: Latents, their_noise: Noise) -> Newness:
        """How new latents are, each against the nearest one."""
        found, correction = self.model.compare(latents, noise, nearest, their_noise), self.log_correction
        # A surprise is about the square.
        probability = self.model.probability(found.surprise - 2 * correction / found.scatter)
        known = np.isfinite(noise).all(axis=1) & np.isfinite(their_noise).all(axis=1)
        return Newness(found.distance * np.exp(-correction), np.where(known, probability, np.nan))
