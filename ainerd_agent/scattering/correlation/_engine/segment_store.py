"""Frames that wait, because nobody knows yet how many will come: the resize matrix depends on it."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records import FloatArray, PhotonEvents
from ainerd_agent.scattering.correlation._engine.layout import Addresses

IN_MEMORY = 2**29
"""Bytes of frames that are kept in memory; what comes after goes to a temporary file."""

NO_SCALE: FloatArray = np.empty((0, 0))
"""Of frames that are not multiplied."""


class SegmentStore:
    """Segments in the order they came. Counts that fit are kept in single bytes."""

    def __init__(self) -> None:
        self._room = IN_MEMORY
        self._segments: list[tuple[Segment, tuple[int, np.dtype[Any], tuple[int, ...]] | None]] = []
        self._file: IO[bytes] | None = None

    def add(self, segment: Segment) -> None:
        """Keep a segment whose frames hold nothing but the used pixels."""
        frames = segment.data
        if isinstance(frames, PhotonEvents):
            self._segments.append((segment, None))
            return
        if np.issubdtype(frames.dtype, np.unsignedinteger) and frames.max(initial=0) < 255:  # 255 would look full
            frames = frames.astype(np.uint8)
        if frames.nbytes <= self._room:
            self._room -= frames.nbytes
            self._segments.append((replace(segment, data=frames), None))
            return
        if self._file is None:
            # It lives as long as the store does, and goes with it.
            self._file = tempfile.TemporaryFile(prefix="ainerd-frames-")  # noqa: SIM115
            weakref.finalize(self, self._file.close)
        at = self._file.seek(0, 2)
        self._file.write(np.ascontiguousarray(frames).data)
        empty: NDArray[Any] = np.empty((0, frames.shape[1]), dtype=frames.dtype)
        self._segments.append((replace(segment, data=empty), (at, frames.dtype, frames.shape)))

    def __iter__(self) -> Iterator[Segment]:
        for segment, place in self._segments:
            if place is None or self._file is None:
                yield segment
                continue
            at, dtype, shape = place
            self._file.seek(at)
            stored = self._file.read(int(np.prod(shape)) * dtype.itemsize)
            yield replace(segment, data=np.frombuffer(stored, dtype).reshape(shape))

    def __len__(self) -> int:
        return len(self._segments)


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Consecutive frames on their way.

    Attributes
    ----------
    numbers : ndarray, shape (n,)
        Frame numbers, rising.
    data : ndarray or PhotonEvents
        Frames (n, n_frame), or the events of all frames from the first to the last number.
    addresses : Addresses or None
        Where the used pixels stand in the frames.
    totals : ndarray, shape (n, n_bins), or None
        Raw counts by bin, where somebody needs them.
    scale : ndarray, shape (n, n_bins), or (0, 0)
        What the counts are multiplied by; infinite where a bin has none that could be divided by their mean.
    """

    numbers: NDArray[np.int64]
    data: NDArray[Any] | PhotonEvents
    addresses: Addresses | None
    totals: FloatArray | None
    scale: FloatArray
