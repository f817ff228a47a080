"""Rows: how documents count what is in a file, and reading a stack of movies as frames that are counted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import FrameError
from ainerd_agent.scattering.frames.hdf5_chunks import FrameReader, frame_reader
from ainerd_agent.scattering.frames.missing import NotThereError
from ainerd_agent.scattering.frames.roots import Access


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """How documents count the frames of a file: in rows, one for each event, of so many frames.

    The file may hold the rows one after the other, (frames, H, W); as movies, (events, frames, H, W); or one of them
    with one frame, (H, W). It shows when it is opened.

    Attributes
    ----------
    frames : int
        Of a row.
    zero : int
        The frame that row 0 would begin with, if all rows before were as long as this one. Not 0 where they were not.
    join_method : {"stack", "concat"}, optional
        How the documents say that rows are joined.
    """

    frames: int
    zero: int = 0
    join_method: Literal["stack", "concat"] | None = None

    def check(self, dataset: h5py.Dataset) -> None:
        """Compare with a dataset of four dimensions.

        Raises
        ------
        FrameError
            It has other rows than the documents say.
        NotThereError
            It may still grow to what they say.
        """
        where = f"{dataset.name} of {dataset.file.filename}"
        there = dataset.shape[1]
        if self.join_method == "concat":
            raise FrameError(
                f"{where} is a stack of movies, of shape {dataset.shape}, where the documents say that movies are "
                "joined one after the other (join_method concat)"
            )
        if there != self.frames:
            kind = NotThereError if there < self.frames else FrameError
            raise kind(f"{where} holds {there} frames an event, the documents announce {self.frames}")


def rows_reader(dataset: h5py.Dataset, needed: NDArray[np.bool_] | None, access: Access) -> FrameReader:
    """A reader for all frames of a dataset of two or four dimensions, counted on from row to row."""
    return _FrameReader(dataset) if dataset.ndim == 2 else _RowsReader(dataset, needed, access)


class _FrameReader:
    """Reads a dataset that is one frame, (H, W)."""

    step = 1

    def __init__(self, dataset: h5py.Dataset) -> None:
        self._dataset = dataset

    def read(self, first: int, last: int, out: NDArray[Any]) -> int:
        """See `FrameReader`."""
        if last > first:
            self._dataset.read_direct(out, dest_sel=0)
        return last - first


class _RowsReader:
    """Reads a stack of movies, (events, frames, H, W)."""

    def __init__(self, dataset: h5py.Dataset, needed: NDArray[np.bool_] | None, access: Access) -> None:
        self._per_row = dataset.shape[1]
        self._reader = frame_reader(dataset, 0, needed, access)
        self.step = self._reader.step if self._per_row > 1 else 1

    def read(self, first: int, last: int, out: NDArray[Any]) -> int:
        """See `FrameReader`."""
        at = first
        while at < last:
            row, inside = divmod(at, self._per_row)
            end = min(last, at + self._per_row - inside)
            reader = self._reader.at_event(row)
            there = reader.read(inside, inside + end - at, out[at - first : end - first])
            at += there
            if at < end:
                break
        return at - first
