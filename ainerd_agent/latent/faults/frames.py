"""Frames that are not like those beside them: gaps and stripes."""

from __future__ import annotations

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

FARTHEST = 5.0
"""Height of a stripe, in standard deviations of such heights in its map; noise is hardly ever beyond."""

ROUGH = 1.5
"""By which the standard deviation, stripes included, may exceed that of most rows."""

LEAST_STRIPE = 0.15
"""Height in units of the contrast: dynamics make smaller ones."""

ALIKE = 0.6
"""Share of its height by which a stripe stands out against either side. An avalanche is a step, and stands out against
one."""


def gaps(maps: MapStack) -> list[Fault | None]:
    """Frames whose rows hold one value only, by map (n, size, size): nothing was measured there.

    A map whose rows are all alike has no gap: it may be a sample that stands still.
    """
    extent = maps.max(axis=2) - maps.min(axis=2)
    usual = np.quantile(extent, 0.75, axis=1, keepdims=True)
    flat = extent <= FLAT * usual
    return [
        Fault("gap, nothing but one value", runs_of(np.flatnonzero(rows).tolist())) if rows.any() else None
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
        rows = first[:, None] + np.arange(width)
        new = striped & ~found[:, rows].any(axis=2)  # a row that stands out alone is not called a wider stripe as well
        for row in rows.T:
            found[:, row] |= new
    return [Fault("stripe", runs_of(np.flatnonzero(rows).tolist())) if rows.any() else None for rows in found]


def _striped(sums: NDArray[np.float32], width: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """First rows of possible stripes, and where there is one, (n, n_rows), from sums along the rows."""
    size = sums.shape[1]
    first = np.arange(BESIDE, size - width - BESIDE + 1)
    start, stop = np.maximum(first - BESIDE - GUARD, 0), np.minimum(first + width + BESIDE + GUARD, size)

    def mean_of(*rows: NDArray[np.int64]) -> FloatArray:
        """Over all columns but those near the diagonal."""
        summed = sum(sums[:, row, start] + sums[:, row, -1] - sums[:, row, stop] for row in rows)
        return np.asarray(summed / (len(rows) * (start + size - stop)))

    inside = mean_of(*(first + row for row in range(width)))
    over_earlier = inside - mean_of(*(first - 1 - row for row in range(BESIDE)))
    over_later = inside - mean_of(*(first + width + row for row in range(BESIDE)))
    height = (over_earlier + over_later) / 2
    height -= np.median(height, axis=1, keepdims=True)
    spread = 1.4826 * np.median(np.abs(height), axis=1, keepdims=True)
    # Of a map with more rows than frames, most rows lie between two others
    spread = np.maximum(spread, height.std(axis=1, keepdims=True) / ROUGH)
    sign = np.sign(height)
    alike = np.minimum(sign * over_earlier, sign * over_later) > ALIKE * np.abs(height)
    return first, np.asarray(alike & (np.abs(height) > np.maximum(FARTHEST * spread, LEAST_STRIPE)))
