"""An area detector as classic ophyd has them, without EPICS: an acquisition a point, which can be aborted.

`cam.acquire` = 1 begins, 0 aborts: the file keeps the frames that came, and the next acquisition goes on after them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from event_model import compose_resource
from ophyd import Component, Device, DeviceStatus, Kind, Signal

DATASET = "/entry/data/data"
SHAPE = (8, 8)


class Camera(Device):
    """The signals of areaDetector's camera that matter here."""

    acquire = Component(Signal, value=0, kind=Kind.omitted)
    num_images = Component(Signal, value=50, kind=Kind.config)
    num_captured = Component(Signal, value=0, kind=Kind.omitted)
    """Frames of this acquisition that are in the file."""


class ClassicAreaDetector(Device):
    """Takes `cam.num_images` frames a trigger, one each `frame_time`, on a thread of its own.

    Attributes
    ----------
    taken : list of ndarray, shape (n, H, W)
        The frames of each acquisition that came.
    """

    cam = Component(Camera)
    frame_time = Component(Signal, value=0.002, kind=Kind.config)

    def __init__(self, folder: Path, n_frames: int = 50, name: str = "detector") -> None:
        super().__init__(name=name)
        self.frame_time.name = f"{name}-frame_time"
        self.cam.num_images.put(n_frames)
        self.taken: list[np.ndarray] = []
        self._folder = folder
        self._random = np.random.default_rng(5)
        self._documents: list[tuple[str, Any]] = []
        self._file: h5py.File | None = None
        self._datum = ""
        self._thread: threading.Thread | None = None

    def stage(self) -> list[object]:
        path = self._folder / f"{self.name}-{time.monotonic_ns()}.h5"
        self._file = h5py.File(path, "w", libver="latest")
        self._file.create_dataset(DATASET, (0, *SHAPE), np.uint16, maxshape=(None, *SHAPE), chunks=(1, *SHAPE))
        self._file.swmr_mode = True
        self._resource = compose_resource(
            spec="AD_HDF5", root=str(path.parent), resource_path=path.name,
            resource_kwargs={"frame_per_point": self.cam.num_images.get()},
        )  # fmt: skip
        self._documents.append(("resource", self._resource.resource_doc))
        self._n_points = 0
        return super().stage()

    def unstage(self) -> list[object]:
        self.cam.acquire.put(0)
        if self._thread is not None:
            self._thread.join()
        file, self._file = self._file, None
        if file is not None:
            file.close()
        return super().unstage()

    def trigger(self) -> DeviceStatus:
        datum = self._resource.compose_datum(datum_kwargs={"point_number": self._n_points})
        self._n_points += 1
        self._datum = datum["datum_id"]
        self._documents.append(("datum", datum))
        self.cam.num_captured.put(0)
        self.cam.acquire.put(1)
        status = DeviceStatus(self)
        self._thread = threading.Thread(target=self._acquire, args=(status,), daemon=True)
        self._thread.start()
        return status

    def _acquire(self, status: DeviceStatus) -> None:
        frames = self._random.poisson(20, (self.cam.num_images.get(), *SHAPE)).astype(np.uint16)
        data, n = self._file[DATASET], 0
        for frame in frames:
            time.sleep(self.frame_time.get())
            if not self.cam.acquire.get():
                break
            data.resize(len(data) + 1, axis=0)
            data[-1] = frame
            data.flush()
            n += 1
            self.cam.num_captured.put(n)
        self.taken.append(frames[:n])
        self.cam.acquire.put(0)
        status.set_finished()

    def describe(self) -> dict[str, Any]:
        shape = [self.cam.num_images.get(), *SHAPE]
        key = {"source": "file", "dtype": "array", "dtype_numpy": "<u2", "shape": shape, "external": "FILESTORE:"}
        return {self.name: key}

    def read(self) -> dict[str, Any]:
        return {self.name: {"value": self._datum, "timestamp": time.time()}}

    def collect_asset_docs(self) -> Iterator[tuple[str, Any]]:
        documents, self._documents = self._documents, []
        yield from documents
