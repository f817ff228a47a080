"""A movie as photon events in an HDF5 file.

The events are in one group: `frame`, `pixel` and `count`, each of shape (n,), sorted by frame, and the attribute
`shape`, (T, H, W). `pixel` is row * W + column; the counts of a pixel that comes several times in a frame add up.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.errors import FrameError
from ainerd_agent.records import PhotonEvents
from ainerd_agent.scattering.frames.event_blocks import Columns, event_blocks
from ainerd_agent.scattering.frames.hdf5_links import OpenFiles
from ainerd_agent.scattering.frames.hdf5_names import link_of

COLUMNS = ("frame", "pixel", "count")


@dataclass(frozen=True, slots=True)
class HDF5Events:
    """Photon events in a group of an HDF5 file, as `write_events` writes them.

    Raises
    ------
    FrameError
        When it is read: the file or the group is missing, or the columns do not belong together; see `event_blocks`.
    """

    path: Path | str
    group: str = "events"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, H, W)."""
        with closing(OpenFiles()) as files:
            return self._open(files)[0]

    def blocks(self, needed: NDArray[np.bool_] | None = None) -> Iterator[PhotonEvents]:
        """Consecutive frames; `needed` changes nothing (see `HDF5Frames.blocks`)."""
        with closing(OpenFiles()) as files:
            shape, columns = self._open(files)

            def read(first: int, last: int) -> Columns:
                try:
                    frame, pixel, count = (column[first:last] for column in columns)
                except OSError as error:
                    raise FrameError(f"events {first} to {last - 1} of {self.path} cannot be read: {error}") from error
                return frame, pixel, count

            yield from event_blocks(Path(self.path), read, len(columns[0]), shape)

    def _open(self, files: OpenFiles) -> tuple[tuple[int, int, int], list[h5py.Dataset]]:
        path = Path(self.path)
        found = files.find(path, self.group)
        columns: list[h5py.Dataset] = []
        if isinstance(found, h5py.Group):
            columns = [files.find(path, f"{self.group}/{name}") for name in COLUMNS if link_of(found, name) is not None]
        if len(columns) < len(COLUMNS) or not all(isinstance(each, h5py.Dataset) for each in columns):
            raise FrameError(f"{self.group} of {path} is no group with the datasets {', '.join(COLUMNS)}")
        if len({column.shape for column in columns}) > 1 or columns[0].ndim != 1:
            lengths = ", ".join(f"{name} {column.shape}" for name, column in zip(COLUMNS, columns, strict=True))
            raise FrameError(f"the events in {self.group} of {path} are incomplete or truncated: {lengths}")
        if any(column.dtype.kind not in "ui" for column in columns):
            raise FrameError(f"the events in {self.group} of {path} must be integers")
        shape = tuple(int(size) for size in np.ravel(found.attrs.get("shape", ())))
        if len(shape) != 3:
            raise FrameError(f"{self.group} of {path} needs the attribute shape, with (T, H, W)")
        return (shape[0], shape[1], shape[2]), columns


def write_events(
    path: Path | str,
    frame: ArrayLike,
    pixel: ArrayLike,
    count: ArrayLike,
    shape: tuple[int, int, int],
    *,
    group: str = "events",
) -> None:
    """Add a group of photon events to an HDF5 file, in the layout that `HDF5Events` reads.

    Parameters
    ----------
    frame, pixel, count : array_like of int, shape (n,)
        Sorted by frame; `pixel` is row * W + column.
    shape : tuple of int
        (T, H, W).
    """
    with h5py.File(path, "a") as file:
        events = file.create_group(group)
        events.attrs["shape"] = shape
        for name, values, kind in zip(COLUMNS, (frame, pixel, count), ("u4", "u4", "u2"), strict=True):
            events.create_dataset(name, data=np.asarray(values), dtype=kind)
