"""Which crops of a map are looked at: their durations, in two ladders, and their places along the diagonal.

A crop of duration d at age a is the square [a, a + d] x [a, a + d] of the map. Durations in *shapes* are 1, 1/2, 1/4
and 1/8 of the exposure: one looks at the same part of each. Durations in *seconds* are powers of two seconds,
the same for all exposures: one looks at the same time in each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SHARES = (1.0, 0.5, 0.25, 0.125)
"""Of the exposure: the ladder in shapes."""

FEWEST_PIXELS = 16
"""Of a crop's side. With fewer, the crop says more of the pixels than of the dynamics (benchmarks/time_scales.py)."""

MOST_OF_IT = 2 / 3
"""Of the exposure: two longer crops would overlap by more than half."""

ROUNDING = 1e-6
"""By which a duration may exceed the exposure, relative: exposures are sums of frame times."""


@dataclass(frozen=True, slots=True)
class Crop:
    """A square on the diagonal of a map.

    Attributes
    ----------
    scale : float
        Its duration, as a share of the exposure.
    place : int
        Among those of its scale, from 0, in order of age.
    start : float
        Age at which it begins, as a share of the exposure.
    seconds : float
        Its duration; NaN where that of the exposure is not known.
    """

    scale: float
    place: int
    start: float
    seconds: float


def crops_of(exposure: float, n_pixels: int) -> list[Crop]:
    """All crops of a map, from the longest to the shortest, in order of age.

    Parameters
    ----------
    exposure : float
        Seconds that a side of the map spans; NaN where it is not known, and the crops are in shapes only.
    n_pixels : int
        That a side of the map resolves: its size, or the number of frames where there were fewer.

    Returns
    -------
    list of Crop
        Empty for a map that is too small for the whole of it to be one.
    """
    return [crop for scale, seconds in _scales(exposure, n_pixels) for crop in _places(scale, seconds)]


def rungs(exposure: float, n_pixels: int) -> list[float]:
    """Durations of the ladder in seconds that a map has crops of, the longest first."""
    if not exposure > 0 or not math.isfinite(exposure):
        return []
    longest = math.floor(math.log2(exposure * (1 + ROUNDING)))
    shortest = math.ceil(math.log2(exposure * FEWEST_PIXELS / n_pixels * (1 - ROUNDING)))
    return [2.0**power for power in range(longest, shortest - 1, -1)]


def is_rung(seconds: float) -> bool:
    """Whether a duration is on the ladder in seconds."""
    return 0 < seconds < math.inf and math.frexp(seconds)[0] == 0.5


def _scales(exposure: float, n_pixels: int) -> list[tuple[float, float]]:
    """Durations of both ladders, as shares of the exposure and in seconds; what is in both is there once."""
    known = exposure if exposure > 0 and math.isfinite(exposure) else math.nan
    found = {share: share * known for share in SHARES if share * n_pixels >= FEWEST_PIXELS}
    for seconds in rungs(exposure, n_pixels):
        share = min(1.0, seconds / exposure)
        same = next((each for each in found if math.isclose(each, share, rel_tol=2 * ROUNDING)), share)
        found[same] = seconds
    return sorted(found.items(), reverse=True)


def _places(scale: float, seconds: float) -> list[Crop]:
    """The fewest crops that cover the exposure, evenly spread; one in the middle where two would overlap too much."""
    if scale * (1 - ROUNDING) > MOST_OF_IT:
        return [Crop(scale, 0, (1 - scale) / 2, seconds)]
    count = math.ceil(1 / scale * (1 - ROUNDING))
    step = (1 - scale) / (count - 1)
    return [Crop(scale, place, place * step, seconds) for place in range(count)]
