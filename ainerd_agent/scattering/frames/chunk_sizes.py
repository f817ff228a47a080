"""What a compressed chunk will unpack to, known before it is unpacked: a small file must not take all memory.

Formats of headers: HDF5 filters 32004 (LZ4) and 32008 (bitshuffle), see `_decompress`; 32015 (Zstandard, RFC 8878,
3.1.1.1); 32001 (Blosc, github.com/Blosc/c-blosc, README_CHUNK_FORMAT.rst).
"""

from __future__ import annotations

import bz2
import math
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py

from ainerd_agent.scattering.frames.roots import open_regular

DEFLATE, SHUFFLE, BZIP2, BLOSC, LZ4, BITSHUFFLE, ZSTD = 1, 2, 307, 32001, 32004, 32008, 32015
"""Numbers of HDF5 filters."""

MOST_BY_DEFLATE = 1032
"""Bytes that one byte unpacks to, at most."""

_SLACK = 1 << 16


def stored_too_large(stored: int, n_bytes: int) -> bool:
    """Whether more is stored than any compression makes of a chunk of `n_bytes`."""
    return stored > 2 * n_bytes + _SLACK


def unpacks_to(filters: Sequence[int], chunk: bytes, n_bytes: int, limit: int) -> int:
    """Bytes that the library will take to unpack a chunk, as far as it can be told; 0 where it cannot.

    Parameters
    ----------
    filters : sequence of int
        Numbers of those that were applied, in the order of writing.
    chunk : bytes
        As it is stored.
    n_bytes : int
        What it should unpack to.
    limit : int
        Bytes that do no harm: unpacking is not tried where it cannot give more.
    """
    for number in reversed(filters):
        if number in (LZ4, BITSHUFFLE):
            return int.from_bytes(chunk[:8], "big")
        if number == BLOSC:
            return int.from_bytes(chunk[4:8], "little")
        if number == ZSTD:
            return _zstd(chunk)
        if number == DEFLATE:
            harmless = MOST_BY_DEFLATE * len(chunk) <= limit
            return 0 if harmless else _tried(zlib.decompressobj(), chunk, n_bytes)
        if number == BZIP2:
            return _tried(bz2.BZ2Decompressor(), chunk, n_bytes)
    return 0


def filters_of(dataset: h5py.Dataset) -> list[int]:
    """Numbers of the filters of a dataset; bitshuffle without compression is a shuffle."""
    layout = dataset.id.get_create_plist()
    filters = [layout.get_filter(number) for number in range(layout.get_nfilters())]
    alone = [number == BITSHUFFLE and (len(given) < 5 or given[4] == 0) for number, _, given, _ in filters]
    return [SHUFFLE if each else int(number) for each, (number, *_) in zip(alone, filters, strict=True)]


def damaged_chunk(dataset: h5py.Dataset, limit: int) -> str | None:
    """What is wrong with the first chunk that would unpack to more than it should; None where there is none.

    For datasets that the library reads by itself, behind a virtual one. Only the beginning of most chunks is read.
    """
    filters = filters_of(dataset) if dataset.chunks is not None else []
    if not filters:
        return None
    n_bytes = math.prod(dataset.chunks) * dataset.dtype.itemsize
    with open_regular(Path(dataset.file.filename)) as file:

        def look(chunk: Any) -> str | None:
            if stored_too_large(chunk.size, n_bytes):
                return f"the chunk at {chunk.chunk_offset} is larger than its frames"
            applied = [each for number, each in enumerate(filters) if not chunk.filter_mask >> number & 1]
            whole = BZIP2 in applied or (DEFLATE in applied and MOST_BY_DEFLATE * chunk.size > limit)
            raw = os.pread(file.fileno(), chunk.size if whole else min(chunk.size, 32), chunk.byte_offset)
            if unpacks_to(applied, raw, n_bytes, limit) > n_bytes:
                return f"the chunk at {chunk.chunk_offset} unpacks to more than its frames"
            return None

        found: str | None = dataset.id.chunk_iter(look)
    return found


def inflate(chunk: memoryview, n_bytes: int, limit: int) -> bytes:
    """Undo deflate, for at most one byte more than there should be.

    Raises
    ------
    zlib.error
        It is damaged.
    """
    if MOST_BY_DEFLATE * len(chunk) <= limit:
        return zlib.decompress(chunk, bufsize=n_bytes)
    return zlib.decompressobj().decompress(chunk, n_bytes + 1)


def _tried(decompressor: zlib._Decompress | bz2.BZ2Decompressor, chunk: bytes, n_bytes: int) -> int:
    try:
        return len(decompressor.decompress(chunk, n_bytes + 1))
    except (zlib.error, OSError, EOFError, ValueError):
        return 0  # the library says what is wrong


def _zstd(chunk: bytes) -> int:
    if chunk[:4] != b"\x28\xb5\x2f\xfd" or len(chunk) < 5:
        return 0
    descriptor = chunk[4]
    single = descriptor >> 5 & 1
    width = (single, 2, 4, 8)[descriptor >> 6]
    start = 5 + (1 - single) + (0, 1, 2, 4)[descriptor & 3]
    size = int.from_bytes(chunk[start : start + width], "little")
    return size + 256 if width == 2 else size
