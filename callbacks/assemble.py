"""Event documents to measurements."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlparse

import numpy as np
from event_model import EventPage, unpack_event_page

from ainerd_agent.errors import FrameError
from ainerd_agent.records import FrameSource, Measurement, Origin, RheometerSamples, Run
from ainerd_agent.scattering.frames.growing import Following
from ainerd_agent.scattering.frames.hdf5_frames import HDF5Frames
from ainerd_agent.settings import DataKeys, FileSettings

logger = logging.getLogger(__name__)

RHEOMETER_MARGIN = 1.0
"""Seconds around an exposure from which rheometer readings are handed on."""

ACCESS_KEYS = ("data_session", "data_groups", "tiled_access_tags", "access_tags")


@dataclass(frozen=True, slots=True)
class Failure:
    """A measurement that could not be made or analysed, and why."""

    raw_uid: str
    seq_num: int
    message: str


@dataclass(frozen=True, slots=True)
class RunEnd:
    """The end of a run; `status` is "success", "abort" or "fail"."""

    raw_uid: str
    status: str
    reason: str = ""


Assembled = Run | Measurement | Failure | RunEnd
FramesElsewhere = Callable[[str, str, str, int, int], FrameSource]


@dataclass(slots=True)
class _OpenRun:
    """What is known of a run whose stop document has not come."""

    run: Run
    descriptors: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    resources: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    datums: list[Mapping[str, Any]] = field(default_factory=list)
    waiting: list[Mapping[str, Any]] = field(default_factory=list)
    readings: dict[str, dict[float, float]] = field(default_factory=dict)  # by key, value by time


class Assembler:
    """Collects the documents of any number of runs and yields measurements as soon as they are complete.

    A measurement is an event of a stream that has the detector's key. Its frames are named by a StreamDatum, which may
    come before or after the event; the rheometer's readings come from any stream of the run (usually monitors).

    Parameters
    ----------
    keys : DataKeys
        Names of the data in the documents.
    files : FileSettings
        What the detector writes beside its frames, and how long they are waited for.
    frames : callable, optional
        Finds the frames of an event elsewhere than in its file, by run, stream, key, number of the event in the array
        (from 0), and number of frames (see `ainerd_agent.callbacks.replay.frames_in`).

    Raises
    ------
    FrameError
        The frames are elsewhere, and the settings name timestamps or frame numbers, which stand in the file alone.
    """

    def __init__(
        self, keys: DataKeys, files: FileSettings | None = None, frames: FramesElsewhere | None = None
    ) -> None:
        self._keys = keys
        self._elsewhere = frames
        self._files = FileSettings() if files is None else files
        beside = [name for name in ("timestamps", "frame_numbers") if getattr(self._files, name) is not None]
        if frames is not None and beside:
            raise FrameError(
                f"{' and '.join(beside)} under [files] stand in the detector's files, but the frames come from "
                "elsewhere: dropped frames would not be noticed. Leave them out of the settings to do without."
            )
        self._runs: dict[str, _OpenRun] = {}

    def feed(self, name: str, doc: Mapping[str, Any]) -> Iterator[Assembled]:
        """Take one document and yield what it completes, in order."""
        if name == "start":
            yield self._start(doc)
        elif name == "stop":
            yield from self._stop(doc)
        elif (found := self._run_of(name, doc)) is None:
            logger.debug("%s document of a run whose start was not seen: passed over", name)
        elif name == "descriptor":
            found.descriptors[doc["uid"]] = doc
        elif name == "stream_resource":
            if doc["data_key"] == self._keys.frames:  # a stream may hold other detectors' files too
                found.resources[doc["uid"]] = doc
        elif name == "stream_datum":
            if doc["stream_resource"] in found.resources:
                found.datums.append(doc)
                yield from self._complete(found)
        elif name == "event":
            yield from self._event(found, doc)
        elif name == "event_page":
            for event in unpack_event_page(cast(EventPage, doc)):
                yield from self._event(found, event)

    def _run_of(self, name: str, doc: Mapping[str, Any]) -> _OpenRun | None:
        if name in ("descriptor", "stream_resource"):
            return self._runs.get(doc.get("run_start", ""))
        for run in self._runs.values():
            if doc.get("descriptor") in run.descriptors or doc.get("stream_resource") in run.resources:
                return run
        return None

    def _start(self, doc: Mapping[str, Any]) -> Run:
        run = Run(
            uid=doc["uid"],
            time=float(doc["time"]),
            scan_id=doc.get("scan_id"),
            plan_name=str(doc.get("plan_name", "")),
            sample=_sample_name(doc.get("sample")),
            access={key: doc[key] for key in ACCESS_KEYS if key in doc},
        )
        self._runs[run.uid] = _OpenRun(run)
        return run

    def _stop(self, doc: Mapping[str, Any]) -> Iterator[Assembled]:
        found = self._runs.pop(doc.get("run_start", ""), None)
        if found is None:
            return
        if not any(self._keys.frames in each["data_keys"] for each in found.descriptors.values()):
            logger.warning(
                "run %s has no data key %r, so nothing of it was analysed; the settings name the detector's key",
                found.run.uid,
                self._keys.frames,
            )
        for event in found.waiting:
            yield Failure(
                found.run.uid, event["seq_num"], "the run ended before the detector named this event's frames"
            )
        yield RunEnd(found.run.uid, str(doc.get("exit_status", "fail")), str(doc.get("reason", "")))

    def _event(self, found: _OpenRun, doc: Mapping[str, Any]) -> Iterator[Assembled]:
        keys = self._keys
        for key in (keys.shear_stress, keys.shear_rate, keys.viscosity):
            if key in doc["data"]:
                # By time, because a pause makes a monitor tell its last reading again.
                found.readings.setdefault(key, {})[doc["timestamps"][key]] = _number(doc["data"][key])
        if keys.frames in found.descriptors[doc["descriptor"]]["data_keys"]:
            found.waiting.append(doc)
            yield from self._complete(found)

    def _complete(self, found: _OpenRun) -> Iterator[Assembled]:
        """Yield the events whose frames have been named by now."""
        for event in list(found.waiting):
            datum = next((each for each in found.datums if _covers(each, event)), None)
            if datum is None:
                continue
            found.waiting.remove(event)
            if datum["seq_nums"]["stop"] <= event["seq_num"] + 1:
                found.datums.remove(datum)
            try:
                yield self._measurement(found, event, datum)
            except FrameError as error:
                yield Failure(found.run.uid, event["seq_num"], str(error))
            except (KeyError, ValueError, TypeError) as error:
                logger.exception("event %s of run %s cannot be read", event["seq_num"], found.run.uid)
                yield Failure(found.run.uid, event["seq_num"], f"the event's documents lack or garble {error}")

    def _measurement(self, found: _OpenRun, event: Mapping[str, Any], datum: Mapping[str, Any]) -> Measurement:
        keys = self._keys
        descriptor = found.descriptors[event["descriptor"]]
        described = descriptor["data_keys"][keys.frames]
        configuration = _configuration(descriptor)
        data = event["data"]
        n_frames = described["shape"][0] if len(described["shape"]) == 3 else 1
        frame_time = configuration.get(keys.frame_time, data.get(keys.frame_time))
        if frame_time is None:
            raise KeyError(f"{keys.frame_time} (the frame time, in the detector's configuration)")
        duration = n_frames * float(frame_time)
        start = float(data.get(keys.exposure_start, event["time"] - duration))
        offset = datum["indices"]["start"] + event["seq_num"] - datum["seq_nums"]["start"]
        saturation = configuration.get(keys.saturation)
        return Measurement(
            origin=Origin(
                raw_uid=found.run.uid,
                stream=descriptor.get("name", "primary"),
                seq_num=event["seq_num"],
                start=start,
                stop=start + duration,
                elapsed=start - found.run.time,
                position={axis: float(data[key]) for axis, key in (("x", keys.x), ("y", keys.y)) if key in data},
            ),
            frames=self._frames(found, descriptor.get("name", "primary"), datum, offset, n_frames),
            frame_time=float(frame_time),
            saturation=None if saturation is None else float(saturation),
            rheometer=self._rheometer(found, start - RHEOMETER_MARGIN, start + duration + RHEOMETER_MARGIN),
        )

    def _frames(
        self, found: _OpenRun, stream: str, datum: Mapping[str, Any], offset: int, n_frames: int
    ) -> FrameSource:
        if self._elsewhere is not None:
            return self._elsewhere(found.run.uid, stream, self._keys.frames, offset, n_frames)
        resource = found.resources[datum["stream_resource"]]
        return HDF5Frames(
            path=_local_path(resource["uri"]),
            dataset=resource["parameters"]["dataset"],
            start=offset * n_frames,
            stop=(offset + 1) * n_frames,
            timestamps=self._files.timestamps,
            frame_numbers=self._files.frame_numbers,
            # An event may come before its last frames can be seen on this side of the detector's disk.
            following=Following(timeout=self._files.timeout),
        )

    def _rheometer(self, found: _OpenRun, start: float, stop: float) -> RheometerSamples:
        """Readings between two times; rate and viscosity are joined to the stress by their timestamps."""
        stress = found.readings.get(self._keys.shear_stress, {})
        rate = found.readings.get(self._keys.shear_rate, {})
        viscosity = found.readings.get(self._keys.viscosity, {})
        times = sorted(time for time in stress if start <= time <= stop)
        return RheometerSamples(
            time=np.array(times),
            shear_stress=np.array([stress[time] for time in times]),
            shear_rate=np.array([rate.get(time, np.nan) for time in times]),
            viscosity=np.array([viscosity.get(time, np.nan) for time in times]),
        )


def _covers(datum: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    numbers = datum["seq_nums"]
    same_stream: bool = datum["descriptor"] == event["descriptor"]
    return same_stream and numbers["start"] <= event["seq_num"] < numbers["stop"]


def _configuration(descriptor: Mapping[str, Any]) -> dict[str, Any]:
    devices = descriptor.get("configuration", {}).values()
    return {key: value for device in devices for key, value in device.get("data", {}).items()}


def _local_path(uri: str) -> Path:
    return Path(unquote(urlparse(uri).path))


def _number(reading: Any) -> float:
    """A reading as a number: NaN for what is none, which must not cost the measurement."""
    try:
        return float(reading)
    except (TypeError, ValueError):
        return float("nan")


def _sample_name(sample: Any) -> str:
    """The name in `sample`, which facilities write as a string or as a mapping."""
    if isinstance(sample, Mapping):
        return str(sample.get("name", ""))
    return "" if sample is None else str(sample)
