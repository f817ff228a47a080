"""How much a position promises: expected novelty, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ainerd_agent.agent.surrogate import Prediction
from ainerd_agent.records import FloatArray

N_SAMPLES = 64


@dataclass(frozen=True, slots=True, eq=False)
class ExpectedNovelty:
    """Distance to the nearest latent in the archive, over posterior samples, per candidate.

    Attributes
    ----------
    mean, std : ndarray, shape (n_candidates,)
        In units of the latents.
    """

    mean: FloatArray
    std: FloatArray


def expected_novelty(prediction: Prediction, archive: FloatArray, rng: np.random.Generator) -> ExpectedNovelty:
    """Expected distance of a measurement from all that was seen (BEACON, arXiv 2406.03616, with one neighbour).

    Parameters
    ----------
    prediction : Prediction
        Of the candidates.
    archive : ndarray, shape (n_seen, n_components)
        Components of the measurements so far.
    """
    noise = rng.standard_normal((N_SAMPLES, *prediction.mean.shape))
    samples = prediction.mean + prediction.std * noise
    nearest = np.stack([np.linalg.norm(each[:, None] - archive[None], axis=-1).min(axis=1) for each in samples])
    return ExpectedNovelty(nearest.mean(axis=0), nearest.std(axis=0))


@dataclass(frozen=True, slots=True)
class BeamtimeCost:
    """Seconds that a measurement takes.

    Attributes
    ----------
    speed : float
        Of each axis, mm/s; both move at once.
    counting : float
        Exposure and overhead, seconds.
    """

    speed: float
    counting: float

    def __call__(self, here: FloatArray | None, there: FloatArray) -> FloatArray:
        """Travel from `here` (2,), None where the stage stands nowhere yet, to each of `there` (n, 2), and counting."""
        travel = 0.0 if here is None else np.abs(there - here).max(axis=1) / self.speed
        return np.asarray(travel + np.full(len(there), self.counting))
