"""The command line in processes of its own, as people use it."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ainerd_agent.agent.runners.live_verdicts import LiveVerdicts
from ainerd_agent.catalog import Catalog, TiledServer, connect
from ainerd_agent.catalog.write.writer import DerivedWriter
from ainerd_agent.workflows.live_channel import LiveChannel
from tests.integration.catalog_servers import postgres, tiled
from tests.integration.derived_runs import MODEL

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "real"


def ainerd(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from ainerd_agent.cli import main; main()", *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=500,
    )


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[str]:
    """Run `ainerd serve` and give the address that it prints for clients."""
    program = [sys.executable, "-u", "-c", "from ainerd_agent.cli import main; main()"]
    process = subprocess.Popen(
        [*program, "serve", str(folder), "--port", "0", *options], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        printed = ""
        for line in process.stdout:
            printed += line
            if line.startswith("Serving"):
                break
        found = re.search(r'from_uri\("([^"]+)"\)', printed)
        assert found, printed
        yield found[1]
    finally:
        process.terminate()
        assert process.wait(60) == 0
        process.stdout.close()


@contextmanager
def client_of(uri: str) -> Iterator[Any]:
    """A plain Tiled client, closed at the end."""
    from tiled.client import from_uri

    client = from_uri(uri)
    try:
        yield client
    finally:
        client.context.http_client.close()


@pytest.fixture
def channel() -> Iterator[LiveChannel]:
    with LiveChannel() as served:
        yield served


@pytest.fixture
def verdicts(channel: LiveChannel) -> Iterator[LiveVerdicts]:
    """What a plan asks the channel by."""
    asked = LiveVerdicts(channel.address)
    yield asked
    asked.close()


FAULTS_APART = 1 if os.environ.get("AINERD_FAULTS") == "all" else 3
"""Requests from one that a writer is killed before to the next: each of them on request, a sample otherwise; odd."""


class KilledError(BaseException):
    """Of a process that is no more; nothing of ours may catch it."""


class Mortal:
    """Sends the requests of a client until it is killed before one that changes something, after `left` of them."""

    def __init__(self, send: Callable[..., Any]) -> None:
        self.left = math.inf
        self._send = send

    def __call__(self, request: Any, **options: Any) -> Any:
        if request.method != "GET":
            if self.left == 0:
                raise KilledError
            self.left -= 1
        return self._send(request, **options)


@pytest.fixture
def mortal(catalog: Any, monkeypatch: pytest.MonkeyPatch) -> Mortal:
    """What kills writers of the catalog; the turn of one that was killed is over at once."""
    monkeypatch.setattr("ainerd_agent.catalog.write.lock.ABANDONED", 0.0)
    client = catalog.tiled.context.http_client
    mortal = Mortal(client.send)
    monkeypatch.setattr(client, "send", mortal)
    return mortal


@pytest.fixture(scope="module", params=["embedded", "postgresql"])
def uri(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an empty server: our own, on SQLite, and one that keeps everything in PostgreSQL."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "embedded":
        with TiledServer(folder) as server:
            yield server.uri
    else:
        with postgres() as address:
            database, tables = f"postgresql+asyncpg://{address}/postgres", f"postgresql://{address}/postgres"
            with tiled(folder, database, tables) as uri:
                yield uri


@pytest.fixture(autouse=True)
def runs_as_before() -> Iterator[None]:
    """Asking for `.v1` changes what all runs of this process are from then on (bluesky-tiled-plugins 2.0.12)."""
    yield
    if "bluesky_tiled_plugins" in sys.modules:
        from bluesky_tiled_plugins.clients.bluesky_run import BlueskyRun
        from tiled.client.container import DEFAULT_STRUCTURE_CLIENT_DISPATCH

        DEFAULT_STRUCTURE_CLIENT_DISPATCH["numpy"].set("BlueskyRun", lambda: BlueskyRun)


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    def find(name: str) -> Path:
        if not (REAL / name).exists():
            pytest.skip(f"the real data file {name} is not beside the project")
        return REAL / name

    return find


@pytest.fixture
def catalog(server: TiledServer) -> Iterator[Catalog]:
    """A catalog on the server of a module."""
    with connect(server.uri, create=True) as catalog:
        yield catalog


@pytest.fixture
def writer(catalog: Catalog) -> DerivedWriter:
    """What writes results to it."""
    return catalog.writer(MODEL)
