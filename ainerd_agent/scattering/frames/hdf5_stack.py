"""The frames of one movie as one stack, wherever they lie: in one dataset, or spread over several files."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import FrameError
from ainerd_agent.scattering.frames.hdf5_chunks import FrameReader, frame_reader
from ainerd_agent.scattering.frames.hdf5_links import LIBRARY_ERRORS, OpenFiles
from ainerd_agent.scattering.frames.hdf5_rows import Rows, rows_reader
from ainerd_agent.scattering.frames.hdf5_superblock import superblock
from ainerd_agent.scattering.frames.missing import NotThereError

_NUMBERED = re.compile(r"data_\d+$")
"""How Eiger names its links to data files, and areaDetector's and Dectris' tools after it."""


@dataclass(eq=False)
class _Part:
    """Frames `offset` to `offset` + `count` of a dataset; all there are where `count` is None."""

    dataset: h5py.Dataset
    reader: FrameReader
    offset: int = 0
    count: int | None = None
    event: int | None = None

    def length(self) -> int:
        shape = self.dataset.shape
        there = math.prod(map(int, shape[:-2]))
        if self.event is not None:
            there = shape[1] if self.event < shape[0] else 0
        there = max(0, there - self.offset)
        return there if self.count is None else min(there, self.count)

    def complete(self) -> bool:
        return self.count is None or self.length() == self.count


class Stack:
    """The frames behind a name in an HDF5 file, opened.

    Parameters
    ----------
    files : OpenFiles
    path : Path
    name : str
        A dataset, also a virtual one, or a group with data_000001, data_000002... as Eiger's master files have it.
    select : int or Rows, optional
        First index where the datasets have four dimensions (events, frames, H, W); or how documents count the frames:
        datasets may then have two to four dimensions, and their frames are counted on.
    needed : ndarray of bool, shape (H, W), optional
        Pixels that will be looked at. The others may be zero.

    Attributes
    ----------
    length : int
        Frames that are there, by the last look.
    missing : NotThereError or None
        Why there are no more, where a linked file is missing.
    frame : tuple of int
        (H, W).
    dtype : dtype
        In the byte order of this machine.
    in_rows : bool
        Whether it is a stack of movies whose frames are counted on: frame 0 is the first one of row 0.
    """

    def __init__(
        self,
        files: OpenFiles,
        path: Path,
        name: str,
        select: int | Rows | None,
        needed: NDArray[np.bool_] | None = None,
    ) -> None:
        self._files, self._path, self._name = files, path, name
        self._event = select if isinstance(select, int) else None
        self._rows = select if isinstance(select, Rows) else None
        self._needed = needed
        self.in_rows = False
        self._parts: list[_Part] = []
        self._to_come: list[tuple[Path, str]] = []
        self.missing: NotThereError | None = None
        self.frame: tuple[int, int] = (0, 0)
        self.dtype = np.dtype(np.uint16)
        try:
            self._open()
            self.length = self._count()
        except LIBRARY_ERRORS as error:
            raise NotThereError(
                f"{name} of {path} cannot be read, the file is damaged or truncated: {error}"
            ) from error

    def _open(self) -> None:
        path = self._path
        found, name = self._find(self._name)
        if isinstance(found, h5py.Group):
            names = _numbered(found)
            if not names:
                raise FrameError(f"{name} of {path} is a group without datasets data_000001, data_000002...")
            self._to_come = [(path, f"{name}/{key}") for key in names]
            self._open_more()
            if not self._parts and self.missing is not None:
                raise self.missing
        elif found.is_virtual:
            self._add_virtual(found)
        else:
            self._add(found)

    @property
    def closed(self) -> bool:
        """Whether all files are there, and the writer of the last one has closed it (as far as it can be told)."""
        state = superblock(Path(self._parts[-1].dataset.file.filename))
        return not self._to_come and state is not None and not state.writing

    @property
    def step(self) -> int:
        """Frames that are best read together."""
        return self._parts[0].reader.step

    def refresh(self) -> None:
        """Look again how many frames there are."""
        for part in self._parts[self._finished() :]:
            try:
                part.dataset.refresh()
            except LIBRARY_ERRORS as error:
                raise FrameError(f"{part.dataset.file.filename} cannot be read any more: {error}") from error
        self._open_more()
        self.length = self._count()

    def read(self, first: int, last: int, out: NDArray[Any]) -> int:
        """Read frames `first` to `last` - 1 into `out`, shape (n, H, W), and give how many were there.

        Raises
        ------
        FrameError
            The file is truncated or damaged.
        """
        start = there = 0
        for part in self._parts:
            end = start + part.length()
            a, b = max(first, start), min(last, end)
            if a < b:
                there += self._read_part(part, a - start, b - start, out[a - first : b - first])
                if there < b - first:
                    break
            start = end
        return there

    def _find(self, name: str) -> tuple[h5py.Dataset | h5py.Group, str]:
        try:
            return self._files.find(self._path, name), name
        except NotThereError:
            # The oldest Eigers have no group entry/data: their links are in entry.
            above = name.rstrip("/").rpartition("/")[0]
            if not name.rstrip("/").endswith("entry/data") or not _numbered(self._files.find(self._path, above)):
                raise
            return self._files.find(self._path, above), above

    def _read_part(self, part: _Part, first: int, last: int, out: NDArray[Any]) -> int:
        try:
            return part.reader.read(part.offset + first, part.offset + last, out)
        except LIBRARY_ERRORS as error:
            raise FrameError(
                f"frames {first} to {last - 1} in {part.dataset.file.filename} cannot be read: {error}"
            ) from error

    def _count(self) -> int:
        total = 0
        for part in self._parts:
            total += part.length()
            if not part.complete():
                break
        return total

    def _finished(self) -> int:
        """Parts at the beginning that do not grow any more."""
        number = 0
        while number < len(self._parts) - 1 and self._parts[number].complete():
            number += 1
        return number

    def _open_more(self) -> None:
        """Open the datasets of a group that have appeared."""
        self.missing = None
        while self._to_come and self.missing is None:
            path, name = self._to_come[0]
            try:
                found = self._files.find(path, name)
            except NotThereError as error:
                self.missing = error
            else:
                if isinstance(found, h5py.Group):
                    raise FrameError(f"{name} of {path} is a group, not a dataset")
                self._add(found)
                del self._to_come[0]

    def _add(self, dataset: h5py.Dataset, offset: int = 0, count: int | None = None) -> None:
        """Append a dataset, or some of its frames."""
        where = f"{dataset.name} of {dataset.file.filename}"
        self._check_dimensions(dataset, where)
        if dataset.dtype.kind not in "uifb":
            raise FrameError(f"{where} holds {dataset.dtype}, which is no counts")
        frame = dataset.shape[-2:]
        if 0 in frame:
            raise NotThereError(f"{where} is still empty: its shape is {dataset.shape}")
        self._files.access.check_size(math.prod(frame) * dataset.dtype.itemsize, f"a frame of {where}")
        self._files.access.check_size(math.prod(dataset.chunks or ()) * dataset.dtype.itemsize, f"a chunk of {where}")
        if not self._parts:
            self.frame, self.dtype = frame, dataset.dtype.newbyteorder("=")
            if self._needed is not None and self._needed.shape != frame:
                raise FrameError(
                    f"frames of {frame[0]} x {frame[1]} pixels do not fit the bins, which are for "
                    f"{self._needed.shape[0]} x {self._needed.shape[1]}: the geometry or the labels belong to another "
                    "detector"
                )
        elif (frame, dataset.dtype.newbyteorder("=")) != (self.frame, self.dtype):
            raise FrameError(
                f"{where} holds {dataset.dtype} frames of {frame}, the files before it {self.dtype} of {self.frame}"
            )
        if dataset.ndim == 3 or self._event is not None:
            reader: FrameReader = frame_reader(dataset, self._event, self._needed, self._files.access)
        else:
            reader = rows_reader(dataset, self._needed, self._files.access)
            self.in_rows = dataset.ndim == 4
        self._parts.append(_Part(dataset, reader, offset, count, self._event))

    def _check_dimensions(self, dataset: h5py.Dataset, where: str) -> None:
        if self._rows is not None:
            possible = {2, 3, 4} if self._rows.frames == 1 else {3, 4}
            wanted = "(frames, H, W) or (events, frames, H, W)"
        else:
            possible = {3 if self._event is None else 4}
            wanted = "(frames, H, W)" if self._event is None else "(events, frames, H, W)"
        if dataset.ndim not in possible or (self._parts and self._parts[0].dataset.ndim != dataset.ndim):
            raise FrameError(f"{where} has the shape {dataset.shape}; {wanted} is needed")
        if self._rows is not None and dataset.ndim == 4:
            self._rows.check(dataset)

    def _add_virtual(self, dataset: h5py.Dataset) -> None:
        """Append the sources of a virtual dataset one by one where each holds whole frames, in order.

        The library reads a missing source as zeros. So each is looked for, also where the library then reads, because
        the frames are put together from several sources.
        """
        sources = dataset.virtual_sources()
        if any(_is_endless(each.vspace) for each in sources):  # also those whose names are counted: %b
            self._add(dataset)
            return
        sources = sorted(sources, key=lambda each: each.vspace.get_select_bounds()[0])
        owner = Path(dataset.file.filename)
        found = [self._source(dataset, each) for each in sources]
        ranges = [_frames_of(each, part) for each, part in zip(sources, found, strict=True)]
        whole = [each for each in ranges if each is not None]
        if len(whole) < len(ranges) or dataset.ndim != 3 or self._event is not None:
            for each, part in zip(sources, found, strict=True):
                _check_source(each, part)
            self._add(dataset)
            return
        at = 0
        for part, (target, offset, count) in zip(found, whole, strict=True):
            if target != at:
                raise FrameError(f"frames {at} to {target - 1} of {self._name} in {owner} are in none of its sources")
            self._add(part, offset, count)
            at += count
        if at < len(dataset):
            raise FrameError(f"frames {at} to {len(dataset) - 1} of {self._name} in {owner} are in none of its sources")

    def _source(self, dataset: h5py.Dataset, source: Any) -> h5py.Dataset:
        found = self._files.source(dataset, source.file_name, source.dset_name)
        if not isinstance(found, h5py.Dataset):
            raise FrameError(f"{source.dset_name} of {source.file_name} is a group, not the source of a dataset")
        return found


def _is_endless(space: Any) -> bool:
    """Whether a selection has no end: the dataset is then as long as its sources."""
    try:
        space.get_select_bounds()
    except RuntimeError:
        return True
    return False


def _check_source(source: Any, dataset: h5py.Dataset) -> None:
    """Raise an error where a source does not hold all that is taken of it: the library would read zeros."""
    where = f"{dataset.name} of {dataset.file.filename}"
    if source.src_space.get_select_type() == h5py.h5s.SEL_ALL:
        enough = dataset.size >= source.vspace.get_select_npoints()
    else:
        last = source.src_space.get_select_bounds()[1]
        enough = len(last) == dataset.ndim and all(a < b for a, b in zip(last, dataset.shape, strict=True))
    if not enough:
        raise NotThereError(f"{where} has the shape {dataset.shape}, and more is taken of it: it is truncated")
    if dataset.chunks is not None and not dataset.is_virtual:
        grid = [math.ceil(size / chunk) for size, chunk in zip(dataset.shape, dataset.chunks, strict=True)]
        if dataset.id.get_num_chunks() < math.prod(grid):
            raise NotThereError(f"{where} was not written to its end: the exposure was cut short, or goes on")


def _numbered(group: h5py.Dataset | h5py.Group) -> list[str]:
    return sorted(key for key in group if _NUMBERED.fullmatch(key)) if isinstance(group, h5py.Group) else []


def _frames_of(source: Any, dataset: h5py.Dataset) -> tuple[int, int, int] | None:
    """First frame in the virtual dataset, first frame in the source, number; None where it is not whole frames."""
    low, high = (np.array(corner) for corner in source.vspace.get_select_bounds())
    extent = high - low + 1
    whole = source.vspace.shape[1:]
    if len(extent) != 3 or tuple(extent[1:]) != whole or source.vspace.get_select_npoints() != extent.prod():
        return None
    offset = 0
    if source.src_space.get_select_type() != h5py.h5s.SEL_ALL:
        start, end = (np.array(corner) for corner in source.src_space.get_select_bounds())
        if tuple(end - start + 1) != tuple(extent) or source.src_space.get_select_npoints() != extent.prod():
            return None
        offset = int(start[0])
    return (int(low[0]), offset, int(extent[0])) if dataset.shape[1:] == whole else None
