"""What gives the frames of a movie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records.arrays import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class PhotonEvents:
    """Consecutive frames of which only the pixels with counts are listed; the sparse form of a block of frames.

    Attributes
    ----------
    frame : ndarray of int, shape (n,)
        Frame of each event, counted from the first frame of the movie; never decreasing.
    pixel : ndarray of int, shape (n,)
        Row * W + column. The same pixel may come several times in a frame: its counts add up.
    count : ndarray of int, shape (n,)
        Photons.
    stop : int
        The block is complete up to this frame, which is not part of it. Frames without events are dark frames.
    """

    frame: NDArray[Any]
    pixel: NDArray[Any]
    count: NDArray[Any]
    stop: int


@dataclass(frozen=True, slots=True, eq=False)
class NumberedFrames:
    """A block of frames with their places in the movie; what lies between was dropped by the detector.

    Attributes
    ----------
    frames : ndarray, shape (t, H, W)
    numbers : ndarray of int64, shape (t,)
        Place of each frame in the movie, from 0, rising.
    times : ndarray, shape (t,), or None
        Of each frame, as the detector wrote it (areaDetector: seconds), rising.
    """

    frames: NDArray[Any]
    numbers: NDArray[np.int64]
    times: FloatArray | None


class FrameSource(Protocol):
    """Frames that are read when they are needed, block by block."""

    @property
    def shape(self) -> tuple[int | None, int, int]:
        """(T, H, W); T is None where nobody knows how long the movie will be before it ends."""
        ...

    def blocks(self, needed: NDArray[np.bool_] | None = None) -> Iterator[NDArray[Any] | NumberedFrames | PhotonEvents]:
        """Consecutive blocks of frames, each of shape (t, H, W), with numbers, or as photon events.

        `needed` (H, W) tells which pixels will be looked at; the others may be anything, if that is faster.
        """
        ...
