"""Callbacks on a thread of their own, so that a scan never waits for them and never stops for them."""

from __future__ import annotations

import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

logger = logging.getLogger(__name__)

KEPT_ERRORS = 100

Callback = Callable[[str, Mapping[str, Any]], object]


class InBackground:
    """Hands documents to a callback on another thread, in order.

    The queue has no bound: a slow callback never holds up the scan. An exception of the callback is logged, and the
    latest are kept in words in `errors`; the documents after it are handed on all the same.

    Keep a reference to it: the RunEngine holds callbacks weakly.

    Parameters
    ----------
    callback : callable
        Takes the name and the document.
    """

    def __init__(self, callback: Callback) -> None:
        self._callback = callback
        self._documents: queue.Queue[tuple[str, Mapping[str, Any]] | None] = queue.Queue()
        self.errors: deque[str] = deque(maxlen=KEPT_ERRORS)  # in words: an exception holds frames and their arrays
        self._thread = threading.Thread(target=self._work, name=f"background {callback!r}", daemon=True)
        self._thread.start()

    def __call__(self, name: str, doc: Mapping[str, Any]) -> None:
        """Queue a document. Never raises: an exception here would stop the scan."""
        if self._thread.is_alive():
            self._documents.put((name, doc))
        else:
            logger.error("a %s document came after the callback was closed, and is passed over", name)

    @property
    def waiting(self) -> int:
        """Documents not handed on yet."""
        return self._documents.qsize()

    def drain(self) -> None:
        """Wait until every document queued so far is dealt with."""
        self._documents.join()

    def close(self, timeout: float | None = None) -> None:
        """Drain, and end the thread; give up after `timeout` seconds, where that is given."""
        if self._thread.is_alive():
            self._documents.put(None)
            self._thread.join(timeout)
            if self._thread.is_alive():
                logger.error("gave up with %d documents not dealt with: the callback hangs", self.waiting)

    def _work(self) -> None:
        while True:
            item = self._documents.get()
            try:
                if item is None:
                    return
                self._callback(*item)
            except BaseException as error:  # even SystemExit: the thread must live for the next document
                logger.exception("this document was not dealt with: %s", item[0] if item else None)
                self.errors.append(f"{type(error).__name__}: {error}")
            finally:
                self._documents.task_done()
