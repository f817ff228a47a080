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

DIM = 0.1
"""Share of the mean counts up to which a neighbour is dark."""


def place_image(rows: IntArray, columns: IntArray) -> tuple[NDArray[np.int32], IntArray]:
    """The pixels as an image around them, with a margin of `REACH`: their numbers, -1 where there is none.

    Returns
    -------
    image : ndarray of int32, shape (h, w)
    spots : ndarray, shape (N,)
        Address of each pixel in the flat image.
    """
    top, left = int(rows.min()) - REACH, int(columns.min()) - REACH
    shape = int(rows.max()) - top + REACH + 1, int(columns.max()) - left + REACH + 1
    image: NDArray[np.int32] = np.full(shape, -1, dtype=np.int32)
    spots = (rows - top) * shape[1] + (columns - left)
    image.ravel()[spots] = np.arange(len(rows), dtype=np.int32)
    return image, spots


def surroundings(
    image: NDArray[np.int32], spots: IntArray, group: IntArray, counts: FloatArray, used: NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray, IntArray, IntArray]:
    """Counts of the used pixels of the same group around each pixel.

    Returns
    -------
    mean, third : ndarray, shape (N,)
        Their mean, and the third largest of them (0 where there are fewer).
    number, dark : ndarray of int, shape (N,)
        How many they are, and, for a pixel without counts, how many of them have hardly any.
    """
    n = len(spots)
    mean, third = np.zeros(n), np.zeros(n)
    number, dark = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    look_around(image.ravel(), image.shape[1], spots, group, counts, used, mean, third, number, dark)
    return mean, third, number, dark


@compiled
def look_around(
    image: Array,
    width: int,
    spots: Array,
    group: Array,
    counts: Array,
    used: Array,
    mean: Array,
    third: Array,
    number: Array,
    dark: Array,
) -> Any:
    """Fill `mean`, `third`, `number` and `dark`; see `surroundings`."""
    for p in range(len(spots)):
        total, n = 0.0, 0
        first, second, last = 0.0, 0.0, 0.0
        for row in range(-REACH, REACH + 1):
            for column in range(-REACH, REACH + 1):
                other = image[spots[p] + row * width + column]
                if other < 0 or other == p or group[other] != group[p] or not used[other]:
                    continue
                value = counts[other]
                total += value
                n += 1
                if value > last:
                    last = value
                    if last > second:
                        second, last = last, second
                    if second > first:
                        first, second = second, first
        number[p], third[p] = n, last
        mean[p] = total / n if n > 0 else 0.0
        if counts[p] > 0:  # who counts is not dead
            continue
        few = mean[p] * DIM
        for row in range(-REACH, REACH + 1):
            for column in range(-REACH, REACH + 1):
                other = image[spots[p] + row * width + column]
                if other >= 0 and other != p and group[other] == group[p] and used[other]:
                    dark[p] += counts[other] <= few
