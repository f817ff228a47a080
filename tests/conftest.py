from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bluesky import RunEngine
from event_model import DocumentNames, schema_validators
from hypothesis import settings
from numpy.typing import NDArray
from ophyd_async.core import init_devices

from ainerd_agent.instrument.beamline import Beamline, build_beamline
from ainerd_agent.instrument.camera import SpeckleCamera
from ainerd_agent.instrument.experiment import Experiment
from ainerd_agent.scattering import Geometry
from tests.process_state import unchanged

# A busy machine is no failure: how long things may take, tests/test_performance.py says.
settings.register_profile("ainerd", deadline=None)
settings.load_profile("ainerd")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object | None:
    """Our own way of sharing files out, where `--dist loadfile` asks for files."""
    if config.getvalue("dist") != "loadfile":
        return None
    from tests.work_sharing import FileScheduling

    return FileScheduling(config, log)


@dataclass
class PlainExperiment:
    """No physics: Poisson frames and a falling stress, and a note of every exposure it was asked for."""

    shape: tuple[int, int] = (12, 20)
    saturation: int = 4095
    seconds: float = 0.0
    exposures: list[tuple[float, float, float, int, float, int]] = field(default_factory=list)

    def expose(
        self, x: float, y: float, elapsed: float, n_frames: int, frame_time: float, exposure: int
    ) -> NDArray[np.uint16]:
        self.exposures.append((x, y, elapsed, n_frames, frame_time, exposure))
        time.sleep(self.seconds)
        return self.frames(n_frames, exposure)

    def frames(self, n_frames: int, exposure: int) -> NDArray[np.uint16]:
        return np.random.default_rng(exposure).poisson(3.0, (n_frames, *self.shape)).astype(np.uint16)

    def rheometer(self, elapsed: float) -> tuple[float, float, float]:
        return 100.0 * np.exp(-elapsed / 10.0), 0.001, 100000.0 * np.exp(-elapsed / 10.0)


class Documents:
    """The documents of a session, each valid by its schema, with what a test asks of them."""

    def __init__(self) -> None:
        self._documents: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, name: str, doc: dict[str, Any]) -> None:
        schema_validators[DocumentNames[name]].validate(doc)
        self._documents.append((name, doc))

    def named(self, name: str) -> list[dict[str, Any]]:
        return [doc for kind, doc in self._documents if kind == name]

    def descriptor(self, stream: str) -> dict[str, Any]:
        (descriptor,) = (doc for doc in self.named("descriptor") if doc["name"] == stream)
        return descriptor

    def events(self, stream: str = "primary") -> list[dict[str, Any]]:
        uids = [doc["uid"] for doc in self.named("descriptor") if doc["name"] == stream]
        return [doc for doc in self.named("event") if doc["descriptor"] in uids]


@pytest.fixture(autouse=True)
def process_as_before() -> Iterator[None]:
    """Each test leaves to the next one, and our code to the program it runs in, the process as it was."""
    with unchanged():
        yield


@pytest.fixture
def experiment() -> PlainExperiment:
    return PlainExperiment()


@contextmanager
def new_run_engine() -> Iterator[RunEngine]:
    engine = RunEngine({}, call_returns_result=False)
    yield engine
    engine.loop.call_soon_threadsafe(engine.loop.stop)
    engine._th.join()
    engine.loop.close()


@contextmanager
def connected_beamline(
    experiment: Experiment, directory: Path, *, rheometer_period: float = 0.02
) -> Iterator[Beamline]:
    """A beamline of 32 frames of 5 ms, in the loop of the RunEngine that was made last."""
    beamline = build_beamline(experiment, directory, frame_time=0.005, n_frames=32, rheometer_period=rheometer_period)
    with init_devices():
        stage, detector, rheometer = beamline.stage, beamline.detector, beamline.rheometer
    del stage, detector, rheometer
    yield beamline
    beamline.close()


def small_glass() -> Experiment:
    """A real simulated sample on a small detector with the structure-factor ring on it."""
    geometry = Geometry(centre=(31.5, 31.5), distance=3.2)
    return Experiment.random(3, SpeckleCamera(shape=(64, 64), geometry=geometry, peak_counts=8.0), duration=0.16)


@pytest.fixture
def run_engine() -> Iterator[RunEngine]:
    with new_run_engine() as engine:
        yield engine


@pytest.fixture
def documents(run_engine: RunEngine) -> Iterator[Documents]:
    collected = Documents()
    token = run_engine.subscribe(collected)
    yield collected
    run_engine.unsubscribe(token)


@pytest.fixture
def in_loop(run_engine: RunEngine) -> Callable[[Any], Any]:
    """Run a coroutine where the devices live."""
    from bluesky.run_engine import call_in_bluesky_event_loop

    return lambda coroutine: call_in_bluesky_event_loop(coroutine, timeout=10)


@pytest.fixture
def glass() -> Experiment:
    return small_glass()


@pytest.fixture
def beamline_in(run_engine: RunEngine) -> Iterator[Callable[[Experiment, Path], Beamline]]:
    """Connect a beamline whose files go to a folder."""
    with ExitStack() as stack:
        yield lambda experiment, directory: stack.enter_context(connected_beamline(experiment, directory))
