"""Maps in the latent space, and what is known of how well they fit in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.latent.clusters import Latents
from ainerd_agent.latent.faults import Fault
from ainerd_agent.latent.repeats import Noise
from ainerd_agent.latent.scaling import SIDE
from ainerd_agent.records import FloatArray

MISFIT_BLOCK = 16
"""Side of the blocks whose means separate misfit from noise."""

LEAST_MISFIT = 1e-3
"""Squared scaled C2 that no model has to draw, however little noise a map has."""


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """Maps in the latent space.

    Attributes
    ----------
    latents : ndarray of float32, shape (n, 64)
    reconstruction_error : ndarray, shape (n,)
        Mean squared difference between the scaled map and its reconstruction (`Encoder.reconstruct`); noise raises it.
    misfit : ndarray, shape (n,)
        The same of means over 16 x 16 values, in which little noise is left: what the model cannot draw.
    block_noise : ndarray, shape (n,)
        Standard deviation of such means by the noise of the map alone.
    faults : tuple of tuple of Fault, shape (n,)
        What is wrong with each map itself (`ainerd_agent.latent.faults`); empty where the maps were not looked at.
    side : int
        Of the maps, whose rows the faults number.
    noise : ndarray of float32, shape (n, N_NOISES)
        Of the maps (`ainerd_agent.latent.map_noise`); NaN for a model that does not use it.
    """

    latents: Latents
    reconstruction_error: FloatArray
    misfit: FloatArray
    noise: Noise
    block_noise: FloatArray
    faults: tuple[tuple[Fault, ...], ...] = ()
    side: int = SIDE

    @property
    def excess(self) -> FloatArray:
        """Misfit in units of what the noise of each map makes of it (n,)."""
        return np.asarray(self.misfit / (self.block_noise**2 + LEAST_MISFIT))


def block_means(maps: NDArray[np.floating]) -> NDArray[np.floating]:
    """Means over blocks of 16 x 16 values of maps, (n, 256, 256) to (n, 16, 16)."""
    n_blocks = SIDE // MISFIT_BLOCK
    return np.asarray(maps.reshape(len(maps), n_blocks, MISFIT_BLOCK, n_blocks, MISFIT_BLOCK).mean(axis=(2, 4)))
