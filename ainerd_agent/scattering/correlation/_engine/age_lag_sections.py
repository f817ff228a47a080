"""From sums over units of time to the correlation in sections of age.

Over the pixels p of a cell, of mean intensity s_p,

    A = sum_p [I_p(t) I_p(t') - s_p^2 (i(t) + i(t') - 1)] / sum_p s_p^2

is the mean of D(t) D(t'), weighted by s_p^2; i(t) is the intensity of the cell, 1 in the mean. Where all its pixels
have one mean intensity, as those of one ring have, that is the plain mean of D(t) D(t').
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records import FloatArray
from ainerd_agent.records.arrays import IntArray
from ainerd_agent.scattering.correlation._engine.age_lag_cells import AgeLagCells
from ainerd_agent.scattering.correlation._engine.age_lag_sums import AgeLagSums, lags_at, lags_of
from ainerd_agent.scattering.correlation._engine.layout import PixelLayout
from ainerd_agent.scattering.correlation._engine.mean_counts import ring_means


@dataclass(frozen=True, slots=True, eq=False)
class Sections:
    """The correlation of groups of pixels, in sections of age.

    Attributes
    ----------
    groups : ndarray, shape (n_bins, n_groups, n_ages, n_lags)
        <D(t) D(t + lag)>; NaN where there is no pair, or no good pixel.
    weights : ndarray, shape (n_bins, n_groups)
        Good pixels.
    pairs : ndarray, shape (n_ages, n_lags)
        Good frames in one sample times those in the other.
    lags, level : ndarray, shape (n_lags,)
        Lag in frames, and the level it comes from: samples are sums of 2**level frames.
    """

    groups: FloatArray
    weights: FloatArray
    pairs: FloatArray
    lags: IntArray
    level: IntArray


def in_sections(
    layout: PixelLayout,
    cells: AgeLagCells,
    sums: AgeLagSums,
    good: NDArray[np.bool_],
    static: FloatArray,
    *,
    n_frames: int,
    window: tuple[int, int],
    n_ages: int,
) -> Sections:
    """Divide a window of the movie into sections of equal length.

    A pair of samples belongs to the section that the middle of its unit of time lies in; units that reach beyond the
    window are left out.

    Parameters
    ----------
    good : ndarray of bool, shape (N,)
        Pixels that count, in the order of the layout.
    static : ndarray, shape (N,)
        Their mean counts in the window.
    n_frames : int
        Of the movie; no less than there are in `sums`.
    window : tuple of int
        First frame, and the one after the last.
    """
    first, second, size = (
        np.bincount(cells.of_pixel, weights=each * good, minlength=len(cells))
        for each in (static, static**2, np.ones(len(layout)))
    )
    there = size > 0
    share = np.divide(second, first, out=np.zeros(len(cells)), where=there)
    norm = np.divide(size, second, out=np.zeros(len(cells)), where=there)
    lags, level = lags_of(sums.n_levels)
    correlation = np.zeros((len(cells), n_ages, len(lags)))
    pairs = np.zeros((n_ages, len(lags)))
    for each in range(sums.n_levels):
        at = lags_at(each)
        # One lag after the other is added up along units: they must lie side by side.
        products = np.moveaxis(sums.products[:, :, at], 2, 0).copy()
        linears = np.moveaxis(sums.linear[:, at], (1, 2), (0, 1)).copy()
        for lag in range(at.start, at.stop):
            units, starts, ages = _units(sums, each, int(lags[lag]), n_frames, window, n_ages)
            if not len(starts):
                continue
            product = np.add.reduceat(products[lag - at.start, :, units], starts, axis=1)
            linear = np.add.reduceat(linears[lag - at.start, :, units], starts, axis=1)
            weight = np.add.reduceat(sums.pairs[units, lag], starts)
            pairs[ages, lag] = weight
            correlation[:, ages, lag] = norm[:, None] * (product - share[:, None] * linear + second[:, None] * weight)
    where = cells.bins * cells.n_groups + cells.groups
    total = np.zeros((layout.n_bins * cells.n_groups, n_ages, len(lags)))
    np.add.at(total, where, correlation)
    weights = np.bincount(where, weights=size, minlength=len(total))
    with np.errstate(invalid="ignore", divide="ignore"):
        groups = total / (weights[:, None, None] * pairs)
    shape = (layout.n_bins, cells.n_groups)
    kept = pairs.any(axis=0)
    return Sections(
        groups=groups.reshape(*shape, n_ages, len(lags))[..., kept],
        weights=np.asarray(weights, dtype=np.float64).reshape(shape),
        pairs=pairs[:, kept],
        lags=lags[kept],
        level=level[kept],
    )


def static_in(
    layout: PixelLayout, sums: AgeLagSums, cell_size: IntArray, lost: FloatArray, n_frames: int, window: tuple[int, int]
) -> FloatArray:
    """<I> of each pixel's ring over the units of a window, shape (N,); 1 where there is no frame.

    Parameters
    ----------
    cell_size : ndarray of int, shape (n_rings,)
        Good pixels of each cell of the layout.
    lost : ndarray, shape (n_rings,)
        Counts per frame that came from others.
    """
    inside = units_in(sums, n_frames, window)
    n_good = sums.good[inside].sum()
    if n_good == 0:
        return np.ones(len(layout))
    means = ring_means(layout, sums.ring_totals[inside].sum(axis=0) - lost * n_good, cell_size=cell_size) / n_good
    return np.repeat(means, layout.cell_size)


def levelled(
    layout: PixelLayout,
    cells: AgeLagCells,
    sums: AgeLagSums,
    static: FloatArray,
    kept: NDArray[np.bool_],
    n_frames: int,
    window: tuple[int, int],
) -> FloatArray:
    """The static image of the whole movie at the intensity of a window, where rings hold counts of bad pixels.

    When those counted is not known, so the intensity of each bin is that of its cells that have none.

    Parameters
    ----------
    static : ndarray, shape (N,)
        Of the whole movie.
    kept : ndarray of bool, shape (N,)
        Pixels that count, of cells without such a pixel.
    """
    inside = units_in(sums, n_frames, window)
    n_good = sums.good[inside].sum()
    if n_good == 0:
        return static
    bin_of, of_cell = np.repeat(layout.cell_bin, layout.cell_size), np.bincount(cells.of_pixel, kept) > 0
    counted = np.bincount(cells.bins, sums.totals[inside].sum(axis=0) * of_cell, layout.n_bins)
    expected = np.bincount(bin_of, static * kept, layout.n_bins) * n_good
    factor = np.divide(counted, expected, out=np.ones(layout.n_bins), where=expected > 0)
    return np.asarray(static * factor[bin_of])


def units_in(sums: AgeLagSums, n_frames: int, window: tuple[int, int]) -> NDArray[np.bool_]:
    """The units of the first level that lie within a window."""
    length = 1 << int(sums.shifts[0])
    begin = np.arange(len(sums.good)) * length
    return (begin >= window[0]) & (np.minimum(begin + length, n_frames) <= window[1]) & (begin < n_frames)


def _units(
    sums: AgeLagSums, level: int, lag: int, n_frames: int, window: tuple[int, int], n_ages: int
) -> tuple[slice, NDArray[np.intp], NDArray[np.intp]]:
    """The units whose pairs lie within a window, where each section begins among them, and its number."""
    first, stop = window
    step = 1 << level
    length = 1 << int(sums.shifts[level])
    n_samples = -(-n_frames // step)
    begin = np.arange(0, n_samples, length)
    end = np.minimum(begin + length, n_samples)
    begin = np.maximum(begin, min(lag // step, n_samples))
    inside = (begin * step - lag >= first) & (np.minimum(end * step, n_frames) <= stop)
    chosen = np.flatnonzero((begin < end) & inside)
    if not len(chosen):
        return slice(0, 0), chosen, chosen
    middle = ((begin + end)[chosen] / 2 * step - lag / 2 - first) / (stop - first)
    age = np.clip((middle * n_ages).astype(np.intp), 0, n_ages - 1)
    starts = np.flatnonzero(np.diff(age, prepend=-1))
    return slice(int(chosen[0]), int(chosen[-1]) + 1), starts, age[starts]
