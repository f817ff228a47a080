"""A live session: simulated beamline, RunEngine, Tiled, analysis and agent, put together."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ainerd_agent.catalog.schema import RAW
from ainerd_agent.errors import SessionError
from ainerd_agent.instrument.experiment import FRAME_TIME
from ainerd_agent.records import Suggestion
from ainerd_agent.scattering.geometry.from_settings import bins_from_settings
from ainerd_agent.settings import Settings

if TYPE_CHECKING:
    from ainerd_agent.agent import NoveltyAgent
    from ainerd_agent.agent.protocol import Record
    from ainerd_agent.agent.verdicts.until import Until
    from ainerd_agent.catalog import Catalog
    from ainerd_agent.instrument.beamline import Beamline
    from ainerd_agent.instrument.experiment import Experiment
    from ainerd_agent.latent import Encoder
    from ainerd_agent.workflows.live import LiveAnalysis, Outcome

logger = logging.getLogger(__name__)

CLOSING_TIMEOUT = 120.0
"""Seconds that writing and analysis get to finish after the scan."""

RHEOMETER_PERIOD = 0.5
"""Seconds between rheometer readings: each becomes three rows in Tiled, at tens of milliseconds a row."""

STAGE_SPEED = 10.0
"""mm/s, of the simulated stage."""

N_START = 5
"""Measurements of the space-filling start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """What a session shall do.

    Attributes
    ----------
    measurements : int
        Sample positions.
    frames : int
        Planned for each exposure.
    folder : Path
    seed : int
    detector : tuple of int
        Rows and columns.
    until : Until or None
        What an exposure may end by before its planned frames; None for full counts.
    """

    measurements: int
    frames: int
    folder: Path
    seed: int
    detector: tuple[int, int]
    until: Until | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionResult:
    """What a session did.

    Attributes
    ----------
    raw_uid : str
        Of its run.
    model : str
        Name of the latent model.
    status : str
        "success", "abort" or "fail".
    n_start : int
        Measurements of the space-filling start.
    undelivered : int
        Results and raw runs that could not be written to Tiled and wait in the folder `unsent`.
    """

    raw_uid: str
    model: str
    status: str
    n_start: int
    undelivered: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """Receives what happens, for a display.

    Attributes
    ----------
    suggested : callable, optional
        Told each suggestion, and the number of its measurement.
    settled : callable, optional
        Told each `Analysis` or `Failure`.
    """

    suggested: Callable[[Suggestion, int], None] | None = None
    settled: Callable[[Outcome], None] | None = None


@dataclass(frozen=True, slots=True)
class _Scanned:
    """What the RunEngine made of a scan."""

    uid: str | None
    status: str
    problem: str


def run_session(
    catalog: Catalog, options: SessionOptions, experiment: Experiment, settings: Settings, listeners: Listeners
) -> SessionResult:
    """Run a session with the simulated beamline, and write it to a catalog.

    The scan, the raw writer and the analysis each have their own thread; the scan waits for the analysis only where
    the agent needs a result.

    Parameters
    ----------
    catalog : Catalog
    plan : SessionOptions
    experiment : Experiment
        The truth that is to be found out.
    settings : Settings
        [agent] and [geometry] are not used, which is logged.
    listeners : Listeners

    Raises
    ------
    BinError
        The bins do not fit the detector.
    SessionError
        The scan could not start.

    Examples
    --------
    >>> options = SessionOptions(  # doctest: +SKIP
    ...     measurements=4, frames=100, folder=folder, seed=0, detector=(160, 160)
    ... )
    >>> experiment = simulated_experiment(options.detector, frames=options.frames, seed=options.seed)  # doctest: +SKIP
    >>> with open_catalog(str(folder), create=True) as catalog:  # doctest: +SKIP
    ...     run_session(catalog, options, experiment, Settings(), Listeners())
    """
    from ainerd_agent.workflows.live import live_analysis, raw_backup
    from ainerd_agent.workflows.live_channel import LiveChannel

    settings = _of_simulated_beamline(settings)
    geometry, unsent = experiment.camera.geometry, options.folder / "unsent"
    # Bins that do not fit the detector are refused here, before anything moves.
    bins_from_settings(settings, geometry=geometry)(experiment.shape)
    with ExitStack() as stack:
        channel = None if options.until is None else stack.enter_context(LiveChannel())
        live = live_analysis(
            catalog, settings, unsent, geometry=geometry, channel=channel, on_outcome=listeners.settled
        )
        agent = _agent(options, experiment, live.encoder)

        number = count(1)

        def record(suggestion: Suggestion, event: str, *, seq_num: int = 0, **more: Any) -> None:
            if event == "proposed" and listeners.suggested is not None:
                listeners.suggested(suggestion, next(number))
            live.writer.record_suggestion(suggestion, event, seq_num=seq_num, **more)

        scanned = _scan(live, options, experiment, agent, record)
    if scanned.uid is None:
        raise SessionError(f"the scan could not start: {scanned.problem}")
    # For tests and benchmarks; nothing of the session reads it.
    (options.folder / "truth").mkdir(exist_ok=True)
    experiment.write_truth(options.folder / "truth" / f"{scanned.uid}.json")
    return SessionResult(
        raw_uid=scanned.uid,
        model=live.encoder.name,
        status=scanned.status,
        n_start=agent.n_start,
        undelivered=live.writer.flush() + len(list(raw_backup(unsent).glob("*"))),
    )


def _agent(options: SessionOptions, experiment: Experiment, encoder: Encoder) -> NoveltyAgent:
    from ainerd_agent.agent import BeamtimeCost, NoveltyAgent

    return NoveltyAgent(
        experiment.sample.limits,
        BeamtimeCost(speed=STAGE_SPEED, counting=options.frames * FRAME_TIME),
        n_start=min(N_START, options.measurements),
        repeatability=encoder.repeatability,
        model=encoder.name,
        seed=options.seed,
    )


def _of_simulated_beamline(settings: Settings) -> Settings:
    from ainerd_agent.instrument.detector import TIMESTAMPS

    if others := [f"[{name}]" for name in ("agent", "geometry") if getattr(settings, name) is not None]:
        logger.warning("the simulated beamline has a sample and a detector of its own: %s not used", ", ".join(others))
    files = settings.files.model_copy(update={"timestamps": TIMESTAMPS, "frame_numbers": None})
    return settings.model_copy(update={"files": files})


def _scan(
    live: LiveAnalysis, options: SessionOptions, experiment: Experiment, agent: NoveltyAgent, record: Record
) -> _Scanned:
    """Let the agent measure, in a RunEngine whose documents go to the catalog and the analysis, until both are done."""
    from bluesky import RunEngine
    from bluesky.utils import RunEngineInterrupted

    from ainerd_agent.agent.runners.count_until import Counting
    from ainerd_agent.agent.runners.plans import novelty_scan
    from ainerd_agent.workflows.live import raw_writer

    catalog, started = live.model.catalog, list[str]()

    def note_start(_: str, doc: Mapping[str, Any]) -> None:
        started.append(doc["uid"])

    status, problem = "fail", ""
    with ExitStack() as stack:
        engine = RunEngine({"scan_id": len(catalog[RAW])}, call_returns_result=True)
        beamline = stack.enter_context(_connected(experiment, options))
        engine.subscribe(note_start, "start")
        callbacks = [raw_writer(catalog, options.folder / "unsent"), live.in_background()]
        counting = None
        if live.looks is not None and options.until is not None:
            callbacks.append(live.looks.in_background())
            stack.callback(live.looks.close)
            counting = Counting(options.frames, live.looks.channel, options.until, frame_time=FRAME_TIME)
        for callback in callbacks:
            stack.callback(callback.close, CLOSING_TIMEOUT)
            engine.subscribe(callback)
        stage, rheometer = beamline.stage, beamline.rheometer
        scan = novelty_scan(
            [beamline.detector],
            {"x": stage.x, "y": stage.y},
            agent,
            live.result,
            n_measurements=options.measurements,
            counting=counting,
            monitors=[rheometer.shear_stress, rheometer.shear_rate, rheometer.viscosity],
            record=record,
            md={"sample": experiment.sample.name, "purpose": "demo", "seed": options.seed},
        )
        try:
            status = _exit_status(engine(scan))
        except RunEngineInterrupted:
            with _only_critical("bluesky"):  # it would show the abort as an error of its own
                status = _exit_status(engine.abort("interrupted at the keyboard"))
        except Exception as error:
            logger.exception("the scan failed")
            problem = str(error.__cause__ or error)  # a device's failure comes wrapped in a FailedStatus
    return _Scanned(started[0] if started else None, status, problem)


def _exit_status(result: Any) -> str:
    return str(result.exit_status)


@contextmanager
def _only_critical(name: str) -> Iterator[None]:
    """Let a logger through only what is critical, and as much as before afterwards."""
    log = logging.getLogger(name)
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


@contextmanager
def _connected(experiment: Experiment, options: SessionOptions) -> Iterator[Beamline]:
    """The simulated beamline, connected in the RunEngine's event loop; shear ceases now."""
    from ophyd_async.core import init_devices

    from ainerd_agent.instrument.beamline import build_beamline

    beamline = build_beamline(
        experiment,
        options.folder / "frames",
        frame_time=FRAME_TIME,
        n_frames=options.frames,
        limits=experiment.sample.limits,
        rheometer_period=RHEOMETER_PERIOD,
    )
    with init_devices():
        stage, detector, rheometer = beamline.stage, beamline.detector, beamline.rheometer
    del stage, detector, rheometer  # init_devices connects what has a name in its block
    try:
        yield beamline
    finally:
        beamline.close()
