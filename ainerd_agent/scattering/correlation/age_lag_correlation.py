"""The correlation over age and lag: every time scale from one frame to the whole exposure, with errors.

A(age, lag) is the mean of D(t) D(t + lag), D = I / <I> - 1, over the pixels of a bin and over the pairs of frames
whose middle lies in a section of age. Lags are spaced evenly in their logarithm, eight in an octave: single frames up
to a lag of 15, then sums over 2, 4, 8, ... frames at 8 to 15 times their length (the multiple-tau scheme of K.
Schaetzel, M. Drewel and S. Stimac, J. Mod. Opt. 35, 711, 1988). A frame never meets itself in a pair: shot noise does
not enter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ainerd_agent.errors import BinError
from ainerd_agent.records import AgeLagMap, FloatArray
from ainerd_agent.scattering.correlation.g2 import G2

if TYPE_CHECKING:
    from ainerd_agent.scattering.correlation._engine.age_lag_sections import Sections

NEIGHBOURS = 9
"""Lags that the curvature is taken from: an octave, in which noise averages out."""

SEVERAL = 3
"""Of those, lags that a parabola does not follow: more than chance leaves beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ages:
    """How a movie is correlated over age and lag.

    Parameters
    ----------
    n_ages : int
        Sections of equal length that the exposure is divided into.
    n_groups : int
        Groups of pixels that each bin is divided into for errors; they see other speckles of the same dynamics.
    """

    n_ages: int = 16
    n_groups: int = 8

    def __post_init__(self) -> None:
        if self.n_ages < 1 or self.n_groups < 1:
            raise BinError(f"ages and groups must be at least 1, got {self.n_ages} and {self.n_groups}")


def frame_of(lags: FloatArray) -> float:
    """One frame, in the unit of lags; the shortest ones are so far apart, though the first may be missing."""
    return float(np.diff(lags, prepend=0).min())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AgeLagCorrelation:
    """The correlation of each bin over age and lag.

    Attributes
    ----------
    values, errors : ndarray, shape (n_bins, n_ages, n_lags)
        <D(t) D(t + lag)>, and its standard error from the scatter of the groups. It knows nothing of what all pixels
        have in common, as fluctuations of the beam. NaN where the movie has no such pair; errors also with one group.
    groups : ndarray, shape (n_bins, n_groups, n_ages, n_lags)
        Of groups of pixels that have nothing in common.
    weights : ndarray, shape (n_bins, n_groups)
        Pixels of each group.
    n_pairs : ndarray, shape (n_ages, n_lags)
        Pairs of samples that were averaged; one with missing frames counts in part.
    ages : ndarray, shape (n_ages,)
        Middle of each section, in seconds (frames, where no frame time was given).
    lags : ndarray, shape (n_lags,)
        In the same unit, rising from one frame.
    width : ndarray, shape (n_lags,)
        Standard deviation of the lags that each point averages over, because frames were added up; see `bias` and
        `damping`.
    summed : ndarray of int, shape (n_lags,)
        Frames in each sample.
    """

    values: FloatArray
    errors: FloatArray
    groups: FloatArray
    weights: FloatArray
    n_pairs: FloatArray
    ages: FloatArray
    lags: FloatArray
    width: FloatArray
    summed: FloatArray

    @classmethod
    def of_sections(cls, sections: Sections, window: tuple[int, int], frame_time: float = 1.0) -> AgeLagCorrelation:
        """From what is counted in frames."""
        share = sections.weights / sections.weights.sum(axis=1, keepdims=True)
        # A group all of whose pixels are bad has no weight, and no value.
        groups = np.where(share[..., None, None] > 0, sections.groups, 0)
        values = np.einsum("bg,bgal->bal", share, groups)
        errors = np.full(values.shape, np.nan)
        n_groups = (share > 0).sum(axis=1)
        if (several := n_groups > 1).any():
            scatter = np.einsum("bg,bgal->bal", share**2, (groups - values[:, None]) ** 2)
            factor = n_groups[several] / (n_groups[several] - 1)
            errors[several] = np.sqrt(scatter[several] * factor[:, None, None])
        summed = np.left_shift(1, sections.level)
        n_ages = len(sections.pairs)
        first, stop = window
        return cls(
            values=values,
            errors=errors,
            groups=sections.groups,
            weights=sections.weights,
            n_pairs=sections.pairs / summed**2,
            ages=(first + (np.arange(n_ages) + 0.5) * (stop - first) / n_ages) * frame_time,
            lags=np.asarray(sections.lags * frame_time, dtype=np.float64),
            # Two sums over s frames: the lags between their frames have a triangular distribution.
            width=np.sqrt((summed.astype(np.float64) ** 2 - 1) / 6) * frame_time,
            summed=summed,
        )

    @property
    def n_bins(self) -> int:
        """Number of bins."""
        return len(self.values)

    @property
    def bias(self) -> FloatArray:
        """How far values are off because lags were averaged, shape (n_bins, n_ages, n_lags): `width`**2 A'' / 2.

        The curvature A'' is that of a parabola in ln(lag) through `NEIGHBOURS` lags. 0 for lags of single frames; NaN
        where too few lags are there, at the longest lags of an age.
        """
        return self._averaging()[0]

    @property
    def biased(self) -> NDArray[np.bool_]:
        """Cells whose `bias` is not known to be less than a tenth of their error, shape (n_bins, n_ages, n_lags).

        That is so, too, where values vary faster with the lag than the parabola follows (by three errors): oscillations
        are damped there (see `damping`). Where several lags side by side do, all longer ones are marked: what is damped
        altogether looks smooth.
        """
        bias, misfit = self._averaging()
        with np.errstate(invalid="ignore"):
            fast = misfit > 3 * self.errors
            known = (np.abs(bias) <= 0.1 * self.errors) & ~fast
        beside = sliding_window_view(np.pad(fast, ((0, 0), (0, 0), (NEIGHBOURS - 1, 0))), NEIGHBOURS, axis=-1)
        known &= ~np.logical_or.accumulate(beside.sum(axis=-1) >= SEVERAL, axis=-1)
        return np.isfinite(self.values) & (self.width > 0) & ~known

    def damping(self, frequency: float) -> FloatArray:
        """What an oscillation with the lag is damped by at each lag, because frames were added up, shape (n_lags,).

        (sinc(f s) / sinc(f))**2, f in cycles per frame and s the number of frames that were `summed`. What goes on
        within a frame is damped before by sinc(f)**2.

        Parameters
        ----------
        frequency : float
            Cycles in the unit of `lags`; no more than half a cycle per frame can be told apart.
        """
        per_frame = frequency * frame_of(self.lags)
        return np.asarray((np.sinc(per_frame * self.summed) / np.sinc(per_frame)) ** 2, dtype=np.float64)

    def _averaging(self) -> tuple[FloatArray, FloatArray]:
        """The bias of each cell, and how far its value is from the parabola."""
        bias, misfit = np.zeros(self.values.shape), np.zeros(self.values.shape)
        x = np.log(self.lags)
        for age, there in enumerate(self.n_pairs > 0):
            at = np.flatnonzero(there)
            for lag in np.flatnonzero(self.width > 0):
                near = at[np.argsort(np.abs(x[at] - x[lag]), kind="stable")[:NEIGHBOURS]]
                if not there[lag] or len(near) < NEIGHBOURS:
                    bias[:, age, lag] = misfit[:, age, lag] = np.nan
                    continue
                constant, slope, curve = np.linalg.pinv(np.vander(x[near] - x[lag], 3, increasing=True))
                values = self.values[:, age, near]
                second = (2 * values @ curve - values @ slope) / self.lags[lag] ** 2
                bias[:, age, lag] = self.width[lag] ** 2 * second / 2
                misfit[:, age, lag] = np.abs(self.values[:, age, lag] - values @ constant)
        return bias, misfit

    def g2(self) -> G2:
        """The mean over all ages."""
        weight = self.n_pairs / self.n_pairs.sum(axis=0)
        return self._g2(
            np.einsum("al,bgal->bgl", weight, np.where(self.n_pairs > 0, self.groups, 0)), self.n_pairs.sum(axis=0)
        )

    def g2_at(self, age: int) -> G2:
        """The section `age`, counted from 0."""
        return self._g2(self.groups[:, :, age], self.n_pairs[age])

    def _g2(self, groups: FloatArray, n_pairs: FloatArray) -> G2:
        there = n_pairs > 0
        return G2.of_groups(
            self.lags[there],
            1 + groups[..., there],
            n_pairs=np.ceil(n_pairs[there]),
            weights=self.weights,
            width=self.width[there],
        )

    def in_seconds(self, frame_time: float) -> AgeLagCorrelation:
        """The same with ages and lags in seconds, where they are in frames."""
        return replace(self, ages=self.ages * frame_time, lags=self.lags * frame_time, width=self.width * frame_time)

    def record(self) -> AgeLagMap:
        """What is kept with a measurement."""
        return AgeLagMap(
            values=self.values.astype(np.float32),
            errors=self.errors.astype(np.float32),
            ages=self.ages,
            lags=self.lags,
        )
