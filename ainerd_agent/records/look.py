"""A look at an exposure: what its first frames say, live or cut out of what is stored."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import FrameError
from ainerd_agent.records.arrays import FloatArray, MapStack
from ainerd_agent.records.fingerprints import AgeLagMap, Bins
from ainerd_agent.records.run import Events, Origin

LookSource = Literal["live", "crop"]
"""Where a look comes from: a running exposure, or stored maps of a whole one."""

SHARES = (0.05, 0.10, 0.20, 0.40, 0.70, 1.00)
"""Shares of the planned count at which an exposure is looked at."""

FEWEST_FRAMES = 64
"""Frames that a look needs: where bad frames and pixels are detected, none is folded before so many have come."""


EARLY = ("converged", "recognised", "damaged", "stopped")
"""Why an exposure may end before its planned count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyEnd:
    """Why an exposure ended before its planned count.

    Attributes
    ----------
    reason : str
        "converged", "recognised", "damaged" or "stopped"; as `Exposure.ended`.
    look : int or None
        The look at which that was decided, from 1; None where no look decided it.
    """

    reason: str
    look: int | None = None

    def __post_init__(self) -> None:
        if self.reason not in EARLY:
            raise ValueError(f"an exposure ends early as {', '.join(EARLY)}, not {self.reason!r}")
        if self.look is not None and self.look < 1:
            raise ValueError(f"looks are counted from 1, got {self.look}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the first frames of an exposure say, per bin, on the grid of the planned exposure.

    A live look and the crop of a stored map agree in the first `n_complete` rows and in the `complete` cells of age and
    lag, but for the mean intensity: a live look is divided by that of its frames, a crop by that of the whole exposure.
    Beyond them a live look has the means over the frames that have come; in a crop later frames take part in the rows
    (none take part in the cells: they are NaN).

    Attributes
    ----------
    origin : Origin
        The exposure: run, stream and events.
    source : {"live", "crop"}
        Which of the two it is.
    number : int
        Of the look, from 1.
    frames, planned_frames : int
        So far, and planned.
    seconds, planned_seconds : float
        The same in seconds.
    c2 : ndarray of float32, shape (n_bins, n_rows, n_rows)
        The first rows and columns of the map of the planned exposure, those whose middle has come; baseline 0. A row
        spans `planned_seconds` / `plan_rows`.
    plan_rows : int
        Rows of the map of the planned exposure.
    n_complete : int
        Rows whose smoothing does not reach over the last frame.
    bins : Bins
    mean_counts : ndarray, shape (n_bins,)
        Counts per pixel and frame: of the frames so far, of a crop those of the whole exposure.
    contrast : ndarray, shape (n_bins,)
        C2 from one frame to the next; in a crop that of its complete sections of age, or, where there is none, of the
        first diagonal of its map.
    lags : ndarray, shape (n_lags,)
        Of g2, seconds: those of frames, or those of the rows of the map where frames were not correlated over age and
        lag, as in a crop.
    g2, g2_error : ndarray, shape (n_bins, n_lags)
        Mean over age, and its standard error (NaN where it is not known).
    intensity : ndarray, shape (n_bins, n_sections), or None
        Counts per pixel and frame in equal sections of time, NaN in one without a good frame; None in a crop.
    age_lag : AgeLagMap or None
        In the sections of age of the planned exposure; NaN in cells that have no pair. None where there is none, or the
        stored map does not say which frames it was made of.
    complete : ndarray of bool, shape (n_ages, n_lags), or None
        Cells of `age_lag` all of whose pairs have come.
    problems : tuple of str
        What is doubtful, in words.
    """

    origin: Origin
    source: LookSource
    number: int
    frames: int
    planned_frames: int
    seconds: float
    planned_seconds: float
    c2: MapStack
    plan_rows: int
    n_complete: int
    bins: Bins
    mean_counts: FloatArray
    contrast: FloatArray
    lags: FloatArray
    g2: FloatArray
    g2_error: FloatArray
    intensity: FloatArray | None = None
    age_lag: AgeLagMap | None = None
    complete: NDArray[np.bool_] | None = None
    problems: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.source not in ("live", "crop"):
            raise ValueError(f"a look is live or crop, not {self.source!r}")
        if self.number < 1:
            raise ValueError(f"looks are counted from 1, got {self.number}")
        if not 0 < self.frames <= self.planned_frames:
            raise ValueError(f"a look has between 1 and all {self.planned_frames} planned frames, got {self.frames}")

    @property
    def live(self) -> bool:
        """Whether it is a look at a running exposure."""
        return self.source == "live"

    @property
    def events(self) -> Events:
        """The events of the exposure."""
        return self.origin.events

    @property
    def share(self) -> float:
        """Part of the planned frames."""
        return self.frames / self.planned_frames


def look_frames(planned: int, shares: Sequence[float] = SHARES, *, fewest: int = FEWEST_FRAMES) -> tuple[int, ...]:
    """After how many frames an exposure is looked at.

    Parameters
    ----------
    planned : int
        Frames of the exposure.
    shares : sequence of float
        Of the planned frames, each above 0 and up to 1; rounded up to whole frames.
    fewest : int
        Looks at fewer frames are left out, except one at all of them.

    Returns
    -------
    tuple of int
        Rising, each once; empty where no share is left.

    Raises
    ------
    FrameError
        Fewer than two planned frames.
    ValueError
        A share that is not above 0 and up to 1.
    """
    if planned < 2:
        raise FrameError(f"an exposure of {planned} planned frames cannot be looked at: plan 2 frames or more")
    if wrong := [each for each in shares if not 0 < each <= 1]:
        raise ValueError(f"shares of the planned count lie above 0 and up to 1, got {wrong[0]}")
    # 0.07 of 100 frames are 7, though 0.07 * 100 is more than that in floating point.
    counts = {math.ceil(Fraction(str(float(each))) * planned) for each in shares}
    return tuple(sorted(n for n in counts if n >= fewest or n == planned))
