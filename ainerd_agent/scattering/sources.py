"""Where frames come from. A source is opened when it is read, and gives blocks of frames in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import FrameError

BLOCK = 128
"""Frames read at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class ArrayFrames:
    """Frames in memory, shape (T, H, W)."""

    frames: NDArray[Any]

    def __post_init__(self) -> None:
        if self.frames.ndim != 3:
            raise FrameError(f"frames must have the shape (T, H, W), got {self.frames.shape}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, H, W)."""
        n_frames, rows, columns = self.frames.shape
        return n_frames, rows, columns

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Consecutive blocks of frames."""
        for start in range(0, len(self.frames), BLOCK):
            yield self.frames[start : start + BLOCK]


@dataclass(frozen=True, slots=True)
class HDF5Frames:
    """Frames `start` to `stop` of a stack (frames, H, W) in an HDF5 file that may still be written (SWMR).

    Live analysis reads the file itself and not through Tiled, because a growing stack of three dimensions is not
    always readable there while the run is on.
    """

    path: Path
    dataset: str
    start: int
    stop: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, H, W)."""
        with self._open() as file:
            return self.stop - self.start, *self._stack(file).shape[1:]

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Consecutive blocks of frames."""
        with self._open() as file:
            stack = self._stack(file)
            for first in range(self.start, self.stop, BLOCK):
                last = min(first + BLOCK, self.stop)
                try:
                    yield np.asarray(stack[first:last])
                except OSError as error:
                    raise FrameError(f"frames {first} to {last - 1} of {self.path} cannot be read: {error}") from error

    def _open(self) -> h5py.File:
        try:
            return h5py.File(self.path, "r", libver="latest", swmr=True)
        except FileNotFoundError as error:
            raise FrameError(
                f"the detector file {self.path} is not there: is the detector's disk mounted on this machine?"
            ) from error
        except OSError as error:
            raise FrameError(f"{self.path} is not a readable HDF5 file (truncated, or still empty): {error}") from error

    def _stack(self, file: h5py.File) -> h5py.Dataset:
        stack = file.get(self.dataset)
        if not isinstance(stack, h5py.Dataset):
            raise FrameError(f"{self.path} has no dataset {self.dataset}")
        if stack.ndim != 3:
            raise FrameError(f"{self.dataset} of {self.path} has the shape {stack.shape}; (frames, H, W) is needed")
        if len(stack) < self.stop:
            raise FrameError(
                f"{self.path} holds {len(stack)} frames where {self.stop} were announced: it is truncated, or the "
                "exposure was cut short"
            )
        return stack
