"""Multi-tau two-time correlation in numpy: by the definition of F. Brugnara et al., J. Synchrotron Rad. 33, 698 (2026).

Frames are added up in pairs, level after level. At each level the correlation of every pair of samples at a few lags is
kept, normalised by the means of both: age runs along the samples, and lags are spaced evenly in their logarithm.
Whole levels are in memory.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHANNELS = 16
"""Lags of the first level; those from half of it on are taken from the others."""


def multi_tau_two_time(frames: NDArray[Any], labels: NDArray[np.int64]) -> list[dict[int, NDArray[np.float32]]]:
    """g2 of every pair of samples, by level and lag in samples: arrays (n_bins, n_pairs)."""
    order = np.argsort(labels.ravel(), kind="stable")
    edges = np.searchsorted(labels.ravel()[order], np.arange(1, labels.max() + 2))
    samples = frames.reshape(len(frames), -1)[:, order].astype(np.float32)
    levels: list[dict[int, NDArray[np.float32]]] = []
    while len(samples) > CHANNELS // 2:
        mean = np.stack([samples[:, a:b].mean(axis=1) for a, b in pairwise(edges)])
        found = {}
        for lag in range(1 if not levels else CHANNELS // 2, min(CHANNELS, len(samples))):
            product = np.stack(
                [np.einsum("tp,tp->t", samples[:-lag, a:b], samples[lag:, a:b]) / (b - a) for a, b in pairwise(edges)]
            )
            found[lag] = product / (mean[:, :-lag] * mean[:, lag:])
        levels.append(found)
        n_pairs = len(samples) // 2
        samples = samples[: 2 * n_pairs].reshape(n_pairs, 2, -1).sum(axis=1)
    return levels
