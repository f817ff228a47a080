"""Servers that fail, are busy, full, or change their key while a session writes: nothing is lost in silence."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ainerd_agent.catalog import TiledServer, connect
from ainerd_agent.catalog.write.spool import SpooledWriter
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Run
from tests.integration.derived_runs import MODEL, START, measurement


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with TiledServer(tmp_path_factory.mktemp("catalog")) as server:
        client = connect(server.uri, create=True)
        yield client
        client.close()


def spooled(root: Any, folder: Path, uid: str) -> SpooledWriter:
    writer = SpooledWriter(root.writer(MODEL), folder)
    writer.open_run(Run(uid=uid, time=START))
    return writer


def append(writer: SpooledWriter, uid: str, number: int) -> None:
    fingerprints, analysis = measurement(uid, number)
    writer.append(uid, [fingerprints], [analysis])


def everything_is_there(root: Any, uid: str, numbers: list[int]) -> None:
    points = root.points(raw_uid=uid)
    assert sorted(zip(points["seq_num"], points["bin"], strict=True)) == [(n, b) for n in numbers for b in (1, 2, 3)]
    order = root["xpcs", uid].metadata["derived_from"]["seq_nums"]
    assert root.c2(uid, bin=1)[:, 0, 0].tolist() == [100 * number + 1 for number in order]
    assert sorted(order) == numbers


def troubled(
    root: Any, monkeypatch: pytest.MonkeyPatch, answer: Callable[[httpx.Request], httpx.Response | None]
) -> None:
    """Have some requests answered by `answer` in place of the server."""
    send = root.tiled.context.http_client.send
    monkeypatch.setattr("tiled.client.utils.TILED_RETRY_ATTEMPTS", 1)
    monkeypatch.setattr(
        root.tiled.context.http_client, "send", lambda request, **options: answer(request) or send(request, **options)
    )


@pytest.mark.parametrize("kind", ["POST", "PATCH", "PUT"])
def test_a_server_that_fails_half_way(root: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    uid = f"fails-{kind}"
    writer = spooled(root, tmp_path, uid)
    append(writer, uid, 1)
    with monkeypatch.context() as trouble:
        troubled(
            root, trouble, lambda request: httpx.Response(500, request=request) if request.method == kind else None
        )
        append(writer, uid, 2)
    append(writer, uid, 3)
    assert writer.flush() == 0
    assert not list(tmp_path.rglob("*.refused"))
    everything_is_there(root, uid, [1, 2, 3])


def test_a_busy_server_is_left_alone(root: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, asked, now = spooled(root, tmp_path, "busy"), [], [1000.0]
    monkeypatch.setattr("ainerd_agent.catalog.write.spool.clock.monotonic", lambda: now[0])

    def busy(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        return httpx.Response(429, request=request, headers={"Retry-After": "20"})

    with monkeypatch.context() as trouble:
        troubled(root, trouble, busy)
        append(writer, "busy", 1)
        before = len(asked)
        append(writer, "busy", 2)
        assert len(asked) == before
    assert writer.flush() == 2
    now[0] += 21
    assert writer.flush() == 0
    everything_is_there(root, "busy", [1, 2])


def test_a_key_that_is_changed(root: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = spooled(root, tmp_path, "key")
    append(writer, "key", 1)
    with monkeypatch.context() as trouble:
        troubled(root, trouble, lambda request: httpx.Response(401, request=request, json={"detail": "no"}))
        with pytest.raises(CatalogError, match="refuses the API key"):
            append(writer, "key", 2)
    assert len(list(tmp_path.rglob("*.refused"))) == 1
    again = spooled(root, tmp_path, "key")  # a new session, with the right key
    assert again.flush() == 0
    everything_is_there(root, "key", [1, 2])


def test_a_run_that_has_ended_stays_so(root: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was refused of it comes after its end, also where there was nothing else of the run to end."""
    refused = lambda request: httpx.Response(401, request=request, json={"detail": "no"})  # noqa: E731
    for uid, before, status in (("ended", [1], "success"), ("ended-without-any", [], "abort")):
        writer = spooled(root, tmp_path, uid)
        for number in before:
            append(writer, uid, number)
        with monkeypatch.context() as trouble:
            troubled(root, trouble, refused)
            with pytest.raises(CatalogError, match="refuses the API key"):
                append(writer, uid, 2)
        writer.close_run(uid, status)
        assert spooled(root, tmp_path, uid).flush() == 0  # a new session, with the right key
        everything_is_there(root, uid, [*before, 2])
        assert root["ainerd", MODEL.name, uid].metadata_copy()[0]["status"] == status
    assert not list(tmp_path.rglob("*.refused"))


def test_the_end_that_another_process_noted_stays(root: Any) -> None:
    one, other = (root.writer(MODEL) for _ in range(2))
    for writer in (one, other):
        writer.open_run(Run(uid="ended-by-another", time=START))
    one.append("ended-by-another", *([each] for each in measurement("ended-by-another", 1)))
    other.close_run("ended-by-another", "fail")
    one.append("ended-by-another", *([each] for each in measurement("ended-by-another", 2)))
    one.record_failure("ended-by-another", 3, "dark")
    metadata = root["ainerd", MODEL.name, "ended-by-another"].metadata_copy()[0]
    assert (metadata["status"], metadata["n_measurements"], metadata["failures"]) == ("fail", 2, 1)


def test_what_another_analysis_kept_stays_its_own(root: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session delivers what one with other parameters kept: each run names those that it was analysed with."""
    kept = spooled(root, tmp_path, "kept")
    with monkeypatch.context() as trouble:
        troubled(root, trouble, lambda request: httpx.Response(503, request=request))
        append(kept, "kept", 1)
        kept.close_run("kept", "success")
    other = dataclasses.replace(MODEL, parameters={"size": 32}, geometry={"distance": 9.0})
    writer = SpooledWriter(root.writer(other), tmp_path)
    writer.open_run(Run(uid="own", time=START))
    append(writer, "own", 1)
    for uid, model in (("kept", MODEL), ("own", other)):
        everything_is_there(root, uid, [1])
        derived = root["ainerd", MODEL.name, uid].metadata_copy()[0]["derived_from"]
        assert (derived["parameters"], derived["geometry"]) == (model.parameters, model.geometry)
    assert not [path for path in (tmp_path / MODEL.name).iterdir() if not path.name.startswith(".")]


def test_failures_that_another_writer_noted_stay(root: Any, tmp_path: Path) -> None:
    one, other = (spooled(root, tmp_path, "shared") for _ in range(2))
    append(one, "shared", 1)
    other.record_failure("shared", 2, "saturated")
    one.record_failure("shared", 3, "dark")
    append(other, "shared", 4)
    one.close_run("shared", "success")
    metadata = root["ainerd", MODEL.name, "shared"].metadata_copy()[0]
    assert [(each["seq_num"], each["message"]) for each in metadata["failed"]] == [(2, "saturated"), (3, "dark")]
    assert (metadata["status"], metadata["n_measurements"]) == ("success", 2)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tiled.client.utils.TILED_RETRY_ATTEMPTS", 1)
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.getuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted: {mounted.stderr.strip()}")
    try:
        with TiledServer(disk) as server:
            root = connect(server.uri, create=True)
            writer = spooled(root, tmp_path / "spool", "full")
            append(writer, "full", 1)
            ballast = disk / "ballast"
            room = shutil.disk_usage(disk).free
            ballast.write_bytes(b"\0" * room)
            append(writer, "full", 2)
            assert writer.flush() == 1
            ballast.unlink()
            assert writer.flush() == 0
            everything_is_there(root, "full", [1, 2])
            root.close()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
