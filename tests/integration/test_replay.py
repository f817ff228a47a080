"""Past runs, from Tiled and from files, through the analysis of live ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
import numpy as np
import pandas as pd
import pytest
from bluesky.utils import Msg, RunEngineInterrupted
from bluesky_tiled_plugins import TiledWriter
from event_model import compose_run

from ainerd_agent.callbacks import Assembler
from ainerd_agent.callbacks.replay import documents_of, frames_in, whole_runs
from ainerd_agent.catalog import TiledServer, connect
from ainerd_agent.catalog.check import check
from ainerd_agent.cli.analyze import analyze
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Measurement
from ainerd_agent.settings import GeometrySettings, Settings
from ainerd_agent.workflows.replay import PastRuns, Replayed, replay
from tests.callbacks.conftest import measure
from tests.callbacks.devices import ClassicDetector, StreamDetector
from tests.conftest import connected_beamline, new_run_engine, small_glass

SETTINGS = """
[geometry]
centre_row = 31.5
centre_column = 31.5
distance = 3.2
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TiledServer]:
    with TiledServer(tmp_path_factory.mktemp("catalog")) as server:
        yield server


@pytest.fixture(scope="module")
def root(server: TiledServer) -> Iterator[Any]:
    root = connect(server.uri, create=True)
    yield root
    root.close()


@pytest.fixture(scope="module")
def documents(root: Any, server: TiledServer) -> list[tuple[str, dict[str, Any]]]:
    """Of a run that was recorded in Tiled, and not analysed."""
    kept: list[tuple[str, dict[str, Any]]] = []

    def keep(name: str, doc: dict[str, Any]) -> None:
        kept.append((name, dict(doc)))

    with new_run_engine() as engine, connected_beamline(small_glass(), server.frames) as beamline:
        writer = TiledWriter(root["raw"], batch_size=1, max_array_size=0)
        engine.subscribe(writer)
        engine.subscribe(keep)
        engine(measure(beamline, sample="glass"))
    return kept


@pytest.fixture
def again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run `ainerd analyze` and give its summary."""
    (tmp_path / "ainerd.toml").write_text(SETTINGS)
    monkeypatch.chdir(tmp_path)

    def run(catalog: str, runs: list[str] | None = None, **options: Any) -> dict[str, Any]:
        defaults = {"source": None, "documents": None, "sample": None, "plan": None, "frames": "files"}
        analyze(runs=runs, catalog=catalog, unsent=tmp_path / "unsent", json=True, **{**defaults, **options})
        summary: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
        return summary

    return run


def counts(summary: dict[str, Any]) -> tuple[int, int, int, int]:
    return summary["runs"], summary["analysed"], summary["there"], summary["failed"]


@pytest.mark.parametrize("kind", [ClassicDetector, StreamDetector])
def test_after_a_pause_tiled_gives_the_frames_of_the_last_take(kind: Any, root: Any, server: TiledServer) -> None:
    """Tiled stores the rows of all takes, and exports each event once."""
    folder = server.frames / kind.__name__
    folder.mkdir(parents=True)
    detector = kind(folder)
    paused: list[bool] = []

    @bpp.stage_decorator([detector])
    @bpp.run_decorator()
    def plan() -> Any:
        for k in range(3):
            yield from bps.checkpoint()
            yield from bps.trigger_and_read([detector])
            if k == 1 and not paused:
                paused.append(True)
                yield Msg("pause")

    uids: list[str] = []
    with new_run_engine() as engine:
        engine.subscribe(TiledWriter(root["raw"], batch_size=1, max_array_size=0))
        engine.subscribe(lambda name, doc: uids.append(doc["uid"]), "start")
        with pytest.raises(RunEngineInterrupted):
            engine(plan())
        engine.resume()
    (run,) = whole_runs(documents_of(root["raw"][uids[0]]), "detector")
    for assembler in (Assembler(Settings()), Assembler(Settings(), frames_in(root["raw"]))):
        records = [each for name, doc in run for each in assembler.feed(name, doc)]
        found = {each.origin.seq_num: each.frames for each in records if isinstance(each, Measurement)}
        assert sorted(found) == [1, 2, 3]
        for number, row in zip((1, 2, 3), (0, 2, 3), strict=True):
            np.testing.assert_array_equal(np.concatenate(list(found[number].blocks())), detector.movies.taken[row])
    root["raw"].delete_contents(uids[0], recursive=True, external_only=False)


def test_from_a_file_that_was_cut_off_then_from_tiled(
    root: Any, server: TiledServer, documents: Any, again: Any, tmp_path: Path
) -> None:
    """What is there is not made again; the third time nothing changes."""
    uid = documents[0][1]["uid"]
    detector = next(doc["uid"] for name, doc in documents if name == "descriptor" and "detector" in doc["data_keys"])
    seconds = [
        place
        for place, (name, doc) in enumerate(documents)
        if name == "event" and doc["descriptor"] == detector and doc["seq_num"] == 2
    ]
    lines = [json.dumps({"name": name, "doc": doc}) for name, doc in documents[: seconds[0] + 1]]
    (tmp_path / "run.jsonl").write_text("\n".join(lines) + '\n["event", {"uid"')
    first = again(server.uri, documents=tmp_path / "run.jsonl")
    assert first["runs"] == 1
    assert first["analysed"] in (1, 2)  # the file of the last one may have been named later
    model = first["model"]
    assert root["ainerd", model, uid].metadata["status"] == "running"

    assert counts(again(server.uri, [uid])) == (1, 3 - first["analysed"], first["analysed"], 0)
    metadata = root["ainerd", model, uid].metadata_copy()[0]
    assert (metadata["status"], metadata["sample"], metadata["n_measurements"]) == ("success", "glass", 3)
    assert metadata["shear_stress_mean"] is not None
    rows = root.points(model, raw_uid=uid)

    assert counts(again(server.uri, sample="glass")) == (1, 0, 3, 0)
    assert root["ainerd", model, uid].metadata_copy()[0] == metadata
    pd.testing.assert_frame_equal(root.points(model, raw_uid=uid), rows)
    assert counts(again(server.uri, sample="another")) == (0, 0, 0, 0)


def test_maps_that_are_gone_are_made_again(root: Any, server: TiledServer, documents: Any, again: Any) -> None:
    """As `ainerd check` advises."""
    uid = documents[0][1]["uid"]
    model = again(server.uri, [uid])["model"]  # where the test before this one did not run
    rows, maps = root.points(model, raw_uid=uid), root.c2(uid)
    root["xpcs"].delete_contents(uid, recursive=True, external_only=False)
    assert any("have no C2 maps" in problem.what for problem in check(root))
    assert counts(again(server.uri, [uid])) == (1, 3, 0, 0)
    assert list(check(root)) == []
    pd.testing.assert_frame_equal(root.points(model, raw_uid=uid), rows)
    np.testing.assert_array_equal(root.c2(uid), maps)


def test_frames_from_tiled_into_another_catalog(
    root: Any, server: TiledServer, documents: Any, again: Any, tmp_path: Path
) -> None:
    uid = documents[0][1]["uid"]
    source = f"{server.address}/api/v1/metadata/raw?{server.uri.partition('?')[2]}"
    summary = again(str(tmp_path / "other"), source=source, frames="tiled")
    assert counts(summary) == (1, 3, 0, 0)
    again(server.uri, [uid])  # where the test before this one did not run
    with TiledServer(tmp_path / "other") as other, closing(connect(other.uri)) as found:
        np.testing.assert_allclose(found.c2(uid), root.c2(uid), atol=1e-6)
        # The other catalog's was made in one go.
        novelty = [each.points(summary["model"], raw_uid=uid)["novelty"] for each in (root, found)]
        np.testing.assert_allclose(*novelty, rtol=1e-3)


def test_as_databroker_gives_them(root: Any, documents: Any) -> None:
    """Through `Broker`, as programs of databroker 1 ask."""
    pytest.importorskip("databroker", reason="the extra databroker is not installed")
    uid = documents[0][1]["uid"]
    header = root["raw"].v1[uid]
    names = [name for name, _ in documents_of(header)]
    assert names[0] == "start"
    assert names[-1] == "stop"
    assert {"descriptor", "stream_resource", "stream_datum"} <= set(names)


def test_documents_themselves_in_a_notebook(root: Any, documents: Any, tmp_path: Path) -> None:
    """Settings are a value there, and not those of the current folder."""
    settings = Settings(geometry=GeometrySettings(centre_row=31.5, centre_column=31.5, distance=3.2))
    begun: list[str] = []
    for _ in range(2):
        done = replay(
            root, settings, PastRuns(documents=iter(documents)), unsent=tmp_path / "unsent", on_run=begun.append
        )
    assert begun == [documents[0][1]["uid"]] * 2
    assert done == Replayed(model=done.model, runs=1, analysed=0, failed=0, there=3, waiting=0)


def test_runs_that_are_not_there(server: TiledServer, again: Any, tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"No run here is called '12345678'"):
        again(server.uri, ["12345678"])
    with pytest.raises(CatalogError, match="leave out"):
        again(server.uri, documents=tmp_path / "run.jsonl", frames="tiled")
    for ignored in ({"runs": ["a"]}, {"sample": "gel"}, {"plan": "scan"}):
        with pytest.raises(CatalogError, match="leave out uids, sample and plan"):
            again(server.uri, documents=tmp_path / "run.jsonl", **ignored)
    with pytest.raises(CatalogError, match="uids already say which runs"):
        again(server.uri, runs=["a"], sample="gel")


@pytest.mark.situation("`/raw` holds other techniques and things that are no runs", "passed over, counted and named")
def test_what_is_no_run_of_the_detector_is_passed_over_and_named(tmp_path):
    with TiledServer(tmp_path / "mixed") as server, connect(server.uri, create=True) as root:
        raw = root["raw"]
        raw.create_container(key="a-folder", metadata={})
        raw.create_container(key="broken", metadata={"start": {"uid": "broken", "time": "noon"}})
        bundle = compose_run(metadata={"plan_name": "absorption"})
        writer = TiledWriter(raw, batch_size=1, max_array_size=0)
        stream = bundle.compose_descriptor(
            name="primary", data_keys={"i0": {"source": "s", "dtype": "number", "shape": [], "dtype_numpy": "<f8"}}
        )
        for name, doc in (
            ("start", bundle.start_doc),
            ("descriptor", stream.descriptor_doc),
            ("event", stream.compose_event(data={"i0": 1.0}, timestamps={"i0": 1.0})),
            ("stop", bundle.compose_stop()),
        ):
            writer(name, doc)
        with new_run_engine() as engine, connected_beamline(small_glass(), server.frames) as beamline:
            engine.subscribe(TiledWriter(raw, batch_size=1, max_array_size=0))
            engine(measure(beamline, sample="glass"))
        geometry = GeometrySettings(centre_row=31.5, centre_column=31.5, distance=3.2)
        done = replay(root, Settings(geometry=geometry), unsent=tmp_path / "unsent")
        assert (done.runs, done.analysed, done.failed) == (1, 3, 0)
        other = bundle.start_doc["uid"]
        assert set(done.passed_over) == {"a-folder", "broken", other}
        assert "another technique" in done.passed_over[other]
        assert "no Bluesky run" in done.passed_over["broken"]
