"""Exposures that end early by looks at their frames: from the detector's file over the live channel to the plan."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from bluesky import RunEngine
from numpy.typing import NDArray
from ophyd_async.core import init_devices

from ainerd_agent.agent.runners.count_until import count_until
from ainerd_agent.agent.runners.live_verdicts import LiveVerdicts
from ainerd_agent.agent.runners.ways_to_end import Bursts, Flying
from ainerd_agent.agent.verdicts.until import Until
from ainerd_agent.instrument.detector import SpeckleDetector
from ainerd_agent.latent import Encoder
from ainerd_agent.records import Bins
from ainerd_agent.scattering.fingerprint import LIVE
from ainerd_agent.scattering.geometry.partition import Partition
from ainerd_agent.scattering.simulation.dynamics import equilibrium
from ainerd_agent.scattering.simulation.speckle import covariance_root, speckle_intensity
from ainerd_agent.settings import Settings
from ainerd_agent.workflows.live_channel import LiveChannel
from ainerd_agent.workflows.live_looks import LiveLooks

FRAME_TIME, PLANNED, SIDE, N_BINS = 0.004, 2000, 48, 3
LABELS = np.repeat(np.arange(1, N_BINS + 1, dtype=np.int32), SIDE // N_BINS)[:, None] * np.ones(SIDE, np.int32)


class Movie:
    """A sample at rest, seen in one movie that goes on from exposure to exposure."""

    shape, saturation = (SIDE, SIDE), 60_000

    def __init__(self, tau: float = 8.0) -> None:
        self.at = 0
        root = covariance_root(equilibrium(tau).g1(np.arange(PLANNED, dtype=np.float64), 0.0))
        rng = np.random.default_rng(1)
        counts = rng.poisson(2 * speckle_intensity(root, SIDE * SIDE, 0.3, rng))
        self.frames = counts.astype(np.uint16).reshape(PLANNED, SIDE, SIDE)

    def expose(
        self, x: float, y: float, elapsed: float, n_frames: int, frame_time: float, exposure: int
    ) -> NDArray[np.uint16]:
        first = self.at if self.at + n_frames <= PLANNED else 0
        self.at = first + n_frames
        return self.frames[first : self.at]


@pytest.fixture(scope="module")
def movie() -> Movie:
    return Movie()


@pytest.fixture
def detector(run_engine: RunEngine, movie: Movie, tmp_path: Path) -> SpeckleDetector:
    async def nowhere() -> tuple[float, float]:
        return 0.0, 0.0

    with init_devices():
        return SpeckleDetector(movie, nowhere, tmp_path, t0=time.time(), frame_time=FRAME_TIME, n_frames=50)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    LIVE.warm_up()
    return Encoder.load()


def partition(shape: tuple[int, int]) -> Partition:
    bins = Bins(q=np.full(N_BINS, 0.02), azimuth=np.arange(N_BINS) * 60.0, n_pixels=np.full(N_BINS, LABELS.size // 3))
    return Partition(labels=LABELS, rings=LABELS, bins=bins)


@pytest.fixture
def looks(run_engine: RunEngine, channel: LiveChannel, encoder: Encoder) -> Iterator[LiveLooks]:
    with LiveLooks(Settings(), partition, encoder, channel) as looking:
        callback = looking.in_background()
        token = run_engine.subscribe(callback)
        yield looking
        run_engine.unsubscribe(token)
        callback.close()


def ends(documents: Any) -> list[dict[str, Any]]:
    return [each["data"] for each in documents.events("exposures")]


@pytest.mark.parametrize("per_row", [50, 1], ids=["bursts", "flying"])
def test_exposures_end_when_the_relaxation_time_is_known(
    run_engine, documents, detector, looks, verdicts, channel, per_row
):
    """The first exposure too, though its file is named with its first frames only."""
    began = time.monotonic()
    way = Bursts(detector, 50) if per_row > 1 else Flying(detector)
    run_engine(count_until([detector], verdicts, frames=PLANNED, num=3, way=way, until=Until(tau=0.1)))
    took = time.monotonic() - began
    found = ends(documents)
    assert [each["exposure_ended"] for each in found] == ["converged"] * 3
    assert all(each["exposure_look"] >= 1 for each in found)
    assert all(each["exposure_last"] - each["exposure_first"] + 1 < PLANNED / per_row for each in found)
    assert took < 3 * PLANNED * FRAME_TIME
    shown = httpx.get(f"{channel.address}/", trust_env=False).json()
    assert shown["exposure"] == 3
    assert shown["verdict"]["ended"] == "converged"


def test_without_a_wish_all_is_counted_and_running_maps_are_shown(run_engine, documents, detector, looks, channel):
    seen: set[tuple[int, int]] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            shown = httpx.get(f"{channel.address}/", trust_env=False).json()
            if "frames" in shown:
                seen.add((shown["exposure"], shown["frames"]))

    watching = threading.Thread(target=watch)
    watching.start()
    asked = LiveVerdicts(channel.address)
    run_engine(count_until([detector], asked, frames=1000, way=Bursts(detector, 50), until=Until()))
    over.set()
    watching.join()
    asked.close()
    (found,) = ends(documents)
    assert (found["exposure_ended"], found["exposure_last"]) == ("planned", 20)
    # How many a second there are, benchmarks/latency.py measures: a busy machine is no failure.
    assert len(seen) >= 3


def test_an_analysis_that_is_late_ends_nothing(run_engine, documents, detector, looks, verdicts, monkeypatch):
    monkeypatch.setattr(looks, "_seen", lambda uid, seen: None)
    monkeypatch.setattr(looks.callback, "_on_seen", lambda uid, seen: time.sleep(10))
    run_engine(count_until([detector], verdicts, frames=200, way=Bursts(detector, 50), until=Until(tau=0.5)))
    assert [each["exposure_ended"] for each in ends(documents)] == ["planned"]


def test_an_error_in_a_look_ends_nothing_and_the_next_exposure_is_looked_at(
    run_engine, documents, detector, looks, verdicts, monkeypatch, caplog
):
    judged = looks.channel.decide

    def once(verdict: Any) -> None:
        if verdict.exposure == 1:
            raise RuntimeError("a fault in a verdict")
        judged(verdict)

    monkeypatch.setattr(looks.channel, "decide", once)
    way = Bursts(detector, 50)
    run_engine(count_until([detector], verdicts, frames=1000, num=2, way=way, until=Until(tau=0.2)))
    assert [each["exposure_ended"] for each in ends(documents)] == ["planned", "converged"]
    assert "a fault in a verdict" in caplog.text


def test_a_request_that_cannot_be_read_is_said_and_all_is_counted(
    run_engine, documents, detector, looks, verdicts, caplog
):
    md = {"exposures": {"stream": "primary", "begun": "exposing", "ended": "exposures", "until": {"tau": -1}}}
    run_engine(count_until([detector], verdicts, frames=200, way=Bursts(detector, 50), until=Until(tau=0.5), md=md))
    assert [each["exposure_ended"] for each in ends(documents)] == ["planned"]
    assert "relative error of tau" in caplog.text
