"""Reading ahead in threads, in order, into memory that is used again."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

MOST_THREADS = 4
"""Decompression with so many is faster than what comes after it."""

MOST_BYTES = 1 << 30
"""Of all blocks that are under way, where one is not larger by itself."""


def n_threads() -> int:
    """Threads to read with: as many as this process may run on, up to `MOST_THREADS`."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(available, MOST_THREADS)


def threads_for(n_bytes: int) -> int:
    """Threads to read blocks of so many bytes with: fewer for large ones, so that memory stays bounded."""
    return max(1, min(n_threads(), MOST_BYTES // max(1, n_bytes) - 2))


class ReadAhead(Generic[T]):
    """Reads ranges of frames in threads, and gives what was read in the order it was asked for.

    Parameters
    ----------
    read : callable
        Called with the first frame and the one after the last.
    threads : int
        One range more than that is under way or waits to be taken.
    """

    def __init__(self, read: Callable[[int, int], T], threads: int) -> None:
        self._read = read
        self._depth = threads + 1
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="read-frames")
        self._asked: deque[tuple[int, int, Future[T]]] = deque()

    def __bool__(self) -> bool:
        """Whether there is something to take."""
        return bool(self._asked)

    @property
    def full(self) -> bool:
        """Whether enough is under way."""
        return len(self._asked) >= self._depth

    def ask(self, first: int, last: int) -> None:
        """Begin to read frames `first` to `last` - 1."""
        self._asked.append((first, last, self._pool.submit(self._read, first, last)))

    def take(self) -> tuple[int, int, T]:
        """The range that was asked for first, and what was read; waits for it."""
        first, last, future = self._asked.popleft()
        return first, last, future.result()

    def forget(self) -> None:
        """Drop what was asked for."""
        while self._asked:
            future = self._asked.popleft()[2]
            if not future.cancel():
                future.exception()  # nobody may still read when the files are closed

    def close(self) -> None:
        """Forget, and end the threads."""
        self.forget()
        self._pool.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Buffers:
    """Arrays of one shape and type that are used again once nobody holds them, or a view of them, any more.

    New memory costs more than what is done with it: the system clears each page at its first use.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._shape, self._dtype = shape, dtype
        self._all: list[NDArray[Any]] = []
        self._lock = threading.Lock()

    def take(self) -> NDArray[Any]:
        """One that is free; its content is zero, or what was written into it before."""
        with self._lock:
            for number in range(len(self._all)):
                # Two references: this list's, and the argument's. A view of an array, or of a view, holds the array.
                if sys.getrefcount(self._all[number]) == 2:
                    return self._all[number]
            self._all.append(np.zeros(self._shape, self._dtype))
            return self._all[-1]
