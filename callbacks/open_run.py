"""One run whose stop document has not come."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any

import numpy as np

from ainerd_agent.callbacks.classic_assets import ClassicAssets
from ainerd_agent.callbacks.clocks import DeviceClock
from ainerd_agent.callbacks.detector_stream import DetectorStream
from ainerd_agent.callbacks.exposure_stream import ExposureStream
from ainerd_agent.callbacks.movie import MovieReader
from ainerd_agent.callbacks.outcomes import Failure, RunEnd
from ainerd_agent.callbacks.rheometer import Rheometer
from ainerd_agent.callbacks.running_exposure import Expected, Exposing, exposing
from ainerd_agent.callbacks.shots import Described, ExposedShots, Found, Lost, Rows, Shot, Spans, frames_per_row
from ainerd_agent.callbacks.told_exposures import ExposureStreams, ToldExposure
from ainerd_agent.callbacks.values import Values, as_mapping, did_you_mean, in_words, shown, whole_number
from ainerd_agent.errors import AinerdError, FrameError
from ainerd_agent.records import Events, FrameSource, Measurement, Run
from ainerd_agent.scattering.frames.arrays import ArrayFrames
from ainerd_agent.scattering.frames.assets import Asset, Part, open_frames
from ainerd_agent.scattering.frames.growing import Following
from ainerd_agent.settings import MovieSettings, Settings

logger = logging.getLogger(__name__)

Assembled = Run | Measurement | Failure | RunEnd
FramesElsewhere = Callable[[str, str, str, int, int, int], FrameSource]
"""Finds frames by run, stream, key, first row, number of rows, and frames of a row."""

Document = Mapping[str, Any]

MOST_REMEMBERED = 1000
"""Latest datums by which one that is delivered twice is recognised."""


class OpenRun:
    """What is known of a run so far; gives its measurements as they become complete.

    Parameters
    ----------
    run : Run
    settings : Settings
    elsewhere : callable, optional
        See `Assembler`.
    scanned : sequence of str
        Keys that the plan scans.
    exposures : ExposureStreams, optional
        The streams that tell of exposures, where the run has them.
    """

    def __init__(
        self,
        run: Run,
        settings: Settings,
        elsewhere: FramesElsewhere | None,
        scanned: Sequence[str] = (),
        exposures: ExposureStreams | None = None,
    ) -> None:
        self.run = run
        self.owned: set[str] = set()
        """Uids of descriptors and resources of this run."""
        self._new: list[str] = []
        self._settings, self._elsewhere = settings, elsewhere
        self._said: set[str] = set()
        keys, clocks = settings.keys, settings.clocks
        axes = {"x": keys.x, "y": keys.y} | keys.axes
        values = Values(self.say_once)
        rheometer = Rheometer(keys, values, DeviceClock(clocks.rheometer, clocks.tolerance))
        clock = DeviceClock(clocks.detector, clocks.tolerance, earliest=run.time, may_be_late=True)
        self._movies = MovieReader(
            run=run, keys=keys, values=values, rheometer=rheometer, clock=clock, axes=axes, scanned=scanned
        )
        self._described: dict[str, Described] = {}
        self._streams: dict[str, DetectorStream] = {}
        place_of = self._movies.place_of
        self._exposures = (
            None if exposures is None else ExposureStream(exposures, keys.frames, settings.movies, place_of)
        )
        self._resources: dict[str, Asset] = {}
        self._rows_before: dict[str, int] = {}
        """Rows that each resource had when the last exposure began."""
        self._spans: dict[str, Spans] = {}
        """By resource."""
        self._from_zero: set[tuple[str, str]] = set()
        """Resources and descriptors whose events are numbered from 0."""
        self._files: dict[str, set[str]] = {}
        """Resources of each stream."""
        self._datums: deque[str] = deque(maxlen=MOST_REMEMBERED)
        self._classic: ClassicAssets | None = None
        self._descriptors: list[Document] = []

    def say_once(self, message: str, level: int = logging.WARNING) -> None:
        """Log a message, once in this run."""
        if message not in self._said:
            self._said.add(message)
            logger.log(level, "run %s: %s", self.run.uid, message)

    def new_owned(self) -> list[str]:
        """Uids of descriptors and resources that came since the last look."""
        new, self._new = self._new, []
        return new

    def feed(self, name: str, doc: Document) -> Iterator[Measurement | Failure]:
        """Take a document of this run that is neither start nor stop."""
        match name:
            case "descriptor":
                self._descriptor(doc)
            case "event":
                yield from self._event(doc)
            case "stream_resource" if "mimetype" in doc:
                self._stream_resource(doc)
            case "stream_datum":
                yield from self._stream_datum(doc)
            case "resource" | "datum" | "datum_page" | "stream_resource":
                yield from self._convert(name, doc)
            case _:
                self.say_once(f"{shown(name)} documents are not known, and are passed over")

    def exposing(self) -> Exposing | None:
        """The exposure that goes on; None where none does, or it is not known yet where its frames come.

        A detector that names its file with its first frames is known from then on.
        """
        begun = None if self._exposures is None else self._exposures.under_way()
        if self._exposures is None or begun is None or not begun.planned or not self._resources:
            return None
        uid, asset = list(self._resources.items())[-1]
        described = [each for each in self._described.values() if each.stream == self._exposures.name]
        if not described or uid not in self._spans:
            return None
        rows = Expected(asset, described[-1], self._spans[uid], self._rows_before.get(uid))
        return exposing(begun, rows, self._movies, self._settings.files)

    def ended(self, number: int) -> str | None:
        """Why an exposure of this number has ended; None where it goes on."""
        return None if self._exposures is None else self._exposures.why_ended(number)

    def end(self, doc: Document) -> Iterator[Measurement | Failure]:
        """Take the stop document: what is open is complete, what waits is lost."""
        if not self._streams:
            self._say_why_nothing_is_analysed()
        for stream in self._streams.values():
            yield from self._completed(stream, stream.end())

    def _own(self, uid: Any) -> str:
        if not isinstance(uid, str) or not uid:
            raise ValueError(f"a document has the uid {shown(uid)}")
        self.owned.add(uid)
        self._new.append(uid)
        return uid

    def _descriptor(self, doc: Document) -> None:
        described = Described.of(doc, self._settings.keys.frames)
        self._described[self._own(doc.get("uid"))] = described
        if self._settings.keys.frames not in described.data_keys:
            return
        self._descriptors.append(doc)
        if self._classic is not None:
            self._converted("descriptor", doc)
        name = described.stream
        if not self._is_analysed(name):
            self.say_once(f"stream {name!r} is left alone, as the settings say")
        elif name not in self._streams:
            if self._exposures is not None and self._exposures.name == name:
                self._streams[name] = self._exposures
            else:
                self._streams[name] = DetectorStream(
                    name, self._settings.keys.frames, self._settings.movies, self._movies.place_of
                )

    def _is_analysed(self, stream: str) -> bool:
        movies = self._settings.movies
        if movies.streams:
            return stream in movies.streams
        return not any(fnmatchcase(stream.lower(), pattern) for pattern in movies.left_alone)

    def _event(self, doc: Document) -> Iterator[Measurement | Failure]:
        described = self._described.get(str(doc.get("descriptor")))
        if described is None:
            self.say_once("events of a descriptor that was not seen are passed over")
            return
        self._movies.rheometer.event(doc, described.data_keys)
        stream = self._streams.get(described.stream)
        key = self._settings.keys.frames
        if key not in described.data_keys:
            self._movies.note_position(doc, described.data_keys)
            if self._exposures is not None and self._exposures.tells(described.stream):
                if self._exposures.begins(described.stream):
                    self._rows_before = {uid: spans.stop for uid, spans in self._spans.items()}
                told = self._exposures.told(described.stream, doc, described.data_keys)
                yield from self._completed(self._exposures, told)
        if stream is None or key not in described.data_keys:
            return
        yield from self._completed(stream, stream.event(doc, described))
        if isinstance(as_mapping(doc.get("data")).get(key), str):
            yield from self._convert("event", doc)

    def _stream_resource(self, doc: Document) -> None:
        uid = self._own(doc.get("uid"))
        if doc.get("data_key") == self._settings.keys.frames:  # a stream may hold other detectors' files too
            self._resources[uid] = Asset(
                uri=str(doc.get("uri", "")),
                mimetype=str(doc.get("mimetype", "")),
                parameters=as_mapping(doc.get("parameters")),
            )

    def _stream_datum(self, doc: Document) -> Iterator[Measurement | Failure]:
        resource, uid = str(doc.get("stream_resource")), str(doc.get("uid", ""))
        asset = self._resources.get(resource)
        described = self._described.get(str(doc.get("descriptor")))
        if asset is None or described is None or (uid and uid in self._datums):
            return
        self._datums.append(uid)
        index, stop = _range(doc.get("indices"))
        spans = self._spans.setdefault(resource, Spans())
        spans.add(index, stop, frames_per_row(asset, described))
        self._files.setdefault(described.stream, set()).add(resource)
        stream = self._streams.get(described.stream)
        first = self._first_event(resource, described.uid, doc, index, stop)
        if stream is not None and stop > index:
            rows = Rows(asset, described, spans, first, first + stop - index - 1, index)
            yield from self._completed(stream, stream.rows(rows))

    def _first_event(self, resource: str, descriptor: str, doc: Document, index: int, stop: int) -> int:
        """Number of the first event of a datum. Writers that know nothing of events leave it out, or count from 0."""
        first, last = _range(doc.get("seq_nums"))
        if last - first != stop - index:
            return index + 1
        if first == 0:
            self._from_zero.add((resource, descriptor))
        return first + 1 if (resource, descriptor) in self._from_zero else first

    def _convert(self, name: str, doc: Document) -> Iterator[Measurement | Failure]:
        """Handle documents of assets as older versions of Bluesky write them."""
        if self._classic is None:
            self._classic = ClassicAssets(self._settings.keys.frames)
            for each in self._descriptors:
                self._converted("descriptor", each)
        if name in ("resource", "stream_resource"):
            self._own(doc.get("uid"))
        for kind, made in self._converted(name, doc):
            yield from self.feed(kind, made)

    def _converted(self, name: str, doc: Document) -> list[tuple[str, Document]]:
        try:
            return [] if self._classic is None else self._classic.convert(name, doc)
        except Exception as error:
            self.say_once(f"a {name} document cannot be read, and is passed over: {in_words(error)}")
            return []

    def _completed(self, stream: DetectorStream, found: Iterator[Found]) -> Iterator[Measurement | Failure]:
        for each in found:
            if isinstance(each, Lost):
                yield Failure(self.run.uid, each.events, each.message)
            elif isinstance(each, ExposedShots):
                yield self._measurement(stream, each.shots, each.told)
            else:
                yield self._measurement(stream, each)

    def _measurement(
        self, stream: DetectorStream, shots: Sequence[Shot], told: ToldExposure | None = None
    ) -> Measurement | Failure:
        events = Events(stream.name, shots[0].number, shots[-1].last)
        again = set(stream.repeated) & set(range(events.first, events.last + 1))
        if again:
            stream.repeated = [number for number in stream.repeated if number not in again]
            self.say_once(f"events {events} came again: the last ones count")
        if len(shots) > 1 and told is None:
            self.say_once(_what_a_movie_is(self._settings.movies), logging.INFO)
        try:
            retake = bool(again) or (told is not None and told.again)
            return self._movies.measurement(shots, self._frames(stream.name, shots), retake=retake, told=told)
        except AinerdError as error:
            return Failure(self.run.uid, events, str(error))
        except Exception as error:
            logger.debug("events %s of run %s", events, self.run.uid, exc_info=True)
            return Failure(self.run.uid, events, f"its documents cannot be read: {in_words(error)}")

    def _frames(self, stream: str, shots: Sequence[Shot]) -> FrameSource:
        parts = [shot.part for shot in shots if shot.part is not None]
        if not parts:
            return _in_memory(shots)
        if len(parts) < len(shots):
            raise FrameError("some of the events hold their frames, and some name them in files: one of both is needed")
        for part, shot in zip(parts, shots, strict=True):
            if shot.described.frames > 1 and part.frames_per_row != shot.described.frames:
                raise FrameError(
                    f"the descriptor says {shot.described.frames} frames an event, the detector's file "
                    f"{part.frames_per_row} (multiplier, or frame_per_point)"
                )
        if self._elsewhere is not None:
            return self._from_elsewhere(stream, parts)
        # An event may come before its last frames can be seen on this side of the detector's disk.
        following = Following(timeout=self._settings.files.timeout)
        return open_frames(parts, self._settings.files, following=following)

    def _from_elsewhere(self, stream: str, parts: Sequence[Part]) -> FrameSource:
        """Frames as one range of rows of an array that somebody else keeps."""
        if self._elsewhere is None:
            raise ValueError("frames are nowhere else")
        first = parts[0]
        if any(each.n_frames is not None or each.first_frame != each.start * each.frames_per_row for each in parts):
            raise FrameError(
                "an acquisition of this run was aborted, so that its rows differ in length: such a movie is read from "
                "the files only"
            )
        whole = all(b.asset is a.asset and b.start == a.stop and not b.missing for a, b in pairwise(parts))
        if (
            not whole
            or any(each.frames_per_row != first.frames_per_row for each in parts)
            or len(self._files[stream]) > 1
        ):
            raise FrameError(
                "the frames are in several files, or not one after the other: such a movie is read from the files only"
            )
        n_rows = parts[-1].stop - first.start
        return self._elsewhere(
            self.run.uid, stream, self._settings.keys.frames, first.start, n_rows, first.frames_per_row
        )

    def _say_why_nothing_is_analysed(self) -> None:
        key = self._settings.keys.frames
        if any(key in each.data_keys for each in self._described.values()):
            return  # its streams were left alone, which was said
        known = [name for each in self._described.values() for name in each.data_keys]
        self.say_once(
            f"no data key {key!r}, so nothing of it was analysed; the settings name the detector's key "
            f"(keys.frames){did_you_mean(key, known)}"
        )


def _what_a_movie_is(settings: MovieSettings) -> str:
    if settings.events is not None:
        return f"{settings.events} events are a movie, as the settings say"
    if settings.made_of == "stream":
        return "the events of a stream are a movie, as the settings say"
    return "events of one frame are a movie where they follow one another at one place; [movies] changes that"


def _in_memory(shots: Sequence[Shot]) -> FrameSource:
    """Frames that are in the events themselves."""
    arrays = []
    for shot in shots:
        if shot.array is None:
            raise FrameError(f"the frames in event {shot.number} are no array (H, W) or (T, H, W) of numbers")
        described = shot.described.shape
        if described and described != (shot.array.shape if len(described) == 3 else shot.array.shape[-2:]):
            raise FrameError(
                f"the frames in event {shot.number} have the shape {shot.array.shape}, by their descriptor {described}"
            )
        arrays.append(shot.array)
    return ArrayFrames(arrays[0] if len(arrays) == 1 else np.concatenate(arrays))


def _range(value: Any) -> tuple[int, int]:
    limits = as_mapping(value)
    start, stop = whole_number(limits.get("start")), whole_number(limits.get("stop"))
    if start is None or stop is None or stop < start:
        raise ValueError(f"a stream_datum has the range {shown(value)}")
    return start, stop
