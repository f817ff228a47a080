"""A movie in a sequence of files, or in one file, that are no stacks of HDF5: TIFF, .npy, one HDF5 file a frame."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import FrameError, FrameTimeoutError
from ainerd_agent.scattering.frames.file_names import FileNames
from ainerd_agent.scattering.frames.growing import Following
from ainerd_agent.scattering.frames.image_formats import FewerError, FormatOfFile
from ainerd_agent.scattering.frames.missing import NotThereError
from ainerd_agent.scattering.frames.read_ahead import ReadAhead, threads_for
from ainerd_agent.scattering.frames.roots import ANYWHERE, Access

BLOCK_BYTES = 12 << 20
"""Of a block."""

MOST_FRAMES = 256
"""Of a block, where frames are small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFiles:
    """Frames `start` to `stop` of files, counted on from file to file.

    Files are read in several threads while the frames before them are used.

    Parameters
    ----------
    names : FileNames
        Of the files, numbered from 0.
    format : TiffFormat, NpyFormat or HDF5Format
    start, stop : int
        First frame, and the one after the last.
    per_file : tuple of int
        Frames that a file may hold; the file shows which it is. One number where it is known. It does not matter where
        there is a single file.
    following : Following, optional
        Wait for files that are not there yet. By default all have to be there.
    access : Access, optional
        Which files may be opened, and how large a frame may be.

    Raises
    ------
    FrameError
        When it is read: a file may not be read, is of another kind, holds frames of another shape or type, or more
        than `per_file`.
    FrameTimeoutError
        When it is read, after the last frame before the first one that is missing: a file that is not there, truncated
        or damaged.
    """

    names: FileNames
    format: FormatOfFile
    start: int
    stop: int
    per_file: tuple[int, ...] = (1,)
    following: Following | None = field(default=None, compare=False)
    access: Access = ANYWHERE

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.stop or not self.per_file or min(self.per_file) < 1:
            raise ValueError(f"frames {self.start} to {self.stop} of files of {self.per_file} are no range")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, H, W). Waits for a followed file."""
        return self.stop - self.start, *self._layout().frame

    def first(self, n_frames: int) -> Self:
        """The source of the first frames alone, where no more are there."""
        return replace(self, stop=self.start + n_frames)

    def blocks(self, needed: NDArray[np.bool_] | None = None) -> Iterator[NDArray[Any]]:
        """Consecutive blocks of frames; `needed` changes nothing (see `HDF5Frames.blocks`)."""
        layout = self._layout()
        n_bytes = math.prod(layout.frame) * layout.dtype.itemsize
        size = min(MOST_FRAMES, max(1, BLOCK_BYTES // n_bytes))
        patience = _Patience(self.following)

        def read(first: int, last: int) -> _Read:
            return self._read(layout, first, last)

        with ReadAhead(read, threads_for(size * n_bytes)) as ahead:
            asked = done = self.start
            while done < self.stop:
                while asked < self.stop and not ahead.full:
                    last = min(asked + size, self.stop)
                    ahead.ask(asked, last)
                    asked = last
                frames, missing = ahead.take()[2]
                if len(frames):
                    done += len(frames)
                    patience.progress()
                    yield frames
                if missing is not None:
                    ahead.forget()
                    asked = done
                    if not patience.more():
                        self._cut_short(done, missing)

    def _cut_short(self, done: int, missing: NotThereError) -> None:
        received, announced = done - self.start, self.stop - self.start
        raise FrameTimeoutError(
            f"{received} of {announced} frames are there: {missing}. The exposure was cut short, or files are missing",
            received,
            announced,
        ) from missing

    def _layout(self) -> _Layout:
        """What the first file shows; waits for it."""
        number = self.start // max(self.per_file) if self.names.several else 0
        patience = _Patience(self.following)
        while True:
            try:
                with closing(self.format.open(self.names.path(number), self.access)) as file:
                    if not self.names.several:
                        per_file = max(self.stop, 1)
                    else:
                        per_file = file.length if file.length in self.per_file else max(self.per_file)
                    return _Layout(file.frame, file.dtype, per_file)
            except NotThereError as error:
                if not patience.more():
                    self._cut_short(self.start, error)

    def _read(self, layout: _Layout, first: int, last: int) -> _Read:
        out = np.empty((last - first, *layout.frame), layout.dtype)
        at = first
        while at < last:
            number, inside = divmod(at, layout.per_file)
            end = min(last, (number + 1) * layout.per_file)
            try:
                self._read_file(layout, number, inside, out[at - first : end - first])
            except FewerError as error:
                return out[: at - first + error.there], error
            except NotThereError as error:
                return out[: at - first], error
            at = end
        return out, None

    def _read_file(self, layout: _Layout, number: int, inside: int, out: NDArray[Any]) -> None:
        path = self.names.path(number)
        with closing(self.format.open(path, self.access)) as file:
            if (file.frame, file.dtype) != (layout.frame, layout.dtype):
                raise FrameError(
                    f"{path} holds {file.dtype} frames of {file.frame}, the first file {layout.dtype} of {layout.frame}"
                )
            if self.names.several and file.length > layout.per_file:
                raise FrameError(
                    f"{path} holds {file.length} frames where the documents announce {layout.per_file} for each file"
                )
            there = min(len(out), max(0, file.length - inside))
            file.read(inside, inside + there, out[:there])
        if there < len(out):
            raise FewerError(f"{path} holds {file.length} frames, and more were announced", there)


@dataclass(frozen=True, slots=True)
class _Layout:
    """What the files have in common."""

    frame: tuple[int, int]
    dtype: np.dtype[Any]
    per_file: int


_Read = tuple[NDArray[Any], NotThereError | None]
"""Frames, and why there are no more."""


class _Patience:
    """Waits for files that are not there yet."""

    def __init__(self, following: Following | None) -> None:
        self._following = following
        self._over = False
        self.progress()

    def progress(self) -> None:
        """Note that a frame came."""
        timeout = 0.0 if self._following is None else self._following.timeout
        self._deadline = time.monotonic() + timeout

    def more(self) -> bool:
        """Wait until the next look; False where nothing more will come."""
        if self._following is None or self._over or time.monotonic() > self._deadline:
            return False
        self._following.check()
        # Looked at once more after the end: all that was written before it is seen then.
        self._over = self._following.ended is not None and self._following.ended()
        if not self._over:
            self._following.pause()
        return True
