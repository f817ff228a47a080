"""A movie in a Tiled server."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import FrameError
from ainerd_agent.scattering.sources.read_ahead import ReadAhead

BLOCK_BYTES = 16 << 20
"""Of one request."""

THREADS = 2
"""Requests under way."""

ATTEMPTS = 5
"""For one block of frames, with pauses between them that double."""

PAUSE = 0.1
"""Seconds before the second attempt."""

PASSING = (422, 429, 500, 502, 503, 504)
"""HTTP status after which the same request may succeed. 422 is what Tiled answers while a stack of frames grows and
its shape in the catalog and in the file are not the same."""


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
        The array has another number of dimensions, or fewer frames. When it is read: the server does not give the
        frames, after some attempts.
    """

    array: Any
    start: int = 0
    stop: int | None = None
    event: int | None = None

    def __post_init__(self) -> None:
        shape = tuple(self.array.shape)
        wanted = "(frames, H, W)" if self.event is None else "(events, frames, H, W)"
        if len(shape) != (3 if self.event is None else 4):
            raise FrameError(f"the array in Tiled has the shape {shape}; {wanted} is needed")
        if self.event is not None and not 0 <= self.event < shape[0]:
            raise FrameError(f"the array in Tiled holds {shape[0]} events; there is no event {self.event}")
        stop = shape[-3] if self.stop is None else self.stop
        if not 0 <= self.start <= stop <= shape[-3]:
            raise FrameError(f"the array in Tiled holds {shape[-3]} frames where {self.start} to {stop} were announced")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, H, W)."""
        frames, rows, columns = self.array.shape[-3:]
        return (frames if self.stop is None else self.stop) - self.start, rows, columns

    def blocks(self, needed: NDArray[np.bool_] | None = None) -> Iterator[NDArray[Any]]:
        """Consecutive blocks of frames; `needed` changes nothing (see `HDF5Frames.blocks`)."""
        n_frames, *frame = self.shape
        size = max(1, BLOCK_BYTES // max(1, math.prod(frame) * np.dtype(self.array.dtype).itemsize))
        with ReadAhead(self._read, THREADS) as ahead:
            asked, stop = self.start, self.start + n_frames
            while asked < stop or ahead:
                while asked < stop and not ahead.full:
                    ahead.ask(asked, min(asked + size, stop))
                    asked = min(asked + size, stop)
                yield ahead.take()[2]

    def _read(self, first: int, last: int) -> NDArray[Any]:
        import httpx

        frames = slice(first, last)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                block = np.asarray(self.array[frames if self.event is None else (self.event, frames)])
            except (httpx.HTTPError, ValueError) as error:
                status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else None
                if attempt == ATTEMPTS or not (status is None or status in PASSING):
                    raise FrameError(
                        f"Tiled does not give frames {first} to {last - 1} after {attempt} attempts: {error}"
                    ) from error
                time.sleep(PAUSE * 2 ** (attempt - 1))
            else:
                break
        if block.shape != (last - first, *self.shape[1:]):
            raise FrameError(f"Tiled gave an array of shape {block.shape} for frames {first} to {last - 1}")
        return block
