"""The detector's events in one stream of a run, matched with their frames and put together to movies."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.callbacks.values import as_mapping, as_number, whole_number
from ainerd_agent.records import Events
from ainerd_agent.scattering.frames.assets import Asset, Part
from ainerd_agent.settings import MovieSettings

KEPT_PARTS = 1000
"""Latest events whose frames are remembered."""

MOST_EVENTS = 1_000_000
"""Events of one movie; more are a mistake of the settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a descriptor says of the detector in its stream.

    Attributes
    ----------
    uid, stream : str
    data_keys, configuration, configuration_keys : mapping
        As in the document; the configuration of all devices together.
    shape : tuple of int
        Of what one event has; empty where the descriptor gives none.
    """

    uid: str
    stream: str
    data_keys: Mapping[str, Any]
    configuration: Mapping[str, Any]
    configuration_keys: Mapping[str, Any]
    shape: tuple[int, ...] = ()

    @classmethod
    def of(cls, doc: Mapping[str, Any], key: str) -> Described:
        """Read a descriptor, whatever is in it."""
        devices = [as_mapping(each) for each in as_mapping(doc.get("configuration")).values()]
        data_keys = as_mapping(doc.get("data_keys"))
        shape = as_mapping(data_keys.get(key)).get("shape")
        sizes = [whole_number(each) for each in shape] if isinstance(shape, list | tuple) else []
        return cls(
            uid=str(doc.get("uid", "")),
            stream=str(doc.get("name") or "primary"),
            data_keys=data_keys,
            configuration={name: value for each in devices for name, value in as_mapping(each.get("data")).items()},
            configuration_keys={
                name: value for each in devices for name, value in as_mapping(each.get("data_keys")).items()
            },
            shape=tuple(size for size in sizes if size is not None),
        )

    @property
    def frames(self) -> int:
        """Frames of one event."""
        return self.shape[0] if len(self.shape) == 3 and self.shape[0] > 0 else 1


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
    """

    number: int
    event: Mapping[str, Any] | None
    described: Described
    part: Part | None = None
    array: NDArray[Any] | None = None

    @property
    def frames(self) -> int:
        """How many there are."""
        if self.part is not None:
            return (self.part.stop - self.part.start) * self.part.frames_per_row
        return 0 if self.array is None else len(self.array)


@dataclass(frozen=True, slots=True)
class Lost:
    """Events of which no measurement can be made, and why."""

    events: Events
    message: str


@dataclass(slots=True)
class Rows:
    """Rows of an asset for events `first` to `last` that have not come yet."""

    asset: Asset
    described: Described
    first: int
    last: int
    index: int
    """Row of event `first`."""
    first_frame: int
    """Frames of the asset before that row."""

    @property
    def per_row(self) -> int:
        """Frames of a row."""
        return frames_per_row(self.asset, self.described)

    def between(self, first: int, last: int) -> Rows:
        """Those of some of the events."""
        skipped = first - self.first
        before = self.first_frame + skipped * self.per_row
        return Rows(self.asset, self.described, first, last, self.index + skipped, before)

    def part(self, first: int, last: int) -> Part:
        """The frames of some of the events."""
        rows = self.between(first, last)
        return Part(
            asset=self.asset,
            start=rows.index,
            stop=rows.index + last - first + 1,
            frames_per_row=self.per_row,
            first_frame=rows.first_frame,
        )


@dataclass(slots=True, eq=False)
class DetectorStream:
    """Events of one stream, in any order with their frames; gives movies as soon as they are complete.

    Parameters
    ----------
    name : str
    key : str
        The detector's.
    settings : MovieSettings
    axes : mapping of str to str
        Key of each axis: where they change, another movie begins.
    """

    name: str
    key: str
    settings: MovieSettings
    axes: Mapping[str, str]
    repeated: list[int] = field(default_factory=list)
    """Events that came again, since the last look."""
    _rows: list[Rows] = field(default_factory=list)
    _waiting: dict[int, tuple[Mapping[str, Any], Described]] = field(default_factory=dict)
    _parts: dict[int, Part] = field(default_factory=dict)
    """Frames of the latest events that were given: an event that came again without new frames has these."""
    _open: list[Shot] = field(default_factory=list)
    _highest: int = 0
    _last_uid: str = ""
    _skipped: set[int] = field(default_factory=set)
    """Numbers below the highest that have not come: a late event is no repetition."""

    def event(self, doc: Mapping[str, Any], described: Described) -> Iterator[list[Shot] | Lost]:
        """Take an event of the detector.

        Raises
        ------
        ValueError
            It has no number.
        """
        number = whole_number(doc.get("seq_num"))
        if not number:
            raise ValueError(f"an event of stream {self.name} has the number {doc.get('seq_num')!r}")
        uid = str(doc.get("uid", ""))
        if uid and uid == self._last_uid:
            return  # delivered twice
        self._last_uid = uid
        if number in self._skipped:
            self._skipped.discard(number)
        elif number <= self._highest:
            self.repeated.append(number)
        elif number - self._highest <= MOST_EVENTS:
            self._skipped.update(range(self._highest + 1, number))
        self._highest = max(self._highest, number)
        value = as_mapping(doc.get("data")).get(self.key)
        if isinstance(value, np.ndarray | list | tuple):
            yield from self._take(Shot(number=number, event=doc, described=described, array=_stack_of(value)))
            return
        self._waiting[number] = (doc, described)
        yield from self._match()

    def rows(self, rows: Rows) -> Iterator[list[Shot] | Lost]:
        """Take a range of events whose frames have been named."""
        self._rows.append(rows)
        yield from self._match()

    def end(self) -> Iterator[list[Shot] | Lost]:
        """The run is over: what is open is complete, and what waits is lost."""
        if not self._highest and self._rows:
            yield from self._without_events()
        for number in sorted(self._waiting.keys() & self._parts.keys()):
            doc, described = self._waiting.pop(number)
            yield from self._take(Shot(number=number, event=doc, described=described, part=self._parts[number]))
        for number in sorted(self._waiting):
            yield Lost(Events(self.name, number, number), "the run ended before the detector named this event's frames")
        self._waiting.clear()
        if self._open:
            yield from self._closed()
        if self._highest:
            for each in self._rows:
                yield Lost(Events(self.name, each.first, each.last), "there are frames, but no event came for them")
        self._rows.clear()

    def _match(self) -> Iterator[list[Shot] | Lost]:
        """Give the events whose frames have been named by now, in order."""
        for number in sorted(self._waiting):
            rows = next((each for each in reversed(self._rows) if each.first <= number <= each.last), None)
            if rows is None:
                continue
            doc, described = self._waiting.pop(number)
            part = self._parts[number] = rows.part(number, number)
            if len(self._parts) > KEPT_PARTS:
                del self._parts[next(iter(self._parts))]
            self._rows.remove(rows)
            for first, last in ((rows.first, number - 1), (number + 1, rows.last)):
                if first <= last:
                    self._rows.append(rows.between(first, last))
            yield from self._take(Shot(number=number, event=doc, described=described, part=part))

    def _without_events(self) -> Iterator[list[Shot] | Lost]:
        """Frames of a fly scan: its rows are movies, or together one."""
        for rows in self._rows:
            together = rows.per_row == 1 and self.settings.events is None
            step = rows.last - rows.first + 1 if together else 1
            for first in range(rows.first, rows.last + 1, step):
                last = min(first + step - 1, rows.last)
                part = rows.part(first, last)
                yield from self._take(Shot(number=first, event=None, described=rows.described, part=part))
        self._rows.clear()

    def _take(self, shot: Shot) -> Iterator[list[Shot] | Lost]:
        """Put a shot to its movie, and give movies that are complete."""
        if self._is_a_movie(shot):
            if self._open:
                yield from self._closed()
            yield [shot]
            return
        again = next((at for at, each in enumerate(self._open) if each.number == shot.number), None)
        if again is not None:  # rewound: the last one counts, and those after it will come again
            del self._open[again:]
        elif self._open and not self._belongs(shot):
            yield from self._closed()
        self._open.append(shot)
        if len(self._open) == self.settings.events or len(self._open) >= MOST_EVENTS:
            yield from self._closed()

    def _is_a_movie(self, shot: Shot) -> bool:
        if self.settings.events is not None:
            return False
        return self.settings.made_of == "event" or (self.settings.made_of == "auto" and shot.frames > 1)

    def _belongs(self, shot: Shot) -> bool:
        """Whether a shot goes on with the movie that is open."""
        before = self._open[-1]
        if before.described.uid != shot.described.uid:
            return self.settings.made_of == "stream" or self.settings.events is not None
        if self.settings.made_of == "stream" or self.settings.events is not None:
            return True
        place, now = _place(self._open[0], self.axes), _place(shot, self.axes)
        return all(
            math.isnan(place[axis]) or math.isnan(now[axis]) or abs(place[axis] - now[axis]) <= self.settings.same_place
            for axis in self.axes
        )

    def _closed(self) -> Iterator[list[Shot] | Lost]:
        shots, self._open = self._open, []
        frames, fewest = sum(each.frames for each in shots), self.settings.fewest_frames
        if frames < fewest:
            events = Events(self.name, shots[0].number, shots[-1].number)
            yield Lost(events, f"{frames} frame{'s' * (frames != 1)} at one place are no movie: {fewest} are needed")
        else:
            yield shots


def frames_per_row(asset: Asset, described: Described) -> int:
    """Frames of a row of an asset: as the detector's file says, else as the descriptor does."""
    multiplier = whole_number(asset.parameters.get("multiplier"))
    return multiplier if multiplier and multiplier > 1 else described.frames


def _place(shot: Shot, axes: Mapping[str, str]) -> dict[str, float]:
    data = as_mapping(None if shot.event is None else shot.event.get("data"))
    return {axis: as_number(data.get(key)) for axis, key in axes.items()}


def _stack_of(value: Any) -> NDArray[Any] | None:
    """Frames that are in an event, as (T, H, W); None where they are no such array."""
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        return None
    if array.ndim == 2:
        array = array[np.newaxis]
    return array if array.ndim == 3 and array.dtype.kind in "uifb" and array.size else None
