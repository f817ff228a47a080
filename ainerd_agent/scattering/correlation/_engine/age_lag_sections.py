"""From sums over units of time to the correlation in sections of age."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records import FloatArray
from ainerd_agent.records.arrays import IntArray
from ainerd_agent.scattering.correlation._engine.age_lag_kernels import UNIT
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
    sums: AgeLagSums,
    cell_size: IntArray,
    *,
    n_frames: int,
    window: tuple[int, int],
    n_ages: int,
    unit_mean: bool,
) -> Sections:
    """Divide a window of the movie into sections of equal length.

    A pair of samples belongs to the section that the middle of its unit of time lies in; units that reach beyond the
    window are left out.

    Parameters
    ----------
    cell_size : ndarray of int, shape (n_cells,)
        Good pixels.
    n_frames : int
        Of the movie; no less than there are in `sums`.
    window : tuple of int
        First frame, and the one after the last.
    unit_mean : bool
        Counts were divided by their mean before.
    """
    static = np.ones(len(cell_size)) if unit_mean else _static(layout, sums, cell_size, n_frames, window)
    lags, level = lags_of(sums.n_levels)
    n_cells = len(layout.cell_bin)
    correlation = np.zeros((n_cells, n_ages, len(lags)))
    pairs = np.zeros((n_ages, len(lags)))
    for each in range(sums.n_levels):
        at = lags_at(each)
        for lag in range(at.start, at.stop):
            units, starts, ages = _units(sums, each, int(lags[lag]), n_frames, window, n_ages)
            if not len(starts):
                continue
            product = np.add.reduceat(sums.products[:, units, lag], starts, axis=1)
            linear = np.add.reduceat(sums.linear[units, lag], starts, axis=0)
            weight = np.add.reduceat(sums.pairs[units, lag], starts)
            pairs[ages, lag] = weight
            correlation[:, ages, lag] = (
                product / static[:, None] ** 2 - linear.T / static[:, None] + cell_size[:, None] * weight
            )
    n_groups = int(layout.cell_group.max()) + 1
    where = layout.cell_bin * n_groups + layout.cell_group
    total = np.zeros((layout.n_bins * n_groups, n_ages, len(lags)))
    np.add.at(total, where, correlation)
    weights = np.bincount(where, weights=cell_size, minlength=len(total))
    with np.errstate(invalid="ignore", divide="ignore"):
        groups = total / (weights[:, None, None] * pairs)
    shape = (layout.n_bins, n_groups)
    kept = pairs.any(axis=0)
    return Sections(
        groups=groups.reshape(*shape, n_ages, len(lags))[..., kept],
        weights=np.asarray(weights, dtype=np.float64).reshape(shape),
        pairs=pairs[:, kept],
        lags=lags[kept],
        level=level[kept],
    )


def _static(
    layout: PixelLayout, sums: AgeLagSums, cell_size: IntArray, n_frames: int, window: tuple[int, int]
) -> FloatArray:
    """<I> of each cell's ring over the units of the window."""
    length = UNIT << int(sums.shifts[0])
    begin = np.arange(len(sums.good)) * length
    inside = (begin >= window[0]) & (np.minimum(begin + length, n_frames) <= window[1]) & (begin < n_frames)
    if not sums.good[inside].any():
        return np.ones(len(cell_size))
    # Cells of which no pixel counts may hold counts of one that is bad.
    counts = np.where(cell_size > 0, sums.totals[inside].sum(axis=0), 0)
    total = ring_means(layout, counts, cell_size=cell_size)
    return np.asarray(total / sums.good[inside].sum())


def _units(
    sums: AgeLagSums, level: int, lag: int, n_frames: int, window: tuple[int, int], n_ages: int
) -> tuple[slice, NDArray[np.intp], NDArray[np.intp]]:
    """The units whose pairs lie within a window, where each section begins among them, and its number."""
    first, stop = window
    step = 1 << level
    length = UNIT << int(sums.shifts[level])
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
