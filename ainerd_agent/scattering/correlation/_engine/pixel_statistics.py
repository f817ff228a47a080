"""Sums over the pixels of a bin by which bad pixels are recognised, compiled by numba."""

from __future__ import annotations

from typing import Any

import numpy as np

from ainerd_agent.scattering.correlation._engine.kernels import Array, compiled


@compiled
def excess_scatter(counts: Array, mean: Array, number: Array, kept: Array) -> Any:
    """Scatter of counts around `mean`, that of `number` pixels, beyond photon noise, and the scale to divide it by."""
    excess, scale = 0.0, 0.0
    for p in range(len(counts)):
        if kept[p] and mean[p] > 0:
            off = counts[p] - mean[p]
            excess += off * off - counts[p] - mean[p] / number[p]
            scale += mean[p] * mean[p] * (1 + 1 / number[p])
    return excess, scale


@compiled
def far_above(counts: Array, mean: Array, spread: float) -> Any:
    """Places of counts that are five standard deviations above `mean`, or more: photons, and a relative `spread`."""
    places = np.empty(len(counts), dtype=np.int64)
    n = 0
    for p in range(len(counts)):
        above = counts[p] - mean[p]
        if above > 0 and above * above > 25 * (mean[p] + spread * mean[p] * mean[p]):
            places[n] = p
            n += 1
    return places[:n]


@compiled
def scatter_in_time(total: Array, squares: Array, around: Array, n_frames: int, used: Array) -> Any:
    """Variance over mean in time of each used pixel with counts; 0 for the others.

    Speckle adds to it in proportion to the counts. So what is beyond 1 counts less where the pixel, or the part of the
    bin around it, is brighter than the mean of the bin.
    """
    fano = np.zeros(len(total))
    bright, n = 0.0, 0
    for p in range(len(total)):
        if used[p] and total[p] > 0:
            bright += around[p]
            n += 1
    usual = bright / n if n > 0 else 0.0
    for p in range(len(total)):
        if used[p] and total[p] > 0:
            value = (squares[p] - total[p] * total[p] / n_frames) / total[p]
            # What is beyond any speckle is not excused by its own counts.
            speckle = (value - 1) * n_frames <= 2 * total[p]
            bright = max(around[p], total[p]) if speckle else around[p]
            if value > 1 and bright > usual:
                value = 1 + (value - 1) * (usual / bright)
            fano[p] = value
    return fano


@compiled
def moments_up_to(values: Array, limit: float) -> Any:
    """Mean and variance of the positive values up to a limit."""
    total, n = 0.0, 0
    for p in range(len(values)):
        if 0 < values[p] <= limit:
            total += values[p]
            n += 1
    if n == 0:
        return 1.0, 0.0
    mean = total / n
    square = 0.0
    for p in range(len(values)):
        if 0 < values[p] <= limit:
            square += (values[p] - mean) * (values[p] - mean)
    return mean, square / n


@compiled
def what_stands_out(
    total: Array, squares: Array, used: Array, around: Array, number: Array, n_frames: int, far: float
) -> Any:
    """Which used pixels are `far` standard deviations beyond the others, by counts or by their scatter in time.

    Standard deviations are taken without what is beyond three, so that some bad pixels do not hide each other.

    Returns
    -------
    n_far, n_dark : int
        Pixels that are, among them those without neighbours and those that hardly change; and pixels without counts.
    """
    n = len(total)
    off, fano = np.empty(n), np.empty(n)
    n_far, n_dark, n_lit = 0, 0, 0
    for p in range(n):
        if not used[p]:
            continue
        if total[p] <= 0:
            n_dark += 1
        elif number[p] < 1:
            n_far += 1
        else:
            off[n_lit] = (total[p] - around[p]) / (1 + around[p])
            value = squares[p] / total[p] - total[p] / n_frames
            # one that never changes is suspicious, too; sums are exact to some digits only
            n_far += value < 1e-3 + 1e-5 * total[p] / n_frames
            fano[n_lit] = value
            n_lit += 1
    # the scatter of few frames is skewed, as chi squared is (Cornish-Fisher, first order)
    very_far = far + (far * far - 1) / 6 * np.sqrt(8 / n_frames)
    highest_off, highest_fano = limit_of(off[:n_lit], far), limit_of(fano[:n_lit], very_far)
    for p in range(n_lit):
        n_far += off[p] > highest_off or fano[p] > highest_fano
    return n_far, n_dark


@compiled
def limit_of(values: Array, far: float) -> float:
    """The mean and `far` standard deviations, both of values within three of those of all."""
    limit = np.inf
    mean, deviation = 0.0, 0.0
    for _ in range(2):
        total, square, n = 0.0, 0.0, 0
        for value in values:
            if value <= limit:
                total += value
                square += value * value
                n += 1
        if n == 0:
            break
        mean = total / n
        deviation = np.sqrt(max(square / n - mean * mean, 0.0))
        limit = mean + 3 * deviation
    return mean + far * deviation
