"""The folder in which records wait. Several processes, also of several machines, may use it at once.

A record is there as a whole or not at all, and no name is taken twice: see `docs/decisions/0016`. What other programs
leave in the folder stays as it is.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from ainerd_agent.catalog.codec.envelopes import rename_exclusively, write_envelope
from ainerd_agent.errors import SessionError

WAITING, REFUSED = ".npz", ".refused"

_OURS = re.compile(r"(?:record-(?P<moment>\d{19,})-[0-9a-f]{8}|(?P<number>\d{8,}))(?:\.npz|\.refused)", re.ASCII)
"""Names of records. Those of version 0.1 are numbers; now it is the nanosecond, and who wrote it."""

_LOCK = ".delivering"
_SHOWN = 5
"""Names of foreign files in a message."""

_log = logging.getLogger(__name__)


class SpoolFolder:
    """Records that wait, as files.

    Parameters
    ----------
    path : Path
        Created where it is missing, also later.

    Raises
    ------
    SessionError
        The folder cannot be created or listed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SessionError(f"The spool folder {path} cannot be created: {error.strerror}.") from error
        ours, foreign = self._listed()
        self._writer = secrets.token_hex(4)
        self._last = max((int(found["moment"] or 0) for found in ours), default=0)
        if foreign:
            _log.warning(
                "%s holds %d files that are no records, and are left alone: %s%s. (An ending .unfinished: a process "
                "ended while it wrote it, or writes it now.)",
                path, len(foreign), ", ".join(foreign[:_SHOWN]), ", ..." if len(foreign) > _SHOWN else "",
            )  # fmt: skip

    def keep(self, content: Any, *, refused: bool = False) -> Path:
        """Write a record behind all others that this process wrote.

        Raises
        ------
        OSError
            It cannot be written.
        """
        self.path.mkdir(parents=True, exist_ok=True)  # somebody may have tidied up
        while True:
            path = self._next(REFUSED if refused else WAITING)
            try:
                write_envelope(path, content)
            except FileExistsError:
                continue
            return path

    def waiting(self) -> list[Path]:
        """Records to deliver, in order; none where the folder is gone.

        Raises
        ------
        SessionError
            The folder cannot be listed.
        """
        return self._records(WAITING)

    def refuse(self, path: Path) -> Path:
        """Put a record aside; gives its new name.

        Raises
        ------
        FileNotFoundError
            Another process was faster.
        OSError
            It cannot be renamed.
        """
        return self._move(path, REFUSED)

    def readmit(self) -> list[Path]:
        """Let records that were put aside wait again; gives their new names."""
        readmitted = []
        for path in self._records(REFUSED):
            try:
                readmitted.append(self._move(path, WAITING))
            except FileNotFoundError:
                pass  # another process did it
            except OSError as error:
                _log.warning("%s was refused before, and cannot be tried again: %s.", path, error.strerror)
        return readmitted

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether this is the only one that delivers from the folder; a process that ends or dies lets go of it.

        True as well where the file system has no locks: to deliver a record twice does little harm, not to deliver it
        does.
        """
        with ExitStack() as stack:
            try:
                lock = stack.enter_context((self.path / _LOCK).open("ab"))
            except OSError as error:
                _log.debug("%s is delivered from without a lock: %s", self.path, error)
                yield True
                return
            yield _locked(lock)

    def _records(self, suffix: str) -> list[Path]:
        ours = [found for found in self._listed()[0] if found.string.endswith(suffix)]
        # What version 0.1 wrote is older than anything else.
        ours.sort(
            key=lambda found: (found["moment"] is not None, int(found["moment"] or found["number"]), found.string)
        )
        return [self.path / found.string for found in ours]

    def _listed(self) -> tuple[list[re.Match[str]], list[str]]:
        """The names of records, and of other files that are not hidden."""
        try:
            with os.scandir(self.path) as entries:
                names = sorted(entry.name for entry in entries if entry.is_file() and not entry.name.startswith("."))
        except FileNotFoundError:
            return [], []
        except OSError as error:
            raise SessionError(f"The spool folder {self.path} cannot be listed: {error.strerror}.") from error
        found = {name: _OURS.fullmatch(name) for name in names}
        return [each for each in found.values() if each], [name for name, each in found.items() if not each]

    def _next(self, suffix: str) -> Path:
        """Give a name behind all that this process gave, and that waited at first, even if a clock is put back."""
        self._last = max(time.time_ns(), self._last + 1)
        return self.path / f"record-{self._last:019d}-{self._writer}{suffix}"

    def _move(self, path: Path, suffix: str) -> Path:
        """Give a record another ending, without replacing a file."""
        target = path.with_suffix(suffix)
        while True:
            try:
                rename_exclusively(path, target)
            except FileExistsError:
                target = self._next(suffix)
            else:
                return target


def _locked(file: BinaryIO) -> bool:
    """Whether the lock was free, or there are no locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return True
