"""Two pieces of work at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def beside(work: Callable[[], T], threads: int) -> Iterator[Callable[[], T]]:
    """Begin some work that goes on while the context is open; give what waits for its result.

    What of it holds the interpreter then costs no time while other threads compute. With one thread it is done when its
    result is asked for.
    """
    if threads == 1:
        yield work
        return
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(work).result
