"""The area detector: bursts of frames, triggered or flown, streamed to HDF5 as areaDetector does.

One file is written per staging. It is open for readers (SWMR) from the start, and frames are written while they are
exposed, a chunk at a time. It ends up with the rows that documents name and no others: what a pause or an abort leaves
behind is written over by the next exposure, or cut off in the end. A reader that follows the file tells such frames by
their time stamps, which are written after the frames.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import numpy as np
from bluesky.protocols import StreamAsset
from event_model import DataKey
from numpy.typing import NDArray
from ophyd_async.core import (
    AsyncStatus,
    DetectorTrigger,
    SignalR,
    SignalRW,
    StandardReadable,
    TriggerInfo,
    soft_signal_r_and_setter,
    soft_signal_rw,
)
from ophyd_async.core import StandardReadableFormat as Format

from ainerd_agent.errors import FrameError, InstrumentError
from ainerd_agent.instrument.frame_file import FRAMES, TIMESTAMPS, Burst, FrameFile

__all__ = ["FRAMES", "TIMESTAMPS", "ExposesFrames", "SpeckleDetector"]

WRITE_PERIOD = 0.02
"""Seconds for which rows that are flown are gathered, to be written together."""


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


class SpeckleDetector(StandardReadable):
    """An area detector in the speckle pattern: one `trigger`, one burst of frames, one event.

    It also flies: `prepare` it for a number of rows, of single frames or of small bursts, `kickoff`, `complete`, and
    `collect` meanwhile. `stop` ends such an acquisition at once; a later one goes on in the same file.

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
        self._n_rows: int | None = None
        self._stopped = asyncio.Event()
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
        n_frames = await self.n_frames.get_value() if self._file is None else self._file.frames_per_row
        return {self.name: self._frames_key(n_frames), **await super().describe()}

    def _frames_key(self, n_frames: int) -> DataKey:
        return {
            "source": f"sim://{self.name}",
            "dtype": "array",
            "dtype_numpy": np.dtype(np.uint16).str,
            "shape": [n_frames, *self._experiment.shape],
            "dims": ["frame", "row", "column"],
            "units": "counts",
            "external": "STREAM:",
        }

    @AsyncStatus.wrap
    async def stage(self) -> None:
        """Open a new file."""
        await super().stage()
        await self._close()
        await self._open((await self._burst_shape())[0])

    @AsyncStatus.wrap
    async def unstage(self) -> None:
        """Close the file; an exposure that still runs is dropped."""
        await self._close()
        await super().unstage()

    @AsyncStatus.wrap
    async def trigger(self) -> None:
        """Expose a burst."""
        file = self._staged()
        if file.frames_per_row != await self.n_frames.get_value():
            raise InstrumentError(
                f"{self.name} was prepared for rows of {file.frames_per_row} frames: stage it anew to trigger it."
            )
        self._drop_exposure()
        exposing = self._exposing = asyncio.create_task(self._expose(file), name=f"{self.name} exposing")
        # An exposure that is dropped ends this status without failing it: the plan that dropped it is cleaning up.
        await asyncio.wait([exposing])
        if not exposing.cancelled():
            self._burst = exposing.result()

    @AsyncStatus.wrap
    async def prepare(self, value: TriggerInfo) -> None:
        """Get ready to fly: `number_of_events` rows of `collections_per_event` frames.

        Raises
        ------
        InstrumentError
            It is not staged; it has no such trigger; or its file has rows of another length already.
        """
        file = self._staged()
        frame_time = await self.frame_time.get_value()
        if value.trigger is not DetectorTrigger.INTERNAL or value.exposures_per_collection != 1:
            raise InstrumentError(f"{self.name} triggers itself, and does not add frames up: prepare it without these.")
        asked = value.livetime + value.deadtime
        if asked > 0 and not math.isclose(asked, frame_time):
            raise InstrumentError(
                f"{self.name} takes a frame each {frame_time:g} s, not each {asked:g} s: set frame_time between runs."
            )
        if not value.number_of_events:
            raise InstrumentError(f"{self.name} needs a number of events: it does not expose for ever.")
        if value.collections_per_event != file.frames_per_row:
            if file.n_rows:
                raise InstrumentError(
                    f"The file of {self.name} has rows of {file.frames_per_row} frames, and cannot go on with rows of "
                    f"{value.collections_per_event}: stage it anew."
                )
            await self._close()
            await self._open(value.collections_per_event)
        self._n_rows = value.number_of_events

    @AsyncStatus.wrap
    async def kickoff(self) -> None:
        """Begin to expose the rows it was prepared for; they appear in the file as they are exposed."""
        file, n_rows = self._staged(), self._n_rows
        if n_rows is None:
            raise InstrumentError(
                f"{self.name} is not prepared: prepare(TriggerInfo(number_of_events=...)) comes first."
            )
        self._drop_exposure()
        self._stopped.clear()
        self._exposing = asyncio.create_task(self._fly(file, n_rows), name=f"{self.name} exposing")

    @AsyncStatus.wrap
    async def complete(self) -> None:
        """Wait for the end of the acquisition: all rows are exposed, or it was stopped."""
        exposing = self._exposing
        if exposing is None:
            raise InstrumentError(f"{self.name} does not expose: kickoff comes first.")
        await asyncio.wait([exposing])
        if not exposing.cancelled():
            exposing.result()

    async def stop(self, success: bool = True) -> None:
        """End an acquisition that was kicked off now.

        The file keeps the rows that came, and the next acquisition goes on after them. A row that is not complete is
        written over by the next exposure. Nothing happens where nothing is exposed.
        """
        self._stopped.set()

    async def describe_collect(self) -> dict[str, DataKey]:
        """Describe the frames of a row."""
        return {self.name: self._frames_key(self._staged().frames_per_row)}

    async def collect_asset_docs(self, index: int | None = None) -> AsyncIterator[StreamAsset]:
        """Say where the burst of this event is, or the rows that came since the last time.

        Parameters
        ----------
        index : int, optional
            Of the rows since it was staged, up to which they are named.
        """
        burst, self._burst = self._burst, None
        file = self._file
        if file is None:
            return
        if burst is not None:
            file.count(burst.row + 1)
        for document in file.documents(index):
            yield document

    async def get_index(self) -> int:
        """Rows written since the detector was staged."""
        return 0 if self._file is None else self._file.n_rows

    async def _expose(self, file: FrameFile) -> Burst:
        """One burst, in no less than the time it lasts; its frames appear in the file as they are exposed."""
        burst, frame_time = await self._begun(file, file.frames_per_row)
        step = file.frames_per_chunk
        for first in range(0, len(burst.frames), step):
            last = min(first + step, len(burst.frames))
            await asyncio.sleep(burst.start + last * frame_time - time.time())
            await asyncio.to_thread(file.write, burst, first, last)
        return burst

    async def _fly(self, file: FrameFile, n_rows: int) -> Burst:
        """Rows one after the other, until they are exposed or somebody stops them."""
        burst, frame_time = await self._begun(file, n_rows * file.frames_per_row)
        per_row, done, stopped = file.frames_per_row, 0, False
        row_time = per_row * frame_time
        # To compute the frames may take longer than to expose them; they still come one after the other.
        begun = time.time()
        while done < n_rows and not stopped:
            ahead = int((time.time() + WRITE_PERIOD - begun) / row_time)
            last = min(max(ahead, done + 1), n_rows)
            stopped = await self._is_stopped(begun + last * row_time - time.time())
            if stopped:
                last = min(last, int((time.time() - begun) / row_time))
            if last > done:
                await asyncio.to_thread(file.write, burst, done * per_row, last * per_row)
                file.count(burst.row + last)
                done = last
        return burst

    async def _is_stopped(self, within: float) -> bool:
        """Whether somebody stops the acquisition within some seconds."""
        if within > 0 and not self._stopped.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), within)
        return self._stopped.is_set()

    async def _begun(self, file: FrameFile, n_frames: int) -> tuple[Burst, float]:
        """The frames of an exposure that begins now, and their frame time."""
        x, y = await self._position()
        frame_time = await self.frame_time.get_value()
        shape = (n_frames, *self._experiment.shape)
        self._n_exposures += 1
        start = time.time()
        self._set_exposure_start(start)
        frames = await asyncio.to_thread(
            self._experiment.expose, x, y, start - self._t0, n_frames, frame_time, self._n_exposures
        )
        if frames.shape != shape:
            raise FrameError(f"{self.name} expected frames of shape {shape}, the experiment gave {frames.shape}.")
        return Burst(frames, start, file.n_rows), frame_time

    def _staged(self) -> FrameFile:
        if self._file is None:
            raise InstrumentError(
                f"{self.name} is not staged, so it has no file to write to. "
                "Stage it around the run: bluesky.preprocessors.stage_decorator([detector])."
            )
        return self._file

    async def _open(self, frames_per_row: int) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        shape, frame_time = (frames_per_row, *self._experiment.shape), await self.frame_time.get_value()
        path = self._directory / f"{uuid4()}.h5"
        self._file = await asyncio.to_thread(FrameFile, path, self.name, shape, frame_time)

    async def _burst_shape(self) -> tuple[int, int, int]:
        """(T, H, W)."""
        rows, columns = self._experiment.shape
        return await self.n_frames.get_value(), rows, columns

    async def _close(self) -> None:
        self._drop_exposure()
        file, self._file, self._n_rows = self._file, None, None
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
