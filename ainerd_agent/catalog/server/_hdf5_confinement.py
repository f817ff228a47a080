"""HDF5 files name other files: links, sources of virtual datasets, raw storage. Here none may lead out of a folder."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py

from ainerd_agent.catalog.server._confinement import RefusedError, inside
from ainerd_agent.errors import FrameError
from ainerd_agent.scattering.frames.hdf5_names import (
    MOST_LINKS,
    link_candidates,
    link_of,
    source_candidates,
    storage_candidates,
)

_OUTSIDE = "This HDF5 file takes data from another file, outside the folders of the session: it is not read here."


class Hdf5References:
    """What HDF5 files refer to, followed as the HDF5 library would follow it.

    Parameters
    ----------
    folder : Path
        Resolved. Every file that is named must lie in it.
    options : Mapping
        How the files are opened for reading: `swmr`, `libver`, `locking`.
    """

    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        self._folder = folder
        self._options = dict(options)
        self._files: dict[Path, h5py.File] = {}
        self._seen: set[tuple[str, str]] = set()
        self._resources = ExitStack()

    def close(self) -> None:
        """Close the files that were opened for it."""
        self._resources.close()

    def check(self, path: Path, name: str) -> None:
        """Check an object and all that is below it. What is not there is no matter.

        Raises
        ------
        RefusedError
            Some of its data, or of its links, lie in a file outside.
        OSError
            A file cannot be opened.
        """
        found = self._find(path, self._open(path)["/"], name, MOST_LINKS)
        if found is not None:
            self._check_object(*found)

    def _check_object(self, path: Path, found: Any) -> None:
        key = (found.file.filename, found.name)
        if key in self._seen:
            return
        self._seen.add(key)
        if isinstance(found, h5py.Dataset):
            self._check_dataset(path, found)
        elif isinstance(found, h5py.Group):
            for name in found:
                below = self._find(path, found, name, MOST_LINKS)
                if below is not None:
                    self._check_object(*below)

    def _check_dataset(self, path: Path, dataset: h5py.Dataset) -> None:
        for name, *_ in dataset.external or ():
            self._require(storage_candidates(path, name))
        if not dataset.is_virtual:
            return
        for _, file_name, name, _ in dataset.virtual_sources():
            for source in self._sources(path, file_name):
                # A pattern over datasets stands for any of them.
                self.check(source, "/" if "%b" in name else name)

    def _sources(self, path: Path, name: str) -> list[Path]:
        if name == ".":
            return [path]
        candidates = source_candidates(path, name)
        if "%b" in name:  # numbered files
            self._require([candidates[0].parent])
            patterns = ["*".join(map(glob.escape, str(each).split("%b"))) for each in candidates]
            candidates = [Path(found) for pattern in patterns for found in glob.glob(pattern)]
            self._require(candidates)
            return candidates
        return self._existing(candidates)

    def _find(self, path: Path, start: Any, name: str, links: int) -> tuple[Path, Any] | None:
        """An object, and the file it is in, by its name: through links into other files."""
        if links == 0:
            raise RefusedError("The links of this HDF5 file lead in a circle: it is not read here.", 422)
        found = start.file["/"] if name.startswith("/") else start
        for part in filter(lambda each: each not in {"", "."}, name.split("/")):
            below = self._follow(path, found, part, links - 1) if isinstance(found, h5py.Group) else None
            if below is None:
                return None
            path, found = below
        return path, found

    def _follow(self, path: Path, group: h5py.Group, name: str, links: int) -> tuple[Path, Any] | None:
        try:
            link = link_of(group, name)
        except FrameError as error:
            raise RefusedError("This HDF5 file has links of a kind of its own: it is not read here.") from error
        if link is None:
            return None
        if not link.path:
            return path, group[name]
        if not link.file:
            return self._find(path, group, link.path, links)
        existing = self._existing(link_candidates(path, link.file))
        return self._find(existing[0], self._open(existing[0])["/"], link.path, links) if existing else None

    def _existing(self, candidates: list[Path]) -> list[Path]:
        """The files among those that the library tries. It goes on to the next where one cannot be opened."""
        existing = [each for each in candidates if each.exists()]
        self._require(existing or candidates[:1])
        return existing[:1]

    def _require(self, paths: Sequence[Path]) -> None:
        if not all(inside(path, self._folder) for path in paths):
            raise RefusedError(_OUTSIDE)
        if any(path.exists() and not path.is_file() and not path.is_dir() for path in paths):
            raise RefusedError("This HDF5 file takes data from a pipe or a device: it is not read here.")

    def _open(self, path: Path) -> h5py.File:
        if path not in self._files:
            self._files[path] = self._resources.enter_context(h5py.File(path, "r", **self._options))
        return self._files[path]
