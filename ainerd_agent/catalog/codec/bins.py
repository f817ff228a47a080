"""Bins as columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records import Bins


def bins_columns(bins: Bins) -> dict[str, NDArray[Any]]:
    """Columns of the table `bins`, in the order of the second axis of `c2`."""
    return {"bin": np.arange(1, len(bins) + 1), "q": bins.q, "azimuth": bins.azimuth, "n_pixels": bins.n_pixels}


BINS_UNITS = {"bin": "", "q": "1/nm", "azimuth": "deg", "n_pixels": ""}
