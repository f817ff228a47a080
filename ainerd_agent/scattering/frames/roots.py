"""Which files may be opened: regular ones, below folders that are configured, however they are named.

Documents and files name files, and whoever writes them may be mistaken, or mean harm. So a name is never followed as it
stands: it is resolved, through `..` and links, and what is no regular file, or lies elsewhere, is refused. A pipe in
place of a file would stop its reader for ever.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self
from urllib.parse import unquote

from ainerd_agent.errors import FrameError
from ainerd_agent.settings import FileSettings

_FILE_URI = re.compile(r"file:(?://(?P<host>[^/]*)(?=/)|(?!//))(?P<path>/.*)", re.DOTALL | re.IGNORECASE)
_DRIVE = re.compile(r"/?[A-Za-z]:[\\/]")
_LOCAL = ("", "localhost")

_KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


@dataclass(frozen=True, slots=True)
class Access:
    """What of this machine may be read as frames.

    Attributes
    ----------
    roots : tuple of Path
        Folders that every file has to lie in, after all links. Any folder where there is none.
    hosts : tuple of str
        Names of machines in `file:` addresses whose files stand here under the same path; localhost always is one.
    largest_frame : int
        Bytes of a frame, or of a chunk of frames, that are the most to be taken into memory.
    """

    roots: tuple[Path, ...] = ()
    hosts: tuple[str, ...] = ()
    largest_frame: int = 1_000_000_000

    @classmethod
    def of(cls, files: FileSettings) -> Self:
        """As the settings have it."""
        return cls(files.roots, files.hosts, files.largest_frame)

    def path_of(self, uri: str) -> Path:
        """The path that a `file:` address names; its escapes (%20) are decoded.

        Some programs write addresses without escapes. So where only the path as it stands exists, it is meant.

        Raises
        ------
        FrameError
            It is no address of a file of this machine, or the file is refused, see `check`.
        """
        found = _FILE_URI.fullmatch(uri) if isinstance(uri, str) else None
        if found is None:
            raise FrameError(f"{uri!r} is no file:// address with a path from / on: only files are read")
        host = (found["host"] or "").lower()
        if host not in _LOCAL and host not in {each.lower() for each in self.hosts}:
            raise FrameError(
                f"{uri!r} is a file of the machine {host!r}: name it in files.hosts if its disk is mounted here under "
                "the same path"
            )
        written, path = found["path"], unquote(found["path"], errors="surrogateescape")
        if "\0" in path or "\\" in path or _DRIVE.match(path):
            raise FrameError(f"{uri!r} is no path of this machine: it has a drive letter, a backslash, or a zero byte")
        candidates = [self.check(Path(each)) for each in dict.fromkeys((path, written))]
        there = [each for each in candidates if os.path.lexists(each)]
        if len(there) > 1:
            raise FrameError(
                f"{uri!r} may be {there[0]} or {there[1]}, and both exist: rename one of them, so that it is clear "
                "which is meant"
            )
        in_folder = (each for each in candidates if os.path.lexists(each.parent))  # what a template goes on from
        return there[0] if there else next(in_folder, candidates[0])

    def check(self, path: Path) -> Path:
        """The same path, if its file may be read. A file that does not exist yet is no matter.

        Raises
        ------
        FrameError
            It leads out of the roots, or to something that is no regular file (a folder passes: it cannot be read).
        """
        try:
            resolved = Path(os.path.realpath(path))
            mode = resolved.stat().st_mode
        except FileNotFoundError:
            mode = stat.S_IFREG
        except (OSError, ValueError) as error:
            raise FrameError(f"the detector file {path} cannot be read: {error}") from error
        if self.roots and not any(resolved.is_relative_to(os.path.realpath(root)) for root in self.roots):
            where = "" if resolved == path else f" is {resolved}, which"
            raise FrameError(f"{path}{where} lies outside of the folders that files.roots allows: it is not read")
        for applies, kind in _KINDS:
            if applies(mode):
                raise FrameError(f"{path} is {kind}, not a regular file: it is not read")
        return path

    def check_opened(self, path: Path, descriptor: int) -> None:
        """Check again, now that a file is open: somebody may have put another one in its place since `check`.

        Parameters
        ----------
        path : Path
            As it was opened.
        descriptor : int
            Of the open file.

        Raises
        ------
        FrameError
            What is open is not what stands under its path below the roots.
        """
        if not self.roots or os.name == "nt":
            return
        self.check(path)
        try:
            same = os.path.samestat(os.fstat(descriptor), path.stat())
        except FileNotFoundError:
            same = False
        if not same:
            raise FrameError(f"{path} was replaced while it was opened: it is not read. Try again if that was intended")

    def check_size(self, n_bytes: int, what: str) -> None:
        """Raise a FrameError where something would take more memory than a frame may."""
        if n_bytes > self.largest_frame:
            raise FrameError(
                f"{what} would take {n_bytes:.3g} bytes of memory, more than files.largest_frame allows "
                f"({self.largest_frame:.3g}): the file is damaged, or the setting too small"
            )


ANYWHERE = Access()
"""Regular files in any folder."""


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading, without ever waiting for a writer at the other end of a pipe.

    Raises
    ------
    OSError
        It is not there, may not be read, or is no regular file.
    """
    return path.open("rb") if os.name == "nt" else open(path, "rb", opener=_without_waiting)


def _without_waiting(path: str, flags: int) -> int:
    number = os.open(path, flags | os.O_NONBLOCK)
    mode = os.fstat(number).st_mode
    if stat.S_ISREG(mode):
        return number
    os.close(number)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    raise OSError(errno.EINVAL, "it is no regular file", path)
