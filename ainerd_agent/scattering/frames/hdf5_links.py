"""HDF5 files and the links between them, opened with words for what can go wrong."""

from __future__ import annotations

import math
import os
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import h5py

from ainerd_agent.errors import FrameError
from ainerd_agent.scattering.frames.chunk_sizes import damaged_chunk
from ainerd_agent.scattering.frames.hdf5_names import (
    MOST_LINKS,
    link_candidates,
    link_of,
    source_candidates,
    storage_candidates,
)
from ainerd_agent.scattering.frames.hdf5_superblock import superblock
from ainerd_agent.scattering.frames.missing import NotThereError, opening
from ainerd_agent.scattering.frames.roots import ANYWHERE, Access

LIBRARY_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError)
"""What the HDF5 library raises on damaged structures."""


class OpenFiles:
    """The HDF5 files of one movie, each opened once, closed together.

    Parameters
    ----------
    access : Access, optional
        Which files may be opened, also those that files lead to.
    """

    def __init__(self, access: Access = ANYWHERE) -> None:
        self.access = access
        self._files: dict[Path, h5py.File] = {}
        self._measured: set[tuple[str, str]] = set()
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
            It may not be read, is truncated, or no HDF5 file.
        """
        if path not in self._files:
            file = self._resources.enter_context(_open(self.access.check(path)))
            # The library opens by name alone. A pipe that took the file's place would hold it up; another file shows.
            self.access.check_opened(path, file.id.get_vfd_handle())
            self._files[path] = file
        return self._files[path]

    def find(self, path: Path, name: str) -> h5py.Dataset | h5py.Group:
        """An object by its name, through links into other files.

        Raises
        ------
        NotThereError
            As from `open`; or there is no such object in the file, or not yet in a readable state.
        FrameError
            As from `open`; or the raw storage or a virtual source of a dataset may not be read.
        """
        return self._checked(path, name, MOST_LINKS)

    def source(self, dataset: h5py.Dataset, file_name: str, name: str) -> h5py.Dataset | h5py.Group:
        """What a source of a virtual dataset names. Raises as `find`."""
        return self._source(dataset, file_name, name, MOST_LINKS)

    def _checked(self, path: Path, name: str, depth: int) -> h5py.Dataset | h5py.Group:
        try:
            found = self._find(self.open(path), path, name, MOST_LINKS)
            if isinstance(found, h5py.Dataset):
                self._check_storage(found, depth)
                if depth < MOST_LINKS:
                    self._check_chunks(found)
            elif not isinstance(found, h5py.Group):
                raise FrameError(f"{name} of {path} is no dataset")
        except LIBRARY_ERRORS as error:
            raise NotThereError(
                f"{name} in {path} cannot be read, the file is damaged or truncated: {error}"
            ) from error
        return found

    def _find(self, start: h5py.Group, path: Path, name: str, links: int) -> h5py.Dataset | h5py.Group:
        if links == 0:
            raise FrameError(f"the links of {path} lead in a circle at {name}")
        found = start.file["/"] if name.startswith("/") else start
        for part in filter(lambda each: each not in {"", "."}, name.split("/")):
            link = link_of(found, part) if isinstance(found, h5py.Group) else None
            if link is None:
                raise NotThereError(f"{path} has no dataset {name}")
            if link.file:
                path = self._existing(link_candidates(path, link.file))
                found = self._find(self.open(path), path, link.path, links - 1)
            elif link.path:
                found = self._find(found, path, link.path, links - 1)
            else:
                found = found[part]
        return found

    def _existing(self, candidates: list[Path]) -> Path:
        """The first that is there, of those that the library tries; the first one where none is there."""
        return self.access.check(next((each for each in candidates if os.path.lexists(each)), candidates[0]))

    def _check_storage(self, dataset: h5py.Dataset, depth: int) -> None:
        """Check what the library itself will open to read a dataset: it takes what is missing as zeros."""
        if depth == 0:
            raise FrameError(f"the virtual sources of {dataset.file.filename} lead in a circle at {dataset.name}")
        if dataset.external:
            self._check_raw(dataset)
        # Nothing is asked of a virtual dataset before: to tell its shape, the library may open its sources.
        for source in dataset.virtual_sources() if dataset.is_virtual else ():
            if "%b" in source.file_name or "%b" in source.dset_name:
                self._check_numbered(dataset, source.file_name, source.dset_name, depth)
            else:
                self._source(dataset, source.file_name, source.dset_name, depth)

    def _source(self, dataset: h5py.Dataset, file_name: str, name: str, depth: int) -> h5py.Dataset | h5py.Group:
        owner = Path(dataset.file.filename)
        path = owner if file_name == "." else self._existing(source_candidates(owner, file_name))
        return self._checked(path, name, depth - 1)

    def _check_chunks(self, dataset: h5py.Dataset) -> None:
        """Check a source of a virtual dataset, which the library may unpack by itself."""
        key = (dataset.file.filename, dataset.name)
        if key in self._measured or dataset.is_virtual:
            return
        self._measured.add(key)
        damage = damaged_chunk(dataset, self.access.largest_frame)
        if damage is not None:
            raise FrameError(f"{dataset.name} of {dataset.file.filename} is damaged: {damage}")

    def _check_numbered(self, dataset: h5py.Dataset, file_name: str, name: str, depth: int) -> None:
        """Check sources whose names are numbered from 0: the library reads as many as there are."""
        for number in count():
            try:
                self._source(dataset, file_name.replace("%b", str(number)), name.replace("%b", str(number)), depth)
            except NotThereError:
                return

    def _check_raw(self, dataset: h5py.Dataset) -> None:
        path = Path(dataset.file.filename)
        missing = math.prod(dataset.shape) * dataset.dtype.itemsize
        for name, offset, size in dataset.external:
            for each in storage_candidates(path, name):
                self.access.check(each)
            raw = next((each for each in storage_candidates(path, name) if each.exists()), None)
            held = min(size, missing)
            if raw is None or raw.stat().st_size < offset + held:
                raise NotThereError(
                    f"{dataset.name} of {path} has its frames in {os.fsdecode(name)}, which is not there or truncated"
                )
            missing -= held


def _open(path: Path) -> h5py.File:
    import hdf5plugin  # noqa: F401  (registers the compression filters)

    with opening(path):
        state = superblock(path)
        empty = path.stat().st_size == 0
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
