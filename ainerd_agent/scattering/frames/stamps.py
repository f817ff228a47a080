"""The numbers and times that a detector writes beside its frames: which were dropped, and whether they are in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import FrameError
from ainerd_agent.records import FloatArray
from ainerd_agent.scattering.frames.hdf5_links import LIBRARY_ERRORS, OpenFiles


class Stamps:
    """Reads numbers and times in order, and checks them.

    Parameters
    ----------
    numbers, times : str or None
        Datasets of shape (frames,). areaDetector: `/entry/instrument/NDAttributes/NDArrayUniqueId` and
        `NDArrayTimeStamp`.
    start : int
        The frame that the movie begins with; its number is the place 0.
    """

    def __init__(self, files: OpenFiles, path: Path, numbers: str | None, times: str | None, start: int) -> None:
        self._path, self._start = path, start
        self._numbers = _column(files, path, numbers)
        self._times = _column(files, path, times)

    @property
    def length(self) -> float:
        """Frames that the file has stamps for; infinite where it has no stamps."""
        return min((len(each) for each in (self._numbers, self._times) if each is not None), default=np.inf)

    def refresh(self) -> None:
        """Look again."""
        for each in (self._numbers, self._times):
            if each is not None:
                each.refresh()

    def read(self, first: int, last: int) -> tuple[NDArray[np.int64], FloatArray | None]:
        """Numbers, counted from the beginning of the movie, and times of the frames `first` to `last` - 1.

        Raises
        ------
        FrameError
            They do not rise, from the frame before `first` on.
        """
        numbers = np.arange(first, last) - self._start
        if self._numbers is not None:
            told = self._rising(self._numbers, first, last, "number").astype(np.int64)
            numbers = told - int(self._numbers[self._start])
        times = None
        if self._times is not None:
            times = self._rising(self._times, first, last, "time stamp").astype(np.float64)
        return numbers, times

    def ends(self, start: int, length: int, announced: int | None) -> tuple[float, float] | None:
        """Times of the first and the last of `length` frames that belong to the movie; None where there is none.

        Raises
        ------
        FrameError
            The times or numbers cannot be read, do not rise, or there are none.
        """
        if self._times is None or length <= start:
            return None
        last = length if announced is None else min(length, start + announced)
        numbers, _ = self.read(start, last)
        if announced is not None:
            last = start + int(np.searchsorted(numbers, announced))  # dropped frames count as well
        return float(self._times[start]), float(self._times[last - 1])

    def _rising(self, column: h5py.Dataset, first: int, last: int, what: str) -> NDArray[Any]:
        before = max(self._start, first - 1)
        try:
            values = np.asarray(column[before:last])
        except LIBRARY_ERRORS as error:
            raise FrameError(f"{column.name} of {self._path} cannot be read: {error}") from error
        falling = np.flatnonzero(~(values[1:] > values[:-1]))  # NaN included
        if falling.size:
            at = int(falling[0])
            raise FrameError(
                f"frame {before + at + 1} of {self._path} has the {what} {values[at + 1]}, the frame before it "
                f"{values[at]}: frames are out of order, or of two exposures"
            )
        return values[first - before :]


def _column(files: OpenFiles, path: Path, name: str | None) -> h5py.Dataset | None:
    if name is None:
        return None
    found = files.find(path, name)
    if not isinstance(found, h5py.Dataset) or found.ndim != 1:
        raise FrameError(f"{name} of {path} is not a list with one entry a frame")
    return found
