"""From folded frames to the maps of all bins."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ainerd_agent.records import FloatArray, MapStack
from ainerd_agent.records.arrays import IntArray
from ainerd_agent.scattering.correlation._engine.blas_threads import one_blas_thread
from ainerd_agent.scattering.correlation._engine.fold import Fold
from ainerd_agent.scattering.correlation._engine.layout import PixelLayout
from ainerd_agent.scattering.correlation._engine.map_rows import add_banded, interpolate_band, interpolation

MakesCorrection = Callable[[slice, int], FloatArray]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The rows of a map that frames were folded into.

    Attributes
    ----------
    numbers : ndarray of int, shape (n_rows,)
    weight : ndarray, shape (n_rows,)
        Total weight of the frames in each.
    size : int
        Rows of the map.
    fill : bool
        Interpolate the other rows; they are NaN otherwise.
    """

    numbers: IntArray
    weight: FloatArray
    size: int
    fill: bool


def c2_maps(
    layout: PixelLayout,
    fold: Fold,
    rows: Rows,
    *,
    mean_of_pixel: FloatArray,
    bin_size: FloatArray,
    correction: MakesCorrection | None,
    in_part: IntArray,
    threads: int,
) -> MapStack:
    """Make the maps.

    Parameters
    ----------
    layout : PixelLayout
    fold : Fold
    rows : Rows
    mean_of_pixel : ndarray, shape (N,)
        <I>.
    bin_size : ndarray, shape (n_bins,)
        Pixels of each bin that count.
    correction : callable, optional
        What replaces the diagonal of a bin; see `DiagonalSums.correction`.
    in_part : ndarray of int
        Positions of pixels whose share of the diagonal is not known any more.
    threads : int
        That make maps, each of other bins.

    Returns
    -------
    ndarray of float32, shape (n_bins, size, size)
    """
    numbers, size = rows.numbers, rows.size
    cells = np.searchsorted(layout.cell_bin, np.arange(layout.n_bins + 1)).tolist()
    c2 = np.full((layout.n_bins, size, size), np.nan, dtype=np.float32)
    between = interpolation(numbers, size) if rows.fill else None
    edges = layout.bin_edges
    spoilt = set(np.searchsorted(edges, in_part, side="right") - 1)

    def make(number: int) -> None:
        pixels = slice(int(edges[number]), int(edges[number + 1]))
        product = fold.gram(pixels, numbers, rows.weight, mean_of_pixel[pixels])
        n_all, n_good = float(edges[number + 1] - edges[number]), float(bin_size[number])
        if n_good < n_all:  # D of a pixel that counts for nothing is -1, at all times
            product = (product * n_all - (n_all - n_good)) / n_good
        if correction is not None:
            upper = correction(slice(cells[number], cells[number + 1]), size)
            if number in spoilt:
                interpolate_band(product, upper.shape[1])
            else:
                add_banded(product, upper / n_good, numbers, rows.weight)
        if between is not None:
            c2[number] = between @ product @ between.T
        elif len(numbers) == size:
            c2[number] = product
        else:
            c2[number][np.ix_(numbers, numbers)] = product

    if threads == 1:
        for number in range(layout.n_bins):
            make(number)
    else:
        # A bin is too small for the threads of BLAS: where processors are busy, they wait for each other ten times
        # as long as they work.
        with ThreadPoolExecutor(threads) as pool, one_blas_thread():
            list(pool.map(make, range(layout.n_bins)))
    return c2
