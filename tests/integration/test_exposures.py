"""A run whose exposures end early: flown by the simulated detector, stored, analysed, found, checked, drawn."""

from __future__ import annotations

import asyncio
import json
import time
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
import h5py
import numpy as np
import pandas as pd
import pytest
from bluesky import RunEngine
from bluesky_tiled_plugins import TiledWriter
from ophyd_async.core import TriggerInfo, init_devices

from ainerd_agent.agent.runners.exposure_report import ExposureReport
from ainerd_agent.callbacks import Assembler
from ainerd_agent.callbacks.replay import documents_of, frames_in, whole_runs
from ainerd_agent.catalog import Catalog, TiledServer, connect
from ainerd_agent.catalog.check import check
from ainerd_agent.catalog.schema import RAW
from ainerd_agent.instrument.beamline import Beamline, build_beamline
from ainerd_agent.instrument.camera import SpeckleCamera
from ainerd_agent.instrument.experiment import Experiment
from ainerd_agent.latent import Encoder
from ainerd_agent.records import Measurement, RheometerSamples
from ainerd_agent.records.exposure_events import (
    BEGUN_STREAM,
    ENDED_STREAM,
    EXPOSURES,
    ROWS_STREAM,
    START,
    Ended,
    ExposureBegun,
    ExposureEnded,
)
from ainerd_agent.scattering.geometry.detector import Geometry
from ainerd_agent.settings import BinSettings, CorrelationSettings, GeometrySettings, Settings
from ainerd_agent.workflows.live import live_analysis
from ainerd_agent.workflows.model_at_work import ModelAtWork
from ainerd_agent.workflows.report import Findings, _figures_of_points
from tests.callbacks.exposed_runs import frames_of
from tests.integration.conftest import ainerd

FRAME_TIME, PLANNED = 0.005, 120
ENDS: list[tuple[int | None, Ended]] = [(None, "planned"), (40, "converged"), (60, "damaged")]


class Session(NamedTuple):
    catalog: Catalog
    address: str
    uid: str
    folder: Path
    settings: Settings


async def reaches(detector: Any, n_rows: int) -> None:
    while await detector.get_index() < n_rows:
        await asyncio.sleep(0.002)


def exposing(beamline: Beamline) -> Any:
    """Three exposures in one stream; the second and the third are ended while they go on."""
    stage, detector = beamline.stage, beamline.detector
    begun = ExposureReport(ExposureBegun(number=0, planned=0), "begun")
    ended = ExposureReport(ExposureEnded(number=0, planned=0, first=1, last=0), "ended")
    axes = [stage.x, stage.y]

    def tell(stream: str, report: ExposureReport) -> Any:
        yield from bps.create(stream)
        for each in (report, *axes):
            yield from bps.read(each)
        yield from bps.save()

    @bpp.stage_decorator([detector])
    @bpp.run_decorator(md={EXPOSURES: dict(START), "sample": {"name": "glass"}})
    def plan() -> Any:
        before = 0
        for number, (enough, why) in enumerate(ENDS, 1):
            yield from bps.mv(stage.x, 0.5 * number, stage.y, 1.0)
            yield from bps.prepare(detector, TriggerInfo(number_of_events=PLANNED), wait=True)
            if number == 1:
                yield from bps.declare_stream(detector, name=ROWS_STREAM, collect=True)
            begun.put(ExposureBegun(number=number, planned=PLANNED))
            yield from tell(BEGUN_STREAM, begun)
            yield from bps.kickoff(detector, wait=True)
            yield from bps.complete(detector, group="exposed", wait=False)
            if enough is not None:
                yield from bps.wait_for([partial(reaches, detector, before + enough)])
                yield from bps.collect(detector, name=ROWS_STREAM)
                yield from bps.stop(detector)
            yield from bps.wait("exposed")
            yield from bps.collect(detector, name=ROWS_STREAM)
            rows = detector._file.n_rows
            ended.put(
                ExposureEnded(
                    number=number, planned=PLANNED, first=before + 1, last=rows, frames=rows - before, ended=why,
                    look=0 if enough is None else 2,
                )
            )  # fmt: skip
            yield from tell(ENDED_STREAM, ended)
            before = rows

    return plan()


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("exposures")
    geometry = Geometry(centre=(31.5, 31.5), distance=3.2)
    camera = SpeckleCamera(shape=(64, 64), geometry=geometry, peak_counts=8.0)
    settings = Settings(
        geometry=GeometrySettings(centre_row=31.5, centre_column=31.5, distance=3.2),
        bins=BinSettings(n_bins=4),
        correlation=CorrelationSettings(),
    )
    with TiledServer(folder) as server:
        catalog = connect(server.uri, create=True)
        engine = RunEngine({}, call_returns_result=False)
        beamline = build_beamline(
            Experiment.random(3, camera, duration=PLANNED * FRAME_TIME),
            server.frames, t0=time.time() - 20, frame_time=FRAME_TIME, n_frames=32,
        )  # fmt: skip
        with init_devices():
            stage, detector, rheometer = beamline.stage, beamline.detector, beamline.rheometer
        del stage, detector, rheometer
        live = live_analysis(catalog, settings, folder / "unsent")
        engine.subscribe(TiledWriter(catalog[RAW], batch_size=1))
        analysis = live.in_background()
        engine.subscribe(analysis)
        (uid,) = engine(exposing(beamline))
        analysis.close()
        live.writer.flush()
        beamline.close()
        engine.loop.call_soon_threadsafe(engine.loop.stop)
        engine._th.join()
        engine.loop.close()
        yield Session(catalog, server.uri, uid, folder, settings)
        catalog.close()


def test_the_catalog_has_each_exposure_with_its_length_and_why_it_ended(session: Session) -> None:
    points = session.catalog.points(raw_uid=session.uid)
    first = points[points["bin"] == 1].sort_values("seq_num")
    assert first["ended"].tolist() == ["planned", "converged", "damaged"]
    assert first["look"].fillna(0).tolist() == [0, 2, 2]
    np.testing.assert_allclose(first["seconds_planned"], PLANNED * FRAME_TIME)
    counted = first["seconds_counted"].to_numpy()
    assert counted[0] == pytest.approx(PLANNED * FRAME_TIME)
    assert 0.2 <= counted[1] < counted[0]
    assert 0.3 <= counted[2] < counted[0]
    np.testing.assert_allclose(counted, first["frames"] * FRAME_TIME)
    np.testing.assert_allclose(first["x"], [0.5, 1.0, 1.5])
    assert set(first["problems"]) == {""}


def test_tiled_reads_and_validates_the_rows(session: Session) -> None:
    run = session.catalog[RAW][session.uid]
    frames = run["primary"]["detector"]
    n_rows = int(session.catalog.points(raw_uid=session.uid)["last_seq_num"].max())
    assert frames.shape == (n_rows, 1, 64, 64)
    before = frames.read()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of chunks that Tiled corrects
        assert run.validate()
    np.testing.assert_array_equal(run["primary"]["detector"].read(), before)
    assert list(run["exposures"].base["internal"].read()["exposure_ended"]) == ["planned", "converged", "damaged"]


def test_a_replay_from_tiled_gives_the_same_measurements(session: Session) -> None:
    run = session.catalog[RAW][session.uid]
    (ordered,) = whole_runs(documents_of(run), "detector")
    found: list[list[Any]] = []
    for elsewhere in (None, frames_in(session.catalog[RAW])):
        assembler = Assembler(session.settings, elsewhere)
        records = [each for name, doc in ordered for each in assembler.feed(name, doc)]
        found.append([frames_of(each) for each in records if isinstance(each, Measurement)])
    points = session.catalog.points(raw_uid=session.uid)
    assert [len(each) for each in found[0]] == points[points["bin"] == 1]["frames"].tolist()
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, np.reshape(other, one.shape))


def test_questions_find_exposures_by_why_they_ended_and_by_their_length(session: Session) -> None:
    catalog, uid = session.catalog, session.uid
    assert catalog.runs(ended="converged")["raw_uid"].tolist() == [uid]
    assert len(catalog.runs(ended="recognised")) == 0
    found = catalog.points(ended="converged")
    assert set(found["seq_num"]) == {PLANNED + 1}
    assert set(catalog.points(counted=(0.59, None))["ended"]) == {"planned"}
    asked = ("--ended", "damaged", "--format", "json", "--columns", "ended,seconds_counted")
    told = ainerd("find", "points", "--catalog", session.address, *asked)
    assert told.returncode == 0, told.stderr
    assert {row["ended"] for row in json.loads(told.stdout)} == {"damaged"}


def test_the_check_finds_nothing(session: Session) -> None:
    assert list(check(session.catalog)) == []


def test_files_for_other_programs_have_each_length(session: Session, tmp_path: Path) -> None:
    paths = session.catalog.model().export(session.uid, tmp_path / "run.h5")
    lengths = []
    for path in paths:
        with h5py.File(path) as file:
            lengths.append(float(file["ainerd/points/seconds_counted"][0]))
            assert file["ainerd/points/ended"].asstr()[0] in ("planned", "converged", "damaged")
    points = session.catalog.points(raw_uid=session.uid)
    assert sorted(lengths) == pytest.approx(sorted(points[points["bin"] == 1]["seconds_counted"]))


def test_figures_are_drawn(session: Session, tmp_path: Path) -> None:
    container = session.catalog.model().container[session.uid]
    findings = Findings(
        metadata=container.metadata, points=session.catalog.points(raw_uid=session.uid), suggestions=pd.DataFrame(),
        rheometer=RheometerSamples.empty(),
    )  # fmt: skip
    drawn = _figures_of_points(session.catalog, findings, 0)
    assert drawn.keys() >= {"c2-examples", "azimuth-time", "clusters-and-stress", "embedding", "kinds"}
    which = ("sample-map", "age-lag", "timescales")
    chosen = [part for name in which for part in ("--which", name)]
    told = ainerd("figures", "--catalog", session.address, "--run", session.uid, "--out", str(tmp_path), *chosen)
    assert told.returncode == 0, told.stderr
    assert {path.stem for path in tmp_path.glob("*.png")} == set(which)


def test_an_archive_that_is_taken_up_is_the_one_that_was_made(session: Session) -> None:
    """Only the full count is in it: a process that goes on from the catalog finds the same novelty."""
    catalog = session.catalog
    model = ModelAtWork.begin(
        catalog,
        Encoder.load(),
        parameters=catalog.model().container[session.uid].metadata["derived_from"]["parameters"],
    )
    points = model.points(session.uid)
    n_bins = points["bin"].nunique()
    model.take_up(points)
    assert len(model.analyst.atlas) == n_bins
