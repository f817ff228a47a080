"""A live session: simulated beamline, RunEngine, Tiled, analysis and agent, put together."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ainerd_agent.errors import SessionError
from ainerd_agent.instrument.experiment import FRAME_TIME
from ainerd_agent.records import Analysis, Suggestion
from ainerd_agent.settings import Settings

if TYPE_CHECKING:
    from ainerd_agent.callbacks import Outcome
    from ainerd_agent.instrument.beamline import Beamline
    from ainerd_agent.instrument.experiment import Experiment

logger = logging.getLogger(__name__)

RESULT_TIMEOUT = 120.0
"""Seconds after which a result that the agent waits for counts as failed."""

CLOSING_TIMEOUT = 120.0
"""Seconds that writing and analysis get to finish after the scan."""

RHEOMETER_PERIOD = 0.5
"""Seconds between rheometer readings: each becomes three rows in Tiled, at tens of milliseconds a row."""

STAGE_SPEED = 10.0
"""mm/s, of the simulated stage."""

N_START = 5
"""Measurements of the space-filling start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPlan:
    """What a session shall do."""

    measurements: int
    frames: int
    folder: Path
    seed: int
    detector: tuple[int, int]


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
    """Who is told what happens, for a display."""

    suggested: Callable[[Suggestion, int], None]
    settled: Callable[[Outcome], None]


def run_session(
    plan: SessionPlan, experiment: Experiment, server_uri: str, settings: Settings, listeners: Listeners
) -> SessionResult:
    """Run a session against a Tiled server. Of the settings, [agent] and [geometry] are not used, which is logged.

    The scan, the raw writer and the analysis each have their own thread; the scan waits for the analysis only where
    the agent needs a result.

    Parameters
    ----------
    server_uri : str
        With its API key.
    """
    from bluesky import RunEngine
    from bluesky.utils import RunEngineInterrupted
    from bluesky_tiled_plugins import TiledWriter

    from ainerd_agent.agent import BeamtimeCost, NoveltyAgent
    from ainerd_agent.agent.runners.plans import novelty_scan
    from ainerd_agent.callbacks import Failure, InBackground
    from ainerd_agent.catalog import connect
    from ainerd_agent.instrument.detector import TIMESTAMPS
    from ainerd_agent.scattering.geometry.from_settings import bins_from_settings
    from ainerd_agent.workflows.live import live_analysis

    if others := [f"[{name}]" for name in ("agent", "geometry") if getattr(settings, name) is not None]:
        logger.warning("the simulated beamline has a sample and a detector of its own: %s not used", ", ".join(others))
    # Bins that do not fit the detector are refused here, before anything moves.
    geometry = experiment.camera.geometry
    settings = settings.model_copy(
        update={"files": settings.files.model_copy(update={"timestamps": TIMESTAMPS, "frame_numbers": None})}
    )
    bins_from_settings(settings, geometry=geometry)(experiment.shape)
    catalog = connect(server_uri, create=True)
    raw_backup = plan.folder / "unsent" / "raw"
    raw_backup.mkdir(parents=True, exist_ok=True)
    live = live_analysis(catalog, settings, plan.folder / "unsent", geometry=geometry, on_outcome=listeners.settled)
    agent = NoveltyAgent(
        experiment.sample.limits,
        BeamtimeCost(speed=STAGE_SPEED, counting=plan.frames * FRAME_TIME),
        n_start=min(N_START, plan.measurements),
        repeatability=live.encoder.repeatability,
        model=live.encoder.name,
        seed=plan.seed,
    )

    def result_of(raw_uid: str, seq_num: int) -> Analysis | None:
        outcome = live.callback.outcome(raw_uid, seq_num, timeout=RESULT_TIMEOUT)
        return None if isinstance(outcome, Failure) else outcome

    def record(suggestion: Suggestion, event: str, *, seq_num: int = 0, **more: Any) -> None:
        if event == "proposed":
            listeners.suggested(suggestion, seq_num)
        live.writer.record_suggestion(suggestion, event, seq_num=seq_num, **more)

    started: list[str] = []

    def note_start(_: str, doc: Mapping[str, Any]) -> None:
        started.append(doc["uid"])

    status, problem = "fail", ""
    with ExitStack() as stack:
        engine = RunEngine({"scan_id": len(catalog["raw"])}, call_returns_result=True)
        beamline = stack.enter_context(_connected(experiment, plan))
        raw = InBackground(
            TiledWriter(catalog["raw"], batch_size=1, max_array_size=0, backup_directory=str(raw_backup))
        )
        stack.callback(raw.close, CLOSING_TIMEOUT)
        analysis = InBackground(live.callback)
        stack.callback(analysis.close, CLOSING_TIMEOUT)
        engine.subscribe(note_start, "start")
        engine.subscribe(raw)
        engine.subscribe(analysis)
        rheometer = beamline.rheometer
        scan = novelty_scan(
            [beamline.detector],
            beamline.stage.x,
            beamline.stage.y,
            agent,
            result_of,
            n_measurements=plan.measurements,
            monitors=[rheometer.shear_stress, rheometer.shear_rate, rheometer.viscosity],
            record=record,
            md={"sample": experiment.sample.name, "purpose": "demo", "seed": plan.seed},
        )
        try:
            status = _exit_status(engine(scan))
        except RunEngineInterrupted:
            with _only_critical("bluesky"):  # it would show the abort as an error of its own
                status = _exit_status(engine.abort("interrupted at the keyboard"))
        except Exception as error:
            logger.exception("the scan failed")
            problem = str(error.__cause__ or error)  # a device's failure comes wrapped in a FailedStatus
    if not started:
        raise SessionError(f"the scan could not start: {problem}")
    undelivered = live.writer.flush() + len(list(raw_backup.glob("*")))
    catalog.close()
    return SessionResult(
        raw_uid=started[0],
        model=live.encoder.name,
        status=status,
        n_start=agent.n_start,
        undelivered=undelivered,
    )


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
def _connected(experiment: Experiment, plan: SessionPlan) -> Iterator[Beamline]:
    """The simulated beamline, connected in the RunEngine's event loop; shear ceases now."""
    from ophyd_async.core import init_devices

    from ainerd_agent.instrument.beamline import build_beamline

    beamline = build_beamline(
        experiment,
        plan.folder / "frames",
        frame_time=FRAME_TIME,
        n_frames=plan.frames,
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
