"""Where data comes from: the run, and the events, place and time of a measurement in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

RunName = str | int
"""What people call a run: its uid or the beginning of it, its scan id, or -1 for the latest one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One Bluesky run, or one ingested file: what all its measurements have in common.

    Attributes
    ----------
    uid : str
        The key of the run in `/raw`, `/xpcs` and `/ainerd/<model>`.
    time : float
        Start of the run, seconds since the epoch.
    source : str
        "bluesky", or "ingest" for maps that came from a file.
    access : mapping
        `data_session`, `data_groups` and access tags, copied from the start document.
    metadata : mapping
        Further flat, searchable metadata (for ingested maps: the file and how it was scaled).
    """

    uid: str
    time: float
    source: str = "bluesky"
    scan_id: int | None = None
    plan_name: str = ""
    sample: str = ""
    access: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Events(NamedTuple):
    """The events that a measurement is made of: by these, and its run, it is known.

    Attributes
    ----------
    stream : str
        Name of their stream.
    first, last : int
        Numbers of the first and the last of them in that stream, from 1; the same for a movie in one event.
    """

    stream: str
    first: int
    last: int

    def __str__(self) -> str:
        numbers = f"{self.first}" if self.first == self.last else f"{self.first}-{self.last}"
        return f"{self.stream}/{numbers}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "primary/3", "primary/3-7", or "3" alone, as version 0.1 wrote it for the stream "primary".

        Raises
        ------
        ValueError
            It is none of these.
        """
        found = re.fullmatch(r"(?:(?P<stream>.*)/)?(?P<first>\d+)(?:-(?P<last>\d+))?", text, re.DOTALL)
        if found is None:
            raise ValueError(f"{text!r} does not name events: write STREAM/NUMBER or STREAM/FIRST-LAST")
        stream, first, last = found["stream"], int(found["first"]), found["last"]
        return cls("primary" if stream is None else stream, first, first if last is None else int(last))


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """How long the detector counted.

    Attributes
    ----------
    frames : int or None
        Frames that were taken; None where it is not known.
    frame_time : float or None
        Seconds from one frame to the next; None where it is not known.
    counted : float or None
        Seconds that were counted; None where it is not known.
    planned : float or None
        Seconds that were to be counted; None where nothing was planned, or it is not known.
    ended : str
        Why it ended: "planned", "converged", "recognised", "damaged", "stopped"; empty where it is not known.
    look : int or None
        At which look at the running exposure it was ended, from 1; None for an exposure that came to its end.
    """

    frames: int | None = None
    frame_time: float | None = None
    counted: float | None = None
    planned: float | None = None
    ended: str = ""
    look: int | None = None

    @property
    def ended_early(self) -> bool:
        """Whether it is known to have ended before its planned count."""
        return self.ended not in ("", "planned")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where and when one measurement was made.

    Attributes
    ----------
    seq_num : int
        Number of its first event in its stream, from 1.
    last_seq_num : int
        Number of its last event; by default the same.
    start, stop : float
        First and last moment of the exposure, seconds since the epoch; `stop` is NaN where it is not known.
    elapsed : float
        Seconds from the start of the run to `start`.
    position : mapping
        Where the sample was, by axis: "x", "y", or whatever there is. An axis whose position is not known is left out.
    extra : mapping
        Further scalars of this measurement (ingested maps: their columns of the file).
    units : mapping
        Of axes and extra scalars, by name. An axis that is not in it is in mm, of an extra scalar nobody knows.
    exposure : Exposure
    """

    raw_uid: str
    seq_num: int
    start: float
    stop: float
    stream: str = "primary"
    elapsed: float = 0.0
    position: Mapping[str, float] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    last_seq_num: int = 0
    units: Mapping[str, str] = field(default_factory=dict)
    exposure: Exposure = field(default_factory=Exposure)

    def __post_init__(self) -> None:
        if self.last_seq_num == 0:
            object.__setattr__(self, "last_seq_num", self.seq_num)

    @property
    def events(self) -> Events:
        """The events that it is made of."""
        return Events(self.stream, self.seq_num, self.last_seq_num)

    @property
    def name(self) -> str:
        """The measurement in text, as "uid/primary/3"."""
        return f"{self.raw_uid}/{self.events}"


def measurement_named(text: str) -> tuple[str, Events]:
    """The run and the events of a measurement in text; version 0.1 wrote "uid/3".

    Raises
    ------
    ValueError
        It is no name of a measurement.
    """
    uid, _, events = text.partition("/")
    return uid, Events.parse(events)


class MeasurementName(NamedTuple):
    """A measurement as people name it.

    Attributes
    ----------
    run : str or int
    seq_num : int
        Of its first event.
    stream : str or None
        None where it goes without saying.
    """

    run: RunName
    seq_num: int
    stream: str | None = None

    def __str__(self) -> str:
        return "/".join(str(part) for part in (self.run, self.stream, self.seq_num) if part is not None)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "RUN/3" or "RUN/primary/3"; a measurement of several events may be "3-5".

        Raises
        ------
        ValueError
            It is neither; "RUN/3/7" is a point.
        """
        found = re.fullmatch(r"(?P<run>[^/]+)/(?:(?P<stream>[^/]*[^/\d][^/]*)/)?(?P<first>\d+)(?:-\d+)?", text.strip())
        if found is None:
            raise ValueError(f"{text!r} is not a measurement: write it as RUN/SEQ_NUM, or RUN/STREAM/SEQ_NUM")
        return cls(found["run"], int(found["first"]), found["stream"])


class PointName(NamedTuple):
    """A point as people name it.

    Attributes
    ----------
    run : str or int
    seq_num : int
        Of the first event of its measurement.
    bin : int
        From 1.
    stream : str or None
        Of the measurement; None where it goes without saying.
    """

    run: RunName
    seq_num: int
    bin: int
    stream: str | None = None

    def __str__(self) -> str:
        parts = (self.run, self.stream, self.seq_num, self.bin)
        return "/".join(str(part) for part in parts if part is not None)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "RUN/3/7" or "RUN/primary/3/7"; a measurement of several events may be "3-5".

        Raises
        ------
        ValueError
            It is neither.
        """
        found = re.fullmatch(
            r"(?P<run>[^/]+)/(?:(?P<stream>[^/]+)/)?(?P<first>\d+)(?:-\d+)?/(?P<bin>\d+)", text.strip()
        )
        if found is None:
            raise ValueError(
                f"{text!r} is not a point: write the run, the measurement and the bin as RUN/SEQ_NUM/BIN, or "
                "RUN/STREAM/SEQ_NUM/BIN"
            )
        return cls(found["run"], int(found["first"]), int(found["bin"]), found["stream"])
