"""Types of arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

IntArray = NDArray[np.int64]

MapStack = NDArray[np.float32]
"""C2 maps, shape (n_bins, size, size)."""
