"""Bad pixels of a layout: which count for nothing from the start, and what is made of sums at the end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import FrameError
from ainerd_agent.records import FloatArray
from ainerd_agent.records.arrays import IntArray
from ainerd_agent.records.bad_pixels import BadPixels
from ainerd_agent.scattering.correlation._engine import kernels
from ainerd_agent.scattering.correlation._engine.layout import PixelLayout
from ainerd_agent.scattering.correlation.bad_pixels import FEWEST, FULL, GOOD, PixelSums, judge, kind_names
from ainerd_agent.scattering.correlation.normalisation import Normalisation

OPENING = 64
"""Frames at the start of a movie by which pixels are judged before any is folded: a pixel that is bad from the start
then leaves no trace, however bright it is."""

Verdicts = NDArray[np.int8]


def _nothing() -> IntArray:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class PixelWatch:
    """What a fold does about bad pixels.

    Attributes
    ----------
    silent : ndarray of int
        Positions in the layout of pixels that count for nothing, rising.
    watched : bool
        Whether counts and squares of the others are added up, to judge them.
    """

    silent: IntArray = field(default_factory=_nothing)
    watched: bool = False


UNWATCHED = PixelWatch()


def verdicts_of(
    layout: PixelLayout, sums: PixelSums, normalisation: Normalisation, known: Verdicts | None = None
) -> Verdicts:
    """Judge the pixels of a layout.

    Parameters
    ----------
    layout : PixelLayout
    sums : PixelSums
        In the order of the layout.
    normalisation : Normalisation
        Which may know at which counts a pixel is full.
    known : ndarray of int8, shape (N,), optional
        Earlier verdicts, which stay.

    Returns
    -------
    ndarray of int8, shape (N,)

    Raises
    ------
    FrameError
        No pixel of a bin is good.
    """
    rows, columns = np.divmod(layout.pixels.astype(np.int64), layout.shape[1])
    found = np.zeros(len(layout), dtype=np.int8) if known is None else known.copy()
    for first, stop in pairwise(layout.bin_edges.tolist()):
        part, of_bin = slice(first, stop), found[first:stop]
        told = judge(
            PixelSums(sums.n_frames, sums.total[part], sums.squares[part]),
            rows[part],
            columns[part],
            ceiling=np.inf if normalisation.saturation is None else normalisation.saturation,
            known=of_bin != GOOD,
        )
        of_bin[told != GOOD] = told[told != GOOD]
    if found.any():
        refuse_lost(layout, found)
    return found


def opening_verdicts(layout: PixelLayout, parts: Iterable[NDArray[Any]], normalisation: Normalisation) -> Verdicts:
    """Judge pixels by the first frames.

    Parameters
    ----------
    layout : PixelLayout
    parts : iterable of ndarray, shape (n, N)
        Raw counts. A pixel none of whose readings is a count (negative, as detectors mark gaps in signed integers, or
        NaN) is taken as full; single readings that are none are refused elsewhere.
    normalisation : Normalisation
    """
    total, squares = np.zeros(len(layout)), np.zeros(len(layout))
    counted = np.zeros(len(layout), dtype=bool)
    n_frames = 0
    for part in parts:
        if part.dtype.kind not in "bu":
            counts = (part >= 0) & (part < np.inf)
            counted |= counts.any(axis=0)
            part = np.where(counts, part, 0)
        else:
            counted[:] = True
        kernels.sum_raw_frames(part, total, squares)
        n_frames += len(part)
    known = np.where(counted | (n_frames < FEWEST), np.int8(GOOD), np.int8(FULL))
    return verdicts_of(layout, PixelSums(n_frames, total, squares), normalisation, known)


def refuse_lost(layout: PixelLayout, verdicts: Verdicts) -> None:
    """Refuse bins without a good pixel."""
    edges = layout.bin_edges.tolist()
    lost = [number for number, (first, stop) in enumerate(pairwise(edges)) if (verdicts[first:stop] != GOOD).all()]
    if lost:
        kinds = ", ".join(np.unique(kind_names(verdicts[verdicts != GOOD])))
        raise FrameError(
            f"no pixel of bin {', '.join(map(str, layout.bin_numbers[lost]))} is good ({kinds}: full ones are at the "
            "detector's ceiling): check the detector, mask the bin, or set detect_bad_pixels to false"
        )


def bad_pixels_of(layout: PixelLayout, verdicts: Verdicts, in_part: IntArray) -> BadPixels:
    """The record of what was found; `in_part` are positions of pixels of which some trace stays."""
    at = np.flatnonzero(verdicts != GOOD)
    if at.size == 0:
        return BadPixels.none()
    bins = layout.bin_numbers[np.repeat(layout.cell_bin, layout.cell_size)]
    return BadPixels.of(
        layout.pixels[at],
        layout.shape[1],
        bins=bins[at],
        kinds=kind_names(verdicts[at]),
        in_part=np.isin(at, in_part),
    )


def good_in_cells(layout: PixelLayout, left_out: IntArray) -> IntArray:
    """Pixels of each cell without those at the positions `left_out`, shape (n_cells,)."""
    if len(left_out) == 0:
        return layout.cell_size
    cell = np.searchsorted(layout.cells, left_out, side="right") - 1
    return np.asarray(layout.cell_size - np.bincount(cell, minlength=len(layout.cell_bin)), dtype=np.int64)


def sums_of(moments: FloatArray, n_frames: int) -> PixelSums:
    """Moments as a fold keeps them, shape (2, N), as sums."""
    return PixelSums(n_frames, moments[0], moments[1])
