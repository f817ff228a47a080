"""Bad pixels of measurements, each as rows of numbers of one array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records import BadPixels
from ainerd_agent.records.bad_pixels import KINDS

MOST = 1000
"""Bad pixels of a measurement that are kept, in the order of bins, rows and columns."""


def bad_pixels_array(bad: BadPixels) -> NDArray[np.float32] | None:
    """Row, column, bin, place of the kind in `KINDS` and `in_part` of each pixel; None where there is none.

    Returns
    -------
    ndarray of float32, shape (MOST, 5), or None
        Behind the last pixel NaN.
    """
    if len(bad) == 0:
        return None
    kinds = np.array([KINDS.index(str(kind)) for kind in bad.kinds])
    told = np.stack([bad.rows, bad.columns, bad.bins, kinds, bad.in_part], axis=1)[:MOST]
    array = np.full((MOST, told.shape[1]), np.nan, np.float32)
    array[: len(told)] = told
    return array


def bad_pixels_of(array: NDArray[np.float32]) -> BadPixels:
    """The inverse of `bad_pixels_array`."""
    rows, columns, bins, kinds, in_part = array[~np.isnan(array[:, 0])].T.astype(np.int64)
    names = np.array([KINDS[kind] for kind in kinds], dtype=np.str_)
    return BadPixels(rows=rows, columns=columns, bins=bins, kinds=names, in_part=in_part.astype(np.bool_))
