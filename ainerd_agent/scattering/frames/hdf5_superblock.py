"""What the first bytes of an HDF5 file say, read without the library.

The library may wait for ever on a truncated file that it opens in SWMR mode, and it does not tell a reader that the
writer has closed the file. The superblock does (HDF5 File Format Specification 3.0, II.A, "Disk Format: Level 0A").
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ainerd_agent.scattering.frames.roots import open_regular

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SIZE = 48
_WRITING, _SWMR = 0b001, 0b100


@dataclass(frozen=True, slots=True)
class Superblock:
    """The state of a file of the format that SWMR needs (superblock version 3).

    Attributes
    ----------
    writing : bool
        A program has it open for writing, or ended without closing it.
    swmr : bool
        And it lets others read meanwhile.
    truncated : bool
        The file is shorter than its writer knew it to be.
    """

    writing: bool
    swmr: bool
    truncated: bool


def superblock(path: Path) -> Superblock | None:
    """State of a file; None for other formats, for files of an older version, and for one that is still empty.

    Raises
    ------
    OSError
        The file is not there, may not be read, or is no regular file.
    """
    with open_regular(path) as file:
        head = file.read(_SIZE)
        size = file.seek(0, 2)
    if head[:8] != _SIGNATURE or len(head) < 12 or head[8] != 3:
        return None
    flags, width = head[11], head[9]
    start = 12 + 2 * width  # after the base address and the address of the extension
    end = int.from_bytes(head[start : start + width], "little")
    return Superblock(bool(flags & _WRITING), bool(flags & _SWMR), len(head) < _SIZE or size < end)
