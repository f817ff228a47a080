"""A movie in an HDF5 file, finished or growing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import FrameError, FrameTimeoutError
from ainerd_agent.records import FloatArray, NumberedFrames
from ainerd_agent.scattering.frames.growing import Following, Watch
from ainerd_agent.scattering.frames.hdf5_chunks import prepare
from ainerd_agent.scattering.frames.hdf5_links import OpenFiles
from ainerd_agent.scattering.frames.hdf5_rows import Rows
from ainerd_agent.scattering.frames.hdf5_stack import Stack
from ainerd_agent.scattering.frames.read_ahead import Buffers, ReadAhead, threads_for
from ainerd_agent.scattering.frames.roots import ANYWHERE, Access
from ainerd_agent.scattering.frames.stamps import Stamps

BLOCK_BYTES = 12 << 20
"""Of a block: several of them, decompressed ahead, should still be in the cache when they are used."""

MOST_FRAMES = 256
"""Of a block, where frames are small."""


@dataclass(frozen=True, slots=True)
class HDF5Frames:
    """Frames `start` to `stop` of a stack (frames, H, W) in an HDF5 file that may still be written (SWMR).

    Chunks are decompressed in several threads while the frames before them are used. Live analysis reads the file
    itself and not through Tiled, because a growing stack of three dimensions is not always readable there.

    Parameters
    ----------
    path : Path or str
    dataset : str
        A dataset, also a virtual one, or a group of links data_000001, data_000002... as in Eiger's master files.
    start : int
        First frame.
    stop : int, optional
        The frame after the last one; by default the movie goes on to the end.
    event : int, optional
        Which movie of a stack of four dimensions (events, frames, H, W).
    rows : Rows, optional
        How documents count the frames, in place of `event`: the file may then be (frames, H, W), (events, frames, H, W)
        or, for one frame, (H, W), and `start` and `stop` count its frames on from row to row.
    frame_numbers, timestamps : str, optional
        Datasets with a number and a time for each frame of the stack. Blocks are then `NumberedFrames`: gaps in the
        numbers are dropped frames, the first frame is number 0, and `stop` - `start` counts dropped frames too.
    following : Following, optional
        Wait for a file that is being written. By default all frames have to be there.
    whole : bool
        The movie is all that the dataset holds: more frames than announced are an error.
    access : Access, optional
        Which files may be opened, also those that the file leads to, and how large a frame may be.

    Raises
    ------
    FrameError
        When it is read: the file or a file that it links to is missing, truncated, damaged, locked, or may not be
        read; there is no such dataset, or its frames are too large; numbers or times do not rise.
    FrameTimeoutError
        When it is read: after the last frame, where there are fewer than announced, or, followed, frames stop coming.
        A movie of unknown length that is followed ends without an error when its writer closes the file, when
        `following.ended` says so, or when nothing came for `following.timeout`.

    Notes
    -----
    Frames for which a dataset has room, but which were not written yet, are waited for, or an error; the HDF5 library
    would give zeros. A chunk of several frames counts as written with the first of them: let detectors write one frame
    a chunk.
    """

    path: Path | str
    dataset: str
    start: int = 0
    stop: int | None = None
    event: int | None = None
    frame_numbers: str | None = None
    timestamps: str | None = None
    following: Following | None = field(default=None, compare=False)
    rows: Rows | None = None
    whole: bool = False
    access: Access = ANYWHERE

    def __post_init__(self) -> None:
        if self.start < 0 or (self.stop is not None and self.stop < self.start):
            raise ValueError(f"frames {self.start} to {self.stop} are no range")
        if self.event is not None and self.rows is not None:
            raise ValueError("frames are of an event of the file, or of rows of the documents, not of both")

    @property
    def shape(self) -> tuple[int | None, int, int]:
        """(T, H, W); T is None where a file is followed to an end that nobody knows. Waits for a followed file."""
        with closing(self._open()) as movie:
            stop = movie.length if self.stop is None and self.following is None else movie.stop
            return None if stop is None else stop - movie.start, *movie.stack.frame

    def first(self, n_frames: int) -> Self:
        """The source of the first frames alone, where no more are there."""
        return replace(self, stop=self.start + n_frames, whole=False)

    def times(self) -> tuple[float, float] | None:
        """When the first and the last frame that is there were taken, as the detector wrote it; no frame is read.

        None where no `timestamps` were named, or no frame is there yet. Waits for a followed file.

        Raises
        ------
        FrameError
            The file or its times cannot be read.
        """
        if self.timestamps is None:
            return None
        with closing(self._open()) as movie:
            return movie.stamps.ends(movie.start, movie.length, movie.announced)

    def blocks(self, needed: NDArray[np.bool_] | None = None) -> Iterator[NDArray[Any] | NumberedFrames]:
        """Consecutive blocks of frames, `NumberedFrames` where numbers or times were named.

        Parameters
        ----------
        needed : ndarray of bool, shape (H, W), optional
            Pixels that will be looked at. The others may be zero: they need not be decompressed.
        """
        with closing(self._open(needed)) as movie:
            step = movie.stack.step
            frames = max(1, BLOCK_BYTES // (math.prod(movie.stack.frame) * movie.stack.dtype.itemsize))
            size = math.ceil(min(frames, MOST_FRAMES) / step) * step  # a chunk of many frames is decompressed once
            shape = (size, *movie.stack.frame)
            n_bytes = math.prod(shape) * movie.stack.dtype.itemsize
            if size == step:
                self.access.check_size(n_bytes, f"{step} frames of {self.path}, whose chunks hold parts of so many,")
            buffers = Buffers(shape, movie.stack.dtype)

            def read(first: int, last: int) -> _Block:
                numbers, times = movie.stamps.read(first, last)
                out = buffers.take()[: last - first]
                return out[: movie.stack.read(first, last, out)], numbers, times

            with ReadAhead(read, threads_for(n_bytes)) as ahead:
                yield from self._in_order(movie, ahead, size)

    def _in_order(self, movie: _Movie, ahead: ReadAhead[_Block], size: int) -> Iterator[NDArray[Any] | NumberedFrames]:
        watch = None if self.following is None else Watch(self.following)
        announced = movie.announced
        stop = math.inf if movie.stop is None else movie.stop
        if movie.stop is None and watch is None:
            stop = movie.length
        asked = done = movie.start
        received = 0
        while done < stop:
            available = int(min(movie.length, stop))
            while asked < available and not ahead.full:
                last = min(available, (asked // size + 1) * size)
                ahead.ask(asked, last)
                asked = last
            unwritten = False
            if ahead:
                first, last, (frames, numbers, times) = ahead.take()
                done = first + len(frames)
                unwritten = done < last
                if announced is not None and len(frames) and numbers[len(frames) - 1] >= announced - 1:
                    stop = done  # dropped frames count as well
                    frames = frames[: np.searchsorted(numbers, announced)]
                if len(frames):
                    received = int(numbers[len(frames) - 1]) + 1
                    yield self._given(frames, numbers, times)
                    if watch is not None:
                        watch.progress()
                del frames  # so that its memory can be used again
                if not unwritten or done >= stop:
                    continue
                ahead.forget()
                asked = done
            if watch is None or not watch.more(movie, done, unwritten=unwritten):
                self._check_end(watch, movie.length, done, received)
                return
        self._check_whole(movie)

    def _given(
        self, frames: NDArray[Any], numbers: NDArray[np.int64], times: FloatArray | None
    ) -> NDArray[Any] | NumberedFrames:
        if self.frame_numbers is None and self.timestamps is None:
            return frames
        n = len(frames)
        return NumberedFrames(frames, numbers[:n], None if times is None else times[:n])

    def _check_whole(self, movie: _Movie) -> None:
        if self.whole and movie.stop is not None and movie.length > movie.stop:
            raise FrameError(
                f"{self.path} holds {movie.length} frames where the documents announce {movie.stop}: which is wrong?"
            )

    def _check_end(self, watch: Watch | None, length: int, done: int, received: int) -> None:
        """Raise an error if the movie must not end before frame `done`."""
        announced = None if self.stop is None else self.stop - self.start
        if watch is None:
            announced = length - self.start if announced is None else announced
            raise FrameTimeoutError(
                f"{self.path} holds {received} frames where {announced} were announced, frame {done} was never "
                "written to it: it is truncated, or the exposure was cut short",
                received,
                announced,
            )
        if announced is None and received:
            return
        of = "" if announced is None else f" of {announced}"
        raise FrameTimeoutError(
            f"{self.path} gave {received}{of} frames: {watch.reason()}. The exposure was cut short, or the detector "
            "stopped writing",
            received,
            announced,
        )

    def _open(self, needed: NDArray[np.bool_] | None = None) -> _Movie:
        if self.following is None:
            movie = _Movie(self, needed)
            try:
                self._check_length(movie)
            except FrameError:
                movie.close()
                raise
            return movie
        prepare("<u2", "<u4")
        announced = None if self.stop is None else self.stop - self.start
        return self.following.until_there(lambda: _Movie(self, needed), announced)

    def _check_length(self, movie: _Movie) -> None:
        """Raise an error where there is not a single frame; fewer than announced are one after the last of them."""
        if movie.stack.missing is not None and (movie.stop is None or movie.length < movie.stop):
            raise movie.stack.missing
        if movie.length < movie.start or (movie.length == movie.start and movie.announced):
            expected = movie.start if movie.stop is None else movie.stop
            raise FrameTimeoutError(
                f"{self.path} holds {movie.length} frames where {expected} were announced: it is truncated, or the "
                "exposure was cut short",
                0,
                movie.announced,
            )


_Block = tuple[NDArray[Any], NDArray[np.int64], FloatArray | None]
"""Frames, and the number and time of each; frames at the end may be missing."""


class _Movie:
    """The open files of a movie."""

    def __init__(self, source: HDF5Frames, needed: NDArray[np.bool_] | None) -> None:
        self._files = OpenFiles(source.access)
        try:
            path = Path(source.path)
            select = source.event if source.rows is None else source.rows
            self.stack = Stack(self._files, path, source.dataset, select, needed)
            # Where rows are movies of the file, not all of the rows before need have been as long as these.
            zero = source.rows.zero if source.rows is not None and self.stack.in_rows else 0
            self.start = source.start - zero
            self.stop = None if source.stop is None else source.stop - zero
            self.stamps = Stamps(self._files, path, source.frame_numbers, source.timestamps, self.start)
        except BaseException:
            self.close()
            raise

    @property
    def announced(self) -> int | None:
        """Frames that the movie should have; None where nobody knows."""
        return None if self.stop is None else self.stop - self.start

    @property
    def length(self) -> int:
        """Frames that can be read."""
        return int(min(self.stack.length, self.stamps.length))

    @property
    def closed(self) -> bool:
        """Whether the writer has closed the file of the last frames."""
        return self.stack.closed

    def refresh(self) -> None:
        """Look again how many frames there are."""
        self.stamps.refresh()
        self.stack.refresh()

    def close(self) -> None:
        """Close the files."""
        self._files.close()
