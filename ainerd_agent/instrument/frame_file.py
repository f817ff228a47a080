"""The file of the area detector: rows of frames, appended while others read them, and the documents that name them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from bluesky.protocols import StreamAsset
from event_model import ComposeStreamResource
from numpy.typing import NDArray

FRAMES = "/entry/data/data"
TIMESTAMPS = "/entry/instrument/NDAttributes/NDArrayTimeStamp"
CHUNK_BYTES = 8 * 2**20
"""Chunks hold whole frames, as many as fit into this."""


@dataclass(frozen=True, slots=True)
class Burst:
    """The frames of one exposure, shape (T, H, W), and when it began (seconds since the epoch).

    Attributes
    ----------
    row : int
        Of the file, that it begins with.
    """

    frames: NDArray[np.uint16]
    start: float
    row: int


class FrameFile:
    """An HDF5 file that rows of frames are appended to while others read it, and the documents that describe it.

    Parameters
    ----------
    data_key : str
        The name of the frames in events.
    shape : tuple of int
        (T, H, W) of a row.
    frame_time : float
        Seconds from one frame to the next.
    """

    def __init__(self, path: Path, data_key: str, shape: tuple[int, int, int], frame_time: float) -> None:
        self.n_rows = 0
        self.frames_per_row = shape[0]
        self._named = 0
        self._path = path
        self._frame_time = frame_time
        self._lock = threading.Lock()  # an abort may close the file while a burst is being written
        chunk = (_frames_per_chunk(shape), *shape[1:])
        self._file = h5py.File(path, "w", libver="latest")
        self._frames = self._file.create_dataset(
            FRAMES, shape=(0, *shape[1:]), maxshape=(None, *shape[1:]), chunks=chunk, dtype=np.uint16
        )
        self._timestamps = self._file.create_dataset(
            TIMESTAMPS, shape=(0,), maxshape=(None,), chunks=(1024,), dtype=np.float64
        )
        self._timestamps.attrs.update(units="s", epoch="1970-01-01T00:00:00Z")
        self._file.swmr_mode = True
        self._stream = ComposeStreamResource()(
            mimetype="application/x-hdf5",
            uri=path.as_uri().replace("file://", "file://localhost", 1),
            data_key=data_key,
            # Tiled shows the stack by events, (event, T, H, W): its chunks are given in that shape, and "multiplier" is
            # what it needs to check that shape against the file.
            parameters={"dataset": FRAMES, "chunk_shape": (1, *chunk), "multiplier": shape[0]},
        )

    @property
    def frames_per_chunk(self) -> int:
        """Frames that are written at a time."""
        return int(self._frames.chunks[0])

    def write(self, burst: Burst, first: int, last: int) -> None:
        """Write the frames `first` to `last` of the burst that is exposed, and make them visible to readers."""
        with self._lock:
            if not self._file:
                return  # closed meanwhile: the exposure was dropped
            begin = burst.row * self.frames_per_row
            for dataset, values in (
                (self._frames, burst.frames[first:last]),
                (self._timestamps, burst.start + self._frame_time * np.arange(first, last)),
            ):
                dataset.resize(max(len(dataset), begin + last), axis=0)
                dataset[begin + first : begin + last] = values
                dataset.flush()

    def count(self, n_rows: int) -> None:
        """Count the first rows of the file as complete: what comes after them is written over by the next exposure."""
        self.n_rows = n_rows

    def documents(self, n_rows: int | None = None) -> Iterator[StreamAsset]:
        """Name the rows that were counted since the last time; the first of a file bring the file's own document.

        Parameters
        ----------
        n_rows : int, optional
            Of the file, up to which they are named; by default all that are complete.
        """
        last = self.n_rows if n_rows is None else min(n_rows, self.n_rows)
        if last <= self._named:
            return
        if not self._named:
            yield "stream_resource", self._stream.stream_resource_doc
        rows, self._named = {"start": self._named, "stop": last}, last
        yield "stream_datum", self._stream.compose_stream_datum(rows)  # type: ignore[arg-type]

    def close(self) -> None:
        """Close the file, without frames of a row that was not completed; it stays readable."""
        with self._lock:
            if not self._file:
                return
            complete = self.n_rows * self.frames_per_row
            left_over = len(self._frames) > complete
            self._file.close()
            if left_over:
                with h5py.File(self._path, "r+", libver="latest", locking=False) as file:
                    file[FRAMES].resize(complete, axis=0)
                    file[TIMESTAMPS].resize(complete, axis=0)


def _frames_per_chunk(shape: tuple[int, int, int]) -> int:
    """Find the largest divisor of T whose frames fit into a chunk: no chunk belongs to two rows."""
    n_frames, rows, columns = shape
    most = max(1, CHUNK_BYTES // (rows * columns * np.dtype(np.uint16).itemsize))
    return max(divisor for divisor in range(1, min(n_frames, most) + 1) if n_frames % divisor == 0)
