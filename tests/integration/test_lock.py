"""Several writers of one run: nothing is there twice."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from ainerd_agent.catalog import ServerUnreachableError, TiledServer, connect
from ainerd_agent.catalog.write import lock
from ainerd_agent.records import Run
from tests.integration.derived_runs import MODEL, N_BINS, START, measurement

SEQ_NUMS = range(1, 5)


def write(uri: str, uid: str, gate: Any) -> None:
    """All measurements of a run, one after the other, beginning when everybody is there."""
    root = connect(uri)
    writer = root.writer(MODEL)
    writer.open_run(Run(uid=uid, time=START))
    gate.wait(60)
    for seq_num in SEQ_NUMS:
        fingerprints, analysis = measurement(uid, seq_num)
        writer.append(uid, [fingerprints], [analysis])
    writer.close_run(uid, "success")
    root.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TiledServer]:
    with TiledServer(tmp_path_factory.mktemp("catalog")) as server:
        yield server


@pytest.fixture(scope="module")
def root(server: TiledServer) -> Iterator[Any]:
    root = connect(server.uri, create=True)
    yield root
    root.close()


def assert_complete(root: Any, uid: str) -> None:
    rows = root["ainerd", MODEL.name, uid, "points"].read().sort_values(["seq_num", "bin"])
    assert rows["seq_num"].tolist() == [seq_num for seq_num in SEQ_NUMS for _ in range(N_BINS)]
    metadata = root["ainerd", MODEL.name, uid].metadata
    assert metadata["n_measurements"] == len(SEQ_NUMS)
    assert sorted(root["xpcs", uid].metadata["derived_from"]["seq_nums"]) == list(SEQ_NUMS)
    assert root["xpcs", uid, "c2"].shape[0] == len(SEQ_NUMS)
    for seq_num in SEQ_NUMS:
        np.testing.assert_array_equal(root.c2(uid, seq_num, 1), 100 * seq_num + 1)


def test_two_processes_at_once(server: TiledServer, root: Any) -> None:
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(2)
    workers = [context.Process(target=write, args=(server.uri, "raced", gate)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert_complete(root, "raced")
    assert len(root["turns"]) == 0


def test_two_writers_in_turn(root: Any) -> None:
    writers = [root.writer(MODEL) for _ in range(2)]
    for writer in writers:
        writer.open_run(Run(uid="in-turn", time=START))
    for seq_num in SEQ_NUMS:
        pair = measurement("in-turn", seq_num)
        for writer in writers if seq_num % 2 else reversed(writers):
            writer.append("in-turn", [pair[0]], [pair[1]])
    writers[0].close_run("in-turn", "success")
    assert_complete(root, "in-turn")


def test_the_turn_of_a_process_that_died(root: Any) -> None:
    """It is known to be dead on this machine; of other machines, only time tells."""
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    about = {"writer": "gone", "machine": os.uname().nodename, "process": int(dead.stdout)}
    root["turns"].create_container("left", metadata=about)
    writer = root.writer(MODEL)
    writer.open_run(Run(uid="left", time=START))
    writer.append("left", *([record] for record in measurement("left", 1)))
    writer.close_run("left", "success")
    assert len(root["turns"]) == 0


def test_a_turn_of_another_machine(root: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    root["turns"].create_container("far", metadata={"writer": "far", "machine": "another", "process": 1})
    writer = root.writer(MODEL)
    writer.open_run(Run(uid="far", time=START))
    monkeypatch.setattr(lock, "PATIENCE", 0.0)
    with pytest.raises(ServerUnreachableError, match="1 on another"):
        writer.append("far", *([record] for record in measurement("far", 1)))
    monkeypatch.setattr(lock, "ABANDONED", 0.0)
    monkeypatch.setattr(lock, "PATIENCE", 60.0)
    writer.append("far", *([record] for record in measurement("far", 1)))
    assert root["ainerd", MODEL.name, "far"].metadata["n_measurements"] == 1
