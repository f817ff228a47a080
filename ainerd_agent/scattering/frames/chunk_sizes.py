"""What a compressed chunk will unpack to, known before it is unpacked: a small file must not take all memory.

Formats of headers: HDF5 filters 32004 (LZ4) and 32008 (bitshuffle), see `_decompress`; 32015 (Zstandard, RFC 8878,
3.1.1.1); 32001 (Blosc, github.com/Blosc/c-blosc, README_CHUNK_FORMAT.rst).
"""

from __future__ import annotations

import bz2
import zlib
from collections.abc import Sequence

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
