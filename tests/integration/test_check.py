"""Catalogs with faults: each is found, what can be repaired is, and nothing that was measured goes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tiled.structures.core import Spec
from typer.testing import CliRunner

from ainerd_agent.catalog import TiledServer, connect
from ainerd_agent.catalog.check import Problem, check
from ainerd_agent.catalog.codec.upgraded import as_table
from ainerd_agent.cli.app import app
from ainerd_agent.records import Suggestion
from tests.catalog.codec.test_age_lag import aged
from tests.integration.derived_runs import MODEL, measurement, write, write_run


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with TiledServer(tmp_path_factory.mktemp("catalog")) as server:
        root = connect(server.uri, create=True)
        writer = root.writer(MODEL)
        for uid in ("good", "wrong-summary", "left", "twice", "no-maps"):
            write_run(writer, uid, [{"stress": 5.0}, {"stress": 7.0}], close=uid != "left", source="ingest")
        yield root
        root.close()


def problems(root: Any, uid: str, **options: Any) -> list[Problem]:
    return [problem for problem in check(root, **options) if uid in problem.where.split("/")]


def test_nothing_is_wrong(root: Any) -> None:
    assert problems(root, "good") == []


def test_a_summary_that_is_not_that_of_the_rows(root: Any) -> None:
    run = root["ainerd", MODEL.name, "wrong-summary"]
    run.patch_metadata(
        [{"op": "replace", "path": "/shear_stress_max", "value": 70.0}], content_type="application/json-patch+json"
    )
    (problem,) = problems(root, "wrong-summary")
    assert "shear_stress_max" in problem.what
    assert (problem.repairable, problem.repaired) == (True, False)
    rows = run["points"].read()
    (problem,) = problems(root, "wrong-summary", repair=True)
    assert problem.repaired
    assert problems(root, "wrong-summary") == []
    assert root["ainerd", MODEL.name, "wrong-summary"].metadata["shear_stress_max"] == 7.0
    pd.testing.assert_frame_equal(run["points"].read(), rows)


def test_age_lag_maps_that_do_not_fit_their_axes(root: Any) -> None:
    f, a = aged(1, 20, 0.1), measurement("aged", 1)[1]
    origin = replace(f.origin, raw_uid="aged")
    write(root.writer(MODEL), "aged", (replace(f, origin=origin), replace(a, origin=origin)))
    lags = root["xpcs", "aged"].metadata_copy()[0]["age_lags"]
    for value, said in (([*lags, 50.0], ["are named"]), (None, ["by its axes"]), (lags, [])):
        change = [{"op": "replace", "path": "/age_lags", "value": value}]
        root["xpcs", "aged"].patch_metadata(change, content_type="application/json-patch+json")
        found = [problem.what for problem in problems(root, "aged") if problem.where == "/xpcs/aged/age_lag"]
        assert [each in what for each, what in zip(said, found, strict=True)] == [True] * len(said)


def test_a_run_that_was_left_behind(root: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert problems(root, "left") == []  # it may go on
    monkeypatch.setattr("ainerd_agent.catalog.check.IDLE", 0.0)
    (problem,) = problems(root, "left", repair=True)
    assert "left behind" in problem.what
    assert root["ainerd", MODEL.name, "left"].metadata["status"] == "fail"
    assert problems(root, "left") == []


def test_rows_that_are_there_twice_or_not_at_all(root: Any) -> None:
    table = root["ainerd", MODEL.name, "twice", "points"]
    rows = table.read()
    again = rows.iloc[[0, 0]].assign(seq_num=[1, 9], last_seq_num=[1, 9])
    table.append_partition(0, as_table(again, table.structure().arrow_schema_decoded))
    found = " ".join(problem.what for problem in problems(root, "twice"))
    assert "rows of measurements 1 are there more than once" in found
    assert "measurements 9 lack some of their 3 rows" in found
    assert "measurements 9 have no C2 maps" in found
    before = len(table.read())
    problems(root, "twice", repair=True)
    assert len(table.read()) == before


def test_maps_and_raw_runs_that_are_gone(root: Any) -> None:
    root["xpcs"].delete_contents("no-maps", recursive=True, external_only=False)
    (problem,) = problems(root, "no-maps")
    assert problem.what == "measurements 1, 2 have no C2 maps"
    write_run(root.writer(MODEL), "no-raw", [{}])
    (problem,) = problems(root, "no-raw")
    assert "raw run is not in /raw" in problem.what
    root["ainerd", MODEL.name].delete_contents("no-raw", recursive=True, external_only=False)
    (problem,) = problems(root, "no-raw")
    assert "no results by any model" in problem.what


def test_what_is_not_ours_and_another_version(root: Any) -> None:
    root["xpcs"].create_container("foreign", metadata={})
    root["xpcs"].create_container("future", metadata={}, specs=[Spec("XPCSFingerprints", "3.0")])
    assert "no spec XPCSFingerprints" in problems(root, "foreign")[0].what
    first, *others = problems(root, "future")
    assert "is 3.0, this version reads 1.x and 2.0" in first.what
    assert any("lack n_bins" in problem.what for problem in others)


def test_suggestions_that_nobody_proposed(root: Any) -> None:
    writer = root.writer(MODEL)
    asked = Suggestion(id="asked", position={"x": 1.0, "y": 2.0}, reason="Far from all others.", inputs=())
    writer.record_suggestion(asked, "proposed")
    writer.record_suggestion(asked, "measured", raw_uid="good", seq_num=1, novelty=3.0)
    assert problems(root, "suggestions") == []
    writer.record_suggestion(replace(asked, id="orphan"), "measured", raw_uid="good", seq_num=2)
    (problem,) = problems(root, "suggestions")
    assert "orphan were never proposed" in problem.what


def test_the_command_repairs_and_tells(root: Any, tmp_path: Path) -> None:
    container = root["ainerd", MODEL.name, "good"]
    container.update_metadata({"n_measurements": 7}, drop_revision=True)
    where = f"{str(root.tiled.context.api_uri).rstrip('/')}?api_key={root.tiled.context.api_key}"

    def told(*options: str) -> list[dict[str, Any]]:
        result = CliRunner().invoke(app, ["check", where, "--json", *options])
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        assert result.exit_code == int(not all(line["repaired"] for line in lines))
        return [line for line in lines if line["where"].endswith("/good")]

    (line,) = told()
    assert "n_measurements" in line["what"]
    assert line["repairable"] is True
    assert told("--repair")[0]["repaired"]
    assert told() == []
    assert root["ainerd", MODEL.name, "good"].metadata["n_measurements"] == 2
