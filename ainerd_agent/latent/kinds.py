"""The kind of dynamics, read from latents: equilibrium, ageing, intermittent, oscillating, flowing, or unknown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from ainerd_agent.latent.clusters import Latents
from ainerd_agent.records import FloatArray
from ainerd_agent.records.analysis import KINDS, UNKNOWN

LEAST_PROBABILITY = 0.5
"""Of a kind: with less, another one is as likely, and the kind is unknown."""


@dataclass(frozen=True, slots=True, eq=False)
class Kinds:
    """What maps were read as.

    Attributes
    ----------
    kind : tuple of str, shape (n,)
    probability : ndarray, shape (n,)
        Of that kind; of an unknown one, of the most probable kind.
    of_all : ndarray, shape (n, 5)
        Probabilities of `KINDS`, if it is one of these.
    """

    kind: tuple[str, ...]
    probability: FloatArray
    of_all: FloatArray


class KindModel(nn.Module):
    """A calibrated classifier of latents.

    Parameters
    ----------
    latent, noises, width : int
        As of `RepeatModel`. The noise is known to it as well: what a noisy map does not show, it may still do.
    references : int
        Latents of the training, to measure how far a map is from all of it.
    """

    centre: Tensor
    spread: Tensor
    temperature: Tensor
    references: Tensor
    farthest: Tensor

    def __init__(self, latent: int, noises: int, width: int = 64, references: int = 256) -> None:
        super().__init__()
        self.configuration = {"latent": latent, "noises": noises, "width": width, "references": references}
        self.register_buffer("centre", torch.zeros(latent + noises))
        self.register_buffer("spread", torch.ones(latent + noises))
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("references", torch.zeros(references, latent))
        self.register_buffer("farthest", torch.full((), torch.inf))
        self.network = nn.Sequential(
            nn.Linear(latent + noises, width), nn.GELU(), nn.Dropout(0.3),
            nn.Linear(width, width), nn.GELU(), nn.Dropout(0.3), nn.Linear(width, len(KINDS)),
        )  # fmt: skip

    def scores(self, latents: Latents, noise: NDArray[np.float32]) -> Tensor:
        """Before calibration, shape (n, 5)."""
        both = torch.from_numpy(np.concatenate([latents, noise], axis=1).astype(np.float32))
        found: Tensor = self.network(((both - self.centre) / self.spread).clamp(-6, 6))
        return found

    @torch.inference_mode()
    def distance(self, latents: Latents) -> FloatArray:
        """How far latents (n, 64) are from all that was learnt from, shape (n,)."""
        scale = self.spread[: self.references.shape[1]]
        apart = torch.cdist(torch.from_numpy(latents) / scale, self.references / scale)
        return np.asarray(apart.min(dim=1).values.numpy(), dtype=np.float64)

    @torch.inference_mode()
    def predict(self, latents: Latents, noise: NDArray[np.float32], unlike: ArrayLike | None = None) -> Kinds:
        """Read latents (n, 64), with the noise of their maps (n, noises).

        Parameters
        ----------
        unlike : array_like of bool, shape (n,), optional
            Maps that are unlike the training for another reason: their kind is unknown.
        """
        of_all = torch.softmax(self.scores(latents, noise) / self.temperature, dim=1).numpy().astype(np.float64)
        most, probability = of_all.argmax(axis=1), of_all.max(axis=1)
        known = (probability >= LEAST_PROBABILITY) & (self.distance(latents) <= float(self.farthest))
        if unlike is not None:
            known &= ~np.asarray(unlike, dtype=np.bool_)
        kind = tuple(KINDS[number] if sure else UNKNOWN for number, sure in zip(most, known, strict=True))
        return Kinds(kind, probability, of_all)
