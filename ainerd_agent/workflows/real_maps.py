"""Measured maps to learn from or to be judged by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RealMaps:
    """A file of measured C2 maps, and how they are normalised.

    Attributes
    ----------
    file : Path or str
        As `ainerd ingest` reads it. Its columns `series` and `roi` say what belongs together, `is_mean` which maps are
        means of others.
    baseline : float
        Value of uncorrelated times: 1 for maps normalised like g2, 0 for this package's own.
    contrast : float or None
        Speckle contrast, where it is known; estimated from each map where not.
    """

    file: Path | str
    baseline: float = 1.0
    contrast: float | None = None
