"""What one event of the detector is made of: its descriptor, where its frames are, and the frames that are in it."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.callbacks.told_exposures import ToldExposure
from ainerd_agent.callbacks.values import as_mapping, shown, whole_number
from ainerd_agent.records import Events
from ainerd_agent.scattering.frames.assets import Asset, Part

UNKNOWN_FRAMES = "ainerd_unknown_frames"
"""Key that a replay adds to a descriptor: why it is not known which frames its events have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a descriptor says of the detector in its stream.

    Attributes
    ----------
    uid, stream : str
    data_keys, configuration, configuration_keys : mapping
        As in the document; the configuration of all devices together.
    shape : tuple of int
        (H, W) or (T, H, W) of what one event has.
    problem : str
        Why that is not known; empty where it is.
    """

    uid: str
    stream: str
    data_keys: Mapping[str, Any]
    configuration: Mapping[str, Any]
    configuration_keys: Mapping[str, Any]
    shape: tuple[int, ...] = ()
    problem: str = ""

    @classmethod
    def of(cls, doc: Mapping[str, Any], key: str) -> Described:
        """Read a descriptor, whatever is in it."""
        devices = [as_mapping(each) for each in as_mapping(doc.get("configuration")).values()]
        data_keys = as_mapping(doc.get("data_keys"))
        shape, problem = _frames_shape(as_mapping(data_keys.get(key)).get("shape"))
        problem = str(doc.get(UNKNOWN_FRAMES) or problem)
        return cls(
            uid=str(doc.get("uid", "")),
            stream=str(doc.get("name") or "primary"),
            data_keys=data_keys,
            configuration={name: value for each in devices for name, value in as_mapping(each.get("data")).items()},
            configuration_keys={
                name: value for each in devices for name, value in as_mapping(each.get("data_keys")).items()
            },
            shape=shape,
            problem=problem,
        )

    @property
    def frames(self) -> int:
        """Frames of one event."""
        return self.shape[0] if len(self.shape) == 3 else 1


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Shot:
    """One event of the detector with its frames, or frames without an event.

    Attributes
    ----------
    number : int
        Of the event in its stream, from 1.
    event : mapping or None
    described : Described
    part : Part or None
        Where the frames are; None for frames in the event itself.
    array : ndarray or None, shape (T, H, W)
        Frames that are in the event.
    reused : bool
        The frames were given to an earlier event of this number, and none were named since.
    rows : Rows or None
        What the part was made of, where it may be counted again.
    """

    number: int
    event: Mapping[str, Any] | None
    described: Described
    part: Part | None = None
    array: NDArray[Any] | None = None
    reused: bool = False
    rows: Rows | None = None

    @property
    def last(self) -> int:
        """Number of the last event, where frames without events are of several rows."""
        return self.number if self.part is None else self.number + self.part.stop - self.part.start - 1

    @property
    def frames(self) -> int:
        """How many there are."""
        if self.part is not None:
            return self.part.frames
        return 0 if self.array is None else len(self.array)


@dataclass(frozen=True, slots=True)
class Lost:
    """Events of which no measurement can be made, and why."""

    events: Events
    message: str


@dataclass(frozen=True, slots=True, eq=False)
class ExposedShots:
    """The rows of one exposure, and what is told of it."""

    shots: Sequence[Shot]
    told: ToldExposure


Found = list[Shot] | ExposedShots | Lost
"""What a stream gives: the shots of a movie, with what is told of it where something is, or what is lost."""


@dataclass(slots=True, eq=False)
class Spans:
    """How many frames the rows of an asset have, which may differ from one to the next."""

    _spans: list[tuple[int, int, int]] = field(default_factory=list)
    """First row, the row after the last, and frames of each, in order."""

    def add(self, start: int, stop: int, per_row: int) -> None:
        """Take note of rows; those that follow one another with as many frames become one."""
        if self._spans and self._spans[-1][1] == start and self._spans[-1][2] == per_row:
            self._spans[-1] = (self._spans[-1][0], stop, per_row)
        else:
            insort(self._spans, (start, stop, per_row))

    def shorten(self, row: int, frames: int) -> None:
        """Take note that one row has fewer frames than those around it."""
        spans: list[tuple[int, int, int]] = []
        for start, stop, per_row in self._spans:
            if start <= row < stop:
                pieces = ((start, row, per_row), (row, row + 1, frames), (row + 1, stop, per_row))
                spans += [piece for piece in pieces if piece[0] < piece[1]]
            else:
                spans.append((start, stop, per_row))
        self._spans[:] = sorted(spans)

    @property
    def start(self) -> int:
        """The first row that was named."""
        return self._spans[0][0] if self._spans else 0

    @property
    def stop(self) -> int:
        """The row after the last one that was named."""
        return max((stop for _, stop, _ in self._spans), default=0)

    def frames_before(self, row: int) -> int:
        """Frames of all rows before one; rows that nobody named have as many as those before them."""
        total, at, per_row = 0, 0, self._spans[0][2] if self._spans else 1
        for start, stop, frames in self._spans:
            if start >= row:
                break
            start = max(start, at)  # rows that were named twice
            total += (start - at) * per_row + (min(stop, row) - start) * frames if min(stop, row) > start else 0
            at, per_row = max(at, min(stop, row)), frames
        return total + max(0, row - at) * per_row


@dataclass(slots=True)
class Rows:
    """Rows of an asset for events `first` to `last` that have not come yet."""

    asset: Asset
    described: Described
    spans: Spans
    first: int
    last: int
    index: int
    """Row of event `first`."""

    def __contains__(self, number: int) -> bool:
        return self.first <= number <= self.last

    @property
    def per_row(self) -> int:
        """Frames of a row."""
        return frames_per_row(self.asset, self.described)

    def row_of(self, number: int) -> int:
        """The row of an event."""
        return self.index + number - self.first

    def between(self, first: int, last: int) -> Rows:
        """Those of some of the events."""
        return Rows(self.asset, self.described, self.spans, first, last, self.row_of(first))

    def part(self, first: int, last: int) -> Part:
        """The frames of some of the events."""
        rows = self.between(first, last)
        return Part(
            asset=self.asset,
            start=rows.index,
            stop=rows.index + last - first + 1,
            frames_per_row=self.per_row,
            first_frame=self.spans.frames_before(rows.index),
        )


def _frames_shape(shape: Any) -> tuple[tuple[int, ...], str]:
    """The shape of what an event has as (H, W) or (T, H, W), or why it is none."""
    try:
        sizes = [whole_number(each) for each in shape]
    except TypeError:
        sizes = []
    if len(sizes) == 4 and 1 in sizes[:2]:
        sizes = [max(sizes[0] or 0, sizes[1] or 0), *sizes[2:]]  # one movie, or movies of one frame
    if len(sizes) not in (2, 3) or not all(sizes):
        return (), f"its descriptor gives the frames the shape {shown(shape)} instead of (frames, rows, columns)"
    return tuple(size for size in sizes if size), ""


def frames_per_row(asset: Asset, described: Described) -> int:
    """Frames of a row of an asset: as the detector's file says, else as the descriptor does."""
    multiplier = whole_number(asset.parameters.get("multiplier"))
    return multiplier if multiplier and multiplier > 1 else described.frames


def stack_of(value: Any) -> NDArray[Any] | None:
    """Frames that are in an event, as (T, H, W); None where they are no such array."""
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        return None
    if array.ndim == 2:
        array = array[np.newaxis]
    return array if array.ndim == 3 and array.dtype.kind in "uifb" and array.size else None
