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
        # kept, because to ask the system for so much memory again takes as long as to use it
        self._images = np.zeros((5, *self._shape))

    def means(self, counts: FloatArray, used: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
        """Mean counts of the used pixels around each one (0 where there are none), and how many they are."""
        mean, number = means_around(counts, used, self._spots, self._images)
        return mean, number

    def third_brightest(self, at: IntArray, counts: FloatArray, used: NDArray[np.bool_]) -> FloatArray:
        """The third largest counts of used pixels around the pixels `at`; 0 where there are fewer."""
        around, _ = self._each(at, counts, used)
        return np.asarray(around[:, -3].clip(0))

    def darker_quarter(self, at: IntArray, counts: FloatArray, used: NDArray[np.bool_]) -> FloatArray:
        """Counts that a quarter of the used pixels around each of `at` do not exceed; infinite where there are none."""
        around, n_used = self._each(at, counts, used)
        first = around.shape[1] - n_used
        quarter = np.minimum(first + n_used // 4, around.shape[1] - 1)
        return np.where(n_used > 0, around[np.arange(len(at)), quarter], np.inf)

    def _each(self, at: IntArray, counts: FloatArray, used: NDArray[np.bool_]) -> tuple[FloatArray, IntArray]:
        """Counts of the pixels around some, rising, shape (len(at), 24), -1 where none is used; how many are."""
        around, n_used = counts_around(at, counts, used, self._spots, self._images)
        return around, n_used


@compiled
def counts_around(at: Array, counts: Array, used: Array, spots: Array, images: Array) -> Any:
    """See `Neighbourhood._each`; `images` as for `means_around`."""
    values, ones = images[0].ravel(), images[1].ravel()
    for p in range(len(spots)):
        values[spots[p]] = counts[p]
        ones[spots[p]] = 1.0 if used[p] else 0.0
    n_columns = images.shape[2]
    around = np.empty((len(at), (2 * REACH + 1) ** 2 - 1))
    n_used = np.zeros(len(at), dtype=np.int64)
    for k in range(len(at)):
        n = 0
        for i in range(-REACH, REACH + 1):
            for j in range(-REACH, REACH + 1):
                if i == 0 and j == 0:
                    continue
                spot = spots[at[k]] + i * n_columns + j
                there = ones[spot] > 0
                around[k, n] = values[spot] if there else -1.0
                n_used[k] += there
                n += 1
        around[k].sort()
    return around, n_used


@compiled
def means_around(counts: Array, used: Array, spots: Array, images: Array) -> Any:
    """See `Neighbourhood.means`.

    The pixels lie at `spots` of flat images, but not in their margin of `REACH`; `images` (5, rows, columns) are for
    work, and what is not a spot of the first two is 0.
    """
    values, ones = images[0].ravel(), images[1].ravel()
    for p in range(len(spots)):
        values[spots[p]] = counts[p] if used[p] else 0.0
        ones[spots[p]] = 1.0 if used[p] else 0.0
    add_boxes(images[0], images[4], images[2])
    add_boxes(images[1], images[4], images[3])
    totals, numbers = images[2].ravel(), images[3].ravel()
    mean, number = np.empty(len(spots)), np.empty(len(spots))
    for p in range(len(spots)):
        number[p] = numbers[spots[p]] - ones[spots[p]]
        mean[p] = (totals[spots[p]] - values[spots[p]]) / max(number[p], 1.0)
    return mean, number


@compiled
def add_boxes(image: Array, rows: Array, boxes: Array) -> Any:
    """Fill `boxes` with the sums of `image` over (2 `REACH` + 1)^2 pixels, but for a margin; `rows` is for work."""
    n_rows, n_columns = image.shape
    n = n_columns - 2 * REACH
    for i in range(n_rows):
        source, target = image[i], rows[i]
        v, w, x, y, z = source[:n], source[1 : n + 1], source[2 : n + 2], source[3 : n + 3], source[4 : n + 4]
        for j in range(n):
            target[j] = v[j] + w[j] + x[j] + y[j] + z[j]
    for i in range(REACH, n_rows - REACH):
        target = boxes[i, REACH : n_columns - REACH]
        v, w, x, y, z = rows[i - 2], rows[i - 1], rows[i], rows[i + 1], rows[i + 2]
        for j in range(n):
            target[j] = v[j] + w[j] + x[j] + y[j] + z[j]
