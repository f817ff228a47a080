"""A writer that loses nothing while the server is away: what cannot be delivered waits in a folder."""

from __future__ import annotations

import logging
import math
import threading
import time as clock
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ainerd_agent.catalog import ServerUnreachableError
from ainerd_agent.catalog.codec.envelopes import read_envelope, write_envelope
from ainerd_agent.catalog.server_errors import ServerFailedError
from ainerd_agent.catalog.write.calls import Append, Call, CloseRun, RecordFailure, RecordSuggestion, restored, stored
from ainerd_agent.catalog.write.writer import DerivedWriter
from ainerd_agent.errors import SessionError
from ainerd_agent.records import Analysis, Fingerprints, Run, Suggestion

_log = logging.getLogger(__name__)

STRIKES = 3
"""Deliveries of a record at which a server fails, before what comes after it is delivered without it."""


class SpooledWriter:
    """A `DerivedWriter` for a live session, which may be called from several threads.

    While the server cannot be reached, fails (500), or asks for peace (429), every call is kept as a file, in order.
    Each later call first delivers what waits, and so does a new `SpooledWriter` on the same folder. A file goes only
    when the server has its content; delivering twice is harmless, because the writer is idempotent.

    What the server refuses, or fails at again and again, is kept as `.refused`, lets pass what comes after it, and is
    delivered by the next `SpooledWriter` on the folder: by then the key may be right, or the disk have room.

    Parameters
    ----------
    writer : DerivedWriter
    spool_dir : Path
        Created where it is missing. Each model has a folder of its own in it.

    Raises
    ------
    SessionError
        The folder cannot be written.
    """

    def __init__(self, writer: DerivedWriter, spool_dir: Path) -> None:
        self._writer = writer
        self._runs: dict[str, Run] = {}
        self._lock = threading.RLock()
        self._directory = spool_dir / writer.model.name
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SessionError(f"The spool folder {self._directory} cannot be created: {error.strerror}.") from error
        for path in sorted(self._directory.glob("[0-9]*.refused")):
            _log.warning("%s was refused before; it is tried again.", path)
            path.rename(path.with_suffix(".npz"))
        self._next = max((int(path.stem) for path in self._waiting()), default=0) + 1
        self._strikes: Counter[Path] = Counter()
        self._left_alone_until = -math.inf

    def open_run(self, run: Run) -> None:
        """As `DerivedWriter.open_run`."""
        with self._lock:
            self._runs[run.uid] = run
            self._writer.open_run(run)

    def append(self, raw_uid: str, fingerprints: Sequence[Fingerprints], analyses: Sequence[Analysis]) -> None:
        """As `DerivedWriter.append`."""
        self._call(Append(run=self._run(raw_uid), fingerprints=list(fingerprints), analyses=list(analyses)))

    def record_failure(self, raw_uid: str, seq_num: int, message: str) -> None:
        """As `DerivedWriter.record_failure`."""
        self._call(RecordFailure(run=self._run(raw_uid), seq_num=seq_num, message=message))

    def close_run(self, raw_uid: str, status: str) -> None:
        """As `DerivedWriter.close_run`."""
        self._call(CloseRun(run=self._run(raw_uid), status=status))
        with self._lock:
            self._runs.pop(raw_uid, None)

    def record_suggestion(
        self,
        suggestion: Suggestion,
        event: str,
        *,
        raw_uid: str = "",
        seq_num: int = 0,
        novelty: float = math.nan,
        note: str = "",
    ) -> None:
        """As `DerivedWriter.record_suggestion`."""
        self._call(
            RecordSuggestion(
                suggestion=suggestion,
                event=event,
                raw_uid=raw_uid,
                seq_num=seq_num,
                novelty=novelty,
                time=clock.time(),
                note=note,
            )
        )

    def flush(self) -> int:
        """Deliver what waits, and return the number of calls that are still waiting."""
        with self._lock:
            waiting = self._waiting()
            if waiting and not self._shall_wait() and self._writer.is_reachable():
                try:
                    for path in waiting:
                        self._deliver(path)
                    _log.info("Delivered %d records that were waiting in %s.", len(waiting), self._directory)
                except ServerUnreachableError as error:
                    self._leave_alone(error)
                    _log.warning("%s Records wait in %s.", error, self._directory)
            return len(self._waiting())

    def _shall_wait(self) -> bool:
        """Whether the server asked to be left alone, and still is to be."""
        return clock.monotonic() < self._left_alone_until

    def _leave_alone(self, error: ServerUnreachableError) -> None:
        self._left_alone_until = clock.monotonic() + error.retry_after

    def _call(self, call: Call) -> None:
        with self._lock:
            if self.flush() == 0 and not self._shall_wait():
                try:
                    call.perform(self._writer)
                    return
                except ServerUnreachableError as error:
                    self._leave_alone(error)
                    _log.warning("%s From now on records wait in %s.", error, self._directory)
                except Exception:
                    # Repeating it would not help, but what was measured must not be lost.
                    self._keep(call, ".refused")
                    raise
            self._keep(call, ".npz")

    def _run(self, raw_uid: str) -> Run:
        with self._lock:
            if raw_uid not in self._runs:
                raise ValueError(f"run {raw_uid} was not opened")
            return self._runs[raw_uid]

    def _deliver(self, path: Path) -> None:
        try:
            restored(read_envelope(path)).perform(self._writer)
        except ServerFailedError as error:
            self._strikes[path] += 1
            if self._strikes[path] < STRIKES:
                raise
            self._refuse(path, error)
        except ServerUnreachableError:
            raise
        except Exception as error:
            self._refuse(path, error)
        else:
            path.unlink()

    def _refuse(self, path: Path, error: Exception) -> None:
        """Let pass what comes after a record that cannot be delivered."""
        refused = path.with_suffix(".refused")
        path.rename(refused)
        _log.error("A record that had been waiting cannot be delivered, and is kept as %s: %s", refused, error)

    def _keep(self, call: Call, suffix: str) -> None:
        path = self._directory / f"{self._next:08d}{suffix}"
        try:
            write_envelope(path, stored(call))
        except OSError as error:
            raise SessionError(
                f"A record could not be kept: {path} cannot be written ({error.strerror}). Make room on that disk; the "
                "frames are there, and `ainerd analyze` makes again what is missing."
            ) from error
        self._next += 1

    def _waiting(self) -> list[Path]:
        return sorted(self._directory.glob("[0-9]*.npz"))
