"""The analysis callback: documents in, results in the catalog."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ainerd_agent.callbacks.assemble import Assembler, Failure, RunEnd
from ainerd_agent.callbacks.prefetch import Ahead
from ainerd_agent.errors import AinerdError
from ainerd_agent.latent.analyst import Analyst
from ainerd_agent.records import Analysis, Fingerprints, Measurement, Origin, Run
from ainerd_agent.rheology import stress_during
from ainerd_agent.scattering.fingerprint import LIVE, TwoTimeOptions, fingerprint
from ainerd_agent.scattering.geometry.partition import Partition

logger = logging.getLogger(__name__)

Outcome = Analysis | Failure


class ResultWriter(Protocol):
    """What the callback needs of the catalog (see `ainerd_agent.catalog`)."""

    def open_run(self, run: Run) -> None:
        """Begin a run."""
        ...

    def append(self, raw_uid: str, fingerprints: list[Fingerprints], analyses: list[Analysis]) -> None:
        """Add measurements."""
        ...

    def record_failure(self, raw_uid: str, seq_num: int, message: str) -> None:
        """Note a measurement that failed."""
        ...

    def close_run(self, raw_uid: str, status: str) -> None:
        """End a run."""
        ...


class AnalysisCallback:
    """Computes C2 maps and latents of each event, joins the shear stress, and writes to the catalog.

    A measurement that cannot be analysed becomes a `Failure`, which is written too; the next one is not affected. Run
    it in the background (`ainerd_agent.callbacks.InBackground`): its work takes longer than a scan may wait.

    Parameters
    ----------
    assembler : Assembler
    partition : callable
        Gives the bins for a detector shape (H, W).
    analyst : Analyst
    writer : ResultWriter
    options : TwoTimeOptions
        How C2 is computed.
    prefetch : bool
        Correlate the next exposure while it goes on (see `ainerd_agent.callbacks.prefetch`).
    take_up : callable, optional
        Takes a measurement up from earlier results, by its origin, and answers True where there are any: then it is not
        analysed, and nothing is written or told of it.
    on_outcome : callable, optional
        Told each `Analysis` or `Failure` once it is written.
    """

    def __init__(
        self,
        assembler: Assembler,
        partition: Callable[[tuple[int, int]], Partition],
        analyst: Analyst,
        writer: ResultWriter,
        *,
        options: TwoTimeOptions = LIVE,
        prefetch: bool = True,
        take_up: Callable[[Origin], bool] | None = None,
        on_outcome: Callable[[Outcome], None] | None = None,
    ) -> None:
        self._take_up = take_up
        self._assembler = assembler
        self._partition = partition
        self._analyst = analyst
        self._writer = writer
        self._on_outcome = on_outcome
        self._options = options
        self._prefetch = prefetch
        self._ahead = Ahead(self._correlate)
        self._partitions: dict[tuple[int, int], Partition] = {}
        self._outcomes: dict[tuple[str, int], Outcome] = {}
        self._partitioning = threading.Lock()
        self._news = threading.Condition()

    def __call__(self, name: str, doc: Mapping[str, Any]) -> None:
        """Take one document."""
        for record in self._assembler.feed(name, doc):
            match record:
                case Run():
                    self._writer.open_run(record)
                case Measurement() if self._take_up is not None and self._take_up(record.origin):
                    logger.debug("measurement %d of run %s is there", record.origin.seq_num, record.origin.raw_uid)
                case Measurement():
                    self._settle(record.origin.raw_uid, record.origin.seq_num, self._analyse(record))
                case Failure():
                    self._settle(record.raw_uid, record.seq_num, record)
                case RunEnd():
                    self._ahead.forget()
                    self._writer.close_run(record.raw_uid, record.status)

    def outcome(self, raw_uid: str, seq_num: int, *, timeout: float) -> Outcome:
        """Wait for the outcome of one measurement; a `Failure` where it does not come in time (seconds)."""
        key = (raw_uid, seq_num)
        with self._news:
            if not self._news.wait_for(lambda: key in self._outcomes, timeout):
                return Failure(raw_uid, seq_num, f"no result within {timeout:g} s")
            return self._outcomes[key]

    def _analyse(self, measurement: Measurement) -> Outcome:
        origin = measurement.origin
        try:
            try:
                fingerprints = self._ahead.take(measurement)
            finally:
                if self._prefetch:
                    self._ahead.expect(measurement)
            stress = stress_during(measurement.rheometer, origin.start, origin.stop)
            (analysis,) = self._analyst.analyse([fingerprints], [stress])
            self._writer.append(origin.raw_uid, [fingerprints], [analysis])
        except AinerdError as error:
            logger.warning("measurement %d of run %s: %s", origin.seq_num, origin.raw_uid, error)
            return Failure(origin.raw_uid, origin.seq_num, str(error))
        except Exception as error:
            # Whatever it is, it must not cost the measurements after this one.
            logger.exception("measurement %d of run %s", origin.seq_num, origin.raw_uid)
            return Failure(origin.raw_uid, origin.seq_num, f"{type(error).__name__}: {error}")
        return analysis

    def _correlate(self, measurement: Measurement) -> Fingerprints:
        shape = measurement.frames.shape[1:]
        with self._partitioning:
            if shape not in self._partitions:
                self._partitions[shape] = self._partition(shape)
        return fingerprint(measurement, self._partitions[shape], self._options)

    def _settle(self, raw_uid: str, seq_num: int, outcome: Outcome) -> None:
        if isinstance(outcome, Failure):
            try:
                self._writer.record_failure(raw_uid, seq_num, outcome.message)
            except Exception:
                logger.exception("the failure of measurement %d of run %s could not be noted", seq_num, raw_uid)
        with self._news:
            self._outcomes[raw_uid, seq_num] = outcome
            self._news.notify_all()
        if self._on_outcome is not None:
            try:
                self._on_outcome(outcome)
            except Exception:
                logger.exception("nobody could be told of measurement %d of run %s", seq_num, raw_uid)
