"""The detector's events in one stream of a run, matched with their frames and put together to movies."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ainerd_agent.callbacks.flown_rows import settled, with_gaps
from ainerd_agent.callbacks.shots import Described, Found, Lost, Rows, Shot, stack_of
from ainerd_agent.callbacks.values import as_mapping, whole_number
from ainerd_agent.errors import FrameError
from ainerd_agent.records import Events
from ainerd_agent.scattering.frames.assets import Part
from ainerd_agent.settings import MovieSettings

KEPT_PARTS = 1000
"""Latest events whose frames are remembered."""

MOST_EVENTS = 1_000_000
"""Events of one movie; more are a mistake of the settings."""


@dataclass(slots=True, eq=False)
class DetectorStream:
    """Events of one stream, in any order with their frames; gives movies as soon as they are complete.

    Parameters
    ----------
    name : str
    key : str
        The detector's.
    settings : MovieSettings
    place_of : callable
        Gives the axes of an event that are known: where one changes, another movie begins.
    """

    name: str
    key: str
    settings: MovieSettings
    place_of: Callable[[Shot], Mapping[str, float]]
    repeated: list[int] = field(default_factory=list)
    """Events that came again, since the last look."""
    _single: dict[int, Rows] = field(default_factory=dict)
    """Rows of one event, by its number."""
    _ranges: list[Rows] = field(default_factory=list)
    """Rows of several events, and of exposures that were taken again."""
    _waiting: dict[int, tuple[Mapping[str, Any], Described]] = field(default_factory=dict)
    _parts: dict[int, Part] = field(default_factory=dict)
    """Frames of the latest events that were given: an event that came again without new frames has these."""
    _open: list[Shot] = field(default_factory=list)
    _place: dict[str, float] = field(default_factory=dict)
    """Where the movie that is open began."""
    _highest: int = 0
    _uids: dict[str, None] = field(default_factory=dict)
    """Of the latest events."""
    _skipped: set[int] = field(default_factory=set)
    """Numbers below the highest that have not come: a late event is no repetition."""

    def event(self, doc: Mapping[str, Any], described: Described) -> Iterator[Found]:
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
        if uid and uid in self._uids:
            return  # delivered twice
        self._uids[uid] = None
        if len(self._uids) > KEPT_PARTS:
            del self._uids[next(iter(self._uids))]
        if number in self._skipped:
            self._skipped.discard(number)
        elif number <= self._highest:
            self.repeated.append(number)
        elif number - self._highest <= KEPT_PARTS:
            self._skipped.update(range(self._highest + 1, number))
        self._highest = max(self._highest, number)
        if described.problem:
            yield Lost(Events(self.name, number, number), described.problem)
            return
        value = as_mapping(doc.get("data")).get(self.key)
        if isinstance(value, np.ndarray | list | tuple):
            yield from self._take(Shot(number=number, event=doc, described=described, array=stack_of(value)))
            return
        self._waiting[number] = (doc, described)
        yield from self._match([number])

    def rows(self, rows: Rows) -> Iterator[Found]:
        """Take a range of events whose frames have been named."""
        if rows.first == rows.last:
            if (before := self._single.get(rows.first)) is not None:
                self._ranges.append(before)  # an exposure that was broken off, and taken again
            self._single[rows.first] = rows
        else:
            self._ranges.append(rows)
        few = rows.last - rows.first < len(self._waiting)
        numbers = range(rows.first, rows.last + 1) if few else sorted(self._waiting)
        yield from self._match([number for number in numbers if number in self._waiting])

    def end(self) -> Iterator[Found]:
        """The run is over: what is open is complete, and what waits is lost."""
        rows = sorted([*self._ranges, *self._single.values()], key=lambda each: each.first)
        if not self._highest and rows:
            yield from self._without_events(rows)
        yield from self._last_takes()
        if self._open:
            yield from self._closed()
        yield from self._eventless(rows)

    def _last_takes(self) -> Iterator[Found]:
        """Give events that came again without new frames those of their first take; the rest that waits is lost."""
        for number in sorted(self._waiting.keys() & self._parts.keys()):
            doc, described = self._waiting.pop(number)
            part = self._parts[number]
            yield from self._take(Shot(number=number, event=doc, described=described, part=part, reused=True))
        for number in sorted(self._waiting):
            yield Lost(Events(self.name, number, number), "the run ended before the detector named this event's frames")
        self._waiting.clear()

    def _match(self, numbers: Sequence[int]) -> Iterator[Found]:
        """Give those of some events whose frames have been named by now."""
        for number in numbers:
            rows = self._rows_for(number)
            if rows is None:
                continue
            doc, described = self._waiting.pop(number)
            part = self._parts[number] = rows.part(number, number)
            if len(self._parts) > KEPT_PARTS:
                del self._parts[next(iter(self._parts))]
            yield from self._take(Shot(number=number, event=doc, described=described, part=part))

    def _rows_for(self, number: int) -> Rows | None:
        """Take the rows of an event, those that were named last; None where none are."""
        if (single := self._single.pop(number, None)) is not None:
            return single
        at = next((at for at in range(len(self._ranges) - 1, -1, -1) if number in self._ranges[at]), None)
        if at is None:
            return None
        rows = self._ranges[at]
        self._ranges[at : at + 1] = [
            rows.between(first, last)
            for first, last in ((rows.first, number - 1), (number + 1, rows.last))
            if first <= last
        ]
        return rows

    def _eventless(self, rows: Sequence[Rows]) -> Iterator[Found]:
        """Name the rows without events, in a stream that has events."""
        for each in rows if self._highest else ():
            if any(number > self._highest or number in self._skipped for number in (each.first, each.last)):
                yield Lost(Events(self.name, each.first, each.last), "there are frames, but no event came for them")

    def _without_events(self, rows: Sequence[Rows]) -> Iterator[Found]:
        """Frames of a fly scan: each row is a movie, or all rows of single frames together."""
        try:
            kept = settled(rows)
        except FrameError as error:
            yield Lost(Events(self.name, rows[0].first, max(each.last for each in rows)), str(error))
            return
        together: list[Shot] = []
        for each in kept:
            if each.per_row == 1 and self.settings.events is None:
                part = each.part(each.first, each.last)
                together.append(Shot(number=each.first, event=None, described=each.described, part=part))
                continue
            for number in range(each.first, each.last + 1):
                part = each.part(number, number)
                yield from self._take(Shot(number=number, event=None, described=each.described, part=part))
        if together:
            self._open = together
            yield from self._closed()

    def _take(self, shot: Shot) -> Iterator[Found]:
        """Put a shot to its movie, and give movies that are complete."""
        if self._is_a_movie(shot):
            if self._open:
                yield from self._closed()
            yield [shot]
            return
        at = bisect_left(self._open, shot.number, key=lambda each: each.number)
        if at < len(self._open) and self._open[at].number == shot.number:
            del self._open[at:]  # rewound: the last one counts, and those after it will come again
        elif self._open and not self._belongs(shot):
            yield from self._closed()
            at = 0
        if not self._open:
            self._place = dict(self.place_of(shot))
        self._open.insert(at, shot)
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
        now = self.place_of(shot)
        for axis, value in now.items():
            known = self._place.setdefault(axis, value)
            if abs(known - value) > self.settings.same_place:
                return False
        return True

    def _closed(self) -> Iterator[Found]:
        shots, self._open = self._open, []
        frames, fewest = sum(each.frames for each in shots), self.settings.fewest_frames
        events = Events(self.name, shots[0].number, shots[-1].last)
        if frames < fewest:
            yield Lost(events, f"{frames} frame{'s' * (frames != 1)} at one place are no movie: {fewest} are needed")
            return
        try:
            # Where there are events, their times tell.
            yield with_gaps(shots) if shots[0].event is None else shots
        except FrameError as error:
            yield Lost(events, str(error))
