"""What the pixels around each pixel counted, compiled by numba."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records import FloatArray
from ainerd_agent.records.arrays import IntArray
from ainerd_agent.scattering.correlation._engine.kernels import Array, compiled

REACH = 2
"""Pixels to each side that belong to the neighbourhood: 5 x 5 in all, without the one in the middle."""


class Neighbourhood:
    """Pixels with places, that are compared with each other.

    Parameters
    ----------
    rows, columns : ndarray of int, shape (N,)
    """

    def __init__(self, rows: IntArray, columns: IntArray) -> None:
        top, left = int(rows.min()) - REACH, int(columns.min()) - REACH
        self._shape = int(rows.max()) - top + REACH + 1, int(columns.max()) - left + REACH + 1
        self._spots = (rows - top) * self._shape[1] + (columns - left)

    def means(self, counts: FloatArray, used: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
        """Mean counts of the used pixels around each one (0 where there are none), and how many they are."""
        weight = used.astype(np.float64)
        total, number = self._around(counts * weight), self._around(weight)
        return total / np.maximum(number, 1), number

    def _around(self, values: FloatArray) -> FloatArray:
        image = np.zeros(self._shape)
        image.ravel()[self._spots] = values
        rows, boxes = np.zeros_like(image), np.zeros_like(image)
        add_boxes(image, rows, boxes)
        found: FloatArray = boxes.ravel()[self._spots] - values
        return found

    def third_brightest(self, at: IntArray, counts: FloatArray, used: NDArray[np.bool_]) -> FloatArray:
        """The third largest counts of used pixels around the pixels `at`; 0 where there are fewer."""
        around = self._each(at, counts, used)
        return np.asarray(np.sort(around, axis=1)[:, -3].clip(0))

    def darker_quarter(self, at: IntArray, counts: FloatArray, used: NDArray[np.bool_]) -> FloatArray:
        """Counts that a quarter of the used pixels around each of `at` do not exceed; infinite where there are none."""
        around = self._each(at, counts, used)
        there = around >= 0
        ordered = np.sort(np.where(there, around, np.inf), axis=1)
        return np.asarray(ordered[np.arange(len(at)), there.sum(axis=1) // 4])

    def _each(self, at: IntArray, counts: FloatArray, used: NDArray[np.bool_]) -> FloatArray:
        """Counts of the pixels around some, shape (len(at), 24); -1 where none is used."""
        image = np.full(self._shape, -1.0).ravel()
        image[self._spots] = np.where(used, counts, -1)
        steps = np.arange(-REACH, REACH + 1)
        offsets = (steps[:, None] * self._shape[1] + steps).ravel()
        return np.asarray(image[self._spots[at][:, None] + offsets[offsets != 0]])


@compiled
def add_boxes(image: Array, rows: Array, boxes: Array) -> Any:
    """Fill `boxes` with the sums of `image` over (2 `REACH` + 1)^2 pixels, but for a margin; `rows` is for work."""
    n_rows, n_columns = image.shape
    for i in range(n_rows):
        source, target = image[i], rows[i, REACH : n_columns - REACH]
        for step in range(2 * REACH + 1):
            part = source[step : step + len(target)]
            for j in range(len(target)):
                target[j] += part[j]
    for i in range(REACH, n_rows - REACH):
        target = boxes[i]
        for step in range(-REACH, REACH + 1):
            part = rows[i + step]
            for j in range(n_columns):
                target[j] += part[j]
