"""A movie in memory, or in anything that can be sliced like an array."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import FrameError

FRAMES_PER_BLOCK = 128


@dataclass(frozen=True, slots=True, eq=False)
class ArrayFrames:
    """Frames of shape (T, H, W): a numpy array, or an object with `shape` whose slices become arrays (dask).

    Raises
    ------
    FrameError
        The shape has another number of dimensions; a slice has another shape than was asked for.
    """

    frames: Any

    def __post_init__(self) -> None:
        if len(self.frames.shape) != 3:
            raise FrameError(f"frames must have the shape (T, H, W), got {tuple(self.frames.shape)}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, H, W)."""
        n_frames, rows, columns = (int(size) for size in self.frames.shape)
        return n_frames, rows, columns

    def first(self, n_frames: int) -> ArrayFrames:
        """The source of the first frames alone."""
        return ArrayFrames(self.frames[:n_frames])

    def blocks(self, needed: NDArray[np.bool_] | None = None) -> Iterator[NDArray[Any]]:
        """Consecutive blocks of frames; `needed` changes nothing (see `HDF5Frames.blocks`)."""
        n_frames, *frame = self.shape
        for start in range(0, n_frames, FRAMES_PER_BLOCK):
            stop = min(start + FRAMES_PER_BLOCK, n_frames)
            block = np.asanyarray(self.frames[start:stop])
            if block.shape != (stop - start, *frame):
                raise FrameError(f"frames {start} to {stop - 1} came as an array of shape {block.shape}")
            yield block
