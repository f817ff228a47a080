"""Work that may hang, as reading from a disk that does not answer, with a limit on how long anybody waits for it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Thread
from typing import TypeVar

from ainerd_agent.errors import AinerdError

T = TypeVar("T")


class TooSlowError(AinerdError):
    """A measurement took longer than it may hold up the next."""


def within(seconds: float, work: Callable[[], T]) -> T:
    """Do some work on a thread of its own, and give its result or its error.

    Raises
    ------
    TooSlowError
        It took longer. The thread is left to itself: nothing can interrupt it.
    """
    outcome: Future[T] = Future()

    def do() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # whatever it is, whoever waits gets it
            outcome.set_exception(error)

    Thread(target=do, name="a measurement", daemon=True).start()
    if not wait([outcome], seconds).done:
        raise TooSlowError(f"it took longer than {seconds:g} s, and was given up so that the next one is not held up")
    return outcome.result()
