"""Runs of which two streams tell when exposures began and ended, as documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ainerd_agent.records.exposure_events import EXPOSURES, START, Ended, ExposureBegun, ExposureEnded
from tests.callbacks.made_runs import (
    FRAME_TIME,
    POSITION_KEYS,
    T0,
    Document,
    MadeRun,
    array_key,
    movies,
    number_key,
    validated,
    write_hdf5,
)


@dataclass
class ExposedRun:
    """A run of exposures of different length; rows are single frames, or bursts of `per_row`.

    Attributes
    ----------
    flown : bool
        Rows without events, as `bps.collect` gives them.
    """

    folder: Path
    per_row: int = 1
    flown: bool = True
    n_frames: int = 200
    start: Mapping[str, Any] = field(default_factory=lambda: {EXPOSURES: dict(START)})

    def __post_init__(self) -> None:
        self.frames = movies(1, self.n_frames)[0]
        self.run = MadeRun(md=dict(self.start))
        keys = {"detector": array_key((self.per_row, 6, 5), external="STREAM:")}
        self.run.stream("primary", keys)
        path = write_hdf5(self.folder / "exposed.h5", self.frames)
        self.resource = self.run.stream_asset(path, multiplier=self.per_row)
        self.streams: set[str] = set()
        self.row, self.time, self.number = 0, T0, 0

    def tell(self, stream: str, report: ExposureBegun | ExposureEnded, x: float, **data: Any) -> None:
        values = report.data() | data
        keys = {key: number_key(dtype="string" if isinstance(value, str) else "integer")
                for key, value in report.data().items()}  # fmt: skip
        if stream not in self.streams:
            self.run.stream(stream, keys | POSITION_KEYS)
            self.streams.add(stream)
        self.run.event(stream, values | {"stage-x": x, "stage-y": 1.0}, self.time)

    def begin(self, planned: int = 100, **data: Any) -> None:
        self.number += 1
        self.time += 1.0
        self.tell("exposing", ExposureBegun(number=self.number, planned=planned), 0.5 * self.number, **data)

    def rows(self, n: int) -> None:
        for k in range(n):
            self.time += FRAME_TIME * self.per_row
            if not self.flown:
                self.run.rows(self.resource, "primary", self.row + k, self.row + k + 1)
                self.run.event("primary", {}, self.time)
        if self.flown and n:
            self.run.rows(self.resource, "primary", self.row, self.row + n)
        self.row += n

    def end(self, n: int, ended: Ended = "planned", planned: int = 100, **data: Any) -> None:
        look = 0 if ended == "planned" else 2
        report = ExposureEnded(
            number=self.number, planned=planned, first=self.row - n + 1, last=self.row, ended=ended, look=look
        )
        self.tell("exposures", report, 0.5 * self.number, **data)

    def expose(self, n: int, ended: Ended = "planned", planned: int = 100, **data: Any) -> None:
        self.begin(planned)
        self.rows(n)
        self.end(n, ended, planned, **data)

    def documents(self) -> list[Document]:
        return validated(self.run.stop())


def stream_after_stream(documents: Sequence[Document], order: Sequence[str]) -> list[Document]:
    """As a catalog exports them: start, then one stream after the other, and the stop document."""
    name_of = {doc["uid"]: doc["name"] for name, doc in documents if name == "descriptor"}
    resources = [each for each in documents if each[0] == "stream_resource"]
    sorted_ones = [documents[0]]
    for stream in order:
        own = [
            each for each in documents
            if stream in (name_of.get(each[1].get("descriptor")), each[0] == "descriptor" and each[1]["name"])
        ]  # fmt: skip
        if stream == "primary":
            own = [own[0], *resources, *own[1:]]
        sorted_ones += own
    return [*sorted_ones, documents[-1]]


def frames_of(measurement: Any) -> Any:
    blocks = list(measurement.frames.blocks())
    return np.concatenate([getattr(each, "frames", each) for each in blocks])
