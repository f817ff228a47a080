"""The analysis callback: documents in, results in the catalog."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from ainerd_agent.callbacks.assemble import Assembler
from ainerd_agent.callbacks.exposure_window import refuse_other_frames
from ainerd_agent.callbacks.outcomes import Failure, RunEnd
from ainerd_agent.callbacks.prefetch import Ahead
from ainerd_agent.callbacks.time_limit import within
from ainerd_agent.errors import AinerdError
from ainerd_agent.latent.analyst import Analyst
from ainerd_agent.records import Analysis, Events, Fingerprints, Measurement, Origin, Run
from ainerd_agent.rheology import stress_during
from ainerd_agent.scattering.fingerprint import LIVE, TwoTimeOptions, fingerprint
from ainerd_agent.scattering.geometry.partition import Partition
from ainerd_agent.settings import ClockSettings

logger = logging.getLogger(__name__)

Outcome = Analysis | Failure

KEPT_OUTCOMES = 256
"""Latest outcomes that somebody may still ask for; more would fill the memory in a long session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisLimits:
    """What a measurement must keep to.

    Attributes
    ----------
    seconds : float
        That it may hold up the next one.
    clocks : ClockSettings
        How far the detector's time stamps may be from its event.
    """

    seconds: float = 600.0
    clocks: ClockSettings = field(default_factory=ClockSettings)


class ResultWriter(Protocol):
    """What the callback needs of the catalog (see `ainerd_agent.catalog`)."""

    def open_run(self, run: Run) -> None:
        """Begin a run."""
        ...

    def append(self, raw_uid: str, fingerprints: list[Fingerprints], analyses: list[Analysis]) -> None:
        """Add measurements."""
        ...

    def replace(self, raw_uid: str, fingerprints: list[Fingerprints], analyses: list[Analysis]) -> None:
        """Put measurements in the place of earlier ones of the same events."""
        ...

    def record_failure(
        self, raw_uid: str, seq_num: int, message: str, *, stream: str = "primary", last_seq_num: int = 0
    ) -> None:
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
    limits : AnalysisLimits, optional
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
        limits: AnalysisLimits | None = None,
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
        self._limits = AnalysisLimits() if limits is None else limits
        self._ahead = Ahead(self._correlate)
        self._partitions: dict[tuple[int, int], Partition] = {}
        self._outcomes: dict[tuple[str, str, int], Outcome] = {}
        self._partitioning = threading.Lock()
        self._news = threading.Condition()

    def __call__(self, name: str, doc: Mapping[str, Any]) -> None:
        """Take one document. Never raises: an exception here would stop a scan."""
        for record in self._assembler.feed(name, doc):
            match record:
                case Run():
                    self._noted("the beginning", record.uid, partial(self._writer.open_run, record))
                case Measurement() if self._take_up is not None and self._take_up(record.origin):
                    logger.debug("measurement %s is there", record.origin.name)
                case Measurement():
                    self._settle(self._analyse(record))
                case Failure():
                    logger.warning("measurement %s: %s", record.name, record.message)
                    self._settle(record)
                case RunEnd(raw_uid=uid, status=status):
                    self._ahead.forget()
                    self._noted("the end", uid, partial(self._writer.close_run, uid, status))

    def outcome(self, raw_uid: str, seq_num: int, *, timeout: float, stream: str = "primary") -> Outcome:
        """Wait for the outcome of one measurement; a `Failure` where it does not come in time (seconds).

        Only the latest few hundred are kept.
        """
        key = (raw_uid, stream, seq_num)
        with self._news:
            if not self._news.wait_for(lambda: key in self._outcomes, timeout):
                return Failure(raw_uid, Events(stream, seq_num, seq_num), f"no result within {timeout:g} s")
            return self._outcomes[key]

    def _analyse(self, measurement: Measurement) -> Outcome:
        origin = measurement.origin
        try:
            try:
                fingerprints = within(self._limits.seconds, lambda: self._fingerprints(measurement))
            finally:
                # Exposures that may end early are followed for their looks, and are seldom as long as the one before.
                if self._prefetch and not origin.exposure.ended:
                    self._ahead.expect(measurement)
            stress = stress_during(measurement.rheometer, origin.start, origin.stop)
            (analysis,) = self._analyst.analyse([fingerprints], [stress])
            write = self._writer.replace if measurement.retake else self._writer.append
            write(origin.raw_uid, [fingerprints], [analysis])
        except AinerdError as error:
            stays = "; what was found in the take before stays" if measurement.retake else ""
            logger.warning("measurement %s: %s%s", origin.name, error, stays)
            return Failure(origin.raw_uid, origin.events, f"{error}{stays}")
        except Exception as error:
            # Whatever it is, it must not cost the measurements after this one.
            logger.exception("measurement %s", origin.name)
            return Failure(origin.raw_uid, origin.events, f"{type(error).__name__}: {error}")
        return analysis

    def _fingerprints(self, measurement: Measurement) -> Fingerprints:
        refuse_other_frames(measurement, self._limits.clocks)
        return self._ahead.take(measurement)

    def _correlate(self, measurement: Measurement) -> Fingerprints:
        shape = measurement.frames.shape[1:]
        with self._partitioning:
            if shape not in self._partitions:
                self._partitions[shape] = self._partition(shape)
        return fingerprint(measurement, self._partitions[shape], self._options)

    def _noted(self, what: str, raw_uid: str, write: Callable[[], None]) -> None:
        """Have the beginning or the end of a run written; where that fails, its measurements go on."""
        try:
            write()
        except Exception as error:
            logger.error("%s of run %s could not be noted: %s", what, raw_uid, error)

    def _settle(self, outcome: Outcome) -> None:
        raw_uid, events = (
            (outcome.raw_uid, outcome.events)
            if isinstance(outcome, Failure)
            else (outcome.origin.raw_uid, outcome.origin.events)
        )
        if isinstance(outcome, Failure):
            try:
                self._writer.record_failure(
                    raw_uid, events.first, outcome.message, stream=events.stream, last_seq_num=events.last
                )
            except Exception:
                logger.exception("the failure of measurement %s could not be noted", outcome.name)
        with self._news:
            self._outcomes[raw_uid, events.stream, events.first] = outcome
            while len(self._outcomes) > KEPT_OUTCOMES:
                del self._outcomes[next(iter(self._outcomes))]
            self._news.notify_all()
        if self._on_outcome is not None:
            try:
                self._on_outcome(outcome)
            except Exception:
                logger.exception("nobody could be told of measurement %s/%s", raw_uid, events)
