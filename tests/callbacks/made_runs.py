"""Documents of runs of many kinds, validated by event-model, and the files that they name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import h5py
import numpy as np
from event_model import DocumentNames, compose_resource, compose_run, schema_validators

Document = tuple[str, dict[str, Any]]
T0 = 1_700_000_000.0
FRAME_TIME = 0.01


def validated(documents: Iterable[Document]) -> list[Document]:
    """The documents; an error where one is not as event-model says."""
    kept = list(documents)
    for name, doc in kept:
        schema_validators[DocumentNames[name]].validate(doc)
    return kept


def movies(n: int, n_frames: int = 16, size: tuple[int, int] = (6, 5), seed: int = 0) -> np.ndarray:
    """Counts of shape (n, n_frames, H, W), all different."""
    return np.random.default_rng(seed).poisson(5, (n, n_frames, *size)).astype(np.uint16)


def array_key(shape: Sequence[int], **more: Any) -> dict[str, Any]:
    return {"source": "detector", "dtype": "array", "shape": list(shape), "dtype_numpy": "<u2", **more}


def number_key(units: str | None = None, dtype: str = "number") -> dict[str, Any]:
    given = {} if units is None else {"units": units}
    return {"source": "device", "dtype": dtype, "shape": [], **given}


@dataclass
class MadeRun:
    """A run under way: documents are kept in `documents`.

    Attributes
    ----------
    frame_time : any
        Of the detector's configuration; None leaves it out.
    """

    md: dict[str, Any] = field(default_factory=dict)
    frame_time: Any = FRAME_TIME
    frame_time_units: str | None = "s"
    time: float = T0
    documents: list[Document] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bundle = compose_run(time=self.time, metadata=self.md)
        self.uid = self.bundle.start_doc["uid"]
        self.documents.append(("start", self.bundle.start_doc))
        self.streams: dict[str, Any] = {}

    def keep(self, name: str, doc: Any) -> None:
        self.documents.append((name, dict(doc)))

    def stream(self, name: str, data_keys: dict[str, Any], configuration: dict[str, Any] | None = None) -> Any:
        """A descriptor; the detector's configuration has its frame time where it is among the keys."""
        given = configuration
        if given is None and "detector" in data_keys and self.frame_time is not None:
            key = number_key(self.frame_time_units)
            given = {
                "detector": {
                    "data": {"detector-frame_time": self.frame_time},
                    "timestamps": {"detector-frame_time": self.time},
                    "data_keys": {"detector-frame_time": key},
                }
            }
        made = self.bundle.compose_descriptor(
            name=name, data_keys=data_keys, configuration=given or {}, time=self.time, validate=False
        )
        self.streams[name] = made
        self.keep("descriptor", made.descriptor_doc)
        return made

    def event(self, stream: str, data: dict[str, Any], time: float, seq_num: int | None = None, **more: Any) -> None:
        stamps = more.pop("timestamps", dict.fromkeys(data, time))
        doc = {
            "uid": str(uuid4()), "time": time, "data": data, "timestamps": stamps,
            "seq_num": self._number(stream) if seq_num is None else seq_num, "filled": more.pop("filled", {}),
            "descriptor": self.streams[stream].descriptor_doc["uid"],
        }  # fmt: skip
        self.keep("event", doc)

    def _number(self, stream: str) -> int:
        descriptors = {doc["uid"] for name, doc in self.documents if name == "descriptor" and doc["name"] == stream}
        return 1 + max((doc["seq_num"] for name, doc in self.documents
                        if name == "event" and doc["descriptor"] in descriptors), default=0)  # fmt: skip

    def stress(self, times: Iterable[float], values: Iterable[float], **about: Any) -> None:
        """Readings of the rheometer as a monitor gives them."""
        units, offset = about.get("units", "Pa"), about.get("offset", 0.0)
        self.stream("stress_monitor", {"rheometer-shear_stress": number_key(units)})
        for time, value in zip(times, values, strict=True):
            stamp = {"rheometer-shear_stress": time + offset}
            self.event("stress_monitor", {"rheometer-shear_stress": value}, time + 0.01, timestamps=stamp)

    def stream_asset(self, path: Path, mimetype: str = "application/x-hdf5", **parameters: Any) -> Any:
        resource = self.bundle.compose_stream_resource(
            data_key="detector", mimetype=mimetype, uri=path.as_uri().replace("file://", "file://localhost", 1),
            parameters={"dataset": "/entry/data/data", **parameters},
        )  # fmt: skip
        self.keep("stream_resource", resource.stream_resource_doc)
        return resource

    def rows(self, resource: Any, stream: str, start: int, stop: int, first: int | None = None) -> None:
        first = start + 1 if first is None else first
        datum = resource.compose_stream_datum(
            indices={"start": start, "stop": stop},
            seq_nums={"start": first, "stop": first + stop - start},
            descriptor=self.streams[stream].descriptor_doc,
        )
        self.keep("stream_datum", datum)

    def stop(self, **more: Any) -> list[Document]:
        doc = {**self.bundle.compose_stop(exit_status=more.pop("exit_status", "success"))}
        self.keep("stop", {**doc, **more})
        return self.documents


def write_hdf5(path: Path, frames: np.ndarray, dataset: str = "/entry/data/data") -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset(dataset, data=frames, chunks=(1,) * (frames.ndim - 2) + frames.shape[-2:])
    return path


POSITION_KEYS = {"stage-x": number_key("mm"), "stage-y": number_key("mm")}


def stepped(folder: Path, n: int = 3, *, extra: dict[str, Any] | None = None, **about: Any) -> list[Document]:
    """A step scan: one movie of several frames an event, at positions (0.5, 1), (1.5, 1) ..., in one HDF5 stack."""
    frames = movies(n)
    path = write_hdf5(folder / "stack.h5", frames.reshape(-1, *frames.shape[2:]))
    run = MadeRun(**about)
    extra_keys = {name: number_key(units) for name, (_, units) in (extra or {}).items()}
    run.stream("primary", {"detector": array_key(frames.shape[1:], external="STREAM:"), **POSITION_KEYS, **extra_keys})
    resource = run.stream_asset(path)
    run.stress(T0 + np.arange(0.0, 4.0 * n, 0.5), np.arange(8.0 * n))
    for k in range(n):
        data = {"stage-x": 0.5 + k, "stage-y": 1.0} | {name: value + k for name, (value, _) in (extra or {}).items()}
        run.rows(resource, "primary", k, k + 1)
        run.event("primary", data, T0 + 4.0 * k + 2.0)
    return validated(run.stop())


def classic(folder: Path, n: int = 3, spec: str = "AD_HDF5", seed: int = 0) -> list[Document]:
    """The same by `resource` and `datum`, as ophyd's areaDetector writes them."""
    frames = movies(n, seed=seed)
    path = write_hdf5(folder / "classic.h5", frames.reshape(-1, *frames.shape[2:]))
    run = MadeRun()
    run.stream("primary", {"detector": array_key(frames.shape[1:], external="FILESTORE:"), **POSITION_KEYS})
    resource = compose_resource(
        spec=spec, root=str(folder), resource_path=path.name, resource_kwargs={"frame_per_point": frames.shape[1]},
        start=run.bundle.start_doc,
    )  # fmt: skip
    run.keep("resource", resource.resource_doc)
    run.stress(T0 + np.arange(0.0, 4.0 * n, 0.5), np.arange(8.0 * n))
    for k in range(n):
        datum = resource.compose_datum(datum_kwargs={"point_number": k})
        run.keep("datum", datum)
        data = {"detector": datum["datum_id"], "stage-x": 0.5 + k, "stage-y": 1.0}
        run.event("primary", data, T0 + 4.0 * k + 2.0, filled={"detector": False})
    return validated(run.stop())


def counted(folder: Path, n: int = 40, *, places: Sequence[float] = (), **about: Any) -> list[Document]:
    """`bp.count` with single frames; with places, so many frames at each of them."""
    at = [x for x in places for _ in range(n)] or [0.0] * n
    frames = movies(1, len(at))[0]
    path = write_hdf5(folder / "counted.h5", frames)
    run = MadeRun(**about)
    keys = POSITION_KEYS if places else {}
    run.stream("primary", {"detector": array_key(frames.shape[1:], external="STREAM:"), **keys})
    resource = run.stream_asset(path)
    for k, x in enumerate(at):
        run.rows(resource, "primary", k, k + 1)
        run.event("primary", {"stage-x": x, "stage-y": 1.0} if places else {}, T0 + 0.1 * (k + 1))
    return validated(run.stop())


def with_arrays(n: int = 3) -> list[Document]:
    """Frames inside the events, as lists."""
    frames = movies(n)
    run = MadeRun()
    run.stream("primary", {"detector": array_key(frames.shape[1:]), **POSITION_KEYS})
    for k in range(n):
        data = {"detector": frames[k].tolist(), "stage-x": 0.5 + k, "stage-y": 1.0}
        run.event("primary", data, T0 + 4.0 * k + 2.0)
    return validated(run.stop())


def flown(folder: Path, n: int = 3) -> list[Document]:
    """Stream datums without any event."""
    frames = movies(n)
    path = write_hdf5(folder / "flown.h5", frames.reshape(-1, *frames.shape[2:]))
    run = MadeRun()
    run.stream("primary", {"detector": array_key(frames.shape[1:], external="STREAM:")})
    resource = run.stream_asset(path)
    run.rows(resource, "primary", 0, n)
    return validated(run.stop())


def events_of(documents: Iterable[Document]) -> Iterator[dict[str, Any]]:
    return (doc for name, doc in documents if name == "event")


def of_classic_files(
    folder: Path, spec: str, kwargs: dict[str, Any], datums: Sequence[dict[str, Any]], path: str, shape: Sequence[int]
) -> list[Document]:
    """Events whose datums name files of another kind."""
    run = MadeRun()
    run.stream("primary", {"detector": array_key(shape, external="FILESTORE:"), **POSITION_KEYS})
    resource = compose_resource(
        spec=spec, root=str(folder), resource_path=path, resource_kwargs=kwargs, start=run.bundle.start_doc
    )
    run.keep("resource", resource.resource_doc)
    for k, given in enumerate(datums):
        datum = resource.compose_datum(datum_kwargs=given)
        run.keep("datum", datum)
        data = {"detector": datum["datum_id"], "stage-x": 0.5 + k, "stage-y": 1.0}
        run.event("primary", data, T0 + 4.0 * k + 2.0, filled={"detector": False})
    return validated(run.stop())
