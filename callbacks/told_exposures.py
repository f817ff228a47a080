"""What the documents of a run tell of its exposures: when each began and ended, of which rows it is, and why it ended.

See `ainerd_agent.records.exposure_events` for the convention. Nothing here is believed that contradicts itself: it
becomes a sentence, and the rows are analysed as far as they are known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ainerd_agent.callbacks.values import Document, as_mapping, as_number, shown, whole_number
from ainerd_agent.records import Events
from ainerd_agent.records.exposure_events import (
    ENDED,
    EXPOSURES,
    FIRST,
    FRAMES,
    LAST,
    LOOK,
    NUMBER,
    PLANNED,
    WAYS_TO_END,
)

REPORTED = frozenset((NUMBER, PLANNED, FIRST, LAST, FRAMES, ENDED, LOOK))
"""Keys of the report itself; whatever else these events read is of the sample and its surroundings."""


class UntoldError(ValueError):
    """An event that should tell of an exposure, and does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureStreams:
    """The streams that tell of exposures, by the start document.

    Attributes
    ----------
    rows, begun, ended : str
        The stream of the frames, of the beginnings, and of the ends.
    """

    rows: str
    begun: str
    ended: str

    @classmethod
    def of(cls, start: Document) -> ExposureStreams | None:
        """Read a start document; None where it names no such streams.

        Raises
        ------
        UntoldError
            It has the key, and does not name three different streams.
        """
        given = start.get(EXPOSURES)
        if not isinstance(given, Mapping):
            return None  # somebody's own metadata
        names = [given.get(key) for key in ("stream", "begun", "ended")]
        if not all(isinstance(name, str) and name for name in names) or len(set(map(str, names))) < 3:
            raise UntoldError(
                f"{EXPOSURES!r} in the start document is {shown(dict(given))}, and must name three different streams "
                "as stream, begun and ended: movies are made as if it was not there"
            )
        rows, begun, ended = map(str, names)
        return cls(rows=rows, begun=begun, ended=ended)


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """An event in one of these streams, with the keys that its descriptor gives.

    Attributes
    ----------
    doc, data_keys : mapping
    number : int
        Of the exposure, from 1.
    planned : int or None
        Frames; None where no usable number is told.
    """

    doc: Document
    data_keys: Document
    number: int
    planned: int | None

    @classmethod
    def of(cls, doc: Document, data_keys: Document) -> Read:
        """Read an event.

        Raises
        ------
        UntoldError
            It does not tell which exposure it is of.
        """
        data = as_mapping(doc.get("data"))
        number = whole_number(data.get(NUMBER))
        if not number:
            raise UntoldError(f"the number of the exposure ({NUMBER}) is {shown(data.get(NUMBER))}, and not from 1 on")
        return cls(doc, data_keys, number, whole_number(data.get(PLANNED)))

    @property
    def time(self) -> float:
        """Of the event, seconds since the epoch; NaN where it has none."""
        return as_number(self.doc.get("time"))

    @property
    def data(self) -> Document:
        """What was read."""
        return as_mapping(self.doc.get("data"))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ToldExposure:
    """One exposure as the documents tell it.

    Attributes
    ----------
    number : int
        From 1 in the run.
    first, last : int
        Rows of it, by their numbers in their stream.
    planned : int or None
        Frames; None where that is not known.
    frames : int
        That the detector says it took; 0 where it does not say.
    ended : str
        Why; empty where it is not known.
    look : int or None
        At which look; None where it came to its end.
    begun, end : Read or None
        The events that tell of it.
    again : bool
        It was told before, with the same rows.
    problems : tuple of str
        What is wrong with what is told.
    """

    number: int
    first: int
    last: int
    planned: int | None = None
    frames: int = 0
    ended: str = ""
    look: int | None = None
    begun: Read | None = None
    end: Read | None = None
    again: bool = False
    problems: tuple[str, ...] = ()

    @classmethod
    def at_its_end(cls, end: Read) -> ToldExposure:
        """Read the event of the end.

        Raises
        ------
        UntoldError
            It does not tell which rows are its own.
        """
        data = end.data
        first, last = whole_number(data.get(FIRST)), whole_number(data.get(LAST))
        if first is None or last is None or (not first and last):
            raise UntoldError(
                f"exposure {end.number} names the rows {shown(data.get(FIRST))} to {shown(data.get(LAST))} "
                f"({FIRST}, {LAST}), and rows are counted from 1 on"
            )
        problems = []
        planned, frames, look = end.planned, whole_number(data.get(FRAMES)), whole_number(data.get(LOOK))
        if not planned:
            problems.append(
                f"its planned count is {shown(data.get(PLANNED))}, which is no number of frames: how long was to be "
                "counted is not known"
            )
        ended = data.get(ENDED)
        if ended not in WAYS_TO_END:
            problems.append(f"why it ended is {shown(ended)}, which is none of {', '.join(WAYS_TO_END)}: left out")
        return cls(
            number=end.number,
            first=first,
            last=last,
            planned=planned or None,
            frames=frames or 0,
            ended=str(ended) if ended in WAYS_TO_END else "",
            look=look or None,
            end=end,
            problems=tuple(problems),
        )

    @classmethod
    def broken_off(cls, begun: Read, first: int, last: int, n_times: int) -> ToldExposure:
        """An exposure that began, and of whose end the run tells nothing."""
        problems = ["the run ended before it: no event tells of its end"]
        if n_times > 1:
            problems.append(f"it was begun {n_times} times: its rows may include those of an attempt before")
        return cls(
            number=begun.number,
            first=first,
            last=last,
            planned=begun.planned or None,
            ended="stopped",
            begun=begun,
            problems=tuple(problems),
        )

    def events(self, stream: str) -> Events:
        """Its rows in their stream."""
        return Events(stream, self.first, self.last)

    @property
    def readings(self) -> tuple[Read, ...]:
        """The events that read axes, that of the beginning first."""
        return tuple(each for each in (self.begun, self.end) if each is not None)

    @property
    def start(self) -> float:
        """When it began, by the event of its beginning; NaN where there is none."""
        return math.nan if self.begun is None else self.begun.time

    def other_values(self) -> dict[str, tuple[Any, Document]]:
        """What these events read beside the report itself: values and the data keys that describe them, by key."""
        found: dict[str, tuple[Any, Document]] = {}
        for read in reversed(self.readings):
            found |= {key: (value, read.data_keys) for key, value in read.data.items() if key not in REPORTED}
        return found
