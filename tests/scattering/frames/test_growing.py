"""Following a file that another process writes. Nothing here waits for a time: each step waits for the one before."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ainerd_agent.errors import FrameError, FrameTimeoutError
from ainerd_agent.records import NumberedFrames
from ainerd_agent.scattering.frames.growing import Following
from ainerd_agent.scattering.frames.hdf5_frames import HDF5Frames
from ainerd_agent.scattering.frames.hdf5_rows import Rows
from ainerd_agent.scattering.frames.hdf5_superblock import superblock
from ainerd_agent.scattering.frames.joined import JoinedFrames
from tests.scattering.frames.swmr_writer import SHAPE, frame

PATIENCE = 20.0
"""Seconds after which a test that hangs fails."""


class Writer:
    """The other process."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("swmr_writer.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, do: str, **arguments: Any) -> None:
        """Have something done, and wait until it is."""
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n"

    def end(self) -> None:
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


@pytest.fixture(scope="module")
def process():
    writer = Writer()
    yield writer
    writer.end()


@pytest.fixture
def writer(process, tmp_path):
    yield process
    process("create", path=str(tmp_path / "the_next_test_begins_anew.h5"))


class Reader(threading.Thread):
    """Follows a source in a thread; what it gives can be waited for."""

    def __init__(self, source: HDF5Frames | JoinedFrames) -> None:
        super().__init__()
        self._source = source
        self._given: queue.Queue[Any] = queue.Queue()
        self.received = np.empty((0, *SHAPE), np.uint32)
        self.numbers: list[int] = []
        self.start()

    def run(self) -> None:
        try:
            for block in self._source.blocks():
                self._given.put(block)
            self._given.put(None)
        except FrameError as error:
            self._given.put(error)

    def until(self, n: int) -> np.ndarray:
        """All frames so far, once there are `n` of them."""
        while len(self.received) < n:
            self._take(self._given.get(timeout=PATIENCE))
        return self.received

    def ending(self) -> FrameError | None:
        """How it ended: with an error, or none."""
        while True:
            item = self._given.get(timeout=PATIENCE)
            if item is None or isinstance(item, FrameError):
                self.join(PATIENCE)
                return item
            self._take(item)

    def _take(self, item: Any) -> None:
        assert isinstance(item, np.ndarray | NumberedFrames), item
        if isinstance(item, NumberedFrames):
            self.numbers += item.numbers.tolist()
            item = item.frames
        self.received = np.concatenate([self.received, item])


def frames(n: int, start: int = 0) -> np.ndarray:
    return np.array([frame(k) for k in range(start, n)])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.h5"


@pytest.mark.parametrize("chunk", [1, 4])
def test_frames_come_while_they_are_written(writer, path, chunk):
    """From before the file exists to the announced end, in several steps."""
    reader = Reader(HDF5Frames(path, "entry/data", 2, 30, following=Following(timeout=PATIENCE)))
    writer("create", path=str(path), chunk=chunk)  # locked: not yet readable
    writer("swmr")
    written = 0
    for n in (3, 4, 5, 16):
        writer("append", n=n - written)
        flushed, written = time.monotonic(), n
        np.testing.assert_array_equal(reader.until(n - 2), frames(n, 2))
        assert time.monotonic() - flushed < 1.0
    writer("append", n=20)
    assert reader.ending() is None
    np.testing.assert_array_equal(reader.received, frames(30, 2))


def test_a_movie_of_unknown_length_ends_when_it_is_said_to(writer, path):
    over = threading.Event()
    writer("create", path=str(path))
    writer("swmr")
    source = HDF5Frames(path, "entry/data", following=Following(timeout=PATIENCE, ended=over.is_set))
    assert source.shape == (None, *SHAPE)
    reader = Reader(source)
    writer("append", n=3)
    reader.until(3)
    writer("append", n=5)
    over.set()  # what was written before is still read
    assert reader.ending() is None
    np.testing.assert_array_equal(reader.received, frames(8))


def test_a_movie_of_unknown_length_ends_when_its_writer_closes_the_file(writer, path):
    writer("create", path=str(path))
    writer("swmr")
    reader = Reader(HDF5Frames(path, "entry/data", following=Following(timeout=PATIENCE)))
    writer("append", n=3)
    reader.until(3)
    assert superblock(path).swmr
    writer("append", n=2)
    writer("close")
    assert reader.ending() is None
    np.testing.assert_array_equal(reader.received, frames(5))
    # And a file that is finished is followed to its end at once.
    finished = Reader(HDF5Frames(path, "entry/data", following=Following(timeout=PATIENCE)))
    assert finished.ending() is None
    assert len(finished.received) == 5


def test_frames_that_stop_coming_are_told_with_what_there_was(writer, path):
    writer("create", path=str(path))
    writer("swmr")
    writer("append", n=3)
    reader = Reader(HDF5Frames(path, "entry/data", 0, 10, following=Following(timeout=0.1)))
    error = reader.ending()
    np.testing.assert_array_equal(reader.received, frames(3))
    assert isinstance(error, FrameTimeoutError)
    assert (error.received, error.announced) == (3, 10)
    assert "gave 3 of 10 frames: nothing new came for 0.1 s" in str(error)

    # Of unknown length, that is the end; but not before the first frame.
    reader = Reader(HDF5Frames(path, "entry/data", following=Following(timeout=0.1)))
    assert reader.ending() is None
    assert len(reader.received) == 3
    error = Reader(HDF5Frames(path, "entry/data", 3, following=Following(timeout=0.1))).ending()
    assert isinstance(error, FrameTimeoutError)
    assert (error.received, error.announced) == (0, None)


def test_following_is_not_what_makes_two_movies_differ(path):
    """The same frames are the same, however one waits for them."""
    assert HDF5Frames(path, "x", 0, 5, following=Following()) == HDF5Frames(path, "x", 0, 5)
    assert HDF5Frames(path, "x", 0, 5) != HDF5Frames(path, "x", 1, 5)


def test_an_exposure_that_ends_early_is_told_without_waiting(writer, path):
    writer("create", path=str(path))
    writer("swmr")
    writer("append", n=3)
    error = Reader(
        HDF5Frames(path, "entry/data", 0, 10, following=Following(timeout=PATIENCE, ended=lambda: True))
    ).ending()
    assert isinstance(error, FrameTimeoutError)
    assert "gave 3 of 10 frames: the exposure has ended" in str(error)
    writer("close")
    error = Reader(HDF5Frames(path, "entry/data", 0, 10, following=Following(timeout=PATIENCE))).ending()
    assert isinstance(error, FrameTimeoutError)
    assert "gave 3 of 10 frames: its writer has closed it" in str(error)


def test_a_file_that_does_not_appear_is_told(path):
    with pytest.raises(FrameTimeoutError, match=r"after 0\.05 s there is still no frame: .*run\.h5 is not there"):
        list(HDF5Frames(path, "entry/data", 0, 10, following=Following(timeout=0.05)).blocks())


def test_a_file_that_its_writer_keeps_to_itself_is_told(writer, path):
    writer("create", path=str(path))
    with pytest.raises(FrameError, match="keeps readers out: let it write in SWMR mode"):
        list(HDF5Frames(path, "entry/data", 0, 10).blocks())
    with pytest.raises(FrameTimeoutError, match="keeps readers out"):
        list(HDF5Frames(path, "entry/data", 0, 10, following=Following(timeout=0.05)).blocks())


def test_what_is_wrong_for_good_is_not_waited_for(writer, path):
    writer("create", path=str(path))
    writer("swmr")
    with pytest.raises(FrameError, match=r"\(events, frames, H, W\) is needed"):
        list(HDF5Frames(path, "entry/data", 0, 10, event=0, following=Following(timeout=1000)).blocks())


def test_waiting_can_be_cancelled_from_another_thread(writer, path):
    following = Following(timeout=1000)
    before = Reader(HDF5Frames(path, "entry/data", 0, 10, following=following))
    following.cancel()
    assert "cancelled" in str(before.ending())

    writer("create", path=str(path))
    writer("swmr")
    writer("append", n=3)
    following = Following(timeout=1000)
    reader = Reader(HDF5Frames(path, "entry/data", 0, 10, following=following))
    reader.until(3)
    following.cancel()
    assert "cancelled" in str(reader.ending())


def test_room_for_frames_is_no_frames(writer, path):
    """A writer may enlarge the dataset before it writes: the library would give zeros."""
    writer("create", path=str(path))
    writer("swmr")
    writer("append", n=2)
    writer("reserve", n=6)
    reader = Reader(HDF5Frames(path, "entry/data", 0, 8, following=Following(timeout=PATIENCE)))
    reader.until(2)
    writer("fill", n=1)
    reader.until(3)
    writer("fill", n=5)
    assert reader.ending() is None
    np.testing.assert_array_equal(reader.received, frames(8))

    writer("reserve", n=2)
    late = Reader(HDF5Frames(path, "entry/data", 0, 10, following=Following(timeout=0.1)))
    assert isinstance(late.ending(), FrameTimeoutError)
    np.testing.assert_array_equal(late.received, frames(8))
    over = Reader(HDF5Frames(path, "entry/data", 0, 10, following=Following(timeout=PATIENCE, ended=lambda: True)))
    assert isinstance(over.ending(), FrameTimeoutError)
    np.testing.assert_array_equal(over.received, frames(8))


def test_numbers_and_times_are_followed_too(writer, path):
    source = HDF5Frames(
        *(path, "entry/data", 1, 9),
        frame_numbers="entry/id",
        timestamps="entry/time",
        following=Following(timeout=PATIENCE),
    )
    reader = Reader(source)
    writer("create", path=str(path))
    writer("swmr")
    writer("append", n=4)
    reader.until(3)
    writer("append", n=9)
    assert reader.ending() is None
    assert reader.numbers == list(range(8))
    np.testing.assert_array_equal(reader.received, frames(9, 1))


def test_following_costs_little(writer, path):
    """Nobody should have to choose between a live analysis and a fast one."""
    writer("create", path=str(path))
    writer("swmr")
    writer("append", n=1)
    following = Following(timeout=0.5)
    source = HDF5Frames(path, "entry/data", 0, 10, following=following)
    blocks = source.blocks()
    next(blocks)
    before = time.thread_time()
    with pytest.raises(FrameTimeoutError):
        next(blocks)
    assert time.thread_time() - before < 0.15  # of 0.5 s


def test_rows_of_a_stack_of_movies_are_followed_frame_by_frame(writer, tmp_path):
    """The file has room for a whole event before its frames are there."""
    writer("create", path=str(tmp_path / "x.h5"), per_event=4)
    following = Following(timeout=PATIENCE)
    source = HDF5Frames(tmp_path / "x.h5", "entry/events", 4, 12, rows=Rows(frames=4), following=following)
    reader = Reader(source)
    writer("swmr")
    writer("in_events", n=3)
    writer("in_events", n=3)  # two frames of the second event
    np.testing.assert_array_equal(reader.until(2), [frame(4), frame(5)])
    writer("in_events", n=4)
    reader.until(6)
    writer("in_events", n=3)
    assert reader.ending() is None
    np.testing.assert_array_equal(reader.received, [frame(k) for k in range(4, 12)])


def test_a_movie_is_followed_into_the_next_file(writer, tmp_path):
    following = Following(timeout=PATIENCE)
    parts = [HDF5Frames(tmp_path / name, "entry/data", 0, 2, following=following) for name in ("a.h5", "b.h5")]
    reader = Reader(JoinedFrames(tuple(parts)))
    for part in parts:
        writer("create", path=str(part.path))
        writer("swmr")
        writer("append", n=2)
        reader.until(2 if part is parts[0] else 4)
        writer("close")
    assert reader.ending() is None
    np.testing.assert_array_equal(reader.received, [frame(k) for k in (0, 1, 0, 1)])
