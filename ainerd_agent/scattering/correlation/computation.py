"""How sums over frames are taken, and where: what changes the time and the last digits, but not the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Precision = Literal["single", "double"]

FRAMES_PER_READ = 64
"""Frames of a dataset that are read at a time."""

EXACT_READINGS = 30_000_000
"""Readings (frames x pixels) up to which sums are taken in double precision, because it costs next to nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Computation:
    """How sums over frames are taken.

    Parameters
    ----------
    precision : {"single", "double"}, optional
        By default double for small movies, where it costs nothing. Differences are below 1e-5 of the map's range, but
        for single flashes far brighter than the rest.
    device : str, optional
        "cuda" to fold on a GPU with torch; any torch device. By default the processor, with numba.
    threads : int, optional
        As many as there are processors by default.
    """

    precision: Precision | None = None
    device: str | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.precision is not None:
            dtype_of(self.precision)

    def dtype(self, n_readings: int) -> np.dtype[Any]:
        """Type of the sums of a movie with so many readings."""
        return dtype_of(self.precision or ("double" if n_readings <= EXACT_READINGS else "single"))


AUTOMATIC = Computation()


def dtype_of(precision: Precision) -> np.dtype[Any]:
    """float32 or float64."""
    if precision not in ("single", "double"):
        raise ValueError(f'precision must be "single" or "double", not {precision!r}')
    return np.dtype(np.float64 if precision == "double" else np.float32)
