"""Photon events in blocks of whole frames, checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import FrameError
from ainerd_agent.records import PhotonEvents

EVENTS_PER_BLOCK = 1 << 18
"""Few enough to stay in the cache until they are used."""

Columns = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
"""Frame, pixel and count of consecutive events."""


def event_blocks(
    path: Path, read: Callable[[int, int], Columns], n_events: int, shape: tuple[int, int, int]
) -> Iterator[PhotonEvents]:
    """Blocks of whole frames.

    Parameters
    ----------
    path : Path
        For messages.
    read : callable
        Gives the events from the first number to the one before the second.
    n_events : int
    shape : tuple of int
        (T, H, W).

    Raises
    ------
    FrameError
        Events that are out of order, outside of the detector or of the movie, or with negative counts.
    """
    at, size = 0, EVENTS_PER_BLOCK
    while at < n_events:
        stop = min(at + size, n_events)
        frame, pixel, count = read(at, stop)
        _check(path, at, frame, pixel, count, shape)
        if stop == n_events:
            whole, end = len(frame), shape[0]
        else:
            # The last frame may go on: it begins the next block.
            whole, end = int(np.searchsorted(frame, frame[-1])), int(frame[-1])
            if whole == 0:
                size *= 2
                continue
        yield PhotonEvents(frame[:whole], pixel[:whole], count[:whole], end)
        at, size = at + whole, EVENTS_PER_BLOCK
    if n_events == 0:
        nothing = np.empty(0, np.uint32)
        yield PhotonEvents(nothing, nothing, nothing, shape[0])


def _check(
    path: Path, at: int, frame: NDArray[Any], pixel: NDArray[Any], count: NDArray[Any], shape: tuple[int, int, int]
) -> None:
    falling = frame[1:] < frame[:-1]
    if falling.any():
        where = int(np.flatnonzero(falling)[0]) + 1
        raise FrameError(
            f"event {at + where} of {path} lies in frame {frame[where]}, the one before it in frame "
            f"{frame[where - 1]}: the file is not sorted by frame"
        )
    if frame[-1] >= shape[0] or frame[0] < 0:
        wrong = frame[-1] if frame[-1] >= shape[0] else frame[0]
        raise FrameError(f"{path} has events in frame {wrong}; the movie has {shape[0]} frames")
    high, low = int(pixel.max()), 0 if pixel.dtype.kind == "u" else int(pixel.min())
    if high >= shape[1] * shape[2] or low < 0:
        raise FrameError(
            f"{path} has events in pixel {low if low < 0 else high}; the detector has {shape[1]} x {shape[2]} pixels"
        )
    if count.dtype.kind != "u" and count.min() < 0:
        raise FrameError(f"{path} has an event of {count.min()} photons")
