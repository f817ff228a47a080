"""Movies that are sliced along their first axis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FRAMES_PER_FOLD = 1024
"""Frames of a movie in memory that are folded at a time."""


@dataclass(frozen=True, slots=True)
class Sliced:
    """The frames of what can be sliced along its first axis, so many at a time."""

    frames: Any
    step: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (T, H, W)."""
        n_frames, rows, columns = self.frames.shape
        return n_frames, rows, columns

    def blocks(self, needed: NDArray[np.bool_] | None = None) -> Iterator[NDArray[Any]]:
        """The frames, block by block."""
        for start in range(0, self.shape[0], self.step):
            yield self.frames[start : start + self.step]
