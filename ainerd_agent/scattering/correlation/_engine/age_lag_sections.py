"""From sums over units of time to the correlation in sections of age.

Over the pixels p of a cell, of mean intensity s_p,

    A = sum_p [I_p(t) I_p(t') - s_p^2 (i(t) + i(t') - 1)] / sum_p s_p^2

is the mean of D(t) D(t'), weighted by s_p^2; i(t) is the intensity of the cell, 1 in the mean. Where all its pixels
have one mean intensity, as those of one ring have, that is the plain mean of D(t) D(t').
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records import FloatArray
from ainerd_agent.records.arrays import IntArray
from ainerd_agent.scattering.correlation._engine import age_lag_sum_kernels as kernels
from ainerd_agent.scattering.correlation._engine.age_lag_cells import AgeLagCells
from ainerd_agent.scattering.correlation._engine.age_lag_sums import (
    AgeLagSums,
    AgeLagTail,
    lags_at,
    lags_of,
    n_levels_of,
)
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
    threads: int = 1,
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
    threads : int
    """
    first, second, size = (
        np.bincount(cells.of_pixel, weights=each * good, minlength=len(cells))
        for each in (static, static**2, np.ones(len(layout)))
    )
    there = size > 0
    share = np.divide(second, first, out=np.zeros(len(cells)), where=there)
    norm = np.divide(size, second, out=np.zeros(len(cells)), where=there)
    lags, level = lags_of(sums.n_levels)
    section = _section_of(sums, n_frames, window, n_ages)
    product, linear, pairs = _added_up(sums, section, n_ages, threads)
    where = cells.bins * cells.n_groups + cells.groups
    total = np.zeros((layout.n_bins * cells.n_groups, n_ages, len(lags)))

    def work(first: int, last: int) -> None:
        kernels.add_up_cells(where, norm, share, second, product, linear, pairs, first, last, total)

    _on_threads(work, n_ages, threads)
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


def _added_up(
    sums: AgeLagSums, section: IntArray, n_ages: int, threads: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Products, sums of cells and pairs in sections of age; the former two have one more, of units in none."""
    section = np.where(section < 0, n_ages, section)
    n_cells, n_lags = len(sums.products), section.shape[1]
    product, linear = np.zeros((n_cells, n_ages + 1, n_lags)), np.zeros((n_ages + 1, n_lags, n_cells))
    pairs = np.zeros((n_ages + 1, n_lags))
    lag = np.arange(n_lags)
    parts: list[tuple[IntArray, IntArray, AgeLagSums | AgeLagTail]] = [(section, section, sums)]
    if (tail := sums.tail) is not None:
        those = section[: tail.n_units]
        unit = np.arange(len(tail.pairs))[:, None]
        # Units beyond the last one are empty.
        last = np.concatenate([section, np.full((1, n_lags), n_ages)])
        of_products, of_pairs = (
            last[np.minimum(unit + first, len(section)), lag] for first in (tail.first_product, tail.first_pair)
        )
        parts = [(those, those, sums), (of_products, of_pairs, tail)]
    for _, where, part in parts:
        np.add.at(pairs, (where, lag), part.pairs[: len(where)])

    def add_products(first: int, last: int) -> None:
        for where, _, part in parts:
            kernels.add_up_products(where, first, last, part.products, product)

    def add_linear(first: int, last: int) -> None:
        for _, where, part in parts:
            kernels.add_up_linear(where, first, last, part.linear, linear)

    _on_threads(add_products, n_cells, threads)
    _on_threads(add_linear, n_lags, threads)
    return product, linear, pairs[:n_ages]


def _on_threads(work: Callable[[int, int], None], n: int, threads: int) -> None:
    """Call `work` for equal parts of the numbers below `n`."""
    if threads == 1:
        work(0, n)
        return
    cuts = np.linspace(0, n, threads + 1).astype(int).tolist()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, cuts[:-1], cuts[1:]))


def has_lags(n_frames: int, lags: FloatArray) -> bool:
    """Whether these lags, in frames, are those that a movie of so many frames is correlated at."""
    known, _ = lags_of(n_levels_of(n_frames))
    return bool(np.isin(np.round(lags).astype(np.int64), known).all() and np.allclose(lags, np.round(lags), atol=1e-3))


def complete_cells(n_frames: int, n_ages: int, lags: FloatArray, n_so_far: int) -> NDArray[np.bool_]:
    """Cells of the age-lag map of a movie all of whose pairs lie within its first `n_so_far` frames.

    Parameters
    ----------
    n_frames, n_ages : int
        Of the whole movie.
    lags : ndarray, shape (n_lags,)
        Of the map, in frames.

    Returns
    -------
    ndarray of bool, shape (n_ages, n_lags)
        False for a cell without a pair.
    """
    ends, known = _cell_ends(n_frames, n_ages)
    at = np.searchsorted(known, np.round(lags).astype(np.int64)).clip(max=len(known) - 1)
    return (ends[:, at] > 0) & (ends[:, at] <= n_so_far)


@lru_cache(maxsize=4)
def _cell_ends(n_frames: int, n_ages: int) -> tuple[IntArray, IntArray]:
    """The frame after the last one in a pair of each cell (n_ages, n_lags), 0 where it has none, and the lags."""
    sums = AgeLagSums.empty(1, 1, n_frames)
    section = _section_of(sums, n_frames, (0, n_frames), n_ages)
    lags, level = lags_of(sums.n_levels)
    stop = np.minimum(np.arange(1, len(section) + 1)[:, None] << (sums.shifts[level] + level), n_frames)
    return np.stack([np.where(section == age, stop, 0).max(axis=0) for age in range(n_ages)]), lags


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


def _section_of(sums: AgeLagSums, n_frames: int, window: tuple[int, int], n_ages: int) -> NDArray[np.int64]:
    """The section that the pairs of each unit belong to at each lag, shape (n_units, n_lags).

    -1 where they do not all lie within the window, or where there are none.
    """
    first, stop = window
    lags, _ = lags_of(sums.n_levels)
    section = np.full(sums.pairs.shape, -1, dtype=np.int64)
    for level, shift in enumerate(sums.shifts):
        step, at = 1 << level, lags_at(level)
        n_samples = -(-n_frames // step)
        bounds = np.arange(len(section) + 1) << int(shift)
        # The first samples have none so long before them.
        begin = np.maximum(np.minimum(bounds[:-1], n_samples)[:, None], lags[at] // step)
        end = np.minimum(bounds[1:], n_samples)[:, None]
        inside = (begin * step - lags[at] >= first) & (np.minimum(end * step, n_frames) <= stop)
        middle = ((begin + end) / 2 * step - lags[at] / 2 - first) / (stop - first)
        age = np.clip((middle * n_ages).astype(np.int64), 0, n_ages - 1)
        section[:, at] = np.where((begin < end) & inside, age, -1)
    return section
