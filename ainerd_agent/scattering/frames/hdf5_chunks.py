"""Frames out of one HDF5 dataset: chunks decompressed by ourselves in several threads, or read by the library."""

from __future__ import annotations

import copy
import math
import threading
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import FrameError
from ainerd_agent.scattering.frames.chunk_sizes import (
    BITSHUFFLE,
    DEFLATE,
    LZ4,
    SHUFFLE,
    filters_of,
    inflate,
    stored_too_large,
    unpacks_to,
)
from ainerd_agent.scattering.frames.roots import ANYWHERE, Access

if TYPE_CHECKING:
    from ainerd_agent.scattering.frames._decompress import Workspace

WITH_LZ4 = 2
"""The fifth parameter of the bitshuffle filter where LZ4 follows it."""

SMALL = 1 << 14
"""Bytes of a chunk below which the library is faster."""

GROUP = 64
"""Pixels that are decompressed together."""


def prepare(*types: str) -> None:
    """Load, or compile, the decompression of frames of some types ("u2"...): now, not when the first frame is there."""
    from ainerd_agent.scattering.frames._decompress import prepare as compile_for

    for each in types:
        compile_for(each)


class FrameReader(Protocol):
    """Reads frames of one dataset (frames, H, W), or of one event of a dataset (events, frames, H, W)."""

    @property
    def step(self) -> int:
        """Frames that are best read together."""
        ...

    def read(self, first: int, last: int, out: NDArray[Any]) -> int:
        """Read frames `first` to `last` - 1 into `out`, shape (n, H, W), and give how many of them there are.

        Fewer are there where the dataset is larger than what has been written of it.
        """
        ...


class EventReader(FrameReader, Protocol):
    """Reads one movie of a stack of movies."""

    def at_event(self, event: int) -> FrameReader:
        """A reader for another movie of the stack, with the same memory."""
        ...


def frame_reader(
    dataset: h5py.Dataset, event: int | None, needed: NDArray[np.bool_] | None, access: Access = ANYWHERE
) -> EventReader:
    """The fastest reader for a dataset.

    Parameters
    ----------
    event : int, optional
        First index of a dataset of four dimensions.
    needed : ndarray of bool, shape (H, W), optional
        Pixels that will be looked at. The others may not be read; they are zero then.
    access : Access, optional
        How much memory a chunk may take.
    """
    lead = () if event is None else (event,)
    codec = _codec(dataset)
    if codec is None:
        return LibraryReader(dataset, lead, access.largest_frame)
    return ChunkReader(dataset, lead, codec, needed, access.largest_frame)


def _codec(dataset: h5py.Dataset) -> int | None:
    """The filter that we can undo, 0 where there is none; None where the library has to read.

    Shuffle before deflate is undone as well, and stands for itself.
    """
    if dataset.is_virtual or dataset.chunks is None:
        return None
    if dataset.dtype.kind not in "uif" or dataset.dtype.itemsize > 4:
        return None
    if math.prod(dataset.chunks) * dataset.dtype.itemsize < SMALL:
        return None
    filters = _filters(dataset)
    if not filters:
        return 0
    if [each[0] for each in filters] == [SHUFFLE, DEFLATE]:
        return SHUFFLE
    number, _, parameters, _ = filters[0]
    if len(filters) > 1 or number not in (DEFLATE, LZ4, BITSHUFFLE):
        return None
    if number == BITSHUFFLE and (len(parameters) < 5 or parameters[4] != WITH_LZ4):
        return None
    return int(number)


def _filters(dataset: h5py.Dataset) -> list[Any]:
    layout = dataset.id.get_create_plist()
    return [layout.get_filter(number) for number in range(layout.get_nfilters())]


def _damaged(dataset: h5py.Dataset, frame: int, why: str) -> FrameError:
    return FrameError(f"frame {frame} in {dataset.file.filename} is damaged: {why}")


class LibraryReader:
    """Reads through the HDF5 library: any layout, any filter that is installed, one thread at a time."""

    def __init__(self, dataset: h5py.Dataset, lead: tuple[int, ...], limit: int) -> None:
        self._dataset, self._lead, self._limit = dataset, lead, limit
        compressed = dataset.chunks is not None and not dataset.is_virtual
        self._filters = filters_of(dataset) if compressed else []
        self.step = 1 if dataset.chunks is None else dataset.chunks[len(lead)]

    def at_event(self, event: int) -> LibraryReader:
        """See `EventReader`."""
        return LibraryReader(self._dataset, (event,), self._limit)

    def read(self, first: int, last: int, out: NDArray[Any]) -> int:
        """See `FrameReader`."""
        there = self._written(first, last)
        if there:
            self._check_sizes(first, first + there)
            selection = (*self._lead, slice(first, first + there))
            self._dataset.read_direct(out, source_sel=selection, dest_sel=slice(0, there))
        return there

    def _check_sizes(self, first: int, last: int) -> None:
        """Raise an error where a chunk would unpack to more than it should, which the library would do."""
        if not self._filters:
            return
        chunks, identifier = self._dataset.chunks, self._dataset.id
        n_bytes = math.prod(chunks) * self._dataset.dtype.itemsize
        for start, corners in _corners(chunks, self._dataset.shape, self._lead, first, last):
            for corner in corners:
                if stored_too_large(identifier.get_chunk_info_by_coord(corner).size, n_bytes):
                    raise _damaged(self._dataset, start, "its chunk is larger than its frames")
                skipped, raw = identifier.read_direct_chunk(corner)
                applied = [each for number, each in enumerate(self._filters) if not skipped >> number & 1]
                if unpacks_to(applied, raw, n_bytes, self._limit) > n_bytes:
                    raise _damaged(self._dataset, start, "it unpacks to more than its frames")

    def _written(self, first: int, last: int) -> int:
        """Frames from `first` on that have been written: the library reads zeros where nothing has."""
        dataset = self._dataset
        if dataset.is_virtual:
            return last - first
        if dataset.chunks is None:
            return last - first if dataset.size == 0 or dataset.id.get_storage_size() > 0 else 0
        grid = [math.ceil(size / chunk) for size, chunk in zip(dataset.shape, dataset.chunks, strict=True)]
        if dataset.id.get_num_chunks() == math.prod(grid):
            return last - first
        for start, corners in _corners(dataset.chunks, dataset.shape, self._lead, first, last):
            if any(dataset.id.get_chunk_info_by_coord(corner).size == 0 for corner in corners):
                return max(0, start - first)
        return last - first


class ChunkReader:
    """Reads chunks as they are in the file and decompresses them itself, in as many threads as it is called from."""

    def __init__(
        self,
        dataset: h5py.Dataset,
        lead: tuple[int, ...],
        codec: int,
        needed: NDArray[np.bool_] | None,
        limit: int,
    ) -> None:
        self._dataset, self._lead, self._codec, self._limit = dataset, lead, codec, limit
        self._chunk: tuple[int, ...] = dataset.chunks
        self._type = np.dtype(f"u{dataset.dtype.itemsize}")
        self._swapped = not dataset.dtype.isnative
        self._local = threading.local()
        rows, columns = dataset.shape[-2:]
        pixels = rows * columns
        self._whole_frames = self._chunk == (*(1 for _ in lead), 1, rows, columns)
        everything = np.array([[0, math.prod(self._chunk)]])
        self._spans = _spans(needed, pixels) if self._whole_frames and needed is not None else everything
        self.step = self._chunk[len(lead)]
        if codec in (LZ4, BITSHUFFLE):
            prepare(self._type.str)

    def at_event(self, event: int) -> ChunkReader:
        """See `EventReader`."""
        other = copy.copy(self)
        other._lead = (event,)  # noqa: SLF001 (of its own class)
        return other

    def read(self, first: int, last: int, out: NDArray[Any]) -> int:
        """See `FrameReader`."""
        plain = out.view(self._type)
        there = self._read_frames(first, last, plain) if self._whole_frames else self._read_parts(first, last, plain)
        if self._swapped:
            plain[:there].byteswap(inplace=True)
        return there

    def _read_frames(self, first: int, last: int, out: NDArray[Any]) -> int:
        """Each chunk is one frame."""
        flat = out.reshape(len(out), -1)
        for number in range(first, last):
            if not self._read_chunk((*self._lead, number, 0, 0), flat[number - first]):
                return number - first
        return last - first

    def _read_parts(self, first: int, last: int, out: NDArray[Any]) -> int:
        """Chunks are several frames, or parts of them."""
        for start, corners in _corners(self._chunk, self._dataset.shape, self._lead, first, last):
            if not all(self._read_part(corner, start, first, last, out) for corner in corners):
                return max(0, start - first)
        return last - first

    def _read_part(self, corner: tuple[int, ...], start: int, first: int, last: int, out: NDArray[Any]) -> bool:
        """Copy what lies in `out` of one chunk; False where it has not been written."""
        if not hasattr(self._local, "part"):
            self._local.part = np.empty(math.prod(self._chunk), self._type)
        part: NDArray[Any] = self._local.part
        if not self._read_chunk(corner, part):
            return False
        inside = tuple(index - at for index, at in zip(self._lead, corner, strict=False))
        frames = part.reshape(self._chunk)[inside]
        a, b = max(first, start), min(last, start + len(frames))
        row, column = corner[-2:]
        target = out[a - first : b - first, row : row + frames.shape[1], column : column + frames.shape[2]]
        target[...] = frames[a - start : b - start, : target.shape[1], : target.shape[2]]
        return True

    def _read_chunk(self, corner: tuple[int, ...], out: NDArray[Any]) -> bool:
        """Decompress one chunk into `out`, flat; False where it has not been written."""
        space = self._workspace()
        try:
            skipped, raw = self._dataset.id.read_direct_chunk(corner, out=space.source[: space.capacity])
        except (RuntimeError, ValueError):
            size = self._dataset.id.get_chunk_info_by_coord(corner).size
            if size == 0:
                return False
            if stored_too_large(size, out.nbytes):
                raise _damaged(self._dataset, corner[-3], "its chunk is larger than its frames") from None
            space.make_room(max(size, space.capacity))
            skipped, raw = self._dataset.id.read_direct_chunk(corner, out=space.source[: space.capacity])
        if not self._decompress(self._applied(skipped), space, len(raw), out):
            raise _damaged(self._dataset, corner[-3], "it cannot be decompressed")
        return True

    def _applied(self, skipped: int) -> tuple[int, ...]:
        """Filters to undo for a chunk, by the bits of those that it was stored without."""
        filters = (SHUFFLE, DEFLATE) if self._codec == SHUFFLE else (self._codec,)
        return tuple(each for number, each in enumerate(filters) if each and not skipped >> number & 1)

    def _decompress(self, filters: tuple[int, ...], space: Workspace, size: int, out: NDArray[Any]) -> bool:
        if filters == (BITSHUFFLE,):
            return space.bitshuffle_lz4(size, out, self._spans)
        if filters == (LZ4,):
            return space.lz4(size, out)
        try:
            plain = space.source[:size].data
            whole = np.frombuffer(inflate(plain, out.nbytes, self._limit) if DEFLATE in filters else plain, np.uint8)
            if SHUFFLE in filters:  # the first bytes of all pixels, then the second ones...
                out.view(np.uint8).reshape(-1, out.itemsize)[...] = whole.reshape(out.itemsize, -1).T
            else:
                out.view(np.uint8)[:] = whole
        except (zlib.error, ValueError):
            return False
        return True

    def _workspace(self) -> Workspace:
        """Memory of this thread."""
        if not hasattr(self._local, "space"):
            from ainerd_agent.scattering.frames._decompress import Workspace

            size = math.prod(self._chunk) * self._type.itemsize
            self._local.space = Workspace(size + size // 64 + 4096)  # what cannot be compressed grows a little
        space: Workspace = self._local.space
        return space


def _corners(
    chunk: tuple[int, ...], shape: tuple[int, ...], lead: tuple[int, ...], first: int, last: int
) -> Iterator[tuple[int, list[tuple[int, ...]]]]:
    """First frame of each row of chunks that frames `first` to `last` - 1 lie in, and the corners of its chunks."""
    before = tuple(index // size * size for index, size in zip(lead, chunk, strict=False))
    frames, high, wide = chunk[-3:]
    rows, columns = range(0, shape[-2], high), range(0, shape[-1], wide)
    for start in range(first // frames * frames, last, frames):
        yield start, [(*before, start, row, column) for row in rows for column in columns]


def _spans(needed: NDArray[np.bool_], pixels: int) -> NDArray[np.int64]:
    """Ranges of pixels with those that are needed, shape (n, 2), in groups of `GROUP`."""
    groups = np.zeros(math.ceil(pixels / GROUP) + 2, np.int8)
    groups[1:-1] = np.logical_or.reduceat(needed.ravel(), np.arange(0, pixels, GROUP))
    edges = np.flatnonzero(np.diff(groups)) * GROUP
    return np.minimum(edges, pixels).reshape(-1, 2)
