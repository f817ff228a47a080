from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
import pytest

from tests.conftest import connected_beamline, new_run_engine, small_glass

POSITIONS = [(0.5, 1.0), (1.0, 3.75), (2.25, 0.5)]


def measure(beamline, positions=POSITIONS, **md):
    rheometer = beamline.rheometer

    @bpp.stage_decorator([beamline.detector])
    @bpp.monitor_during_decorator([rheometer.shear_stress, rheometer.shear_rate, rheometer.viscosity])
    @bpp.run_decorator(md=md)
    def plan():
        for x, y in positions:
            yield from bps.mv(beamline.stage.x, x, beamline.stage.y, y)
            yield from bps.trigger_and_read([beamline.detector, beamline.stage.x, beamline.stage.y])

    return plan()


@pytest.fixture(scope="session")
def recording(tmp_path_factory) -> tuple[Path, list[tuple[str, dict[str, Any]]]]:
    """The detector file and all documents of a run with three measurements."""
    folder = tmp_path_factory.mktemp("recording")
    documents = []

    def keep(name, doc):
        documents.append((name, doc))

    with new_run_engine() as engine, connected_beamline(small_glass(), folder) as beamline:
        engine.subscribe(keep)
        engine(measure(beamline, sample={"name": "glass"}, data_session="pass-1"))
    (path,) = folder.iterdir()
    return path, documents


@pytest.fixture
def recorded(recording, tmp_path) -> list[tuple[str, dict[str, Any]]]:
    """The documents, about a copy of the detector file that a test may damage: `tmp_path/frames/*.h5`."""
    original, documents = recording
    folder = tmp_path / "frames"
    folder.mkdir()
    copy = Path(shutil.copy(original, folder))
    uri = copy.as_uri().replace("file://", "file://localhost", 1)
    return [(name, {**doc, "uri": uri} if name == "stream_resource" else dict(doc)) for name, doc in documents]
