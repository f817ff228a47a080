"""A plan reads its reports into two streams, with a RunEngine and nothing else."""

from __future__ import annotations

from typing import Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
import pytest
from bluesky import RunEngine
from bluesky.protocols import Readable

from ainerd_agent.agent.runners.exposure_report import ExposureReport
from ainerd_agent.records.exposure_events import BEGUN_STREAM, ENDED_STREAM, ExposureBegun, ExposureEnded


def test_a_plan_reads_them_into_streams() -> None:
    documents: list[tuple[str, Any]] = []
    begun = ExposureReport(ExposureBegun(number=0, planned=0), "begun")
    ended = ExposureReport(ExposureEnded(number=0, planned=0, first=1, last=0), "ended")
    assert isinstance(begun, Readable)

    @bpp.run_decorator()
    def plan() -> Any:
        for number in (1, 2):
            begun.put(ExposureBegun(number=number, planned=100))
            yield from bps.create(BEGUN_STREAM)
            yield from bps.read(begun)
            yield from bps.save()
            ended.put(ExposureEnded(number=number, planned=100, first=5, last=9, ended="converged", look=2))
            yield from bps.create(ENDED_STREAM)
            yield from bps.read(ended)
            yield from bps.save()

    RunEngine({}, context_managers=[])(plan(), lambda name, doc: documents.append((name, doc)))
    streams = {doc["uid"]: doc["name"] for name, doc in documents if name == "descriptor"}
    events = [(streams[doc["descriptor"]], doc["data"]) for name, doc in documents if name == "event"]
    assert [stream for stream, _ in events] == ["exposing", "exposures"] * 2
    assert events[2][1] == {"exposure": 2, "exposure_planned": 100}
    assert events[3][1] == {
        "exposure": 2, "exposure_planned": 100, "exposure_first": 5, "exposure_last": 9, "exposure_frames": 0,
        "exposure_ended": "converged", "exposure_look": 2,
    }  # fmt: skip


def test_the_other_record_is_refused() -> None:
    with pytest.raises(TypeError, match="one report for each stream"):
        ExposureReport(ExposureBegun(number=1, planned=1)).put(ExposureEnded(number=1, planned=1, first=1, last=1))
