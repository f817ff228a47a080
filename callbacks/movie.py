"""Events of the detector that make a movie, as a measurement."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ainerd_agent.callbacks.clocks import DeviceClock, in_words
from ainerd_agent.callbacks.rheometer import Rheometer
from ainerd_agent.callbacks.shots import Shot
from ainerd_agent.callbacks.told_exposures import ToldExposure
from ainerd_agent.callbacks.values import Values, as_mapping, as_number, did_you_mean, shown, unit_of
from ainerd_agent.errors import FrameError
from ainerd_agent.records import Exposure, FrameSource, Measurement, Origin, Run
from ainerd_agent.settings import DataKeys

RHEOMETER_MARGIN = 1.0
"""Seconds around an exposure from which rheometer readings are handed on."""

MOST_READINGS = 10_000
"""Latest readings of an axis in other streams that are kept."""

MOST_EXTRAS = 200
"""Further values of an event that become columns."""

LONGEST_RUN = 366 * 86400.0
"""Seconds from the start of a run beyond which the time of an event is a mistake."""

UNEVEN = 0.5
"""Deviation of the time between frames, as a part of it, from which lags of a movie of events are marked."""


@dataclass(slots=True, eq=False, kw_only=True)
class MovieReader:
    """Makes measurements of the movies of one run.

    Parameters
    ----------
    run : Run
    keys : DataKeys
    values : Values
    rheometer : Rheometer
    clock : DeviceClock
        The detector's.
    """

    run: Run
    keys: DataKeys
    values: Values
    rheometer: Rheometer
    clock: DeviceClock
    axes: Mapping[str, str] = field(default_factory=dict)
    scanned: Sequence[str] = ()
    _last_start: float = math.nan
    _last_moment: float = math.inf
    _read_elsewhere: dict[str, list[tuple[float, float, str]]] = field(default_factory=dict)
    """Time, value and unit of axes in streams without the detector, as baselines and monitors."""

    def note_position(self, doc: Mapping[str, Any], data_keys: Mapping[str, Any]) -> None:
        """Take note of axes that an event without the detector read: where the detector's events do not read them."""
        data, moment = as_mapping(doc.get("data")), as_number(doc.get("time"))
        for axis, key in self.axes.items():
            if key in data and not math.isnan(moment):
                value, unit = self.values.axis(key, data, data_keys)
                if not math.isnan(value):
                    readings = self._read_elsewhere.setdefault(axis, [])
                    insort(readings, (moment, value, unit))
                    del readings[:-MOST_READINGS]

    def measurement(
        self, shots: Sequence[Shot], frames: FrameSource, *, retake: bool, told: ToldExposure | None = None
    ) -> Measurement:
        """Put a measurement together.

        Parameters
        ----------
        shots : sequence of Shot
        frames : FrameSource
        retake : bool
        told : ToldExposure, optional
            What other streams tell of it.

        Raises
        ------
        FrameError
            Its frame time is not known.
        """
        problems: list[str] = [] if told is None else list(told.problems)
        missing = sum(shot.part.missing for shot in shots if shot.part is not None)
        if missing:
            problems.append(f"{missing} frames between those of this movie are named by no document: they are left out")
        n_frames = missing + sum(shot.frames for shot in shots)
        frame_time = self._frame_time(shots, problems)
        duration = n_frames * frame_time
        start = self._start(shots, duration, frame_time, problems, told)
        samples, difference = self.rheometer.during(start, start + duration, RHEOMETER_MARGIN)
        if difference.estimated:
            problems.append(in_words("rheometer", difference))
        if any(shot.reused for shot in shots):
            problems.append("its event came twice, its frames were named once: they may be those of the first take")
        if not len(samples.time) and not self.rheometer.empty:
            problems.append("no stress: the rheometer read nothing within a second of the exposure")
        position, units = self._position(shots, told)
        extra, units_of_extra = self._extra(shots, told)
        first, last = shots[0], shots[-1]
        saturation = self._configured(first, self.keys.saturation, "")
        return Measurement(
            origin=Origin(
                raw_uid=self.run.uid,
                stream=first.described.stream,
                seq_num=first.number,
                last_seq_num=last.last,
                start=start,
                stop=start + duration,
                elapsed=start - self.run.time,
                position=position,
                extra=extra,
                units=units | units_of_extra,
                exposure=_exposure(told, duration, frame_time),
            ),
            frames=frames,
            frame_time=frame_time,
            saturation=saturation if saturation > 0 else None,
            rheometer=samples,
            problems=tuple(problems),
            retake=retake,
        )

    def place_of(self, shot: Shot) -> dict[str, float]:
        """Axes of an event that are known, and what else the plan scans."""
        position, _ = self._position([shot])
        data = self._data(shot)
        scanned = {key: as_number(data.get(key)) for key in self.scanned if key not in self.axes.values()}
        return position | {key: value for key, value in scanned.items() if not math.isnan(value)}

    def _frame_time(self, shots: Sequence[Shot], problems: list[str]) -> float:
        """Seconds from one frame to the next: between events, where each holds one, else as the detector says."""
        single = len(shots) > 1 and all(shot.frames == 1 for shot in shots) and shots[0].event is not None
        if single and (spacing := self._spacing(shots, problems)) > 0:
            return spacing
        key = self.keys.frame_time
        each = {self._configured(shot, key, "s") for shot in shots}
        found = self._configured(shots[0], key, "s")
        if found > 0 and len(each) > 1:
            raise FrameError(f"the frame time {key} changes within the movie, so that its lags are not known")
        if found > 0:
            if single:
                problems.append("the times of its events do not rise: lags are in the detector's frame time")
            return found
        raise FrameError(self._no_frame_time(shots[0], key))

    def _spacing(self, shots: Sequence[Shot], problems: list[str]) -> float:
        """Mean time between events, by the detector's stamps or else the events' times; NaN where these do not rise."""
        stamps = [self._moment(shot) for shot in shots]
        times = [as_number((shot.event or {}).get("time")) for shot in shots]
        for moments in (stamps, times):
            steps = np.diff(moments)
            mean = float(steps.mean())
            # A stamp that came twice is no reason to take the exposure time of a frame for the time between frames.
            if not (np.isfinite(steps).all() and mean > 0 and np.count_nonzero(steps <= 0) <= len(steps) / 10):
                continue
            if np.abs(steps - mean).max() > UNEVEN * mean:
                spread = f"{steps.min():.3g} to {steps.max():.3g} s"
                problems.append(f"frames come unevenly, {spread} apart: lags are means")
            return mean
        return math.nan

    def _no_frame_time(self, shot: Shot, key: str) -> str:
        described, data = shot.described, self._data(shot)
        for values, keys in ((data, described.data_keys), (described.configuration, described.configuration_keys)):
            if key in values:
                if as_number(values[key]) > 0:
                    return f"the frame time {key} is in {unit_of(keys, key)!r}, which is no unit of time"
                return f"the frame time {key} is {shown(values[key])}, which is no time above zero"
        known = [*described.configuration, *data]
        return f"no frame time: neither the detector's configuration nor the event has {key}{did_you_mean(key, known)}"

    def _configured(self, shot: Shot, key: str, unit: str) -> float:
        """What the event says, or the configuration where it says nothing; NaN where neither does."""
        described, data = shot.described, self._data(shot)
        if key in data:
            return self.values.number(key, data, described.data_keys, unit)
        return self.values.number(key, described.configuration, described.configuration_keys, unit)

    def _moment(self, shot: Shot) -> float:
        """When an event's frame was taken: as its detector stamped it, else when the event was made."""
        event = shot.event or {}
        stamp = as_number(as_mapping(event.get("timestamps")).get(self.keys.frames))
        return as_number(event.get("time")) if math.isnan(stamp) else stamp

    def _start(
        self,
        shots: Sequence[Shot],
        duration: float,
        frame_time: float,
        problems: list[str],
        told: ToldExposure | None,
    ) -> float:
        first, event = shots[0], shots[0].event
        if event is None and told is not None:
            if not math.isnan(told.start):
                return told.start
            if told.end is not None and not math.isnan(told.end.time):
                problems.append("no event tells when it began: taken as so long before its end as it lasted")
                return told.end.time - duration
        if event is None:
            problems.append("no event says when this was exposed: taken as the start of the run")
            return self.run.time
        moment = self._event_time(first)
        if len(shots) > 1:
            self._mark_gaps(shots, frame_time, problems)
            return moment - first.frames * frame_time
        start = self.values.number(
            self.keys.exposure_start, as_mapping(event.get("data")), first.described.data_keys, "s"
        )
        if math.isnan(start):
            return moment - duration
        if start == self._last_start:
            problems.append(f"{self.keys.exposure_start} did not change since the event before, and was not believed")
            return moment - duration
        self._last_start = start
        # An exposure begins after the event before it, and no sooner than its run.
        before = self._last_moment if self._last_moment < moment else self.run.time
        self._last_moment = moment
        self.clock.earliest = before + duration
        self.clock.add(moment, start + duration)
        difference = self.clock.difference()
        late = moment - start - duration
        if difference.estimated:
            problems.append(in_words("detector", difference))
        elif late > self.clock.tolerance and self.clock.ahead is None:
            problems.append(
                f"its event came {late:.1f} s after the end of the exposure, by {self.keys.exposure_start}: taken for "
                "delay; if the detector's clock is behind, set clocks.detector"
            )
        return start + difference.seconds

    def _mark_gaps(self, shots: Sequence[Shot], frame_time: float, problems: list[str]) -> None:
        """Say where a movie of events with several frames each has time between them."""
        if all(shot.frames == 1 for shot in shots):
            return
        steps = np.diff([as_number((shot.event or {}).get("time")) for shot in shots])
        gaps = steps - np.array([shot.frames * frame_time for shot in shots[1:]])
        if not np.isfinite(gaps).all() or np.abs(gaps).max() > UNEVEN * frame_time:
            problems.append(f"up to {gaps.max():.3g} s lie between the events of this movie: its lags leave them out")

    def _event_time(self, shot: Shot) -> float:
        moment = as_number((shot.event or {}).get("time"))
        if math.isnan(moment) or abs(moment - self.run.time) > LONGEST_RUN:
            raise FrameError(
                f"the event has the time {shown((shot.event or {}).get('time'))}, so that it is not known when its "
                "frames were taken"
            )
        return moment

    def _position(
        self, shots: Sequence[Shot], told: ToldExposure | None = None
    ) -> tuple[dict[str, float], dict[str, str]]:
        """Where the sample was, by axis, and the units of axes that are no lengths."""
        position: dict[str, float] = {}
        units: dict[str, str] = {}
        for axis, key in self.axes.items():
            if not any(key in self._data(shot) for shot in shots):
                read = self._told(key, told) or self._before(axis, shots[0], told)
            else:
                read = [self.values.axis(key, self._data(shot), shot.described.data_keys) for shot in shots]
            known = [each for each in read if not math.isnan(each[0])]
            if known and not math.isnan(mean := self.values.mean(key, known)):
                position[axis] = mean
                if (unit := known[0][1]) != "mm":
                    units[axis] = unit
        return position, units

    def _told(self, key: str, told: ToldExposure | None) -> list[tuple[float, str]]:
        """What the events that tell of an exposure read of an axis: the mean of beginning and end is its place."""
        reads = () if told is None else told.readings
        return [self.values.axis(key, each.data, each.data_keys) for each in reads if key in each.data]

    def _before(self, axis: str, shot: Shot, told: ToldExposure | None) -> list[tuple[float, str]]:
        """The last reading of an axis in another stream before an event; of a baseline, that of its beginning."""
        moment = as_number((shot.event or {}).get("time"))
        if math.isnan(moment) and told is not None:
            moment = told.start
        moment = self.run.time if math.isnan(moment) else moment
        earlier = [each for each in self._read_elsewhere.get(axis, ()) if each[0] <= moment]
        return [earlier[-1][1:]] if earlier else []

    def _extra(self, shots: Sequence[Shot], told: ToldExposure | None = None) -> tuple[dict[str, Any], dict[str, str]]:
        """All other scalars of the events: means of numbers, the first of texts; then what the beginning read."""
        keys = self.keys
        taken = {
            keys.frames, keys.frame_time, keys.saturation, keys.exposure_start, keys.shear_stress, keys.shear_rate,
            keys.viscosity, *self.axes.values(),
        }  # fmt: skip
        names = [name for name in self._data(shots[0]) if isinstance(name, str) and name not in taken]
        extra: dict[str, Any] = {}
        units: dict[str, str] = {}
        for name in names[:MOST_EXTRAS]:
            read = [self.values.other(name, self._data(shot).get(name), shot.described.data_keys) for shot in shots]
            if read[0] is None:
                continue
            read_in = [unit_of(shot.described.data_keys, name) for shot in shots]
            numbers = [(value, unit) for value, unit in zip(read, read_in, strict=True) if isinstance(value, float)]
            extra[name] = self.values.mean(name, numbers) if numbers else read[0]
            if unit := numbers[0][1] if numbers else read_in[0]:
                units[name] = unit
        others = {} if told is None else told.other_values()
        for name in [name for name in others if name not in taken and name not in extra][:MOST_EXTRAS]:
            value, data_keys = others[name]
            if (found := self.values.other(name, value, data_keys)) is not None:
                extra[name] = found
                if unit := unit_of(data_keys, name):
                    units[name] = unit
        return extra, units

    def _data(self, shot: Shot) -> Mapping[str, Any]:
        return as_mapping(None if shot.event is None else shot.event.get("data"))


def _exposure(told: ToldExposure | None, duration: float, frame_time: float) -> Exposure:
    """How long was to be counted, and why it ended: a movie of which nothing is told came to its end."""
    if told is None:
        return Exposure(planned=duration)
    planned = None if told.planned is None else told.planned * frame_time
    return Exposure(planned=planned, ended=told.ended, look=told.look)
