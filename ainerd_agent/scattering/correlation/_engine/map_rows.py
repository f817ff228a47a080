"""Rows and diagonals of a map that are added to, or made of those beside them."""

from __future__ import annotations

import numpy as np

from ainerd_agent.records import FloatArray
from ainerd_agent.records.arrays import IntArray


def add_banded(product: FloatArray, upper: FloatArray, rows: IntArray, weight: FloatArray) -> None:
    """Add the symmetric matrix whose entry (i, i + d) is `upper[i, d]` to `product`, which has the rows `rows` of it.

    Its entries are divided by the weights of both rows.
    """
    place = np.full(len(upper), -1)
    place[rows] = np.arange(len(rows))
    for distance in range(min(upper.shape)):
        first, second = place[: len(upper) - distance], place[distance:]
        known = (first >= 0) & (second >= 0)
        i, j = first[known], second[known]
        values = upper[: len(upper) - distance, distance][known] / (weight[i] * weight[j])
        product[i, j] += values
        if distance:
            product[j, i] += values


def interpolate_band(product: FloatArray, width: int) -> None:
    """Take entries nearer to the diagonal than `width` from those at the same age that are not."""
    n = len(product)
    known = product.copy()
    for distance in range(min(width, n)):
        step = -(-(width - distance) // 2)
        i = np.arange(n - distance)
        inner = np.clip(i, step, max(step, n - 1 - distance - step))
        values = known[np.clip(inner - step, 0, n - 1), np.clip(inner + distance + step, 0, n - 1)]
        product[i, i + distance] = product[i + distance, i] = values


def interpolation(rows: IntArray, size: int) -> FloatArray:
    """Weights that give `size` rows from those at `rows`: linear between them, constant beyond."""
    identity = np.eye(len(rows))
    return np.stack([np.interp(np.arange(size), rows, column) for column in identity], axis=1)
