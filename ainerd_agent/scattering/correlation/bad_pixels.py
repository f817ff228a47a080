"""Bad pixels, told by sums over the frames: counts, and squares of counts, of each pixel.

What a good pixel may count is known: photons (Poisson) around an intensity that differs from pixel to pixel and from
frame to frame by speckle, gradients and shadows. How far it differs is taken from the pixels themselves: those of the
same bin, and the 5 x 5 around each pixel. What is beyond that by less than one chance in `CHANCE` is bad:

hot
    The counts of all frames together, against a negative binomial distribution (photons of gamma distributed
    intensities, J. W. Goodman, Speckle Phenomena in Optics, 2007, ch. 4) around the mean of the neighbours. Two bright
    neighbours excuse a pixel: an edge or a streak is no defect.
dead
    No count at all, where the neighbours have so many that this is no chance. Where a quarter of them has hardly any
    either, it is a shadow.
flickering
    Variance over mean in time, against a gamma distribution of it over the bin; and coincidences of photons in one
    frame, against those that chance, with the bin's own fluctuations, brings about. One burst is enough.
full
    The highest number of some type in every frame, whatever the type of the frames is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records import FloatArray
from ainerd_agent.records.arrays import IntArray
from ainerd_agent.records.bad_pixels import KINDS
from ainerd_agent.scattering.correlation._engine.neighbourhood import place_image, surroundings

CHANCE = 1e-9
"""Probability below which counts are no chance: far below one false alarm in 100,000 pixels, as tails are not known
that well."""

CHANCE_OF_NONE = 1e-7
"""The same for no counts at all, where the distribution has no tail that could be longer."""

FEWEST = 8
"""Frames that pixels are judged by, and neighbours that one is compared with, at least; with fewer neighbours it is
compared with its bin."""

SHADOW = 0.25
"""Share of dark neighbours from which a pixel without counts is in a shadow."""

BRIGHTEST = 0.03
"""Share of pixels that a first estimate of a spread leaves out, because they may be bad."""

MARGIN = 1.3
"""By which a spread, estimated from the pixels, is taken larger than it is found."""

BURST = 10
"""Coincidences more than are expected (pairs: five photons in one frame) that are always excused."""

CEILINGS = tuple(float(2**bits - 1) for bits in (7, 8, 15, 16, 24, 31, 32, 63, 64))

GOOD, HOT, DEAD, FLICKERING, FULL = range(5)
"""Verdicts: `GOOD`, or one more than the place in `KINDS`."""

_ROUNDS = 4


@dataclass(frozen=True, slots=True, eq=False)
class PixelSums:
    """Raw counts of pixels over frames.

    Attributes
    ----------
    n_frames : int
    total, squares : ndarray, shape (N,)
        Sums of counts, and of their squares.
    """

    n_frames: int
    total: FloatArray
    squares: FloatArray

    @classmethod
    def of(cls, frames: NDArray[np.generic]) -> PixelSums:
        """The sums of frames in memory, shape (n, N)."""
        counts = np.asarray(frames, dtype=np.float64)
        return cls(len(counts), counts.sum(axis=0), np.einsum("ij,ij->j", counts, counts))


def kind_names(verdicts: NDArray[np.int8]) -> NDArray[np.str_]:
    """Verdicts other than `GOOD` in words."""
    return np.array(KINDS)[np.asarray(verdicts, dtype=np.int64) - 1]


def judge(
    sums: PixelSums,
    rows: IntArray,
    columns: IntArray,
    group: IntArray,
    *,
    ceiling: float = np.inf,
    known: NDArray[np.bool_] | None = None,
) -> NDArray[np.int8]:
    """Tell which pixels are bad.

    Parameters
    ----------
    sums : PixelSums
    rows, columns, group : ndarray of int, shape (N,)
        Place of each pixel, and the bin, from 0, whose pixels it is compared with.
    ceiling : float
        Counts at which a pixel of this detector is full.
    known : ndarray of bool, shape (N,), optional
        Pixels that are bad already: no other one is compared with them, and they stay `GOOD` here.

    Returns
    -------
    ndarray of int8, shape (N,)
    """
    verdict = np.zeros(len(sums.total), dtype=np.int8)
    if sums.n_frames < FEWEST or len(verdict) == 0:
        return verdict
    image, spots = place_image(rows, columns)
    out = np.zeros(len(verdict), dtype=bool) if known is None else known.copy()
    full = _is_full(sums, ceiling) & ~out
    verdict[full] = FULL
    out |= full
    for _ in range(_ROUNDS):
        around = _Around.of(sums, image, spots, group, ~out)
        hot = _is_hot(sums, around, group, ~out)
        flickering = _is_flickering(sums, around, group, ~out) & ~hot
        verdict[hot], verdict[flickering] = HOT, FLICKERING
        if not (hot | flickering).any():
            break
        out |= hot | flickering
    else:
        around = _Around.of(sums, image, spots, group, ~out)
    verdict[_is_dead(sums, around, group, ~out)] = DEAD
    return verdict


@dataclass(frozen=True, slots=True, eq=False)
class _Around:
    """What each pixel is compared with, each of shape (N,)."""

    mean: FloatArray
    """Counts that are expected of it."""
    bright: FloatArray
    """Counts that its neighbourhood excuses."""
    number: IntArray
    """Pixels that say so."""
    dark: FloatArray
    """Share of them that are dark, for a pixel without counts."""
    spread: FloatArray
    """Relative variance of the expected counts from pixel to pixel, photons apart."""

    @classmethod
    def of(
        cls, sums: PixelSums, image: NDArray[np.int32], spots: IntArray, group: IntArray, used: NDArray[np.bool_]
    ) -> _Around:
        mean, third, number, zeros = surroundings(image, spots, group, sums.total, used)
        dark = zeros / np.maximum(number, 1)
        if (few := number < FEWEST).any():
            of_group = _by_group(used, group, used)
            mean = np.where(few, _by_group(sums.total, group, used) / np.maximum(of_group, 1), mean)
            dark = np.where(few, _by_group(sums.total == 0, group, used) / np.maximum(of_group, 1), dark)
            third, number = np.where(few, 0, third), np.where(few, of_group.astype(np.int64), number)
        spread = _spread(sums.total, mean, number, group, used)
        return cls(mean, third, number, dark, spread)


def _is_full(sums: PixelSums, ceiling: float) -> NDArray[np.bool_]:
    mean = sums.total / sums.n_frames
    levels = np.array([*CEILINGS, ceiling] if np.isfinite(ceiling) else CEILINGS)
    same = np.abs(sums.squares / sums.n_frames - mean**2) <= 1e-6 * mean**2
    nearest = levels[np.abs(mean[:, None] - levels).argmin(axis=1)] if same.any() else mean
    return np.asarray(same & (mean > 0) & (np.abs(mean - nearest) <= 1e-6 * nearest))


def _is_hot(sums: PixelSums, around: _Around, group: IntArray, used: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy.special import betainc

    counts, spread = sums.total, around.spread
    excused = around.bright + 5 * np.sqrt(around.bright + spread * around.bright**2)
    expected = np.maximum(around.mean, 1 / np.maximum(around.number, 1))
    hot: NDArray[np.bool_] = used & (counts > excused) & (counts > expected + 4 * np.sqrt(expected)) & (around.number > 0)
    at = np.flatnonzero(hot)
    if at.size:
        # the mean of the neighbours is not known exactly
        wide = spread[at] + (spread[at] + 1 / expected[at]) / around.number[at]
        hot[at] = betainc(counts[at], 1 / wide, expected[at] * wide / (1 + expected[at] * wide)) < CHANCE
    return hot


def _is_dead(sums: PixelSums, around: _Around, group: IntArray, used: NDArray[np.bool_]) -> NDArray[np.bool_]:
    wide = around.spread + around.spread / np.maximum(around.number, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_chance = np.where(wide > 0, -np.log1p(wide * around.mean) / wide, -around.mean)
    return used & (sums.total == 0) & (around.dark <= SHADOW) & (log_chance < np.log(CHANCE_OF_NONE))


def _is_flickering(sums: PixelSums, around: _Around, group: IntArray, used: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy.special import gammaincc, pdtrc

    n, counts = sums.n_frames, sums.total
    lit = used & (counts > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        fano = np.where(lit, (sums.squares - counts**2 / n) / np.where(lit, counts, 1), 0.0)
        # Speckle adds in proportion to the counts, so bright parts of a bin scatter more.
        usual = _by_group(around.mean, group, lit) / np.maximum(_by_group(lit, group, lit), 1)
        dimmed = np.where(around.mean > usual, usual / np.maximum(around.mean, 1e-300), 1.0)
    fano = np.where(fano > 1, 1 + (fano - 1) * dimmed, fano)
    mean, variance = _trimmed_moments(fano, group, lit)
    variance = MARGIN * variance + 4 / n**2
    flickering: NDArray[np.bool_] = lit & (fano > mean + 4 * np.sqrt(variance))
    at = np.flatnonzero(flickering)
    if at.size == 0:
        return flickering
    chance = gammaincc(mean[at] ** 2 / variance[at], fano[at] * mean[at] / variance[at])
    # Photons in the same frame: those of chance, more by the fluctuations of the bin
    rate = np.maximum(_by_group(counts, group, lit)[at] / np.maximum(_by_group(lit, group, lit)[at], 1) / n, 1e-300)
    bunching = 1 + 3 * np.maximum(mean[at] - 1, 0) / rate
    pairs, expected = (sums.squares[at] - counts[at]) / 2, counts[at] ** 2 / (2 * n) * np.minimum(bunching, 4)
    flickering[at] = (chance < CHANCE) & (pdtrc(np.maximum(np.floor(pairs) - BURST - 1, 0), expected) < CHANCE)
    flickering[at] &= pairs > BURST + 1
    return flickering


def _spread(
    counts: FloatArray, mean: FloatArray, number: IntArray, group: IntArray, used: NDArray[np.bool_]
) -> FloatArray:
    """Relative variance of the expected counts in each pixel's group, without photon noise."""
    from scipy.special import betainc

    known = used & (mean > 0) & (number > 0)
    share = 1 + 1 / np.maximum(number, 1)
    excess = np.where(known, (counts - mean) ** 2 - counts - mean / np.maximum(number, 1), 0.0)
    scale = np.where(known, mean**2 * share, 0.0)
    expected = np.where(known, mean, 1.0)
    kept = known & ~_brightest(np.where(known, counts / expected, 0), group, known)
    spread = np.zeros(len(counts))
    for _ in range(4):
        of_group = _by_group(excess, group, kept) / np.maximum(_by_group(scale, group, kept), 1e-300)
        spread = MARGIN * np.maximum(of_group, 0) + 1e-6
        far = np.flatnonzero(known & (counts > expected * (1 + 5 * np.sqrt(spread + 1 / expected))))
        before, kept = kept, known.copy()
        if far.size:
            p = expected[far] * spread[far] / (1 + expected[far] * spread[far])
            kept[far] = betainc(counts[far], 1 / spread[far], p) >= CHANCE
        if (kept == before).all():
            break
    return spread


def _trimmed_moments(values: FloatArray, group: IntArray, used: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    """Mean and variance of each pixel's group, without values that are no chance."""
    from scipy.special import gammaincc

    kept = used & ~_brightest(values, group, used)
    mean = variance = np.zeros(len(values))
    for _ in range(6):
        n = np.maximum(_by_group(kept, group, kept), 1)
        mean = _by_group(values, group, kept) / n
        variance = np.maximum(_by_group(values**2, group, kept) / n - mean**2, 0) + 1e-12
        far = np.flatnonzero(used & (values > mean + 5 * np.sqrt(variance)))
        before, kept = kept, used.copy()
        if far.size:
            wide = MARGIN * variance[far]
            kept[far] = gammaincc(mean[far] ** 2 / wide, values[far] * mean[far] / wide) >= CHANCE
        if (kept == before).all():
            break
    return mean, variance


def _brightest(values: FloatArray, group: IntArray, used: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest values of each group."""
    found = np.zeros(len(values), dtype=bool)
    members = np.flatnonzero(used)
    order = members[np.argsort(group[members], kind="stable")]
    for part in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        if n := int(np.ceil(BRIGHTEST * len(part))):
            found[part[np.argpartition(values[part], len(part) - n)[len(part) - n :]]] = True
    return found


def _by_group(values: NDArray[np.generic], group: IntArray, used: NDArray[np.bool_]) -> FloatArray:
    """Sum over the used pixels of each pixel's group, shape (N,)."""
    return np.bincount(group[used], weights=np.asarray(values[used], dtype=np.float64), minlength=int(group.max()) + 1)[
        group
    ]
