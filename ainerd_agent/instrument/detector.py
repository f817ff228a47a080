"""The area detector: a burst of frames per event, streamed to HDF5 as areaDetector does.

One file is written per staging. It is open for readers (SWMR) from the start, and frames are written while they are
exposed, a chunk at a time. It ends up with the bursts that events name and no others: what a pause or an abort leaves
behind is written over by the next exposure, or cut off in the end. A reader that follows the file tells such frames by
their time stamps, which are written after the frames.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import h5py
import numpy as np
from bluesky.protocols import StreamAsset
from event_model import ComposeStreamResource, DataKey
from numpy.typing import NDArray
from ophyd_async.core import (
    AsyncStatus,
    SignalR,
    SignalRW,
    StandardReadable,
    soft_signal_r_and_setter,
    soft_signal_rw,
)
from ophyd_async.core import StandardReadableFormat as Format

from ainerd_agent.errors import FrameError, InstrumentError

FRAMES = "/entry/data/data"
TIMESTAMPS = "/entry/instrument/NDAttributes/NDArrayTimeStamp"
CHUNK_BYTES = 8 * 2**20
"""Chunks hold whole frames, as many as fit into this."""


class ExposesFrames(Protocol):
    """A sample in the beam, seen by an area detector."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of a frame."""
        ...

    @property
    def saturation(self) -> int:
        """Counts at which a pixel is full."""
        ...

    def expose(
        self, x: float, y: float, elapsed: float, n_frames: int, frame_time: float, exposure: int
    ) -> NDArray[np.uint16]:
        """Frames, shape (T, H, W), at a place of the sample (mm), `elapsed` seconds after cessation."""
        ...


@dataclass(frozen=True, slots=True)
class Burst:
    """The frames of one exposure, shape (T, H, W), and when it began (seconds since the epoch)."""

    frames: NDArray[np.uint16]
    start: float


class FrameFile:
    """An HDF5 file that bursts are appended to while others read it, and the documents that describe it.

    Parameters
    ----------
    data_key : str
        The name of the frames in events.
    shape : tuple of int
        (T, H, W) of a burst.
    frame_time : float
        Seconds from one frame to the next.
    """

    def __init__(self, path: Path, data_key: str, shape: tuple[int, int, int], frame_time: float) -> None:
        self.n_bursts = 0
        self._path = path
        self._times = frame_time * np.arange(shape[0])
        self._lock = threading.Lock()  # an abort may close the file while a burst is being written
        chunk = (_frames_per_chunk(shape), *shape[1:])
        self._file = h5py.File(path, "w", libver="latest")
        self._frames = self._file.create_dataset(
            FRAMES, shape=(0, *shape[1:]), maxshape=(None, *shape[1:]), chunks=chunk, dtype=np.uint16
        )
        self._timestamps = self._file.create_dataset(
            TIMESTAMPS, shape=(0,), maxshape=(None,), chunks=(1024,), dtype=np.float64
        )
        self._timestamps.attrs.update(units="s", epoch="1970-01-01T00:00:00Z")
        self._file.swmr_mode = True
        self._stream = ComposeStreamResource()(
            mimetype="application/x-hdf5",
            uri=path.as_uri().replace("file://", "file://localhost", 1),
            data_key=data_key,
            # Tiled shows the stack by events, (event, T, H, W): its chunks are given in that shape, and "multiplier" is
            # what it needs to check that shape against the file.
            parameters={"dataset": FRAMES, "chunk_shape": (1, *chunk), "multiplier": shape[0]},
        )

    @property
    def frames_per_chunk(self) -> int:
        """Frames that are written at a time."""
        return int(self._frames.chunks[0])

    def write(self, burst: Burst, first: int, last: int) -> None:
        """Write the frames `first` to `last` of the burst that is exposed, and make them visible to readers."""
        with self._lock:
            if not self._file:
                return  # closed meanwhile: the exposure was dropped
            begin = self.n_bursts * len(self._times)
            for dataset, values in (
                (self._frames, burst.frames[first:last]),
                (self._timestamps, burst.start + self._times[first:last]),
            ):
                dataset.resize(max(len(dataset), begin + last), axis=0)
                dataset[begin + first : begin + last] = values
                dataset.flush()

    def complete(self) -> None:
        """Count the burst that was written: it is that of an event."""
        self.n_bursts += 1

    def documents(self) -> Iterator[StreamAsset]:
        """Name the burst that was appended last; the first of a file brings the file's own document."""
        if self.n_bursts == 1:
            yield "stream_resource", self._stream.stream_resource_doc
        last = {"start": self.n_bursts - 1, "stop": self.n_bursts}
        yield "stream_datum", self._stream.compose_stream_datum(last)  # type: ignore[arg-type]

    def close(self) -> None:
        """Close the file, without frames of a burst that was not completed; it stays readable."""
        with self._lock:
            if not self._file:
                return
            complete = self.n_bursts * len(self._times)
            left_over = len(self._frames) > complete
            self._file.close()
            if left_over:
                with h5py.File(self._path, "r+", libver="latest", locking=False) as file:
                    file[FRAMES].resize(complete, axis=0)
                    file[TIMESTAMPS].resize(complete, axis=0)


class SpeckleDetector(StandardReadable):
    """An area detector in the speckle pattern: one `trigger`, one burst of frames, one event.

    The data key of the frames is the name of the detector. Stage it anew for every run. An event's time is that of its
    end; the start of the exposure is the reading `exposure_start`.

    Parameters
    ----------
    experiment : ExposesFrames
        What the detector sees.
    position : callable
        Gives, awaited, the place of the beam on the sample: x and y, mm.
    directory : Path
        Where the files go; it is made if need be.
    t0 : float
        Shear cessation, seconds since the epoch.
    frame_time : float
        Seconds from one frame to the next.
    n_frames : int
        Frames per burst.
    """

    def __init__(
        self,
        experiment: ExposesFrames,
        position: Callable[[], Awaitable[tuple[float, float]]],
        directory: Path,
        *,
        t0: float,
        frame_time: float,
        n_frames: int,
        name: str = "detector",
    ) -> None:
        self._experiment = experiment
        self._position = position
        self._directory = directory.resolve()
        self._t0 = t0
        self._n_exposures = 0
        self._file: FrameFile | None = None
        self._burst: Burst | None = None
        self._exposing: asyncio.Task[Burst] | None = None
        self._check_timing(frame_time)
        self._check_timing(n_frames)
        self.frame_time: SignalRW[float] = soft_signal_rw(float, frame_time, units="s", setter=self._check_timing)
        self.n_frames: SignalRW[int] = soft_signal_rw(int, n_frames, setter=self._check_timing)
        self.saturation: SignalR[int] = soft_signal_r_and_setter(int, experiment.saturation, units="counts")[0]
        self.exposure_start, self._set_exposure_start = soft_signal_r_and_setter(float, 0.0, units="s")
        self.add_readables([self.frame_time, self.n_frames, self.saturation], Format.CONFIG_SIGNAL)
        self.add_readables([self.exposure_start], Format.UNCACHED_SIGNAL)
        super().__init__(name=name)

    async def describe(self) -> dict[str, DataKey]:
        """Describe the frames beside the scalars of an event."""
        frames: DataKey = {
            "source": f"sim://{self.name}",
            "dtype": "array",
            "dtype_numpy": np.dtype(np.uint16).str,
            "shape": list(await self._burst_shape()),
            "dims": ["frame", "row", "column"],
            "units": "counts",
            "external": "STREAM:",
        }
        return {self.name: frames, **await super().describe()}

    @AsyncStatus.wrap
    async def stage(self) -> None:
        """Open a new file."""
        await super().stage()
        await self._close()
        self._directory.mkdir(parents=True, exist_ok=True)
        shape, frame_time = await asyncio.gather(self._burst_shape(), self.frame_time.get_value())
        path = self._directory / f"{uuid4()}.h5"
        self._file = await asyncio.to_thread(FrameFile, path, self.name, shape, frame_time)

    @AsyncStatus.wrap
    async def unstage(self) -> None:
        """Close the file; an exposure that still runs is dropped."""
        await self._close()
        await super().unstage()

    @AsyncStatus.wrap
    async def trigger(self) -> None:
        """Expose a burst."""
        if self._file is None:
            raise InstrumentError(
                f"{self.name} is not staged, so it has no file to write to. "
                "Stage it around the run: bluesky.preprocessors.stage_decorator([detector])."
            )
        self._drop_exposure()
        exposing = self._exposing = asyncio.create_task(self._expose(), name=f"{self.name} exposing")
        # An exposure that is dropped ends this status without failing it: the plan that dropped it is cleaning up.
        await asyncio.wait([exposing])
        if not exposing.cancelled():
            self._burst = exposing.result()

    async def collect_asset_docs(self, index: int | None = None) -> AsyncIterator[StreamAsset]:
        """Say where the burst of this event is."""
        burst, self._burst = self._burst, None
        if burst is None or self._file is None:
            return
        self._file.complete()
        for document in self._file.documents():
            yield document

    async def get_index(self) -> int:
        """Bursts written since the detector was staged."""
        return 0 if self._file is None else self._file.n_bursts

    async def _expose(self) -> Burst:
        """One burst, in no less than the time it lasts; its frames appear in the file as they are exposed."""
        x, y = await self._position()
        shape, frame_time = await asyncio.gather(self._burst_shape(), self.frame_time.get_value())
        self._n_exposures += 1
        start = time.time()
        self._set_exposure_start(start)
        frames = await asyncio.to_thread(
            self._experiment.expose, x, y, start - self._t0, shape[0], frame_time, self._n_exposures
        )
        if frames.shape != shape:
            raise FrameError(f"{self.name} expected frames of shape {shape}, the experiment gave {frames.shape}.")
        burst, file = Burst(frames, start), self._file
        step = shape[0] if file is None else file.frames_per_chunk
        for first in range(0, shape[0], step):
            last = min(first + step, shape[0])
            await asyncio.sleep(start + last * frame_time - time.time())
            if file is not None:
                await asyncio.to_thread(file.write, burst, first, last)
        return burst

    async def _burst_shape(self) -> tuple[int, int, int]:
        """(T, H, W)."""
        rows, columns = self._experiment.shape
        return await self.n_frames.get_value(), rows, columns

    async def _close(self) -> None:
        self._drop_exposure()
        file, self._file = self._file, None
        if file is not None:
            await asyncio.to_thread(file.close)

    def _drop_exposure(self) -> None:
        self._burst = None
        if self._exposing is not None:
            self._exposing.cancel()  # its thread runs out by itself; nobody waits for what it gives

    def _check_timing(self, value: Any) -> None:
        """Refuse a number of frames or a frame time that is not positive, or that no longer fits the open file."""
        if value is None or not value > 0:
            raise InstrumentError(f"The frame time and the number of frames must be positive, got {value}.")
        if self._file is not None:
            raise InstrumentError(f"{self.name} is staged: change the frame time or number of frames between runs.")


def _frames_per_chunk(shape: tuple[int, int, int]) -> int:
    """Find the largest divisor of T whose frames fit into a chunk: no chunk belongs to two bursts."""
    n_frames, rows, columns = shape
    most = max(1, CHUNK_BYTES // (rows * columns * np.dtype(np.uint16).itemsize))
    return max(divisor for divisor in range(1, min(n_frames, most) + 1) if n_frames % divisor == 0)
