"""Several processes on one spool folder: nothing is lost, and nothing is there twice."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ainerd_agent.catalog import DerivedWriter, SpooledWriter, TiledServer, connect
from ainerd_agent.records import Run, Suggestion
from tests.integration.derived_runs import MODEL, N_BINS, START, measurement

SEQ_NUMS = range(1, 3)
FAILED = 3
PATIENCE = 100.0
KEY = "secret"
SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(autouse=True)
def give_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have requests to a dead server repeated for a second, here and in the processes that are begun here."""
    monkeypatch.setenv("TILED_RETRY_TIMEOUT", "1")
    monkeypatch.setattr("tiled.client.utils.TILED_RETRY_TIMEOUT", 1.0)


def spooled(root: Any, folder: Path, uid: str) -> SpooledWriter:
    writer = SpooledWriter(root.writer(MODEL), folder)
    writer.open_run(Run(uid=uid, time=START))
    return writer


def measure(writer: SpooledWriter, uid: str) -> None:
    """A whole run with everything that can be asked of a writer."""
    for seq_num in SEQ_NUMS:
        fingerprints, analysis = measurement(uid, seq_num)
        writer.append(uid, [fingerprints], [analysis])
        writer.record_suggestion(
            Suggestion(id=f"{uid}-{seq_num}", position={"x": 1.0}, reason="Because."),
            "measured", raw_uid=uid, seq_num=seq_num,
        )  # fmt: skip
    writer.record_failure(uid, FAILED, "saturated")
    writer.close_run(uid, "abort")


def a_session(uri: str, folder: Path, uid: str, gates: dict[str, Any]) -> None:
    """Measures while the server is away, and delivers when it is back, each at the same moment as the others."""
    root = connect(uri)
    writer = spooled(root, folder, uid)
    gates["connected"].wait(PATIENCE)
    gates["away"].wait(PATIENCE)
    measure(writer, uid)
    gates["measured"].wait(PATIENCE)
    gates["back"].wait(PATIENCE)
    writer.flush()
    root.close()


def dies_while_delivering(uri: str, folder: Path, delivered: Any) -> None:
    """Delivers until the server has the last suggestion and its record is still there; then it hangs."""

    class Hanging(DerivedWriter):
        def record_suggestion(self, suggestion: Suggestion, event: str, **about: Any) -> None:
            super().record_suggestion(suggestion, event, **about)
            if about["seq_num"] == SEQ_NUMS[-1]:
                delivered.set()
                signal.pause()

    SpooledWriter(Hanging(connect(uri).tiled, model=MODEL), folder).flush()


def assert_all_there(root: Any, uids: list[str]) -> None:
    for uid in uids:
        rows = root.points(raw_uid=uid).sort_values(["seq_num", "bin"])
        assert rows["seq_num"].tolist() == [seq_num for seq_num in SEQ_NUMS for _ in range(N_BINS)]
        assert sorted(root["xpcs", uid].metadata["derived_from"]["seq_nums"]) == list(SEQ_NUMS)
        for seq_num in SEQ_NUMS:
            np.testing.assert_array_equal(root.c2(uid, seq_num, 1), 100 * seq_num + 1)
        metadata = root["ainerd", MODEL.name, uid].metadata_copy()[0]
        assert [failed["seq_num"] for failed in metadata["failed"]] == [FAILED]
        assert metadata["status"] == "abort"
    events = Counter(root["ainerd", MODEL.name, "suggestions"].read()["suggestion_id"])
    assert events == {f"{uid}-{seq_num}": 1 for uid in uids for seq_num in SEQ_NUMS}


def waiting(folder: Path) -> list[Path]:
    return [path for path in (folder / MODEL.name).iterdir() if not path.name.startswith(".")]


def joined(workers: list[Any]) -> list[int | None]:
    for worker in workers:
        worker.join(PATIENCE)
    return [worker.exitcode for worker in workers]


def begun(target: Callable[..., None], *arguments: tuple[Any, ...]) -> list[Any]:
    workers = [SPAWN.Process(target=target, args=each, daemon=True) for each in arguments]
    for worker in workers:
        worker.start()
    return workers


def test_two_sessions_on_one_folder(tmp_path: Path) -> None:
    uids, folder = ["one", "other"], tmp_path / "unsent"
    gates = {"connected": SPAWN.Barrier(3), "away": SPAWN.Event(), "measured": SPAWN.Barrier(3), "back": SPAWN.Event()}
    with TiledServer(tmp_path / "catalog", api_key=KEY) as server:
        connect(server.uri, create=True).close()
        port, uri = server.port, server.uri
        sessions = begun(a_session, *((uri, folder, uid, gates) for uid in uids))
        gates["connected"].wait(PATIENCE)
    gates["away"].set()
    gates["measured"].wait(PATIENCE)
    assert len(waiting(folder)) == len(uids) * (2 * len(SEQ_NUMS) + 2)
    with TiledServer(tmp_path / "catalog", port=port, api_key=KEY) as server:
        gates["back"].set()
        assert joined(sessions) == [0, 0]
        root = connect(server.uri)
        assert_all_there(root, uids)
        assert waiting(folder) == []
        root.close()


def test_a_session_goes_on_where_another_process_was_killed(tmp_path: Path) -> None:
    folder = tmp_path / "unsent"
    with TiledServer(tmp_path / "catalog", api_key=KEY) as server:
        root, port = connect(server.uri, create=True), server.port
        writer = spooled(root, folder, "one")
        writer.record_suggestion(Suggestion(id="before", position={}, reason="It knows the table."), "proposed")
    measure(writer, "one")
    with TiledServer(tmp_path / "catalog", port=port, api_key=KEY) as server:
        delivered = SPAWN.Event()
        (killed,) = begun(dies_while_delivering, (server.uri, folder, delivered))
        assert delivered.wait(PATIENCE)
        assert len(waiting(folder)) == 3  # the suggestion, which the server has, a failure, and the end of the run
        assert writer.flush() == 3  # another one delivers
        os.kill(killed.pid, signal.SIGKILL)
        killed.join(PATIENCE)
        assert writer.flush() == 0
        rows = root["ainerd", MODEL.name, "suggestions"].read()
        assert Counter(rows["suggestion_id"]) == {"before": 1, **{f"one-{n}": 1 for n in SEQ_NUMS}}
        assert waiting(folder) == []
        root.close()
