"""A movie in a Tiled server."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import FrameError, FrameTimeoutError
from ainerd_agent.scattering.frames.read_ahead import ReadAhead

BLOCK_BYTES = 16 << 20
"""Of one request."""

THREADS = 2
"""Requests under way."""

ATTEMPTS = 5
"""For one block of frames, with pauses between them that double."""

PAUSE = 0.1
"""Seconds before the second attempt."""

PASSING = 422
"""HTTP status after which the same request may succeed: what Tiled answers while a stack of frames grows and its shape
in the catalog and in the file are not the same. Its client does not ask again then. It does, by itself, after a broken
connection, 429 and 5xx: up to 10 times or for 45 seconds. Repeating that here would take minutes for a server that is
gone."""


@dataclass(frozen=True, slots=True, eq=False)
class CountedOn:
    """An array of rows, (rows, frames, H, W), as one of frames that are counted on from row to row.

    Parameters
    ----------
    array : tiled.client.array.ArrayClient
    """

    array: Any

    @property
    def dtype(self) -> Any:
        """Of the counts."""
        return self.array.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """(frames, H, W)."""
        rows, frames, *frame = self.array.shape
        return rows * frames, *frame

    def __getitem__(self, frames: slice) -> NDArray[Any]:
        """Consecutive frames, read with the rows that they are in."""
        per_row = self.array.shape[1]
        first, last = frames.start // per_row, -(-frames.stop // per_row)
        rows = np.asarray(self.array[slice(first, last)])
        counted = rows.reshape(-1, *rows.shape[2:])
        return counted[frames.start - first * per_row : frames.stop - first * per_row]


@dataclass(frozen=True, slots=True, eq=False)
class TiledFrames:
    """Frames `start` to `stop` of an array in a Tiled server.

    Blocks are requested in two threads while the frames before them are used.

    Parameters
    ----------
    array : tiled.client.array.ArrayClient
        Shape (frames, H, W), or (events, frames, H, W) with `event`.
    start : int
        First frame.
    stop : int, optional
        The frame after the last one; by default all that the array has.
    event : int, optional
        Which movie of an array of four dimensions.

    Raises
    ------
    FrameError
        It is no array, holds no real numbers, or has another number of dimensions. When it is read: the server does not
        give the frames, after some attempts.
    FrameTimeoutError
        It has fewer frames than were announced: make it again for those that were `received`.
    """

    array: Any
    start: int = 0
    stop: int | None = None
    event: int | None = None

    def __post_init__(self) -> None:
        if not hasattr(self.array, "shape"):
            raise FrameError(f"what was named in Tiled is no array: {self.array!r}")
        if np.dtype(self.array.dtype).kind not in "uifb":
            raise FrameError(f"the array in Tiled holds {np.dtype(self.array.dtype)}, which is no counts")
        shape = tuple(self.array.shape)
        wanted = "(frames, H, W)" if self.event is None else "(events, frames, H, W)"
        if len(shape) != (3 if self.event is None else 4):
            raise FrameError(f"the array in Tiled has the shape {shape}; {wanted} is needed")
        if self.event is not None and not 0 <= self.event < shape[0]:
            raise FrameError(f"the array in Tiled holds {shape[0]} events; there is no event {self.event}")
        stop = shape[-3] if self.stop is None else self.stop
        if not 0 <= self.start <= stop <= shape[-3]:
            raise FrameTimeoutError(
                f"the array in Tiled holds {shape[-3]} frames where {self.start} to {stop} were announced",
                max(0, shape[-3] - self.start),
                max(0, stop - self.start),
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, H, W)."""
        frames, rows, columns = self.array.shape[-3:]
        return (frames if self.stop is None else self.stop) - self.start, rows, columns

    def blocks(self, needed: NDArray[np.bool_] | None = None) -> Iterator[NDArray[Any]]:
        """Consecutive blocks of frames; `needed` changes nothing (see `HDF5Frames.blocks`)."""
        n_frames, *frame = self.shape
        size = max(1, BLOCK_BYTES // max(1, math.prod(frame) * np.dtype(self.array.dtype).itemsize))
        ended = threading.Event()
        with ReadAhead(partial(self._read, ended), THREADS) as ahead:
            try:
                asked, stop = self.start, self.start + n_frames
                while asked < stop or ahead:
                    while asked < stop and not ahead.full:
                        ahead.ask(asked, min(asked + size, stop))
                        asked = min(asked + size, stop)
                    yield ahead.take()[2]
            finally:
                ended.set()  # or whoever stops, or learns of an error, would wait for attempts at other blocks

    def _read(self, ended: threading.Event, first: int, last: int) -> NDArray[Any]:
        import httpx

        frames = slice(first, last)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                block = np.asarray(self.array[frames if self.event is None else (self.event, frames)])
                break
            except (httpx.HTTPError, KeyError, ValueError) as error:  # KeyError: 410, the file is gone
                status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else None
                again = status == PASSING or isinstance(error, ValueError)  # ValueError: fewer bytes than frames need
                if attempt == ATTEMPTS or not again or ended.wait(PAUSE * 2 ** (attempt - 1)):
                    what = str(error) or type(error).__name__
                    raise FrameError(
                        f"Tiled does not give frames {first} to {last - 1} after {attempt} attempts: {what}"
                    ) from error
        if block.shape != (last - first, *self.shape[1:]):
            raise FrameError(f"Tiled gave an array of shape {block.shape} for frames {first} to {last - 1}")
        return block
