"""Servers started from the machine's own programs: PostgreSQL, Redis, `tiled serve config`, and a Dask cluster."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

KEY = "secret"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL server of its own, empty: its address without the scheme and with the name of no database."""
    missing = [name for name in ("initdb", "postgres") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"PostgreSQL is not on this machine (no {' and '.join(missing)})")
    as_owner: list[str] = []
    folder = Path(tempfile.mkdtemp(prefix="ainerd-postgres-"))  # its owner must reach it; pytest's folders are private
    try:
        if os.getuid() == 0:  # which PostgreSQL refuses to run as
            if shutil.which("setpriv") is None or subprocess.run(["id", "postgres"], capture_output=True).returncode:
                pytest.skip("PostgreSQL does not run as root, and there is no user postgres to run it as")
            shutil.chown(folder, "postgres")
            as_owner = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        data, port = folder / "data", free_port()
        subprocess.run(
            [*as_owner, "initdb", "-D", str(data), "-U", "postgres", "--auth=trust", "--no-sync"],
            check=True, capture_output=True, cwd=folder,
        )  # fmt: skip
        options = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder, "fsync": "off"}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with running([*as_owner, "postgres", "-D", str(data), *settings], folder, port):
            yield f"postgres@127.0.0.1:{port}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def redis() -> Iterator[str]:
    """A Redis server of its own: its address."""
    if shutil.which("redis-server") is None:
        pytest.skip("Redis is not on this machine (no redis-server)")
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        with running(["redis-server", "--port", str(port), "--save", "", "--dir", folder], Path(folder), port):
            yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def tiled(folder: Path, database: str, tables: str, cache: str | None = None, port: int | None = None) -> Iterator[str]:
    """`tiled serve config`, as a facility runs it: its address with the API key.

    Parameters
    ----------
    database, tables : str
        URIs of the catalog's database and of the storage of tables.
    cache : str, optional
        URI of what subscribers are served from.
    """
    arguments = {
        "uri": database, "writable_storage": [str(folder / "data"), tables], "init_if_not_exists": True
    }  # fmt: skip
    config: dict[str, Any] = {
        "authentication": {"single_user_api_key": KEY},
        "trees": [{"path": "/", "tree": "catalog", "args": arguments}],
    }
    if cache is not None:
        config["streaming_cache"] = {"uri": cache}
    file = folder / "config.yml"
    file.write_text(json.dumps(config))  # JSON is YAML, too
    chosen = free_port() if port is None else port
    program = [sys.executable, "-m", "tiled", "serve", "config", str(file), "--port", str(chosen)]
    with running(program, folder, chosen):
        yield f"http://127.0.0.1:{chosen}/api/v1?api_key={KEY}"


@contextmanager
def dask_cluster(folder: Path, **environment: str) -> Iterator[str]:
    """A Dask scheduler and one worker, each in a process of its own: the scheduler's address.

    Parameters
    ----------
    **environment
        Variables of the worker, such as TILED_API_KEY.
    """
    port, worker_port = free_port(), free_port()
    address, here = f"tcp://127.0.0.1:{port}", ["--host", "127.0.0.1", "--no-dashboard"]
    dask = [sys.executable, "-m", "dask"]
    scheduler = [*dask, "scheduler", *here, "--port", str(port)]
    worker = [*dask, "worker", address, *here, "--no-nanny", "--nthreads", "1", "--worker-port", str(worker_port)]
    with running(scheduler, folder, port), running(worker, folder, worker_port, **environment):
        yield address


@contextmanager
def running(program: Sequence[str], folder: Path, port: int, **environment: str) -> Iterator[None]:
    """A program in a process of its own, once it listens; ended at the end."""
    log = folder / f"{Path(program[-1]).name}-{port}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            program, cwd=folder, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **environment}
        )
    try:
        deadline = time.monotonic() + 60
        while not _listens(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
