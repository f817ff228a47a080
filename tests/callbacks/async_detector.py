"""A detector of the tests' own as ophyd-async has them: several frames an event, in steps and in flight."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from ophyd_async.core import (
    DetectorAcquireLogic,
    DetectorDataLogic,
    DetectorTriggerLogic,
    SignalR,
    StandardDetector,
    StreamResourceDataProvider,
    StreamResourceInfo,
    soft_signal_r_and_setter,
)

DATASET = "/frames"


class Camera:
    """Takes as many frames as it was set to, some at a time, and appends them to its file."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self.n_frames = 0
        self.taken: list[NDArray[np.uint16]] = []
        """Frames, each of shape (n, H, W), as they were appended."""
        self.frame_time, self.set_frame_time = soft_signal_r_and_setter(float, 0.01, units="s")
        self.written, self._set_written = soft_signal_r_and_setter(int, 0)
        self._file: h5py.File | None = None
        self._random = np.random.default_rng(11)

    def open(self, path: Path) -> None:
        """Begin a file that others may read meanwhile (SWMR)."""
        self._set_written(0)
        self._file = h5py.File(path, "w", libver="latest")
        self._file.create_dataset(DATASET, (0, *self.shape), np.uint16, maxshape=(None, *self.shape), chunks=True)
        self._file.swmr_mode = True

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    async def expose(self) -> None:
        missing = self.n_frames
        while missing:
            n = min(missing, 5)  # no divisor of the frames of an event
            missing -= n
            self._append(self._random.poisson(20, (n, *self.shape)).astype(np.uint16))
            await asyncio.sleep(0)

    def _append(self, frames: NDArray[np.uint16]) -> None:
        self.taken.append(frames)
        data = self._file[DATASET]
        data.resize(len(data) + len(frames), axis=0)
        data[-len(frames) :] = frames
        data.flush()
        self._set_written(len(data))


class Timing(DetectorTriggerLogic):
    """Sets the camera to a number of frames and, where one is asked for, to a frame time."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera

    def config_sigs(self) -> set[SignalR]:
        return {self._camera.frame_time}

    async def prepare_internal(self, num: int, livetime: float, deadtime: float) -> None:
        self._camera.n_frames = num
        if livetime + deadtime > 0:
            self._camera.set_frame_time(livetime + deadtime)


class Acquiring(DetectorAcquireLogic):
    """Has the camera expose on a task of its own."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._exposing: asyncio.Task[None] | None = None

    async def start_acquiring(self) -> None:
        self._exposing = asyncio.create_task(self._camera.expose())

    async def wait_for_idle(self) -> None:
        if self._exposing is not None:
            await self._exposing

    async def ensure_stopped(self) -> None:
        exposing, self._exposing = self._exposing, None
        if exposing is not None:
            exposing.cancel()
            with suppress(asyncio.CancelledError):
                await exposing


class OneFile(DetectorDataLogic):
    """Names the frames in a new file for each stage."""

    def __init__(self, camera: Camera, folder: Path) -> None:
        self._camera, self._folder, self._n_files = camera, folder, 0

    async def prepare_unbounded(self, datakey_name: str) -> StreamResourceDataProvider:
        self._n_files += 1
        path = self._folder / f"{datakey_name}-{self._n_files}.h5"
        self._camera.open(path)
        frames = StreamResourceInfo(
            data_key=datakey_name, shape=self._camera.shape, chunk_shape=(1, *self._camera.shape),
            dtype_numpy="<u2", parameters={"dataset": DATASET},
        )  # fmt: skip
        return StreamResourceDataProvider(
            uri=path.as_uri().replace("file://", "file://localhost", 1),
            resources=[frames],
            mimetype="application/x-hdf5",
            collections_written_signal=self._camera.written,
        )

    async def stop(self) -> None:
        self._camera.close()


class AsyncDetector(StandardDetector):
    """One file a stage; prepare it for the frames of an event."""

    def __init__(self, folder: Path, shape: tuple[int, int] = (8, 8), name: str = "detector") -> None:
        self.camera = Camera(shape)
        self.frame_time = self.camera.frame_time
        self.add_detector_logics(Timing(self.camera), Acquiring(self.camera), OneFile(self.camera, folder))
        super().__init__(name=name)

    @property
    def taken(self) -> NDArray[np.uint16]:
        """All frames that were taken, shape (n, H, W)."""
        return np.concatenate(self.camera.taken)
