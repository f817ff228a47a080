"""Movies as photon events in the files of the Advanced Photon Source, beamline 8-ID-I.

Rigaku 500k (UFXC), `.bin`: a row of little-endian 64-bit words, one an event, sorted by frame: bits 0-11 the count,
16-35 the pixel, 40-63 the frame. As read by AZjk/boost_corr (rigaku_handler.py) and AdvancedPhotonSource/xpcs-eigen
(rigaku.cpp). Bit 36 is set in files of some modules of the 3M detector and does not belong to the pixel. boost_corr
takes the pixel as row * W + column of 512 x 1024 pixels, xpcs-eigen as column * H + row: compare with an image.

IMM, sparse (compression 6): for each frame a header of 1024 bytes, then the pixels (4 bytes each), then their counts.
Of the header these are used: 4 compression, 108 rows, 112 columns, 116 bytes of a count, 152 number of events (each an
integer of 4 bytes, little-endian). As read by boost_corr (imm_handler.py), xpcs-eigen (imm_reader.cpp, immHeader.h) and
the readers derived from M. Sutton's multifile format.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import FrameError
from ainerd_agent.records import PhotonEvents
from ainerd_agent.scattering.frames.event_blocks import EVENTS_PER_BLOCK, Columns, event_blocks
from ainerd_agent.scattering.frames.missing import opening

WORD = 8
"""Bytes of a Rigaku event."""

IMM_HEADER = 1024
"""Bytes."""


@dataclass(frozen=True, slots=True)
class RigakuEvents:
    """Photon events in a `.bin` file of a Rigaku 500k detector.

    Parameters
    ----------
    path : Path
    n_frames : int, optional
        T. The file does not say it: by default the movie ends with the last frame that has an event.
    frame_shape : tuple of int
        (H, W).
    order : {"row", "column"}
        Whether the pixel number counts along rows first, or along columns.

    Raises
    ------
    FrameError
        When it is read: the file is missing or truncated; see `event_blocks`.
    """

    path: Path | str
    n_frames: int | None = None
    frame_shape: tuple[int, int] = (512, 1024)
    order: Literal["row", "column"] = "row"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, H, W)."""
        return self._shape(self._words())

    def blocks(self, needed: NDArray[np.bool_] | None = None) -> Iterator[PhotonEvents]:
        """Consecutive frames; `needed` changes nothing (see `HDF5Frames.blocks`)."""
        words = self._words()
        rows, columns = self.frame_shape

        def read(first: int, last: int) -> Columns:
            # Words in halves: the frame is in the upper one, and no 64-bit numbers have to be written.
            halves = words[first:last].view("<u4")
            low, high = halves[::2], halves[1::2]
            pixel = (low >> np.uint32(16)) | ((high & np.uint32(0xF)) << np.uint32(16))
            if self.order == "column":
                pixel = pixel % np.uint32(rows) * np.uint32(columns) + pixel // np.uint32(rows)
            return high >> np.uint32(8), pixel, low.astype(np.uint16) & np.uint16(0xFFF)

        yield from event_blocks(Path(self.path), read, len(words), self._shape(words))

    def _shape(self, words: NDArray[np.uint64]) -> tuple[int, int, int]:
        last = int(words[-1] >> np.uint64(40)) + 1 if len(words) else 0
        return last if self.n_frames is None else self.n_frames, *self.frame_shape

    def _words(self) -> NDArray[np.uint64]:
        bytes_ = _mapped(Path(self.path))
        if len(bytes_) % WORD:
            raise FrameError(f"{self.path} is truncated: its size, {len(bytes_)} bytes, is no multiple of {WORD}")
        return bytes_.view("<u8")


@dataclass(frozen=True, slots=True)
class ImmEvents:
    """Photon events in a sparse `.imm` file.

    Raises
    ------
    FrameError
        When it is read: the file is missing, truncated or not sparse; see `event_blocks`.
    """

    path: Path | str

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, H, W)."""
        return self._index(_mapped(Path(self.path)))[0]

    def blocks(self, needed: NDArray[np.bool_] | None = None) -> Iterator[PhotonEvents]:
        """Consecutive frames; `needed` changes nothing (see `HDF5Frames.blocks`)."""
        file = _mapped(Path(self.path))
        shape, count_type, starts, sizes = self._index(file)
        edges = np.concatenate([[0], np.cumsum(sizes)])
        first = 0
        while first < len(starts):
            last = max(first + 1, int(np.searchsorted(edges, edges[first] + EVENTS_PER_BLOCK, side="right")) - 1)
            chosen = list(zip(starts[first:last], sizes[first:last], strict=True))
            pixel = np.concatenate([np.frombuffer(file, "<u4", n, at) for at, n in chosen])
            count = np.concatenate([np.frombuffer(file, count_type, n, at + 4 * n) for at, n in chosen])
            frame = np.repeat(np.arange(first, last, dtype=np.uint32), sizes[first:last])
            columns = frame, pixel, count

            def read(start: int, stop: int, columns: Columns = columns) -> Columns:
                frame, pixel, count = columns
                return frame[start:stop], pixel[start:stop], count[start:stop]

            yield from event_blocks(Path(self.path), read, len(frame), (last, *shape[1:]))
            first = last

    def _index(self, file: NDArray[np.uint8]) -> tuple[tuple[int, int, int], str, list[int], list[int]]:
        """Shape, type of counts, and for each frame where its events begin and how many there are."""
        starts: list[int] = []
        sizes: list[int] = []
        at, known = 0, (0, 0, 0)
        while at < len(file):
            head = file[at : at + IMM_HEADER].tobytes()
            if len(head) < IMM_HEADER:
                raise FrameError(f"{self.path} is truncated: it ends within the header of frame {len(starts)}")
            (compression,) = struct.unpack_from("<i", head, 4)
            rows, columns, width = struct.unpack_from("<3i", head, 108)
            (n,) = struct.unpack_from("<i", head, 152)
            if compression != 6 or width not in (2, 4) or n < 0:
                raise FrameError(
                    f"frame {len(starts)} of {self.path} is no sparse IMM frame (compression {compression}, {width} "
                    f"bytes a count, {n} events): only compression 6 with 2 or 4 bytes is read"
                )
            if starts and (rows, columns, width) != known:
                raise FrameError(f"frame {len(starts)} of {self.path} has {rows} x {columns} pixels, others {known}")
            known = rows, columns, width
            starts.append(at + IMM_HEADER)
            sizes.append(n)
            at += IMM_HEADER + n * (4 + width)
            if at > len(file):
                raise FrameError(f"{self.path} is truncated: it ends within the events of frame {len(starts) - 1}")
        if not starts:
            raise FrameError(f"{self.path} is empty")
        return (len(starts), known[0], known[1]), f"<u{known[2]}", starts, sizes


def _mapped(path: Path) -> NDArray[np.uint8]:
    """The bytes of a file, read when they are used."""
    with opening(path):
        return np.memmap(path, np.uint8, "r") if path.stat().st_size else np.empty(0, np.uint8)
