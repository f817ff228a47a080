"""Bad pixels, told by sums over the frames: counts, and squares of counts, of each pixel.

What a good pixel may count is known: photons (Poisson) around an intensity that differs from pixel to pixel and from
frame to frame by speckle, gradients and shadows. How far it differs is taken from the pixels themselves: those of the
same bin, and the 5 x 5 around each pixel. What is beyond that by less than one chance in `CHANCE` is bad:

hot
    The counts of all frames together, against a negative binomial distribution (photons of gamma distributed
    intensities, J. W. Goodman, Speckle Phenomena in Optics, 2007, ch. 4) around the mean of the neighbours. Two bright
    neighbours excuse a pixel: an edge or a streak is no defect.
dead
    No count at all, where the neighbours have so many that this is no chance; nor may it be chance beside the darkest
    quarter of them, or it is a shadow.
flickering
    Variance over mean in time, against a long-tailed (gamma) distribution of it over the bin; and coincidences of
    photons in one frame, against those that chance, with the bin's own fluctuations, brings about. One burst is enough.
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
from ainerd_agent.scattering.correlation._engine.neighbourhood import Neighbourhood
from ainerd_agent.scattering.correlation._engine.pixel_statistics import (
    excess_scatter,
    far_above,
    moments_up_to,
    scatter_in_time,
    what_stands_out,
)

CHANCE = 1e-9
"""Probability below which counts are no chance: far below one false alarm in 100,000 pixels, as tails are not known
that well."""

CHANCE_OF_NONE = 1e-7
"""The same for no counts at all, where the distribution has no tail that could be longer."""

FEWEST = 8
"""Frames that pixels are judged by, and neighbours that one is compared with, at least; with fewer neighbours it is
compared with its bin."""

CHANCE_IN_SHADOW = 1e-4
"""The same where the darkest quarter of the neighbours is the measure: it may be a shadow, whose edge is near."""

BRIGHTEST = 0.03
"""Share of pixels that a first estimate of a spread leaves out, because they may be bad."""

MARGIN = 1.3
"""By which a spread, estimated from the pixels, is taken larger than it is found."""

MANY_DARK = 0.05
"""Share of pixels without counts from which on a glance at the others is not enough: counts are too few for it."""

BURST = 10
"""Coincidences more than are expected (pairs: five photons in one frame) that are always excused."""

CEILINGS = tuple(float(2**bits - 1) for bits in (7, 8, 15, 16, 24, 31, 32, 63, 64))

GOOD, HOT, DEAD, FLICKERING, FULL = range(5)
"""Verdicts: `GOOD`, or one more than the place in `KINDS`."""

_FAR = 6.0
_ROUNDS = 4
_SAME = 1e-6
_STEADY = 4e-6
_LEAST = 1e-6


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
    *,
    ceiling: float = np.inf,
    known: NDArray[np.bool_] | None = None,
) -> NDArray[np.int8]:
    """Tell which pixels of a bin are bad.

    Parameters
    ----------
    sums : PixelSums
    rows, columns : ndarray of int, shape (N,)
        Place of each pixel on the detector.
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
    near = Neighbourhood(rows, columns)
    used = np.ones(len(verdict), dtype=bool) if known is None else ~known
    glance = _Glance.at(sums, near, used)
    if glance.sees_nothing:
        return verdict
    if (full := _is_full(sums, ceiling) & used).any():
        verdict[full] = FULL
        used &= ~full
        glance = _Glance.at(sums, near, used)
    expected = _Expected.of(sums.total, near, used)
    for _ in range(_ROUNDS):
        if glance.sees_nothing:
            return verdict
        if glance.n_far == 0 and glance.n_dark < MANY_DARK * len(verdict):
            break
        flickering = _is_flickering(sums, expected, used)
        hot = _is_hot(sums.total, expected, near, used)
        found = hot | flickering
        verdict[hot] = HOT
        verdict[flickering | (hot & _beyond_speckle(sums))] = FLICKERING
        if not found.any():
            break
        used &= ~found
        glance = _Glance.at(sums, near, used)
        expected = _Expected.of(sums.total, near, used, expected.spread if glance.n_far == 0 else None)
    verdict[_is_dead(sums.total, expected, near, used)] = DEAD
    return verdict


@dataclass(frozen=True, slots=True)
class _Glance:
    """A look at pixels that costs little: for most bins it is the only one.

    Attributes
    ----------
    n_far, n_dark : int
        Used pixels that are far from the others, and those without counts.
    """

    n_far: int
    n_dark: int

    @classmethod
    def at(cls, sums: PixelSums, near: Neighbourhood, used: NDArray[np.bool_]) -> _Glance:
        mean, number = near.means(sums.total, used)
        return cls(*what_stands_out(sums.total, sums.squares, used, mean, number, sums.n_frames, _FAR))

    @property
    def sees_nothing(self) -> bool:
        return self.n_far == self.n_dark == 0


@dataclass(frozen=True, slots=True, eq=False)
class _Expected:
    """What pixels are compared with."""

    mean: FloatArray
    """Counts that are expected of each pixel, shape (N,)."""
    number: FloatArray
    """Pixels that say so."""
    spread: float
    """Relative variance of the expected counts from pixel to pixel, photons apart."""

    @classmethod
    def of(
        cls, counts: FloatArray, near: Neighbourhood, used: NDArray[np.bool_], spread: float | None = None
    ) -> _Expected:
        """From the used pixels; the spread, too, where it is not known."""
        of_used = counts if used.all() else counts[used]
        if of_used.size == 0:
            return cls(np.zeros(len(counts)), np.zeros(len(counts)), _LEAST)
        # A bad pixel must not hide the one beside it.
        mean, number = near.means(np.minimum(counts, 3 * _limit(of_used) + 3), used)
        if (few := number < FEWEST).any():
            mean, number = np.where(few, of_used.mean(), mean), np.where(few, len(of_used), number)
        if spread is None:
            means, numbers = (mean, number) if of_used is counts else (mean[used], number[used])
            spread = _spread(of_used, means, numbers)
        return cls(mean, number, spread)


def _is_full(sums: PixelSums, ceiling: float) -> NDArray[np.bool_]:
    mean = sums.total / sums.n_frames
    full: NDArray[np.bool_] = (mean > 0) & (np.abs(sums.squares / sums.n_frames - mean**2) <= _STEADY * mean**2)
    if full.any():
        levels = np.array([*CEILINGS, ceiling] if np.isfinite(ceiling) else CEILINGS)
        full[full] = (np.abs(mean[full, None] - levels) <= _SAME * levels).any(axis=1)
    return full


def _is_hot(counts: FloatArray, expected: _Expected, near: Neighbourhood, used: NDArray[np.bool_]) -> NDArray[np.bool_]:
    spread = expected.spread
    mean = np.maximum(expected.mean, 1 / np.maximum(expected.number, 1))
    hot = np.zeros(len(counts), dtype=bool)
    at = far_above(counts, mean, spread)
    if (at := at[used[at]]).size:
        # the mean of the neighbours is not known exactly
        wide = spread + (spread + 1 / mean[at]) / expected.number[at]
        bright = near.third_brightest(at, counts, used)
        excused = bright + 5 * np.sqrt(bright + spread * bright**2)
        hot[at] = (counts[at] > excused) & (_tail(counts[at], mean[at], wide) < CHANCE)
    return hot


def _beyond_speckle(sums: PixelSums) -> NDArray[np.bool_]:
    """Which pixels scatter in time by twice as much as speckle of their own mean can, whose contrast is 1 at most."""
    mean = sums.total / sums.n_frames
    variance = sums.squares / sums.n_frames - mean**2
    return np.asarray(variance - mean > 2 * mean**2)


def _is_dead(
    counts: FloatArray, expected: _Expected, near: Neighbourhood, used: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    dead: NDArray[np.bool_] = used & (counts == 0) & (expected.mean > -np.log(CHANCE_OF_NONE))
    if (at := np.flatnonzero(dead)).size:
        wide = expected.spread * (1 + 1 / expected.number[at])
        by_chance = _chance_of_none(expected.mean[at], wide) < CHANCE_OF_NONE
        # Beside an edge the mean says little of the darker side.
        darker = np.minimum(near.darker_quarter(at, counts, used), expected.mean[at])
        dead[at] = by_chance & (_chance_of_none(darker, wide) < CHANCE_IN_SHADOW)
    return dead


def _chance_of_none(mean: FloatArray, spread: FloatArray) -> FloatArray:
    """Probability of no counts: negative binomial."""
    return np.asarray(np.exp(-np.log1p(spread * mean) / spread))


def _is_flickering(sums: PixelSums, expected: _Expected, used: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy.special import pdtrc

    n, counts = sums.n_frames, sums.total
    fano = scatter_in_time(counts, sums.squares, expected.mean, n, used)
    mean, variance = _trimmed_moments(fano)
    variance = MARGIN * variance + 4 / n**2
    flickering: NDArray[np.bool_] = fano > mean + 5 * np.sqrt(variance)
    if (at := np.flatnonzero(flickering)).size == 0:
        return flickering
    chance = _scatter_tail(fano[at], mean, variance)
    # Photons in the same frame: those of chance, more by the fluctuations of the bin
    bunching = 1 + 3 * max(mean - 1, 0.0) / (np.median(counts[used & (counts > 0)]) / n)
    pairs, usual = (sums.squares[at] - counts[at]) / 2, counts[at] ** 2 / (2 * n) * min(bunching, 4.0)
    bunched = (pairs > BURST + 1) & (pdtrc(np.maximum(np.floor(pairs) - BURST - 1, 0), usual) < CHANCE)
    flickering[at] = (chance < CHANCE) & bunched
    return flickering


def _spread(counts: FloatArray, mean: FloatArray, number: FloatArray) -> float:
    """Relative variance of the expected counts, without photon noise and without pixels that are no chance."""
    left_out = np.flatnonzero(_brightest(counts / np.maximum(mean, 1e-300)))
    spread = _LEAST
    for _ in range(_ROUNDS):
        kept = np.ones(len(counts), dtype=bool)
        kept[left_out] = False
        excess, scale = excess_scatter(counts, mean, number, kept)
        spread = MARGIN * max(excess / max(scale, 1e-300), 0.0) + _LEAST
        before, left_out = left_out, far_above(counts, mean, spread)
        if left_out.size:
            far = _tail(counts[left_out], mean[left_out], np.full(len(left_out), spread)) < CHANCE
            left_out = left_out[far]
        if np.array_equal(left_out, before):
            break
    return spread


def _trimmed_moments(values: FloatArray) -> tuple[float, float]:
    """Mean and variance of positive values, without those that are no chance."""
    limit = _limit(values)
    mean, variance = 1.0, _LEAST
    for _ in range(_ROUNDS + 2):
        mean, variance = moments_up_to(values, limit)
        wide = MARGIN * variance + 1e-12
        far = np.sort(values[values > mean + 5 * np.sqrt(variance)])
        beyond = far[_scatter_tail(far, mean, wide) < CHANCE]
        before, limit = limit, float(beyond[0]) * (1 - 1e-12) if beyond.size else np.inf
        if limit == before:
            break
    return mean, variance


def _tail(counts: FloatArray, mean: FloatArray, spread: FloatArray) -> FloatArray:
    """Probability of so many counts or more: negative binomial."""
    from scipy.special import betainc

    return np.asarray(betainc(counts, 1 / spread, mean * spread / (1 + mean * spread)))


def _scatter_tail(fano: FloatArray, mean: float, variance: float) -> FloatArray:
    """Probability of so much scatter in time or more: a gamma distribution, shifted where it would be narrower.

    Its tail is never shorter than that of the square of a normal number: speckle that drifts by less than itself
    during the movie scatters so.
    """
    from scipy.special import gammaincc

    shape = min(mean**2 / variance, 0.5)
    scale = np.sqrt(variance / shape)
    return np.asarray(gammaincc(shape, np.maximum(shape + (fano - mean) / scale, 0)))


def _brightest(values: FloatArray) -> NDArray[np.bool_]:
    """The largest values, but none that most others are as large as."""
    return np.asarray(values > _limit(values))


def _limit(values: FloatArray) -> float:
    """The largest of the values but for the `BRIGHTEST`."""
    n = max(1, len(values) - int(np.ceil(BRIGHTEST * len(values))))
    return float(np.partition(values, n - 1)[n - 1])
