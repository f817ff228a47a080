"""A movie that lies in several places: files of single frames, or a file that another one goes on from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import FrameError, FrameTimeoutError
from ainerd_agent.records import FrameSource, NumberedFrames, PhotonEvents

Block = NDArray[Any] | NumberedFrames | PhotonEvents


@dataclass(frozen=True, slots=True)
class JoinedFrames:
    """The frames of several sources, one after the other.

    Parameters
    ----------
    parts : tuple of FrameSource
        In order. The number of frames of each is known; but for the last one.
    missing : tuple of int, optional
        Frames of the movie that are missing before each part; by default none is.

    Raises
    ------
    FrameError
        When it is read: a part raises one, or has frames of another shape or type, or times before those of the part
        before it.
    FrameTimeoutError
        When it is read, after the last frame before the first one that is missing, in whatever part. `received` counts
        from the beginning of the movie.
    """

    parts: tuple[FrameSource, ...]
    missing: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "missing", self.missing or (0,) * len(self.parts))
        if not self.parts:
            raise FrameError("a movie without any part has no frames")

    @property
    def shape(self) -> tuple[int | None, int, int]:
        """(T, H, W), with H and W of the first part; T is None where the length of the last part is not known."""
        return self._n_frames, *self.parts[0].shape[1:]

    @property
    def _n_frames(self) -> int | None:
        """Of all parts, without opening a file that is not there yet."""
        lengths = [_length(part) for part in self.parts]
        known = [length for length in lengths if length is not None]
        return sum(known) + sum(self.missing) if len(known) == len(lengths) else None

    def blocks(self, needed: NDArray[np.bool_] | None = None) -> Iterator[Block]:
        """Consecutive blocks of all parts (see `HDF5Frames.blocks`); numbers count from the beginning of the movie."""
        before, like, last_time = 0, None, -np.inf
        for number, (part, missing) in enumerate(zip(self.parts, self.missing, strict=True)):
            length = _length(part)
            before += missing
            try:
                for block in _numbered(part.blocks(needed)) if any(self.missing) else part.blocks(needed):
                    if not isinstance(block, PhotonEvents):
                        like = self._like(number, block, like)
                    if isinstance(block, NumberedFrames) and block.times is not None:
                        self._check_time(number, float(block.times[0]), last_time)
                        last_time = float(block.times[-1])
                    yield _moved(block, before)
            except FrameTimeoutError as error:
                raise FrameTimeoutError(
                    f"part {number + 1} of {len(self.parts)} of the movie: {error}",
                    before + error.received,
                    self._n_frames,
                ) from error
            if length is None and part is not self.parts[-1]:
                raise FrameError(f"the number of frames of part {number + 1} of the movie is not known")
            before += length or 0

    def first(self, n_frames: int) -> Self:
        """The source of the first frames alone, where no more are there."""
        parts: list[FrameSource] = []
        for part, missing in zip(self.parts, self.missing, strict=True):
            length = _length(part)
            n_frames -= missing
            if parts and n_frames <= 0:
                return self._of(parts)
            if length is None or length >= n_frames:
                return self._of([*parts, first_frames(part, n_frames)])
            parts.append(part)
            n_frames -= length
        raise FrameError(f"the movie has {n_frames} frames fewer than were asked for")

    def times(self) -> tuple[float, float] | None:
        """When the first and the last frame were taken, see `HDF5Frames.times`; None where a part does not say."""
        first, last = times_of(self.parts[0]), times_of(self.parts[-1])
        return None if first is None or last is None else (first[0], last[1])

    def _of(self, parts: Sequence[FrameSource]) -> Self:
        return replace(self, parts=tuple(parts), missing=self.missing[: len(parts)])

    def _like(self, number: int, block: NDArray[Any] | NumberedFrames, like: NDArray[Any] | None) -> NDArray[Any]:
        frames = block.frames if isinstance(block, NumberedFrames) else block
        if like is None:
            return np.empty((0, *frames.shape[1:]), frames.dtype)
        self._check_frame(number, frames.shape[1:], like.shape[1:])
        if frames.dtype != like.dtype:
            raise FrameError(f"part {number + 1} of the movie holds {frames.dtype}, the parts before it {like.dtype}")
        return like

    def _check_frame(self, number: int, frame: tuple[int, ...], first: tuple[int, ...]) -> None:
        if tuple(frame) != tuple(first):
            raise FrameError(
                f"part {number + 1} of the movie has frames of {frame[0]} x {frame[1]} pixels, the first part of "
                f"{first[0]} x {first[1]}"
            )

    def _check_time(self, number: int, time: float, before: float) -> None:
        if not time > before:
            raise FrameError(
                f"part {number + 1} of the movie begins at the time {time}, the part before it ended at {before}: "
                "they are out of order"
            )


def first_frames(source: FrameSource, n_frames: int) -> FrameSource:
    """The source of the first frames alone, for a movie that was cut short.

    Raises
    ------
    FrameError
        The source cannot be shortened.
    """
    first = getattr(source, "first", None)
    if first is None:
        raise FrameError(f"frames from {type(source).__name__} cannot be shortened to those that are there")
    shortened: FrameSource = first(n_frames)
    return shortened


def times_of(source: FrameSource) -> tuple[float, float] | None:
    """When the first and the last frame were taken, as the detector wrote it; None where the source does not say.

    Raises
    ------
    FrameError
        The times cannot be read.
    """
    times = getattr(source, "times", None)
    found: tuple[float, float] | None = None if times is None else times()
    return found


def _length(source: FrameSource) -> int | None:
    """Frames of a source, without opening its file where that is not needed."""
    start, stop = getattr(source, "start", None), getattr(source, "stop", None)
    return stop - start if isinstance(start, int) and isinstance(stop, int) else source.shape[0]


def _numbered(blocks: Iterable[Block]) -> Iterator[NumberedFrames]:
    """Blocks of a part with the places of their frames in it, as a movie with gaps needs them."""
    done = 0
    for block in blocks:
        if isinstance(block, PhotonEvents):
            raise FrameError("a movie with missing frames cannot be read from photon events: they would be dark frames")
        if isinstance(block, NumberedFrames):
            yield block
        else:
            yield NumberedFrames(block, np.arange(done, done + len(block)), None)
            done += len(block)


def _moved(block: Block, before: int) -> Block:
    """A block as it is counted from the beginning of the movie."""
    if isinstance(block, NumberedFrames):
        return replace(block, numbers=block.numbers + before)
    if isinstance(block, PhotonEvents):
        return replace(block, frame=block.frame + before, stop=block.stop + before)
    return block
