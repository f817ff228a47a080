"""Whether values are between the baseline and the contrast, as far as noise allows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.latent.faults.fault import Fault
from ainerd_agent.records import FloatArray, MapStack

SECTIONS = 8
"""Of age, whose scatter gives the error of a mean along the diagonal."""

NEAREST = (1, 2, 4, 8)
"""Lags, from the first to each of these, whose mean is compared with the contrast."""

TOO_HIGH = 1.3
"""In units of the contrast: no correlation is above it, but few speckles and their normalisation add a little."""

TOO_LOW = -0.35
"""The same of block means: nothing is below the baseline."""

SURE = 3.6
"""Standard errors beyond these."""

BLOCKS = 12
"""Along each side of a map."""


def off_scale(maps: MapStack) -> list[Fault | None]:
    """Maps (n, size, size) with values that no correlation of this baseline and contrast has."""
    high, error = _near(maps)
    above = (high - TOO_HIGH - SURE * error).max(axis=1) > 0
    lowest, spread = _lowest(maps)
    below = lowest < TOO_LOW - SURE * spread
    return [
        Fault(f"scale off: {_told(float(near.max()), float(low), up, down)}") if up or down else None
        for near, low, up, down in zip(high, lowest, above, below, strict=True)
    ]


def _told(near: float, low: float, above: bool, below: bool) -> str:
    parts = []
    if above:
        parts.append(f"{near:.1f} times the contrast beside the diagonal")
    if below:
        parts.append(f"{-low:.1f} contrasts below the baseline")
    return ", ".join(parts)


def _near(maps: MapStack) -> tuple[FloatArray, FloatArray]:
    """Means over the nearest lags (n, n_ranges), and their standard errors, from the scatter between ages."""
    size = maps.shape[-1]
    bounds = np.linspace(0, size, min(SECTIONS, size // 4) + 1).astype(int)
    total = np.zeros((len(maps), len(bounds) - 1))
    means, errors, count = [], [], np.zeros(len(bounds) - 1)
    for lag in range(1, min(NEAREST[-1], size // 4) + 1):
        line = np.diagonal(maps, lag, axis1=1, axis2=2)
        starts = np.minimum(bounds[:-1], line.shape[1] - 1)
        total = total + np.add.reduceat(line, starts, axis=1)
        count = count + np.diff(np.append(starts, line.shape[1]))
        if lag in NEAREST:
            by_age = total / count
            means.append(by_age.mean(axis=1))
            errors.append(by_age.std(axis=1, ddof=1) / np.sqrt(by_age.shape[1]))
    return np.stack(means, axis=1), np.stack(errors, axis=1)


def _lowest(maps: MapStack) -> tuple[FloatArray, FloatArray]:
    """The lowest mean of a block of each map (n,), and the noise of such means, from how blocks of one lag scatter."""
    size = maps.shape[-1]
    n_blocks = max(4, min(BLOCKS, size // 4))
    weights = _blocks(size, n_blocks)
    means = weights @ maps @ weights.T
    return means.min(axis=(1, 2)), noise_of_blocks(means)


def noise_of_blocks(means: NDArray[np.floating]) -> FloatArray:
    """Standard deviation by noise (n,) of the means of blocks (n, n_blocks, n_blocks), off the diagonal.

    From what a mean has above those of one lag a little earlier and later, by the median: dynamics make little of it.
    """
    rows, columns = np.triu_indices(means.shape[-1] - 2, k=1)
    curved = means[:, rows + 1, columns + 1] - (means[:, rows, columns] + means[:, rows + 2, columns + 2]) / 2
    return np.asarray(1.4826 * np.median(np.abs(curved), axis=1) / np.sqrt(1.5), dtype=np.float64)


def _blocks(size: int, n_blocks: int) -> NDArray[np.float32]:
    """Weights that make means of blocks, (n_blocks, size)."""
    block = np.arange(size) * n_blocks // size
    member = (block == np.arange(n_blocks)[:, None]).astype(np.float32)
    weights: NDArray[np.float32] = member / member.sum(axis=1, keepdims=True)
    return weights
