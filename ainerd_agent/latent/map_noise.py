"""How noisy a map is, estimated from the map itself."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.latent.scaling import SIDE
from ainerd_agent.records import MapStack

BLOCKS = (1, 4, 16)
"""Sides of the blocks, in pixels, between whose means differences are taken."""

EVERY = 4
"""Of the rows of pixels, every so many are looked at: there are more than enough."""

NEAR = 1 / 3
"""Lag, in units of the side, that parts what is near the diagonal from what is far from it."""

FLOOR = 1e-5
"""Noise below this is rounding, in units of the contrast."""

N_NOISES = 2 * len(BLOCKS) + 1
"""Numbers that `noise_of` gives for a map."""


def noise_of(scaled: MapStack) -> NDArray[np.float32]:
    """Logarithms of the noise of scaled maps (n, 256, 256) at three scales, shape (n, N_NOISES).

    What is left of a map in differences over both of its times is mostly noise: m(t, u) - m(t', u) - m(t, u') +
    m(t', u') of neighbours, in units of the contrast. Their mean modulus is taken near the diagonal and far from it,
    for single pixels and for means over 4 x 4 and 16 x 16. The last number is that of noise that whole frames share.
    """
    found = []
    for block in BLOCKS:
        means = scaled if block == 1 else _block_means(scaled, block)
        step = EVERY if block == 1 else 1
        upper = np.arange(0, means.shape[1] - 1, step)
        rows = means[:, upper + 1] - means[:, upper]
        apart = np.abs(rows[:, :, 1:] - rows[:, :, :-1]) / 2
        found.append(apart.reshape(len(apart), -1) @ _parts(means.shape[1], step))
    frames = scaled.mean(axis=2)
    bent = np.abs(frames[:, 2:] - 2 * frames[:, 1:-1] + frames[:, :-2]).mean(axis=1) / np.sqrt(6)
    return np.log(np.concatenate([*found, bent[:, None]], axis=1) + FLOOR).astype(np.float32)


def _block_means(maps: MapStack, block: int) -> MapStack:
    n = SIDE // block
    return np.asarray(maps.reshape(len(maps), n, block, n, block).mean(axis=(2, 4)))


@cache
def _parts(side: int, step: int) -> NDArray[np.float32]:
    """Weights of the differences in two means: near the diagonal, without what lies on it, and far from it."""
    first, second = np.meshgrid(np.arange(0, side - 1, step), np.arange(side - 1), indexing="ij")
    lag = (second - first).ravel()
    bound = int(NEAR * (side - 1))
    near = (lag >= 2) & (lag < bound)
    far = lag >= bound
    return np.stack([part / part.sum() for part in (near, far)], axis=1).astype(np.float32)
