"""Two-time correlations are symmetric: the time of either frame may be called the first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records import MapStack

LARGEST_ASYMMETRY = 0.02
"""Root mean square of the differences between both sides of the diagonal, in that of the map. Sound maps have none but
for rounding."""

STRIDE = 4
"""Of the rows that are compared: of a large map, every fourth is enough."""


def asymmetric(maps: MapStack) -> NDArray[np.bool_]:
    """Which maps (n, size, size) are not symmetric."""
    step = STRIDE if maps.shape[-1] >= 64 else 1
    rows, columns = maps[:, ::step], maps[:, :, ::step].transpose(0, 2, 1)
    difference, value = (np.einsum("nij,nij->n", each, each) for each in (rows - columns, rows))
    return np.asarray(difference > LARGEST_ASYMMETRY**2 * value)
