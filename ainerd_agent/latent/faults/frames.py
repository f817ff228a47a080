"""Frames that are not like those beside them: gaps and stripes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.latent.faults.fault import Fault, runs_of
from ainerd_agent.records import FloatArray, MapStack

FLAT = 0.01
"""Range of a row, in that of the map's usual row, below which it holds one value only."""

WIDTHS = (1, 2, 3)
"""Rows of a stripe."""

BESIDE = 2
"""Rows on either side that a stripe is compared with."""

GUARD = 2
"""Lags from the diagonal that are left out: there, correlations change from row to row."""

FARTHEST = 4.7
"""Of a stripe, in standard deviations of such differences. Of noise, one of the rows of 2 % of the maps is beyond 4."""

LEAST_STRIPE = 0.05
"""Of the contrast. Smaller stripes do no harm, and small ones come of dynamics, too."""

ALIKE = 0.4
"""Share of a stripe's height that it has before and after its own time. An avalanche is a step, up on the one side."""


def gaps(maps: MapStack) -> list[Fault | None]:
    """Frames whose rows hold one value only, by map (n, size, size): nothing was measured there.

    A map whose rows are all alike has no gap: it may be a sample that stands still.
    """
    extent = maps.max(axis=2) - maps.min(axis=2)
    usual = np.quantile(extent, 0.75, axis=1, keepdims=True)
    flat = extent <= FLAT * usual
    return [
        Fault("are a gap: nothing but one value", runs_of(np.flatnonzero(rows).tolist())) if rows.any() else None
        for rows in flat & (usual > 0)
    ]


def stripes(maps: MapStack) -> list[Fault | None]:
    """Frames that correlate more, or less, with all others than those beside them do, by map (n, size, size)."""
    sums = np.zeros((*maps.shape[:2], maps.shape[2] + 1), dtype=np.float32)
    np.cumsum(maps, axis=2, out=sums[:, :, 1:])
    found = np.zeros(maps.shape[:2], dtype=bool)
    for width in WIDTHS:
        if maps.shape[-1] < 4 * (BESIDE + GUARD) + width:
            continue
        first, striped = _striped(sums, width)
        for row in range(width):
            found[:, first + row] |= striped
    return [Fault("stripe", runs_of(np.flatnonzero(rows).tolist())) if rows.any() else None for rows in found]


def _striped(sums: NDArray[np.float32], width: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """First rows of possible stripes, and where there is one, (n, n_rows), from sums along the rows."""
    size = sums.shape[1]
    first = np.arange(BESIDE, size - width - BESIDE + 1)
    early, late = np.maximum(first - BESIDE - GUARD, 0), np.minimum(first + width + BESIDE + GUARD, size)
    before = _excess(lambda rows: sums[:, rows, early], first, width)
    after = _excess(lambda rows: sums[:, rows, -1] - sums[:, rows, late], first, width)
    height = (before + after) / (early + size - late)
    middle = np.median(height, axis=1, keepdims=True)
    height = height - middle
    spread = 1.4826 * np.median(np.abs(height), axis=1, keepdims=True)
    least = max(3, size // 16)
    sign = np.sign(height)
    both = (early >= least) & (size - late >= least)
    halves = np.minimum(
        sign * (before / np.maximum(early, 1) - middle), sign * (after / np.maximum(size - late, 1) - middle)
    )
    far = np.abs(height) > np.maximum(FARTHEST * spread, LEAST_STRIPE)
    return first, np.asarray(far & both & (halves > ALIKE * np.abs(height)))


def _excess(of: Callable[[NDArray[np.int64]], FloatArray], first: NDArray[np.int64], width: int) -> FloatArray:
    """What rows have above the mean of those beside them."""
    inside = sum(of(first + row) for row in range(width)) / width
    beside = sum(of(first - 1 - row) + of(first + width + row) for row in range(BESIDE)) / (2 * BESIDE)
    return np.asarray(inside - beside)
