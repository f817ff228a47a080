"""The detector's events in one stream of a run, matched with their frames and put together to movies."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ainerd_agent.callbacks.shots import Described, Lost, Rows, Shot, stack_of
from ainerd_agent.callbacks.values import as_mapping, as_number, whole_number
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
            yield from self._take(Shot(number=number, event=doc, described=described, array=stack_of(value)))
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


def _place(shot: Shot, axes: Mapping[str, str]) -> dict[str, float]:
    data = as_mapping(None if shot.event is None else shot.event.get("data"))
    return {axis: as_number(data.get(key)) for axis, key in axes.items()}
