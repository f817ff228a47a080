"""A writer that loses nothing while the server is away: what cannot be delivered waits in a folder."""

from __future__ import annotations

import logging
import math
import threading
import time as clock
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ainerd_agent.catalog.codec.envelopes import read_envelope
from ainerd_agent.catalog.server_errors import ServerFailedError, ServerUnreachableError
from ainerd_agent.catalog.write.calls import (
    Append,
    Call,
    CloseRun,
    RecordFailure,
    RecordSuggestion,
    Replace,
    model_of,
    restored,
    stored,
)
from ainerd_agent.catalog.write.siblings import Siblings
from ainerd_agent.catalog.write.spool_folder import SpoolFolder
from ainerd_agent.catalog.write.writer import DerivedWriter
from ainerd_agent.errors import CatalogError, SessionError
from ainerd_agent.records import Analysis, Fingerprints, Run, Suggestion
from ainerd_agent.records.analysis import ModelIdentity

_log = logging.getLogger(__name__)

STRIKES = 3
"""Deliveries of a record at which a server fails, before what comes after it is delivered without it."""


class SpooledWriter:
    """A `DerivedWriter` for a live session, which may be called from several threads.

    While the server cannot be reached, fails (500), or asks for peace (429), every call is kept as a file, in order.
    Each later call first delivers what waits, and so does a new `SpooledWriter` on the same folder. A file goes only
    when the server has its content; delivering twice is harmless, because the writer is idempotent.

    Several processes may use a folder at once: one of them delivers what all of them have kept, each record as the
    result of the model, parameters and geometry that it was made with.

    Every call ends in one of three ways: it is written; it is kept; or a `SessionError` and a line in the log, which
    begin with "Lost", say what is lost and what to do.

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
        self._siblings = Siblings(writer)
        self._runs: dict[str, Run] = {}
        self._lock = threading.RLock()
        self._folder = SpoolFolder(spool_dir / writer.model.name)
        for path in self._folder.readmit():
            _log.warning("%s was refused before; it is tried again.", path)
        self._lacking: set[str] = set()
        """Runs of which something was refused."""
        self._strikes: Counter[Path] = Counter()
        self._passed: set[Path] = set()
        self._left_alone_until = -math.inf

    def open_run(self, run: Run) -> None:
        """As `DerivedWriter.open_run`."""
        with self._lock:
            self._runs[run.uid] = run
            self._writer.open_run(run)

    def append(self, raw_uid: str, fingerprints: Sequence[Fingerprints], analyses: Sequence[Analysis]) -> None:
        """As `DerivedWriter.append`."""
        self._call(Append(run=self._run(raw_uid), fingerprints=list(fingerprints), analyses=list(analyses)))

    def replace(self, raw_uid: str, fingerprints: Sequence[Fingerprints], analyses: Sequence[Analysis]) -> None:
        """As `DerivedWriter.replace`."""
        self._call(Replace(run=self._run(raw_uid), fingerprints=list(fingerprints), analyses=list(analyses)))

    def record_failure(
        self, raw_uid: str, seq_num: int, message: str, *, stream: str = "primary", last_seq_num: int = 0
    ) -> None:
        """As `DerivedWriter.record_failure`."""
        run = self._run(raw_uid)
        self._call(RecordFailure(run=run, seq_num=seq_num, message=message, stream=stream, last_seq_num=last_seq_num))

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
        """Deliver what waits, and return the number of calls that are still waiting.

        Where another process delivers from the folder, it is left to that one.

        Raises
        ------
        SessionError
            The folder cannot be listed.
        """
        with self._lock:
            if self._waiting() and not self._shall_wait():
                with self._folder.alone() as alone:
                    if alone and self._writer.is_reachable():
                        self._deliver_all()
            return len(self._waiting())

    def _shall_wait(self) -> bool:
        """Whether the server asked to be left alone, and still is to be."""
        return clock.monotonic() < self._left_alone_until

    def _leave_alone(self, error: ServerUnreachableError) -> None:
        self._left_alone_until = clock.monotonic() + error.retry_after

    def _call(self, call: Call) -> None:
        """Have a call written, or else kept; `_keep` reports what can be neither."""
        with self._lock:
            try:
                written = self._written(call)
            except Exception as error:
                # Repeating it would not help, but what was measured must not be lost.
                self._keep(call, error)
                raise
            except BaseException:  # Ctrl-C: how far it came is not known
                self._keep(call)
                raise
            if not written:
                self._keep(call)

    def _written(self, call: Call) -> bool:
        """Whether the server has taken a call. It has to wait behind what waits."""
        try:
            waits = self.flush() > 0
        except SessionError as error:
            _log.error("%s What waits in it stays there.", error)
            waits = False
        if waits or self._shall_wait():
            return False
        try:
            call.perform(self._writer)
        except ServerUnreachableError as error:
            self._leave_alone(error)
            _log.warning("%s From now on records wait in %s.", error, self._folder.path)
            return False
        self._keep_end(call, self._writer.model)
        return True

    def _keep_end(self, call: Call, model: ModelIdentity) -> None:
        """Have the end of a run noted again after what was refused of it, without which it may have left no trace."""
        if isinstance(call, CloseRun) and call.run.uid in self._lacking:
            try:
                self._folder.keep(stored(call, model), refused=True)
            except OSError as error:
                _log.warning("%s is noted, but not kept for what was refused of the run: %s.", call, error.strerror)

    def _keep(self, call: Call, refusal: Exception | None = None) -> None:
        if refusal is not None:
            self._note_lacking(call)
        try:
            self._folder.keep(stored(call, self._writer.model), refused=refusal is not None)
        except BaseException as error:
            why = "no server takes it now" if refusal is None else f"the server refuses it ({refusal})"
            reason = error.strerror if isinstance(error, OSError) else repr(error)
            lost = (
                f"Lost: {call}; {why}, and {self._folder.path} cannot be written ({reason}). Make room on that disk, "
                f"or give the right to write. {call.remedy}."
            )
            _log.critical("%s", lost)
            if isinstance(error, Exception):
                raise SessionError(lost) from error
            raise

    def _note_lacking(self, call: Call) -> None:
        if isinstance(call, Append | Replace | RecordFailure):
            self._lacking.add(call.run.uid)

    def _run(self, raw_uid: str) -> Run:
        with self._lock:
            if raw_uid not in self._runs:
                raise ValueError(f"run {raw_uid} was not opened")
            return self._runs[raw_uid]

    def _waiting(self) -> list[Path]:
        return [path for path in self._folder.waiting() if path not in self._passed]

    def _deliver_all(self) -> None:
        n_delivered = 0
        try:
            before: list[Path] = []
            while (waiting := self._waiting()) != before:  # other processes may add to it meanwhile
                before = waiting
                self._siblings.forget_suggestions()  # another process may have delivered some, and died
                for path in waiting:
                    n_delivered += self._deliver(path)
        except ServerUnreachableError as error:
            self._leave_alone(error)
            _log.warning("%s Records wait in %s.", error, self._folder.path)
        if n_delivered:
            _log.info("Delivered %d records that were waiting in %s.", n_delivered, self._folder.path)

    def _deliver(self, path: Path) -> bool:
        """Whether a record was delivered. If not, it is put aside, or passed over until the next session."""
        try:
            content = read_envelope(path)
            call, writer = restored(content), self._siblings.of(model_of(content))
        except FileNotFoundError:
            return False  # another process delivered it
        except OSError as error:
            self._pass(path, f"cannot be read ({error.strerror})")
            return False
        except CatalogError as error:
            self._refuse(path, error)
            return False
        try:
            call.perform(writer)
        except ServerFailedError as error:
            self._strikes[path] += 1
            if self._strikes[path] < STRIKES:
                raise
            self._refuse(path, error, call)
        except ServerUnreachableError:
            raise
        except Exception as error:
            self._refuse(path, error, call)
        else:
            self._keep_end(call, writer.model)
            self._remove(path)
            return True
        return False

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            self._pass(path, f"was delivered, but cannot be removed ({error.strerror})")

    def _refuse(self, path: Path, error: Exception, call: Call | None = None) -> None:
        """Let pass what comes after a record that cannot be delivered."""
        if call is not None:
            self._note_lacking(call)
        try:
            refused = self._folder.refuse(path)
        except FileNotFoundError:
            return  # another process dealt with it
        except OSError as problem:
            self._pass(path, f"cannot be delivered ({error}), nor renamed ({problem.strerror})")
        else:
            _log.error("A record that had been waiting cannot be delivered, and is kept as %s: %s", refused, error)

    def _pass(self, path: Path, why: str) -> None:
        self._passed.add(path)
        _log.error("The record %s %s. It stays there for the next session.", path, why)
