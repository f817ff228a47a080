"""What an age-lag map is made of: sums of products of frames, kept for short units of time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ainerd_agent.records import FloatArray
from ainerd_agent.records.arrays import IntArray
from ainerd_agent.scattering.correlation._engine import age_lag_sum_kernels as kernels
from ainerd_agent.scattering.correlation._engine.age_lag_kernels import HALF, WINDOW

UNITS = 256
"""Units of time that are kept at each level, at most: a crop loses no more than a 128th of the movie at its ends."""


def n_levels_of(n_frames: int) -> int:
    """Levels that have a pair of samples within so many frames."""
    return max(1, int(n_frames // HALF).bit_length())


def lags_of(n_levels: int) -> tuple[IntArray, IntArray]:
    """Lags in frames, and the level of each."""
    lags = [np.arange(1, WINDOW)] + [np.arange(HALF, WINDOW) << level for level in range(1, n_levels)]
    return np.concatenate(lags), np.repeat(np.arange(n_levels), [len(each) for each in lags])


def lags_at(level: int) -> slice:
    """Where the lags of a level are."""
    first = 0 if level == 0 else WINDOW - 1 + (level - 1) * HALF
    return slice(first, first + (WINDOW - 1 if level == 0 else HALF))


def shift_of(n_frames: int, level: int) -> int:
    """Units at a level are of 1 << shift samples, so that there are `UNITS` of them at most."""
    n_samples = -(-n_frames // (1 << level))
    return int(-(-n_samples // UNITS) - 1).bit_length()


@dataclass(frozen=True, slots=True, eq=False)
class AgeLagTail:
    """Sums over the pairs of windows that are not complete, as if no more frames came.

    One window of each level is not, and its units are few.

    Attributes
    ----------
    products, linear, pairs : ndarray
        As in `AgeLagSums`, for these units.
    first_product, first_pair : ndarray of int, shape (n_lags,)
        The unit that products, and `linear` and `pairs`, begin with. Events may go on beyond the last good frame.
    n_units : int
        Units that all other sums are in.
    """

    products: FloatArray
    linear: FloatArray
    pairs: FloatArray
    first_product: IntArray
    first_pair: IntArray
    n_units: int


@dataclass(frozen=True, slots=True, eq=False)
class AgeLagSums:
    """Sums over pairs of samples, of a movie whose length is known.

    Attributes
    ----------
    shifts : ndarray of int, shape (n_levels,)
        See `shift_of`.
    products : ndarray, shape (n_cells, n_units, n_lags)
        Products of counts, over the pixels of each cell.
    linear : ndarray, shape (n_units, n_lags, n_cells)
        Counts of both samples, each times the good frames in the other.
    pairs : ndarray, shape (n_units, n_lags)
        Good frames in one times those in the other.
    totals, ring_totals : ndarray, shape (n_units, n_cells) and (n_units, n_rings)
        Counts of the frames, in units of the first level: of the cells, and of those of `PixelLayout`, each of one
        ring.
    good : ndarray, shape (n_units,)
        Good frames in each of them.
    sums, weights : ndarray, shape (n_levels, 2 * WINDOW, n_cells) and (n_levels, 2 * WINDOW)
        Counts of the last samples, and good frames in them.
    tail : AgeLagTail or None
        What is not in the other sums yet.
    """

    shifts: IntArray
    products: FloatArray
    linear: FloatArray
    pairs: FloatArray
    totals: FloatArray
    ring_totals: FloatArray
    good: FloatArray
    sums: FloatArray
    weights: FloatArray
    tail: AgeLagTail | None = None

    @classmethod
    def empty(cls, n_cells: int, n_rings: int, n_frames: int) -> AgeLagSums:
        """For a movie of so many frames, of which none has come."""
        n_levels = n_levels_of(n_frames)
        n_lags = len(lags_of(n_levels)[0])
        shifts = np.array([shift_of(n_frames, level) for level in range(n_levels)])
        # With the whole window that begins where the movie ends: what is not in it is added as zeros.
        windows = n_frames // (WINDOW << np.arange(n_levels)) + 1
        n_units = int(((windows * WINDOW - 1 >> shifts) + 1).max())
        return cls(
            shifts=shifts,
            products=np.zeros((n_cells, n_units, n_lags)),
            linear=np.zeros((n_units, n_lags, n_cells)),
            pairs=np.zeros((n_units, n_lags)),
            totals=np.zeros((n_units, n_cells)),
            ring_totals=np.zeros((n_units, n_rings)),
            good=np.zeros(n_units),
            sums=np.zeros((n_levels, 2 * WINDOW, n_cells)),
            weights=np.zeros((n_levels, 2 * WINDOW)),
        )

    @property
    def n_levels(self) -> int:
        """Number of levels."""
        return len(self.shifts)

    def add_sums(self, numbers: IntArray, begin: int, end: int, sums: FloatArray, ring_sums: FloatArray) -> None:
        """Take the sums of the frames `numbers`, over cells and over those of each ring.

        The other frames from `begin` to `end` never come.
        """
        unit = numbers >> self.shifts[0]
        starts = np.flatnonzero(np.diff(unit, prepend=-1))
        self.totals[unit[starts]] += np.add.reduceat(sums, starts, axis=0)
        self.ring_totals[unit[starts]] += np.add.reduceat(ring_sums, starts, axis=0)
        np.add.at(self.good, unit, 1)
        kernels.add_cell_sums(
            numbers, begin, end, np.ascontiguousarray(sums), self.shifts, self.sums, self.weights, self.linear,
            self.pairs,
        )  # fmt: skip

    def completed(self, n_frames: int, *, in_place: bool = False) -> AgeLagSums:
        """With windows that are not complete after `n_frames` as if no more came; `products` stay as they are.

        A copy, because more may come, or the same `in_place`.
        """
        done = self
        if not in_place:
            done = replace(
                self,
                products=self.products.copy(),
                linear=self.linear.copy(),
                pairs=self.pairs.copy(),
                sums=self.sums.copy(),
                weights=self.weights.copy(),
            )
        kernels.finish_sums(n_frames, done.shifts, done.sums, done.weights, done.linear, done.pairs, False)
        return done

    def with_tail(self, n_frames: int, end: int) -> AgeLagSums:
        """The same sums, and a tail for windows that are not complete after `n_frames`; its products are still 0.

        Only few numbers are copied: a look at a movie must not take as long as its end. Products are those of the
        frames up to `end`.
        """
        _, level = lags_of(self.n_levels)
        first = [count // (WINDOW << level) * WINDOW >> self.shifts[level] for count in (end, n_frames)]
        n_units = max(1, WINDOW >> int(self.shifts.min()))
        n_cells, n_lags = len(self.products), len(level)
        tail = AgeLagTail(
            products=np.zeros((n_cells, n_units, n_lags)),
            linear=np.zeros((n_units, n_lags, n_cells)),
            pairs=np.zeros((n_units, n_lags)),
            first_product=first[0],
            first_pair=first[1],
            n_units=min(len(self.pairs), int((end >> (self.shifts[level] + level)).max()) + 1),
        )
        sums, weights = self.sums.copy(), self.weights.copy()
        kernels.finish_sums(n_frames, self.shifts, sums, weights, tail.linear, tail.pairs, True)
        return replace(self, sums=sums, weights=weights, tail=tail)
