"""Following a file that is being written: how long to wait, and when the exposure is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from ainerd_agent.errors import FrameError, FrameTimeoutError
from ainerd_agent.scattering.frames.missing import NotThereError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Following:
    """How to follow a file that is being written.

    Attributes
    ----------
    timeout : float
        Seconds without a new frame after which nothing more is expected.
    poll : float
        Seconds between two looks.
    ended : callable, optional
        Says whether the exposure has ended (`threading.Event().is_set`, for instance). What was written before it said
        so is still read; nothing is waited for after it.
    """

    timeout: float = 10.0
    poll: float = 0.01
    ended: Callable[[], bool] | None = None
    _cancelled: threading.Event = field(default_factory=threading.Event, init=False, repr=False)

    def cancel(self) -> None:
        """Stop waiting, from any thread: whoever reads gets a `FrameError`."""
        self._cancelled.set()

    def check(self) -> None:
        """Raise a `FrameError` if it was cancelled."""
        if self._cancelled.is_set():
            raise FrameError("following the exposure was cancelled")

    def pause(self) -> None:
        """Wait until the next look."""
        self._cancelled.wait(self.poll)

    def until_there(self, attempt: Callable[[], T], announced: int | None) -> T:
        """Result of `attempt`, tried again while what it needs is not there.

        Raises
        ------
        FrameTimeoutError
            It did not appear.
        """
        deadline = time.monotonic() + self.timeout
        while True:
            self.check()
            try:
                return attempt()
            except NotThereError as error:
                if time.monotonic() > deadline:
                    raise FrameTimeoutError(
                        f"after {self.timeout:g} s there is still no frame: {error}", 0, announced
                    ) from error
            self.pause()


class Growing(Protocol):
    """A movie that is followed."""

    @property
    def length(self) -> int:
        """Frames that are there."""
        ...

    @property
    def closed(self) -> bool:
        """Whether its writer has closed it: nothing more comes."""
        ...

    def refresh(self) -> None:
        """Bring `length` up to date."""
        ...


class Watch:
    """Waits for the frames of one movie."""

    def __init__(self, following: Following) -> None:
        self._following = following
        self._reason = ""
        self._retried = False
        self.progress()

    def progress(self) -> None:
        """Note that a frame came."""
        self._deadline = time.monotonic() + self._following.timeout
        self._retried = False

    def more(self, movie: Growing, done: int, *, unwritten: bool) -> bool:
        """Wait until there may be frames beyond the first `done`; False where there will not be any.

        `unwritten` says that the file had room for frame `done`, but that it was not in it yet.
        """
        while True:
            self._following.check()
            # Asked before the file is looked at: all that was written before the end is seen then.
            over = self._over(movie)
            movie.refresh()
            if movie.length > done and not unwritten:
                return True
            if over and (movie.length <= done or self._retried):
                self._reason = over
                return False
            if time.monotonic() > self._deadline:
                self._reason = f"nothing new came for {self._following.timeout:g} s"
                return False
            self._following.pause()
            if unwritten:
                self._retried = bool(over)
                return True

    def reason(self) -> str:
        """Why there will not be any more."""
        return self._reason

    def _over(self, movie: Growing) -> str:
        """Why the exposure is over; empty where it may go on."""
        if self._following.ended is not None and self._following.ended():
            return "the exposure has ended"
        return "its writer has closed it" if movie.closed else ""
