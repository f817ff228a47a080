"""Exposures that are aborted on a classic area detector, and full counts on one that cannot do that."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
import numpy as np
import pytest

pytest.importorskip("ophyd")
from ophyd.sim import SynAxis

from ainerd_agent.agent.runners.exposure_report import ExposureReport
from ainerd_agent.callbacks import Assembler
from ainerd_agent.callbacks.replay import whole_runs
from ainerd_agent.records import Measurement
from ainerd_agent.records.exposure_events import (
    BEGUN_STREAM,
    ENDED_STREAM,
    EXPOSURES,
    START,
    ExposureBegun,
    ExposureEnded,
)
from ainerd_agent.settings import Settings
from tests.callbacks.classic_area_detector import ClassicAreaDetector
from tests.callbacks.devices import ClassicDetector
from tests.callbacks.exposed_runs import frames_of

PLANNED = 50


async def captured(detector: Any, n: int) -> None:
    while detector.cam.num_captured.get() < n:
        await asyncio.sleep(0.001)


def exposing(detector: Any, stage: Any, enough: list[int | None], planned: int = PLANNED) -> Any:
    begun = ExposureReport(ExposureBegun(number=0, planned=0), "begun")
    ended = ExposureReport(ExposureEnded(number=0, planned=0, first=1, last=0), "ended")

    def tell(stream: str, report: ExposureReport) -> Any:
        yield from bps.create(stream)
        yield from bps.read(report)
        yield from bps.read(stage)
        yield from bps.save()

    @bpp.stage_decorator([detector])
    @bpp.run_decorator(md={EXPOSURES: dict(START)})
    def plan() -> Any:
        for number, n in enumerate(enough, 1):
            yield from bps.mv(stage, float(number))
            begun.put(ExposureBegun(number=number, planned=planned))
            yield from tell(BEGUN_STREAM, begun)
            yield from bps.trigger(detector, group="exposed")
            if n is not None:
                yield from bps.wait_for([partial(captured, detector, n)])
                yield from bps.abs_set(detector.cam.acquire, 0, wait=True)
            yield from bps.wait("exposed")
            yield from bps.create("primary")
            yield from bps.read(detector)
            yield from bps.save()
            frames = detector.cam.num_captured.get() if hasattr(detector, "cam") else 0
            ended.put(
                ExposureEnded(
                    number=number, planned=planned, first=number, last=number, frames=frames,
                    ended="planned" if n is None else "converged", look=0 if n is None else 1,
                )
            )  # fmt: skip
            yield from tell(ENDED_STREAM, ended)

    return plan()


def run(engine: Any, plan: Any) -> tuple[list[Measurement], list[Any]]:
    documents: list[Any] = []
    token = engine.subscribe(lambda name, doc: documents.append((name, doc)))
    engine(plan)
    engine.unsubscribe(token)
    (ordered,) = whole_runs(documents, "detector")
    found = []
    for each in (documents, ordered):
        assembler = Assembler(Settings())
        records = [record for name, doc in each for record in assembler.feed(name, doc)]
        found.append([record for record in records if isinstance(record, Measurement)])
    live, replayed = found
    assert [each.origin for each in live] == [each.origin for each in replayed]
    return live, documents


@pytest.mark.situation(
    "a classic area detector is aborted within an acquisition (acquire = 0), and goes on with the next one",
    "each measurement has the frames that came",
)
def test_an_aborted_acquisition_keeps_what_came(run_engine, tmp_path):
    detector, stage = ClassicAreaDetector(tmp_path, PLANNED), SynAxis(name="stage-x")
    found, _ = run(run_engine, exposing(detector, stage, [None, 20, 12, None]))
    lengths = [len(each) for each in detector.taken]
    assert lengths[0] == lengths[3] == PLANNED
    assert 20 <= lengths[1] < PLANNED
    assert 12 <= lengths[2] < PLANNED
    for each, taken in zip(found, detector.taken, strict=True):
        np.testing.assert_array_equal(frames_of(each), taken)
        assert each.origin.exposure.planned == pytest.approx(PLANNED * 0.002)
        assert each.origin.stop - each.origin.start == pytest.approx(len(taken) * 0.002, abs=1e-6)
        assert each.problems == ()
    assert [each.origin.exposure.ended for each in found] == ["planned", "converged", "converged", "planned"]
    assert [each.origin.position for each in found] == [{"x": x} for x in (1.0, 2.0, 3.0, 4.0)]


@pytest.mark.situation("a detector cannot end early", "full counts")
def test_a_detector_that_cannot_end_early_gives_full_counts(run_engine, tmp_path):
    detector, stage = ClassicDetector(tmp_path, n_frames=16), SynAxis(name="stage-x")
    found, _ = run(run_engine, exposing(detector, stage, [None, None], planned=16))
    for each, movie in zip(found, detector.movies.taken, strict=True):
        np.testing.assert_array_equal(frames_of(each), movie)
        assert each.origin.exposure.ended == "planned"
        assert each.problems == ()
