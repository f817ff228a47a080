"""Files of frames that are read whole or frame by frame: TIFF, .npy, and HDF5 files of a sequence.

Each is opened without waiting for anything, and measured before memory is taken for it.
"""

from __future__ import annotations

import lzma
import math
import struct
import tokenize
import zlib
from abc import ABC, abstractmethod
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import FrameError
from ainerd_agent.scattering.frames.hdf5_links import OpenFiles
from ainerd_agent.scattering.frames.hdf5_rows import Rows
from ainerd_agent.scattering.frames.hdf5_stack import Stack
from ainerd_agent.scattering.frames.missing import NotThereError, opening
from ainerd_agent.scattering.frames.roots import Access, open_regular

_DEFLATE = (8, 32946)
"""TIFF's numbers of zlib compression."""

_COMPRESSIONS = (1, 5, 32773, *_DEFLATE)
"""None, LZW, PackBits, zlib: what unpacks to a known size, and loses nothing."""

_DAMAGED = (
    *(ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RuntimeError, EOFError, OSError),
    *(struct.error, zlib.error, lzma.LZMAError, tokenize.TokenError, SyntaxError, MemoryError),
)
"""What readers raise on files that are not what they say."""


class FewerError(NotThereError):
    """A file has fewer frames than were asked for; `there` of them were read."""

    def __init__(self, message: str, there: int) -> None:
        super().__init__(message)
        self.there = there


class FramesFile(Protocol):
    """An open file with frames."""

    length: int
    frame: tuple[int, int]
    dtype: np.dtype[Any]

    def read(self, first: int, last: int, out: NDArray[Any]) -> None:
        """Read frames `first` to `last` - 1 into `out`. Raises FewerError where not all can be read."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class FileFormat(Protocol):
    """How the files of a sequence are opened."""

    def open(self, path: Path, access: Access) -> FramesFile:
        """Open one.

        Raises
        ------
        NotThereError
            It is not there, or not yet, or truncated, or damaged.
        FrameError
            It may not be read, or holds no frames.
        """
        ...


class _OpenFile(ABC):
    """What all have in common."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.length = 0
        self.frame: tuple[int, int] = (0, 0)
        self.dtype = np.dtype(np.uint16)
        self._resources = ExitStack()

    @abstractmethod
    def open(self, access: Access) -> None:
        """Open it, and see what is in it."""

    @abstractmethod
    def read(self, first: int, last: int, out: NDArray[Any]) -> None:
        """See `FramesFile`."""

    def close(self) -> None:
        """See `FramesFile`."""
        self._resources.close()

    def _describe(self, length: int, frame: tuple[int, ...], dtype: np.dtype[Any] | None, access: Access) -> None:
        if len(frame) != 2 or 0 in frame:
            raise FrameError(f"{self.path} holds arrays of shape {tuple(frame)}, which are no frames (H, W)")
        if dtype is None or dtype.kind not in "uifb":
            raise FrameError(f"{self.path} holds {dtype}, which is no counts")
        access.check_size(math.prod(frame) * dtype.itemsize, f"a frame of {self.path}")
        self.length, self.frame, self.dtype = length, (int(frame[0]), int(frame[1])), dtype.newbyteorder("=")


@dataclass(frozen=True, slots=True)
class TiffFormat:
    """TIFF, one page a frame."""

    def open(self, path: Path, access: Access) -> FramesFile:
        """See `FileFormat`."""
        return _opened(_Tiff(path), access)


@dataclass(frozen=True, slots=True)
class NpyFormat:
    """An array of numpy, (H, W) or (frames, H, W)."""

    def open(self, path: Path, access: Access) -> FramesFile:
        """See `FileFormat`."""
        return _opened(_Npy(path), access)


@dataclass(frozen=True, slots=True)
class HDF5Format:
    """A dataset of an HDF5 file, (H, W) or (frames, H, W)."""

    dataset: str

    def open(self, path: Path, access: Access) -> FramesFile:
        """See `FileFormat`."""
        return _opened(_HDF5(path, self.dataset), access)


FormatOfFile = TiffFormat | NpyFormat | HDF5Format


class _Tiff(_OpenFile):
    def open(self, access: Access) -> None:
        import tifffile

        file = self._resources.enter_context(_regular(self.path, access))
        self._access = access
        self._size = file.seek(0, 2)
        file.seek(0)
        try:
            # Only pages are looked at, never series: those may lie in other files (OME).
            self._file = self._resources.enter_context(tifffile.TiffFile(file))
            self._pages = self._file.pages
            length, page = len(self._pages), self._pages.first
            stored = (self._file.imagej_metadata or {}).get("images", 1) if self._file.is_imagej else 1
        except _DAMAGED as error:
            raise NotThereError(
                f"{self.path} is not a readable TIFF file (truncated, or not complete yet): {error}"
            ) from error
        if stored > length:
            raise FrameError(f"{self.path} holds {stored} frames of ImageJ in {length} pages: one page a frame is read")
        self._describe(length, page.shape, page.dtype, access)

    def read(self, first: int, last: int, out: NDArray[Any]) -> None:
        for number in range(first, last):
            try:
                page = self._pages[number].aspage()
                self._check(page, number)
                out[number - first] = page.asarray()
            except NotThereError as error:
                raise FewerError(str(error), number - first) from error
            except _DAMAGED as error:
                raise FewerError(f"page {number} of {self.path} cannot be read: {error}", number - first) from error

    def _check(self, page: Any, number: int) -> None:
        """Compare what is stored with what a frame needs, before memory is taken for it."""
        if tuple(page.shape) != self.frame or page.dtype is None or page.dtype.newbyteorder("=") != self.dtype:
            raise FrameError(
                f"page {number} of {self.path} has the shape {tuple(page.shape)} and the type {page.dtype}, the first "
                f"page {self.frame} and {self.dtype}"
            )
        if page.compression not in _COMPRESSIONS:
            raise FrameError(f"{self.path} is compressed by {page.compression.name}, which is not read")
        needed = math.prod(self.frame) * self.dtype.itemsize
        limit = math.prod(page.chunks) * self.dtype.itemsize
        self._access.check_size(limit, f"a tile of {self.path}")
        stored = sum(page.databytecounts)
        ends = [offset + n_bytes for offset, n_bytes in zip(page.dataoffsets, page.databytecounts, strict=True)]
        if (
            not ends
            or 0 in page.databytecounts
            or max(ends) > self._size
            or (page.compression == 1 and stored < needed)
        ):
            raise NotThereError(f"page {number} of {self.path} is truncated")
        if stored > 2 * needed + 65536:
            raise FrameError(f"page {number} of {self.path} is damaged: {stored} bytes are stored for {needed}")
        if page.compression in _DEFLATE:
            handle = self._file.filehandle
            for offset, n_bytes in zip(page.dataoffsets, page.databytecounts, strict=True):
                handle.seek(offset)
                if len(zlib.decompressobj().decompress(handle.read(n_bytes), limit + 1)) > limit:
                    raise FrameError(f"page {number} of {self.path} is damaged: it unpacks to more than a frame")


class _Npy(_OpenFile):
    def open(self, access: Access) -> None:
        file = self._resources.enter_context(_regular(self.path, access))
        size = file.seek(0, 2)
        file.seek(0)
        try:
            version = np.lib.format.read_magic(file)
            header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            shape, by_columns, dtype = header[version](file)
        except _DAMAGED as error:
            raise NotThereError(
                f"{self.path} is not a readable .npy file (truncated, or not complete yet): {error}"
            ) from error
        if len(shape) not in (2, 3):
            raise FrameError(f"{self.path} has the shape {shape}; (H, W) or (frames, H, W) is needed")
        self._describe(1 if len(shape) == 2 else shape[0], shape[-2:], dtype, access)
        if by_columns:
            access.check_size(math.prod(shape) * dtype.itemsize, f"{self.path}, which is written column by column,")
        if file.tell() + math.prod(shape) * dtype.itemsize > size:
            raise NotThereError(f"{self.path} is truncated: its header announces the shape {shape}")
        self._file, self._begin, self._stored, self._by_columns = file, file.tell(), dtype, by_columns

    def read(self, first: int, last: int, out: NDArray[Any]) -> None:
        pixels = math.prod(self.frame)
        if self._by_columns:
            whole = self._values(0, self.length * pixels).reshape((self.length, *self.frame), order="F")
            out[...] = whole[first:last]
        else:
            out[...] = self._values(first * pixels, (last - first) * pixels).reshape(out.shape)

    def _values(self, first: int, count: int) -> NDArray[Any]:
        self._file.seek(self._begin + first * self._stored.itemsize)
        values = np.frombuffer(self._file.read(count * self._stored.itemsize), self._stored)
        if len(values) < count:
            raise FewerError(f"{self.path} is truncated", 0)
        return values


class _HDF5(_OpenFile):
    def __init__(self, path: Path, dataset: str) -> None:
        super().__init__(path)
        self._dataset = dataset

    def open(self, access: Access) -> None:
        files = OpenFiles(access)
        self._resources.callback(files.close)
        self._stack = Stack(files, self.path, self._dataset, Rows(frames=1))
        self._describe(self._stack.length, self._stack.frame, self._stack.dtype, access)

    def read(self, first: int, last: int, out: NDArray[Any]) -> None:
        there = self._stack.read(first, last, out)
        if there < last - first:
            raise FewerError(f"frame {first + there} of {self.path} was never written", there)


def _opened(file: _OpenFile, access: Access) -> FramesFile:
    try:
        file.open(access)
    except BaseException:
        file.close()
        raise
    return file


def _regular(path: Path, access: Access) -> BinaryIO:
    with opening(path):
        file = open_regular(access.check(path))
    try:
        access.check_opened(path, file.fileno())
    except FrameError:
        file.close()
        raise
    return file
