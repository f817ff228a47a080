"""Decompression of HDF5 chunks: LZ4, and bitshuffle with LZ4, compiled by numba.

It is as fast as the C libraries, runs without the GIL, writes into memory that is used again, and spares the pixels
that nobody will look at. Damaged input shows in the result; it neither reads nor writes outside of its buffers.

Formats: the LZ4 block format (github.com/lz4/lz4, doc/lz4_Block_format.md); HDF5 filter 32004 (LZ4); HDF5 filter 32008
(bitshuffle; Masui et al., Astronomy and Computing 12, 181, 2015). Both filters write the size of the whole (8 bytes,
big-endian) and of a block (4 bytes), then for each block its compressed size (4 bytes) and its bytes.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from ainerd_agent.scattering._numba import njit

Array = NDArray[Any]
U = np.uint64
"""Addresses are used without sign: a signed one would be checked for counting from the end, at every byte."""

HEADER = 12
"""Bytes before the first block."""

AT_ONCE = 16
"""Bytes that are copied at once, needed or not."""

PADDING = 2 * AT_ONCE
"""Bytes that every buffer has beyond its content, for what is copied without need."""

LARGEST_BLOCK = 1 << 24
"""Bytes; a larger block is damage, or nobody's wish."""

_compiled = njit(nogil=True, cache=True)


class Workspace:
    """Memory of one thread for the chunks that it decompresses.

    Attributes
    ----------
    source : ndarray of uint8
        Holds a compressed chunk of up to `capacity` bytes.
    """

    def __init__(self, capacity: int) -> None:
        self.make_room(capacity)
        self._block = 0

    def make_room(self, capacity: int) -> None:
        """Have a `source` for so many bytes."""
        self.source: NDArray[np.uint8] = np.zeros(capacity + PADDING, np.uint8)

    @property
    def capacity(self) -> int:
        """Bytes of the largest chunk that fits."""
        return len(self.source) - PADDING

    def bitshuffle_lz4(self, size: int, out: Array, spans: NDArray[np.int64]) -> bool:
        """Decompress `source[:size]` (HDF5 filter 32008 with LZ4) into `out`.

        Parameters
        ----------
        out : ndarray of unsigned integers, shape (n,)
        spans : ndarray of int64, shape (m, 2)
            Rising, separate ranges of pixels that are needed, from and to multiples of 8 (or the end). The other
            pixels of `out` are left as they are.

        Returns
        -------
        bool
            False where the chunk is damaged.
        """
        block = self._opened(size, out.nbytes)
        if block <= 0 or block % (8 * out.itemsize):
            return False
        self._hold(block)
        return bool(_bitshuffle_lz4(self.source, size, out, block // out.itemsize, self._planes, self._octets, spans))

    def lz4(self, size: int, out: Array) -> bool:
        """Decompress `source[:size]` (HDF5 filter 32004) into `out`, of any type; False where it is damaged."""
        block = min(self._opened(size, out.nbytes), out.nbytes)
        if block <= 0:
            return False
        self._hold(block)
        return bool(_lz4_blocks(self.source, size, out.view(np.uint8), block, self._planes))

    def _opened(self, size: int, expected: int) -> int:
        """Bytes of a block by the header; 0 where it belongs to other data than expected, or is none."""
        head = self.source[:HEADER].tobytes()
        total, block = int.from_bytes(head[:8], "big"), int.from_bytes(head[8:], "big")
        return block if HEADER <= size <= self.capacity and total == expected and block <= LARGEST_BLOCK else 0

    def _hold(self, block: int) -> None:
        if self._block < block:
            self._block = block
            self._planes = np.empty((block + PADDING + 7) // 8 * 8, np.uint8)
            self._octets = np.empty(block // 8 + 1, np.uint64)


@cache
def prepare(kind: str) -> None:
    """Load, or compile, what frames of this type of unsigned integers need."""
    space, nothing = Workspace(HEADER), np.empty(0, kind)
    space.source[8:HEADER] = np.frombuffer((8 * nothing.itemsize).to_bytes(4, "big"), np.uint8)
    space.bitshuffle_lz4(HEADER, nothing, np.empty((0, 2), np.int64))
    space.lz4(HEADER, nothing)


def _address(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    """Pointer to 16 bytes of an array of bytes."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [at]), ir.IntType(8 * AT_ONCE).as_pointer())


def _copying(typing: Any, out: Any, to: Any, source: Any, at: Any) -> Any:
    """What numba compiles for `_copy`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds = signature.args
        value = builder.load(_address(context, builder, kinds[2], *arguments[2:]), align=1)
        builder.store(value, _address(context, builder, kinds[0], *arguments[:2]), align=1)
        return context.get_dummy_value()

    return types.void(out, types.uint64, source, types.uint64), generate


_copy: Any = intrinsic(_copying)
"""`_copy(out, to, source, at)` copies 16 bytes from `source[at:]` to `out[to:]`, as one instruction does."""


@_compiled
def _block_lz4(source: Array, at: Any, stop: Any, out: Array, size: Any) -> Any:
    """Decompress one LZ4 block, `source[at:stop]`, into `out[:size]`; False where it is damaged.

    The block is a row of sequences: a token, literal bytes, and a reference to bytes that were written before. Most
    are shorter than 16 bytes: copying 16 always costs less than deciding.
    """
    done = U(0)
    while at < stop:
        token = U(source[at])
        at += U(1)
        run = token >> U(4)
        if run == U(15):
            more = U(255)
            while more == U(255) and at < stop:
                more = U(source[at])
                at += U(1)
                run += more
        if run > stop - at or run > size - done:
            return False
        _copy(out, done, source, at)
        for k in range(U(AT_ONCE), run, U(AT_ONCE)):
            _copy(out, done + k, source, at + k)
        at += run
        done += run
        if at == stop:
            break  # the last sequence has no reference
        if stop - at < U(2):
            return False
        back = U(source[at]) | U(source[at + U(1)]) << U(8)
        at += U(2)
        match = token & U(15)
        if match == U(15):
            more = U(255)
            while more == U(255) and at < stop:
                more = U(source[at])
                at += U(1)
                match += more
        match += U(4)
        if back == U(0) or back > done or match > size - done:
            return False
        begin = done - back
        if back >= U(AT_ONCE):
            _copy(out, done, out, begin)
            for k in range(U(AT_ONCE), match, U(AT_ONCE)):
                _copy(out, done + k, out, begin + k)
        else:
            # The reference overlaps what it writes: a pattern that repeats, nearly always zeros.
            value = out[begin]
            uniform = True
            for k in range(U(1), back):
                uniform &= out[begin + k] == value
            if uniform:
                out[np.int64(done) : np.int64(done + match)] = value
            else:
                for k in range(match):
                    out[done + k] = out[begin + k]
        done += match
    return done == size


@_compiled
def _number(source: Array, at: int) -> Any:
    """Four bytes, big-endian."""
    high = np.int64(source[at]) << 24 | np.int64(source[at + 1]) << 16
    return high | np.int64(source[at + 2]) << 8 | np.int64(source[at + 3])


@_compiled
def _lz4_blocks(source: Array, stop: int, out: Array, block: int, room: Array) -> Any:
    """Decompress the blocks of an LZ4 chunk; a block that did not shrink is stored as it is."""
    at = HEADER
    for first in range(0, len(out), block):
        length = min(block, len(out) - first)
        if stop - at < 4:
            return False
        compressed = _number(source, at)
        at += 4
        if compressed > stop - at:
            return False
        if compressed == length:
            out[first : first + length] = source[at : at + length]
        elif _block_lz4(source, U(at), U(at + compressed), room, U(length)):
            out[first : first + length] = room[:length]
        else:
            return False
        at += compressed
    return at == stop


@_compiled
def _unshuffle(planes: Array, first: int, width: int, low: int, high: int, octets: Array) -> None:
    """Turn eight bit planes, from plane `first` on, into one byte for each of the pixels 8 * low to 8 * high.

    Each plane is `width` bytes long. Eight bytes of eight planes are a matrix of 8 x 8 bits in one number, which is
    transposed by exchanging ever larger blocks (Warren, Hacker's Delight, 2nd edition, section 7-3).
    """
    one, two, four = U(0x00AA00AA00AA00AA), U(0x0000CCCC0000CCCC), U(0x00000000F0F0F0F0)
    at = first * width + low
    n = high - low
    p0, p1 = planes[at : at + n], planes[at + width : at + width + n]
    p2, p3 = planes[at + 2 * width : at + 2 * width + n], planes[at + 3 * width : at + 3 * width + n]
    p4, p5 = planes[at + 4 * width : at + 4 * width + n], planes[at + 5 * width : at + 5 * width + n]
    p6, p7 = planes[at + 6 * width : at + 6 * width + n], planes[at + 7 * width : at + 7 * width + n]
    for i in range(n):
        x = U(p0[i]) | U(p1[i]) << U(8) | U(p2[i]) << U(16) | U(p3[i]) << U(24)
        x |= U(p4[i]) << U(32) | U(p5[i]) << U(40) | U(p6[i]) << U(48) | U(p7[i]) << U(56)
        t = (x ^ (x >> U(7))) & one
        x ^= t ^ (t << U(7))
        t = (x ^ (x >> U(14))) & two
        x ^= t ^ (t << U(14))
        t = (x ^ (x >> U(28))) & four
        octets[i] = x ^ t ^ (t << U(28))


@_compiled
def _bitshuffle_lz4(
    source: Array, stop: int, out: Array, block: int, planes: Array, octets: Array, spans: Array
) -> Any:
    """Decompress a chunk; `block` is in pixels. Pixels beyond the last multiple of eight are stored as they are."""
    size = out.itemsize
    whole = len(out) - len(out) % 8
    all_planes = planes.view(np.uint64)
    values = octets.view(np.uint8)
    at = HEADER
    span = 0
    for first in range(0, whole, block):
        length = min(block, whole - first)
        if stop - at < 4:
            return False
        compressed = _number(source, at)
        at += 4
        if compressed > stop - at:
            return False
        while span < len(spans) and spans[span, 1] <= first:
            span += 1
        if span < len(spans) and spans[span, 0] < first + length:
            if not _block_lz4(source, U(at), U(at + compressed), planes, U(length * size)):
                return False
            width = length // 8
            block_out = out[first : first + length]
            for byte in range(size):
                # Counts are low: the planes of the higher bytes are mostly empty.
                bits = U(0)
                group = all_planes[byte * width : (byte + 1) * width]
                for i in range(len(group)):
                    bits |= group[i]
                if bits == U(0) and byte > 0:
                    continue
                k = span
                while k < len(spans) and spans[k, 0] < first + length:
                    low = max(spans[k, 0] - first, 0) // 8
                    high = (min(spans[k, 1] - first, length) + 7) // 8
                    part = block_out[8 * low : 8 * high]
                    if bits == U(0):
                        part[:] = 0
                    else:
                        _unshuffle(planes, 8 * byte, width, low, high, octets)
                        if byte == 0:
                            for i in range(len(part)):
                                part[i] = values[i]
                        else:
                            for i in range(len(part)):
                                part[i] |= out.dtype.type(values[i]) << (8 * byte)
                    k += 1
        at += compressed
    rest = (len(out) - whole) * size
    if rest != stop - at:
        return False
    out.view(np.uint8)[whole * size :] = source[at:stop]
    return True
