"""Runs by what people call them, on the embedded server and on PostgreSQL, which sorts what has no time differently."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiled.structures.core import Spec
from typer.testing import CliRunner

from ainerd_agent.catalog import Catalog, connect
from ainerd_agent.catalog.read.run_names import AmbiguousRunError, UnknownRunError
from ainerd_agent.cli.app import app
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Suggestion
from ainerd_agent.settings import Settings
from ainerd_agent.workflows.replay import PastRuns, replay
from tests.integration.derived_runs import MODEL, START, write_run

OLD, NEW, LATER, DIGITS = (
    "abcd0000-0000-4000-8000-000000000001",
    "abcd0000-0000-4000-8000-000000000002",
    "abxd9999-0000-4000-8000-000000000003",
    "99990000-0000-4000-8000-000000000004",
)


@pytest.fixture(scope="module")
def catalog(uri: str) -> Iterator[Catalog]:
    catalog = connect(uri, create=True)
    writer = catalog.writer(MODEL)
    # Not in the order of their times.
    for uid, scan_id, day, clusters in ((LATER, 12, 2, (2, 2, 2)), (OLD, 7, 0, (0, 0, 0)), (NEW, 7, 1, (1, 1, 1))):
        write_run(writer, uid, [{"clusters": clusters}], scan_id=scan_id, start=START + 86400 * day)
    write_run(writer, DIGITS, [{"clusters": (3, 3, 3)}], scan_id=None, start=START - 86400)
    # Beside the runs, and without a time.
    writer.record_suggestion(Suggestion(id="a-1", position={"x": 0.0, "y": 0.0}, reason="why", agent="a"), "proposed")
    for uid, scan_id, day in ((OLD, 7, 0), (NEW, 7, 1), (LATER, 12, 2)):
        start = {"uid": uid, "scan_id": scan_id, "time": START + 86400 * day}
        catalog.tiled["raw"].create_container(uid, metadata={"start": start}, specs=[Spec("BlueskyRun", "3.0")])
    yield catalog
    catalog.close()


NAMES: list[tuple[Any, str]] = [
    (OLD, OLD), (OLD[:-1] + "1", OLD), ("abxd", LATER), (LATER[:12], LATER), (12, LATER), ("12", LATER), (-1, LATER),
    ("-1", LATER), ("-2", NEW), (-3, OLD), ("\N{MINUS SIGN}2", NEW), (7, NEW), ("7", NEW),
]  # fmt: skip


@pytest.mark.parametrize(("name", "uid"), NAMES)
def test_every_method_takes_every_name(catalog: Catalog, name: Any, uid: str) -> None:
    results = catalog.model(MODEL.name)
    assert catalog.uid(name) == uid
    assert catalog.maps(name).item["id"] == uid
    assert catalog.c2(name, 1, 2).shape == (16, 16)
    assert catalog.raw(name).item["id"] == uid
    assert results.run(name).item["id"] == uid
    assert results.records(name).run.uid == uid
    found = results.analysis(name, 1)
    assert found is not None
    assert found.origin.raw_uid == uid
    for rows in (catalog.points(raw_uid=name), results.points(raw_uid=name), catalog.runs(raw_uid=name)):
        assert set(rows.raw_uid) == {uid}
    assert results.find(raw_uid=name).runs().raw_uid.tolist() == [uid]


def test_digits_begin_a_uid_where_no_run_has_that_scan_id(catalog: Catalog) -> None:
    assert catalog.uid("9999") == DIGITS
    with pytest.raises(UnknownRunError, match="no run here has the scan id 9999".capitalize()):
        catalog.uid(9999)


def test_the_latest_is_among_those_that_were_found(catalog: Catalog) -> None:
    found = catalog.model(MODEL.name).find(cluster=0)
    assert found.run(-1).item["id"] == OLD
    with pytest.raises(CatalogError, match="There is no run -2: 1 are here"):
        found.run(-2)


@pytest.mark.parametrize(
    ("name", "error", "reason"),
    [
        ("abcd", AmbiguousRunError, f"begin with 'abcd': {NEW} .scan 7.; {OLD} .scan 7.. Write more"),
        ("abc", UnknownRunError, "at least 4 letters"),
        ("", UnknownRunError, "at least 4 letters"),
        ("ABXD", UnknownRunError, "begins with it"),
        ("ab_d", UnknownRunError, "begins with it"),
        ("abx%", UnknownRunError, "begins with it"),
        ("nonesuch", UnknownRunError, "begins with it"),
        ("suggestions/points", UnknownRunError, "begins with it"),
        ("....", UnknownRunError, "begins with it"),
        ("-0", UnknownRunError, "from -1"),
        (-9, UnknownRunError, "There is no run -9: 4 are here"),
        (OLD.replace("a", "b"), UnknownRunError, "No run here is called"),
        (99, UnknownRunError, "scan id 99"),
    ],
)
def test_what_names_no_run(catalog: Catalog, name: Any, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        catalog.uid(name)
    with pytest.raises(error):
        catalog.c2(name)
    with pytest.raises(error):
        catalog.model(MODEL.name).run(name)
    if error is UnknownRunError:
        assert catalog.raw(name) is None
        assert catalog.model(MODEL.name).analysis(name, 1) is None


def test_the_table_of_suggestions_is_no_run(catalog: Catalog) -> None:
    with pytest.raises(CatalogError, match="no analysis of a run"):
        catalog.model(MODEL.name).run("suggestions")


def test_several_runs_of_one_scan_id_are_told_once(
    uri: str, catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    again = connect(uri)
    write_run(again.writer(MODEL), "other-uid", [{}], scan_id=70, start=START)
    write_run(again.writer(MODEL), "another-uid", [{}], scan_id=70, start=START + 1)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert again.uid(70) == "another-uid"
    again.close()
    assert [record.getMessage() for record in caplog.records] == [
        "2 runs have the scan id 70: taken is the latest, another-uid"
    ]


def test_points_by_name(catalog: Catalog, tmp_path: Path) -> None:
    results = catalog.model(MODEL.name)
    expected = results.similar((LATER, 1, 2), 3, folder=tmp_path)
    for name in ("-1/1/2", "abxd/1/2", "12/primary/1/2", (-1, 1, 2), (12, 1, 2, "primary")):
        if not isinstance(name, tuple) or isinstance(name[0], str):
            found = results.similar(name, 3, folder=tmp_path)
            np.testing.assert_array_equal(found.distance, expected.distance)
    with pytest.raises(CatalogError, match=f"no point {LATER}/dark/1/2"):
        results.similar("-1/dark/1/2", folder=tmp_path)
    with pytest.raises(CatalogError, match="is not a point"):
        results.similar("-1/2", folder=tmp_path)


def test_commands(uri: str, catalog: Catalog, tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, [*arguments, "--catalog", uri])
        if result.exception is not None:
            raise result.exception
        return str(result.stdout)

    assert LATER in run("explain", "-1/1/2")
    assert NEW in run("explain", "7/primary/1/2")
    assert run("find", "points", "--run", "-1", "--format", "csv", "--columns", "raw_uid").split()[1:] == [LATER] * 3
    assert run("find", "runs", "--run", "abxd", "--format", "csv", "--columns", "raw_uid").split()[1:] == [LATER]
    assert "-1/1/2" not in run("find", "similar", "-1/1/2", "-k", "1", "--index", str(tmp_path))
    run("export", "-2", "--to", str(tmp_path / "points.csv"))
    assert NEW in (tmp_path / "points.csv").read_text()


def test_past_runs_by_name(catalog: Catalog, tmp_path: Path) -> None:
    settings = Settings.model_validate({"geometry": {"centre_row": 5.0, "centre_column": 5.0, "distance": 8.0}})
    with pytest.raises(UnknownRunError, match="begins with it"):
        replay(catalog, settings, PastRuns(uids=[-1, "nonesuch"]), unsent=tmp_path)
