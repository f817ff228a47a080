"""Work beside the RunEngine's event loop: a plan that computes or waits by itself would hold up every device."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

import bluesky.plan_stubs as bps
from bluesky.utils import Msg

T = TypeVar("T")
Plan = Generator[Msg, Any, T]


def in_thread(work: Callable[[], T]) -> Plan[T]:
    """Run `work` on a thread while devices and callbacks go on, and give its result.

    The work is done once, even where a pause makes the RunEngine go over its messages again.
    """
    outcome: Future[T] = Future()
    one_at_a_time = threading.Lock()

    def once() -> None:
        with one_at_a_time:
            if not outcome.done():
                try:
                    outcome.set_result(work())
                except BaseException as error:  # an outcome that never comes would have the work done again and again
                    outcome.set_exception(error)

    while not outcome.done():  # a pause ends the waiting, not the work
        yield from bps.wait_for([partial(asyncio.to_thread, once)])
    return outcome.result()
