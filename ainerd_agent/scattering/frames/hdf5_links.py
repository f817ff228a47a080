"""HDF5 files and the links between them, opened with words for what can go wrong."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py

from ainerd_agent.errors import FrameError
from ainerd_agent.scattering.frames.hdf5_superblock import superblock

MOST_LINKS = 16
"""Links that are followed from one name; more go in a circle."""


class NotThereError(FrameError):
    """What is missing now, but may appear while the exposure goes on: a file, a dataset, the right to read."""


class OpenFiles:
    """The HDF5 files of one movie, each opened once, closed together."""

    def __init__(self) -> None:
        self._files: dict[Path, h5py.File] = {}
        self._resources = ExitStack()

    def close(self) -> None:
        """Close them."""
        self._files.clear()
        self._resources.close()

    def open(self, path: Path) -> h5py.File:
        """A file, opened for reading, also while it is written (SWMR).

        Raises
        ------
        NotThereError
            It is missing, empty, or kept from readers by its writer.
        FrameError
            It is truncated, or no HDF5 file.
        """
        if path not in self._files:
            self._files[path] = self._resources.enter_context(_open(path))
        return self._files[path]

    def find(self, path: Path, name: str) -> h5py.Dataset | h5py.Group:
        """An object by its name, through links into other files.

        Raises
        ------
        NotThereError
            As from `open`; or there is no such object in the file, or not yet in a readable state.
        """
        try:
            return self._find(self.open(path), path, name, MOST_LINKS)
        except (OSError, RuntimeError, KeyError) as error:  # what the HDF5 library raises on damaged structures
            raise NotThereError(
                f"{name} in {path} cannot be read, the file is damaged or truncated: {error}"
            ) from error

    def _find(self, start: h5py.Group, path: Path, name: str, links: int) -> h5py.Dataset | h5py.Group:
        if links == 0:
            raise FrameError(f"the links of {path} lead in a circle at {name}")
        found: Any = start.file if name.startswith("/") else start
        for part in filter(None, name.split("/")):
            link = found.get(part, getlink=True) if isinstance(found, h5py.Group) else None
            if isinstance(link, h5py.ExternalLink):
                path = beside(path, link.filename)
                found = self._find(self.open(path), path, link.path, links - 1)
            elif isinstance(link, h5py.SoftLink):
                found = self._find(found, path, link.path, links - 1)
            elif link is None:
                raise NotThereError(f"{path} has no dataset {name}")
            else:
                found = found[part]
        return found


def beside(path: Path, name: str) -> Path:
    """Where a file that `path` names is: there, or in the folder of `path`, as the HDF5 library looks for it."""
    named = Path(os.fsdecode(name))
    if str(named) == ".":
        return path
    candidates = [named, path.parent / named.name] if named.is_absolute() else [path.parent / named, named]
    return next((each for each in candidates if each.exists()), candidates[0])


def _open(path: Path) -> h5py.File:
    import hdf5plugin  # noqa: F401  (registers the compression filters)

    try:
        state = superblock(path)
        empty = path.stat().st_size == 0
    except FileNotFoundError as error:
        raise NotThereError(
            f"the detector file {path} is not there: is the detector's disk mounted on this machine?"
        ) from error
    except OSError as error:
        raise FrameError(f"the detector file {path} cannot be read: {error.strerror}") from error
    # Opening a file locks it for a moment. At that moment its writer could fail to create it: keep off until it is due.
    if empty:
        raise NotThereError(f"{path} is still empty")
    swmr = state is not None and state.swmr
    if state is not None and state.writing and not swmr:
        raise NotThereError(_KEPT.format(path))
    if state is not None and swmr and state.truncated:
        raise NotThereError(f"{path} is truncated: copy it again, or salvage what is in it with the HDF5 tools")
    try:
        return h5py.File(path, "r", libver="latest" if swmr else None, swmr=swmr, locking="best-effort")
    except BlockingIOError as error:
        raise NotThereError(_KEPT.format(path)) from error
    except OSError as error:
        raise FrameError(f"{path} is not a readable HDF5 file (truncated, or still empty): {error}") from error


_KEPT = (
    "another program has {} open for writing and keeps readers out: let it write in SWMR mode, or wait until it closes "
    "the file. If it ended without closing it, h5clear -s makes the file readable. Where the file system cannot lock, "
    "set HDF5_USE_FILE_LOCKING=FALSE"
)
