"""Catalogs of 0.1 are upgraded, whatever interrupts it, and can be put back as they were."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ainerd_agent.agent.lifecycle.restore import restored
from ainerd_agent.catalog import Catalog, TiledServer, connect
from ainerd_agent.catalog.check import check
from ainerd_agent.catalog.layout import STAGED
from ainerd_agent.catalog.upgrade import BACKUP, back_up, outdated, restore_backup, upgrade
from ainerd_agent.cli.app import app
from ainerd_agent.errors import CatalogError, SessionError
from ainerd_agent.records import Events, Suggestion
from tests.catalog.codec import records
from tests.fixtures.catalogs import OldCatalog, unpack
from tests.integration.derived_runs import measurement
from tests.integration.test_old_catalogs import holds_what_was_written, identity

MODEL = "toy-1"


@pytest.fixture(params=["1.0", "1.3"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> OldCatalog:
    return unpack(request.param, tmp_path)


@pytest.fixture
def catalog(old: OldCatalog) -> Iterator[Catalog]:
    with TiledServer(old.session) as server, connect(server.uri) as catalog:
        yield catalog


def records_of(catalog: Catalog) -> dict[str, Any]:
    return {uid: catalog.model(MODEL).records(uid) for uid in ("grid", "interrupted", "maps.h5-0123abcd")}


def is_whole(catalog: Catalog, old: OldCatalog, before: dict[str, Any]) -> None:
    holds_what_was_written(catalog, old)
    after = records_of(catalog)
    for uid, run in before.items():
        assert records.same(after[uid].fingerprints, run.fingerprints)
        assert records.same(after[uid].analyses, run.analyses)
        assert after[uid].run == run.run
        assert after[uid].failures == run.failures
    assert {spec.version for model in catalog["ainerd"].values() for spec in model.specs} == {"2.0"}
    wrong = [problem for problem in check(catalog) if "interrupted" not in problem.where]
    assert {problem.where for problem in wrong if "raw run" not in problem.what} <= {"/ainerd/toy-1/aborted"}


def test_it_is_the_same_afterwards_and_goes_on(catalog: Catalog, old: OldCatalog) -> None:
    before = records_of(catalog)
    expected = outdated(catalog)
    assert list(upgrade(catalog)) == expected
    assert {"/xpcs/grid", "/ainerd/toy-1/grid", "/ainerd/toy-1/suggestions", "/ainerd/toy-1"} <= set(expected)
    assert outdated(catalog) == []
    is_whole(catalog, old, before)
    writer = catalog.writer(identity(old))
    grid = before["grid"]
    writer.open_run(grid.run)
    writer.record_failure("grid", 6, "dark")
    suggestion = Suggestion(id="s", position={"x": 1.0, "theta": 2.0}, reason="Why not.", model=MODEL, agent="new")
    writer.record_suggestion(suggestion, "proposed")
    assert catalog.model(MODEL).records("grid").failures[Events("primary", 6, 6)] == "dark"
    rows = catalog.model(MODEL).suggestions(agent="new")
    assert rows[["x", "theta"]].iloc[0].tolist() == [1.0, 2.0]
    f, a = measurement("interrupted", 3)
    writer.open_run(before["interrupted"].run)
    with pytest.raises(CatalogError, match="does not fit the points of run interrupted"):
        writer.append("interrupted", [f], [a])
    if "agent" in old.expected["models"][MODEL]["suggestions"]:
        assert restored(catalog.model(MODEL), "night").suggest().id


class Killed(BaseException):
    pass


@pytest.mark.timeout(600)
@pytest.mark.parametrize("old", ["1.3"], indirect=True)
def test_whatever_interrupts_it_the_next_attempt_goes_on(
    catalog: Catalog, old: OldCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is killed before one or another of its requests that change something, again and again."""
    before = records_of(catalog)
    client = catalog.tiled.context.http_client
    send, left, attempts = client.send, 0, 0

    def mortal(request: Any, **options: Any) -> Any:
        nonlocal left
        if request.method != "GET":
            if left == 0:
                raise Killed
            left -= 1
        return send(request, **options)

    monkeypatch.setattr(client, "send", mortal)
    while outdated(catalog):
        attempts += 1
        left = 1 + attempts % 4
        with suppress(Killed):
            list(upgrade(catalog))
    monkeypatch.undo()
    assert attempts > 10
    is_whole(catalog, old, before)
    assert all(STAGED not in key for model in catalog["ainerd"].values() for key in model)


def dump(folder: Path) -> list[str]:
    lines: list[str] = []
    for name in ("catalog.db", "tables.db"):
        with closing(sqlite3.connect(folder / name)) as database:
            lines += database.iterdump()
    return lines


def test_it_can_be_put_back(old: OldCatalog) -> None:
    before = dump(old.session)
    with pytest.raises(SessionError, match="was not upgraded here"):
        restore_backup(old.session)
    assert back_up(old.session) == old.session / BACKUP
    with TiledServer(old.session) as server, connect(server.uri) as catalog:
        next(upgrade(catalog))
        back_up(old.session)  # the first copy stays
        list(upgrade(catalog))
    assert dump(old.session) != before
    restore_backup(old.session)
    assert dump(old.session) == before
    assert not (old.session / BACKUP).exists()
    with TiledServer(old.session) as server, connect(server.uri) as catalog:
        holds_what_was_written(catalog, old)


def test_the_command(old: OldCatalog) -> None:
    run = CliRunner()
    where = str(old.session)
    said = run.invoke(app, ["check", where, "--upgrade"])
    assert f"copied to {old.session / BACKUP}" in said.output.replace("\n", "")
    assert "/ainerd/toy-1/grid" in said.output
    with TiledServer(old.session) as server, connect(server.uri) as catalog:
        assert outdated(catalog) == []
        address = f"{server.address}/api/v1?api_key={catalog.tiled.context.api_key}"
        said = run.invoke(app, ["check", address, "--upgrade"])
        assert isinstance(said.exception, CatalogError)
        assert "give the folder" in str(said.exception)
    assert "nothing to upgrade" in run.invoke(app, ["check", where, "--upgrade"]).output
    assert "as they were" in run.invoke(app, ["check", where, "--undo-upgrade"]).output
    with TiledServer(old.session) as server, connect(server.uri) as catalog:
        assert outdated(catalog)
