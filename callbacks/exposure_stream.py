"""Rows of the detector's stream, put together to the exposures that two other streams tell of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, pairwise

from ainerd_agent.callbacks.detector_stream import DetectorStream
from ainerd_agent.callbacks.flown_rows import settled, with_gaps
from ainerd_agent.callbacks.shots import ExposedShots, Found, Lost, Rows, Shot
from ainerd_agent.callbacks.told_exposures import ExposureStreams, Read, ToldExposure, UntoldError
from ainerd_agent.callbacks.values import Document, whole_number
from ainerd_agent.errors import FrameError
from ainerd_agent.records import Events
from ainerd_agent.settings import MovieSettings


class ExposureStream(DetectorStream):
    """Rows of one stream, in any order with their frames and with what tells of exposures.

    An exposure is given as soon as its end is told and its rows are there. Live, rows come before the end of their
    exposure. So where they come later, and without events, it is not known before the end of the run whether events
    are still to come for them.

    Parameters
    ----------
    streams : ExposureStreams
    key : str
        The detector's.
    settings : MovieSettings
        Only `fewest_frames` matters: what a movie is made of, the exposures say.
    place_of : callable
        As for `DetectorStream`.
    """

    def __init__(
        self,
        streams: ExposureStreams,
        key: str,
        settings: MovieSettings,
        place_of: Callable[[Shot], Mapping[str, float]],
    ) -> None:
        super().__init__(streams.rows, key, settings, place_of)
        self._streams = streams
        self._shots: dict[int, Shot] = {}
        """Of no exposure that was given so far."""
        self._named: dict[int, Rows] = {}
        """Where the frames of these shots are."""
        self._begun: dict[int, tuple[Read, int]] = {}
        """The last beginning of each exposure, and how often it began."""
        self._pending: list[ToldExposure] = []
        self._told: dict[int, ToldExposure] = {}
        """Exposures whose end is told, by number: the last of each."""
        self._over: set[int] = set()
        """Numbers of exposures that have ended, with rows or without."""
        self._owned: list[Events] = []
        """Rows of exposures whose end is told."""
        self._uncounted: list[ToldExposure] = []
        """Exposures whose last row may be a short one, where that was not looked at."""

    def tells(self, stream: str) -> bool:
        """Whether the events of a stream tell of exposures."""
        return stream in (self._streams.begun, self._streams.ended)

    def begins(self, stream: str) -> bool:
        """Whether the events of a stream tell of beginnings."""
        return stream == self._streams.begun

    def under_way(self) -> Read | None:
        """The beginning of the exposure that goes on; None where none does."""
        open_ones = [read for read, _ in self._begun.values() if read.number not in self._over]
        return max(open_ones, key=lambda each: each.number, default=None)

    def why_ended(self, number: int) -> str | None:
        """Why an exposure has ended; None where its end is not told."""
        if number not in self._over:
            return None
        return self._told[number].ended if number in self._told else "stopped"

    def told(self, stream: str, doc: Document, data_keys: Document) -> Iterator[Found]:
        """Take an event of one of the two streams."""
        try:
            read = Read.of(doc, data_keys)
            if stream == self._streams.begun:
                n_times = self._begun[read.number][1] if read.number in self._begun else 0
                self._begun[read.number] = (read, n_times + 1)
                yield from self._complete()
                return
            exposure = ToldExposure.at_its_end(read)
        except UntoldError as error:
            number = whole_number(doc.get("seq_num")) or 1
            yield Lost(Events(stream, number, number), str(error))
            return
        yield from self._ended(exposure, whole_number(doc.get("seq_num")) or exposure.number)

    def end(self) -> Iterator[Found]:
        """The run is over: what is complete enough is given, and what belongs to nothing is named."""
        yield from self._last_takes()
        pending, self._pending = self._pending, []
        for told in pending:
            yield from self._give(told)
        yield from self._broken_off()
        for first, last in _stretches(self._numbers()):
            yield Lost(Events(self.name, first, last), "these rows belong to no exposure that the documents tell of")
        yield from self._eventless(self._flown())
        self._shots.clear()

    def _ended(self, told: ToldExposure, event: int) -> Iterator[Found]:
        self._over.add(told.number)
        if told.last < max(told.first, 1):
            why = f", it ended as {told.ended}" if told.ended else ""
            planned = "" if told.planned else " and planned none"
            yield Lost(Events(self._streams.ended, event, event), f"exposure {told.number} has no frames{planned}{why}")
            return
        rows = told.events(self.name)
        before = self._told.get(told.number)
        again = before is not None and before.events(self.name) == rows
        if not again and (other := self._owner_of(rows)) is not None:
            yield Lost(
                Events(self._streams.ended, event, event),
                f"exposure {told.number} names the rows {rows}, and {other} are those of an exposure before: it is not "
                "known whose they are, and it is not analysed",
            )
            return
        if before is not None and not again:
            twice = f"exposure {told.number} is told twice, as rows {before.events(self.name)} and as {rows}"
            told = replace(told, problems=(*told.problems, twice))
        self._told[told.number] = told
        if again:
            told = replace(told, again=True)
            self._pending = [each for each in self._pending if each.number != told.number]
        else:
            self._owned.append(rows)
        self._uncounted.append(told)
        if told.number in self._begun and (self._is_there(told) or self._was_flown(told)):
            yield from self._give(told)
        elif not again or self._numbers_within(rows):
            self._pending.append(told)

    def _take(self, shot: Shot) -> Iterator[Found]:
        """Keep a row for its exposure; give those exposures that are complete with it."""
        self._shots[shot.number] = shot
        yield from self._complete()

    def _complete(self) -> Iterator[Found]:
        """Give those that waited for their rows or their beginning, and have both now."""
        for told in [each for each in self._pending if each.number in self._begun and self._is_there(each)]:
            self._pending.remove(told)
            yield from self._give(told)

    def _rows_for(self, number: int) -> Rows | None:
        rows = super()._rows_for(number)
        if rows is not None:
            self._named[number] = rows
        return rows

    def _is_there(self, told: ToldExposure) -> bool:
        """Whether events have come for all rows of an exposure, with their frames."""
        if told.last not in self._shots or told.first not in self._shots:
            return False
        return all(number in self._shots for number in range(told.first, told.last + 1))

    def _was_flown(self, told: ToldExposure) -> bool:
        """Whether rows without events are there for all of it."""
        if self._highest:
            return False
        at = told.first
        for rows in sorted(self._flown(), key=lambda each: each.first):
            if rows.first <= at <= rows.last:
                at = rows.last + 1
        return at > told.last

    def _flown(self) -> list[Rows]:
        return [*self._ranges, *self._single.values()]

    def _gathered(self, first: int, last: int) -> list[Shot]:
        """Take the rows with these numbers, as far as they are there.

        Raises nothing: what contradicts itself is found when they are put together.
        """
        if self._highest:
            taken = [self._shots.pop(number) for number in range(first, last + 1) if number in self._shots]
            return [_counted_anew(shot, self._named.pop(shot.number, None)) for shot in taken]
        inside: list[Rows] = []
        left: list[Rows] = []
        for rows in self._flown():
            for low, high in (
                (rows.first, first - 1),
                (max(rows.first, first), min(rows.last, last)),
                (last + 1, rows.last),
            ):
                low, high = max(low, rows.first), min(high, rows.last)
                if low <= high:
                    (inside if first <= low and high <= last else left).append(rows.between(low, high))
        self._ranges, self._single = left, {}
        return [
            Shot(
                number=rows.first,
                event=None,
                described=rows.described,
                part=rows.part(rows.first, rows.last),
                rows=rows,
            )
            for rows in sorted(inside, key=lambda each: (each.first, each.index))
        ]

    def _give(self, told: ToldExposure) -> Iterator[Found]:
        """Put an exposure together of its rows."""
        rows = told.events(self.name)
        if told.begun is None and told.number in self._begun:
            told = replace(told, begun=self._begun[told.number][0])
        self._count_short_rows()
        shots = self._gathered(told.first, told.last)
        if not shots:
            if not told.again:
                yield Lost(rows, f"exposure {told.number} names these rows, but no document names their frames")
            return
        try:
            shots = _without_overlap(shots)
            shots, problems = _as_long_as_told(shots, told)
            if shots[0].event is None:
                shots = with_gaps(shots)
        except FrameError as error:
            yield Lost(rows, str(error))
            return
        there = sum(shot.last - shot.number + 1 for shot in shots)
        if there < told.last - told.first + 1 and not problems:
            problems = (f"{told.last - told.first + 1 - there} of its rows are named by no document",)
        frames, fewest = sum(each.frames for each in shots), self.settings.fewest_frames
        if frames < fewest:
            short = (
                f"exposure {told.number} has {frames} frame{'s' * (frames != 1)}, and is no movie: {fewest} are needed"
            )
            yield Lost(rows, short)
            return
        ended = told.ended
        if ended == "planned" and told.planned and frames < told.planned:
            problems = (*problems, f"it ended as planned with {frames} of {told.planned} frames: taken as stopped")
            ended = "stopped"
        yield ExposedShots(shots, replace(told, ended=ended, problems=(*told.problems, *problems)))

    def _broken_off(self) -> Iterator[Found]:
        """Give the exposure that had begun when the run ended, where one had."""
        open_ones = [read for read, _ in self._begun.values() if read.number not in self._over]
        if not open_ones:
            return
        begun = max(open_ones, key=lambda each: each.number)
        after = max((each.last for each in self._owned), default=0)
        own = [number for number in self._numbers() if number > after]
        if own:
            yield from self._give(ToldExposure.broken_off(begun, own[0], own[-1], self._begun[begun.number][1]))
            return
        event = whole_number(begun.doc.get("seq_num")) or begun.number
        words = f"exposure {begun.number} began, and the run ended before it had any frames"
        yield Lost(Events(self._streams.begun, event, event), words)

    def _count_short_rows(self) -> None:
        """Take note of rows with fewer frames than the others, so that those after them begin where they do.

        An acquisition that was aborted leaves such a row: its file holds the frames that came, and goes on with the
        next row.
        """
        left = []
        for told in self._uncounted:
            rows = self._named.get(told.last) or next((each for each in self._flown() if told.last in each), None)
            if told.frames and rows is None:
                left.append(told)
            elif told.frames and rows is not None:
                missing = (told.last - told.first + 1) * rows.per_row - told.frames
                if 0 < missing < rows.per_row:
                    rows.spans.shorten(rows.row_of(told.last), rows.per_row - missing)
        self._uncounted = left

    def _numbers(self) -> list[int]:
        """Numbers of rows that were given to no exposure."""
        if self._highest:
            return sorted(number for number in self._shots)
        return sorted({number for rows in self._flown() for number in range(rows.first, rows.last + 1)})

    def _numbers_within(self, rows: Events) -> bool:
        return any(rows.first <= number <= rows.last for number in self._numbers())

    def _owner_of(self, rows: Events) -> Events | None:
        """Rows of an exposure before that are among these; None where there are none."""
        return next((each for each in self._owned if each.first <= rows.last and rows.first <= each.last), None)


def _counted_anew(shot: Shot, rows: Rows | None) -> Shot:
    """A row whose frames are counted again: rows before it may have turned out shorter than they seemed."""
    return shot if rows is None else replace(shot, part=rows.part(shot.number, shot.number), rows=rows)


def _without_overlap(shots: list[Shot]) -> list[Shot]:
    """Rows without events, each number once: of those that were named again, the later rows of the file count.

    Raises
    ------
    FrameError
        It is not known which frames are whose.
    """
    if shots[0].event is not None or all(one.last < other.number for one, other in pairwise(shots)):
        return shots
    kept = settled([shot.rows for shot in shots if shot.rows is not None])
    return [
        Shot(number=rows.first, event=None, described=rows.described, part=rows.part(rows.first, rows.last), rows=rows)
        for rows in kept
    ]


def _as_long_as_told(shots: list[Shot], told: ToldExposure) -> tuple[list[Shot], tuple[str, ...]]:
    """Rows of an exposure with as many frames as the detector took; and what does not fit, in words."""
    named = sum(shot.frames for shot in shots)
    if not told.frames or told.frames == named:
        return shots, ()
    last, missing = shots[-1], named - told.frames
    if last.part is None or not 0 < missing < last.part.frames_per_row:
        words = (
            f"the detector says that it took {told.frames} frames, and its rows have {named}: those of the rows count"
        )
        return shots, (words,)
    return [*shots[:-1], replace(last, part=replace(last.part, n_frames=last.part.frames - missing))], ()


def _stretches(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of numbers that follow one another."""
    for _, group in groupby(enumerate(numbers), key=lambda each: each[1] - each[0]):
        stretch = [number for _, number in group]
        yield stretch[0], stretch[-1]
