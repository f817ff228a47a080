"""Devices of the tests' own: detectors as classic ophyd and as stream assets have them, and what reads stress."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from event_model import compose_resource, compose_stream_resource
from ophyd import Component, Device, DeviceStatus, Kind, Signal

DATASET = "/entry/data/data"


class Movies:
    """A file with one movie after the other, and the movies themselves."""

    def __init__(self, folder: Path, n_frames: int, name: str) -> None:
        self.path = folder / f"{name}.h5"
        self.n_frames, self.taken = n_frames, []
        self._random = np.random.default_rng(3)
        with h5py.File(self.path, "w") as file:
            file.create_dataset(DATASET, (0, 8, 8), np.uint16, maxshape=(None, 8, 8), chunks=(1, 8, 8))

    def take(self) -> int:
        """Take a movie; gives its number."""
        movie = self._random.poisson(20, (self.n_frames, 8, 8)).astype(np.uint16)
        with h5py.File(self.path, "a") as file:
            data = file[DATASET]
            data.resize(len(data) + self.n_frames, axis=0)
            data[-self.n_frames :] = movie
        self.taken.append(movie)
        return len(self.taken) - 1


class ClassicDetector(Device):
    """Names its frames by `resource` and `datum`, as ophyd's areaDetector does."""

    frame_time = Component(Signal, value=0.01, kind=Kind.config)

    def __init__(self, folder: Path, n_frames: int = 16, name: str = "detector") -> None:
        super().__init__(name=name)
        self.frame_time.name = f"{name}-frame_time"
        self.movies = Movies(folder, n_frames, name)
        self._resource: Any = None
        self._documents: list[tuple[str, Any]] = []
        self._datum = ""

    def stage(self) -> list[object]:
        self._resource = compose_resource(
            spec="AD_HDF5", root=str(self.movies.path.parent), resource_path=self.movies.path.name,
            resource_kwargs={"frame_per_point": self.movies.n_frames},
        )  # fmt: skip
        self._documents.append(("resource", self._resource.resource_doc))
        return super().stage()

    def trigger(self) -> DeviceStatus:
        datum = self._resource.compose_datum(datum_kwargs={"point_number": self.movies.take()})
        self._datum = datum["datum_id"]
        self._documents.append(("datum", datum))
        status = DeviceStatus(self)
        status.set_finished()
        return status

    def describe(self) -> dict[str, Any]:
        shape = [self.movies.n_frames, 8, 8]
        key = {"source": "file", "dtype": "array", "dtype_numpy": "<u2", "shape": shape}
        return {self.name: {**key, "external": "FILESTORE:"}}

    def read(self) -> dict[str, Any]:
        return {self.name: {"value": self._datum, "timestamp": time.time()}}

    def collect_asset_docs(self) -> Iterator[tuple[str, Any]]:
        documents, self._documents = self._documents, []
        yield from documents


class StreamDetector(ClassicDetector):
    """Names its frames by `stream_resource` and `stream_datum`, as ophyd-async does."""

    def stage(self) -> list[object]:
        self._first, self._told = len(self.movies.taken), len(self.movies.taken)
        self._resource = None
        return Device.stage(self)

    def trigger(self) -> DeviceStatus:
        self.movies.take()
        status = DeviceStatus(self)
        status.set_finished()
        return status

    def describe(self) -> dict[str, Any]:
        return {self.name: {**super().describe()[self.name], "external": "STREAM:"}}

    def read(self) -> dict[str, Any]:
        return {}

    def get_index(self) -> int:
        return len(self.movies.taken) - self._first

    def collect_asset_docs(self, index: int | None = None) -> Iterator[tuple[str, Any]]:
        if self._resource is None:
            self._resource = compose_stream_resource(
                data_key=self.name, mimetype="application/x-hdf5",
                uri=self.movies.path.as_uri().replace("file://", "file://localhost", 1),
                parameters={"dataset": DATASET},
            )  # fmt: skip
            yield "stream_resource", self._resource.stream_resource_doc
        if self._told < len(self.movies.taken):
            rows = {"start": self._told, "stop": len(self.movies.taken)}
            self._told = rows["stop"]
            # The RunEngine fills in the numbers of events and the descriptor.
            yield "stream_datum", {
                "uid": f"{self._resource.stream_resource_doc['uid']}/{rows['start']}",
                "stream_resource": self._resource.stream_resource_doc["uid"],
                "descriptor": "", "indices": rows, "seq_nums": {"start": 0, "stop": 0},
            }  # fmt: skip
