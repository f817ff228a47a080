"""Writers take turns at a run: what two of them write at the same moment would be there twice.

A turn is a container `/turns/<uid>`, made before writing and deleted after it. Tiled refuses to make one that is there
(409), also across processes and machines.
"""

from __future__ import annotations

import os
import platform
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ainerd_agent.catalog.layout import child, ensure_container
from ainerd_agent.catalog.schema import TURNS
from ainerd_agent.catalog.server_errors import ServerUnreachableError
from ainerd_agent.catalog.tiled_types import Container

PATIENCE = 60.0
"""Seconds that a writer waits for its turn."""

ABANDONED = 20.0
"""Seconds after which a turn counts as left behind by a process that died: a turn takes a fraction of a second."""

_PAUSE = 0.02, 0.3
"""Seconds between two looks, at first and at most."""


class Turns:
    """The turns of one writer.

    Parameters
    ----------
    root : tiled Container
    """

    def __init__(self, root: Container) -> None:
        self._root = root
        self._parent: Any = None
        self._about = {"writer": uuid.uuid4().hex, "machine": platform.node(), "process": os.getpid()}

    @contextmanager
    def at(self, raw_uid: str) -> Iterator[None]:
        """Be the only one that writes to a run.

        Raises
        ------
        ServerUnreachableError
            The others do not let go of it.
        """
        self._take(raw_uid)
        try:
            yield
        except BaseException:
            # What went wrong is the news. A turn that cannot be given back is still ours the next time.
            try:
                self._parent.delete_contents(raw_uid)
            except Exception:
                self._parent = None
            raise
        self._parent.delete_contents(raw_uid)

    def _take(self, raw_uid: str) -> None:
        from tiled.client.utils import ClientError

        if self._parent is None:
            self._parent = ensure_container(self._root, TURNS, specs=[])
        begun = time.monotonic()
        holder, since, pause = "", begun, _PAUSE[0]
        while True:
            try:
                self._parent.create_container(raw_uid, metadata=self._about)
                return
            except ClientError as error:
                if error.response.status_code != 409:
                    raise
            turn = child(self._parent, raw_uid)
            if turn is None:
                continue  # given back in the meantime
            about = turn.metadata_copy()[0]
            if about["writer"] == self._about["writer"]:  # an answer was lost
                return
            now = time.monotonic()
            if about["writer"] != holder:
                holder, since = about["writer"], now
            if now - since > ABANDONED or _ended(about):
                self._parent.delete_contents(raw_uid)
                continue
            if now - begun > PATIENCE:
                raise ServerUnreachableError(
                    f"Other processes are writing to run {raw_uid} (the last one seen is {about['process']} on "
                    f"{about['machine']}) and leave no turn to this one: let one of them do it."
                )
            time.sleep(pause)
            pause = min(2 * pause, _PAUSE[1])


def _ended(about: dict[str, Any]) -> bool:
    """Whether it is known that the process of a turn is no more."""
    if about["machine"] != platform.node():
        return False
    try:
        os.kill(about["process"], 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return False
