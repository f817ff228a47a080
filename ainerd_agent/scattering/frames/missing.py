"""Files of detectors that are not there, or cannot be opened, in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ainerd_agent.errors import FrameError


class NotThereError(FrameError):
    """What is missing now, but may appear while the exposure goes on: a file, a dataset, the right to read."""


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """Say why a detector's file, which is opened in this block, cannot be.

    Raises
    ------
    NotThereError
        It is not there.
    FrameError
        The system does not let it be opened or read.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise NotThereError(
            f"the detector file {path} is not there: is the detector's disk mounted on this machine?"
        ) from error
    except OSError as error:
        raise FrameError(f"the detector file {path} cannot be read: {error.strerror}") from error
