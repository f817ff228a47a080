"""Readers see points as they are written, with and without Redis, and miss nothing while the server is away."""

from __future__ import annotations

import io
import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from ainerd_agent.catalog import TiledServer, connect
from ainerd_agent.cli.app import app
from ainerd_agent.errors import CatalogError
from tests.integration.catalog_servers import redis, tiled
from tests.integration.derived_runs import MODEL, N_BINS, write_run

# Tiled 0.2.20 calls websockets in a way that version 17 discourages.
pytestmark = pytest.mark.filterwarnings(r"ignore:connect\(\) must be used:DeprecationWarning")

NEVER = 60.0
"""Seconds between looks, so that only the bell can be what was heard."""


@pytest.fixture(scope="module", params=["memory", "redis", "none"])
def uri(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "memory":
        with TiledServer(folder) as server:
            yield server.uri
        return
    database, tables = f"sqlite+aiosqlite:///{folder}/catalog.db", f"sqlite:///{folder}/tables.db"
    if request.param == "none":
        with tiled(folder, database, tables) as uri:
            yield uri
        return
    with redis() as cache, tiled(folder, database, tables, cache) as uri:
        yield uri


@pytest.fixture
def root(uri: str) -> Iterator[Any]:
    root = connect(uri, create=True)
    yield root
    root.close()


def told(tables: Iterator[Any], n: int) -> list[tuple[str, int]]:
    """The next n measurements."""
    found: list[tuple[str, int]] = []
    while len(found) < n:
        rows = next(tables)
        assert len(rows) == N_BINS * rows["seq_num"].nunique()
        found += sorted({(str(uid), int(number)) for uid, number in zip(rows.raw_uid, rows.seq_num, strict=True)})
    return found


def test_points_are_told_as_they_are_written(
    uri: str, root: Any, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    writer = root.writer(MODEL)
    write_run(writer, "before", [{}, {}])
    reader = connect(uri)
    rings = "none" not in request.node.name
    with closing(reader["ainerd", MODEL.name].follow(every=NEVER if rings else 0.2)) as live:
        written: list[float] = []

        def write() -> None:
            for number in (1, 2, 3):
                write_run(writer, "live", [{}], first=number, close=False)
                written.append(time.monotonic())

        # The first `next` begins to listen.
        thread = threading.Thread(target=write)
        threading.Timer(0.3, thread.start).start()
        assert told(live, 3) == [("live", 1), ("live", 2), ("live", 3)]
        assert time.monotonic() - written[-1] < 5
        thread.join()
    with closing(reader["ainerd", MODEL.name].follow(start="beginning", every=NEVER)) as late:
        assert sorted(told(late, 5)) == [("before", 1), ("before", 2), ("live", 1), ("live", 2), ("live", 3)]
    with closing(reader["ainerd", MODEL.name].follow(seen={"before": [1, 2], "live": [2]}, every=NEVER)) as again:
        assert told(again, 2) == [("live", 1), ("live", 3)]
    reader.close()
    # A server without websockets refuses nobody.
    assert "refuses" not in caplog.text


def test_nothing_is_missed_while_the_server_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tiled.client.utils.TILED_RETRY_TIMEOUT", 0.2)
    monkeypatch.setattr("ainerd_agent.catalog.connection.RETRY_SECONDS", 0.2)
    with TiledServer(tmp_path, api_key="secret") as server:
        port = server.port
        root = connect(server.uri, create=True)
        writer = root.writer(MODEL)
        write_run(writer, "a", [{}])
        reader = connect(server.uri)
        live = reader["ainerd", MODEL.name].follow(start="beginning", every=0.1)
        assert told(live, 1) == [("a", 1)]
        root.close()
    rest: list[tuple[str, int]] = []
    waiting = threading.Thread(target=lambda: rest.extend(told(live, 3)))
    waiting.start()
    deadline = time.monotonic() + 20
    while "Waiting for it" not in caplog.text and time.monotonic() < deadline:
        time.sleep(0.05)
    with TiledServer(tmp_path, port=port, api_key="secret") as server:
        root = connect(server.uri)
        writer = root.writer(MODEL)
        write_run(writer, "a", [{}], first=2)
        write_run(writer, "b", [{}, {}])
        waiting.join(30)
        assert sorted(rest) == [("a", 2), ("b", 1), ("b", 2)]
        live.close()
        root.close()
        reader.close()
    assert caplog.text.count("Waiting for it") == 1


def test_a_refused_subscription_is_told_and_a_refused_key_is_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with TiledServer(tmp_path, api_key="secret") as server:
        root = connect(server.uri, create=True)
        write_run(root.writer(MODEL), "a", [{}])
        reader = connect(server.uri)
        live = reader["ainerd", MODEL.name].follow(start="beginning", every=NEVER)
        # The key is changed after the first look: a session that outlives it.
        reader.tiled.context.api_key = "expired"
        begun = time.monotonic()
        with pytest.raises(CatalogError, match="refuses the API key: check it"):
            told(live, 2)
        assert time.monotonic() - begun < NEVER / 2
        for each in (root, reader):
            each.close()
    (warning,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert "refuses the API key for a subscription: check it" in warning.message
    assert "secret" not in caplog.text
    assert "expired" not in caplog.text


def test_by_the_command_line(uri: str, root: Any, request: pytest.FixtureRequest) -> None:
    write_run(root.writer(MODEL), "told", [{"x": 1.5, "novelty": 2.5}, {"clusters": (0, 0, 2)}])
    n = len(root["ainerd"][MODEL.name].points(columns=["seq_num"]).drop_duplicates(["raw_uid", "seq_num"]))

    def said(*options: str) -> str:
        arguments = ["follow", "--catalog", uri, "--model", MODEL.name, "--beginning", *options]
        return CliRunner().invoke(app, arguments, catch_exceptions=False).stdout

    text = said("--measurements", str(n))
    assert text.count("\n") == n
    assert "told/1  (1.50, 0.00) mm  2 of cluster 1, 1 of cluster 3; novelty up to 2.5" in text
    rows = pd.read_csv(io.StringIO(said("--measurements", str(n), "--format", "csv")))
    assert len(rows) == N_BINS * n
    assert rows.loc[rows["raw_uid"] == "told", "cluster"].tolist() == [1, 1, 3, 0, 0, 2]
    lines = said("--measurements", "1", "--format", "json").splitlines()
    assert [json.loads(line)["bin"] for line in lines] == [1, 2, 3]
