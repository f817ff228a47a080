"""Stored maps through another model, and past runs through the same callbacks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ainerd_agent.catalog import TiledServer, connect
from ainerd_agent.errors import CatalogError
from ainerd_agent.latent import Analyst, Encoder
from ainerd_agent.latent.encoding import Encoding
from ainerd_agent.records import Analysis, FloatArray, Run, ShearStress
from ainerd_agent.workflows.reprocess import Done, Encode, here, reprocess
from tests.integration.catalog_servers import dask_cluster, free_port
from tests.integration.conftest import ainerd
from tests.integration.derived_runs import MODEL, START, measurement

UIDS = ("early", "middle", "late")


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.load()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Runs of an old model, written in another order than that of their times, with maps that can be encoded."""
    with TiledServer(tmp_path_factory.mktemp("catalog")) as server:
        root = connect(server.uri, create=True)
        writer = root.writer(MODEL)
        for number in (2, 0, 1):
            uid = UIDS[number]
            writer.open_run(Run(uid=uid, time=START + 100 * number, sample="silica", metadata={"note": uid}))
            for seq_num in (1, 2):
                f, a = measurement(uid, seq_num, stress=10.0 * seq_num, start=START + 100 * number, x=0.5)
                lag = np.abs(np.subtract.outer(np.arange(16), np.arange(16)))
                for bin in range(3):
                    f.c2[bin] = 0.2 * np.exp(-lag / (1 + 2 * number + seq_num + bin))
                writer.append(uid, [f], [a])
            writer.record_failure(uid, 3, "no frames")
            writer.close_run(uid, "success")
        yield root
        root.close()


class Counted:
    """A pool of threads that notes which runs it is asked for."""

    def __init__(self) -> None:
        self.uids: list[str] = []
        self._pool = ThreadPoolExecutor(2)

    def submit(self, call: Encode, uid: str, places: Sequence[int], contrast: FloatArray, /) -> Future[Encoding]:
        self.uids.append(uid)
        return self._pool.submit(call, uid, places, contrast)


def points(root: Any, model: str) -> pd.DataFrame:
    return root.points(model).sort_values(["time", "bin"], ignore_index=True)


def analyses_here(root: Any, encoder: Encoder) -> list[Analysis]:
    """What one process finds in the stored maps, in order of time."""
    analyst, found = Analyst(encoder), []
    for uid in UIDS:
        for place, seq_num in enumerate((1, 2)):
            f, _ = measurement(uid, seq_num)
            f.c2[:] = root["xpcs", uid, "c2"][place]
            found += analyst.analyse([f], [ShearStress()])
    return found


def test_interrupted_and_taken_up(root: Any, encoder: Encoder) -> None:
    """The same as if one process had analysed everything in order of time."""
    before = points(root, MODEL.name)
    outcomes = reprocess(root, encoder, Counted(), here(root, encoder))
    assert next(outcomes) == Done("early", 2)
    outcomes.close()  # as if the process had been killed
    pool = Counted()
    assert list(reprocess(root, encoder, pool, here(root, encoder))) == [
        Done("early", 0),
        Done("middle", 2),
        Done("late", 2),
    ]
    assert pool.uids == ["middle", "late"]

    pd.testing.assert_frame_equal(points(root, MODEL.name), before)
    found = points(root, encoder.name)
    kept = ["raw_uid", "seq_num", "bin", "time", "elapsed", "x", "y", "q", "azimuth", "shear_stress", "contrast", "tau"]
    pd.testing.assert_frame_equal(found[kept], before[kept])
    expected = analyses_here(root, encoder)
    np.testing.assert_allclose(
        found[[f"z{k}" for k in range(64)]], np.concatenate([a.latents for a in expected]), rtol=1e-4, atol=1e-4
    )
    np.testing.assert_array_equal(found["cluster"], np.concatenate([a.cluster for a in expected]))
    np.testing.assert_allclose(found["novelty"], np.concatenate([a.novelty for a in expected]), rtol=1e-3, atol=1e-3)


def test_again_changes_nothing(root: Any, encoder: Encoder) -> None:
    list(reprocess(root, encoder, Counted(), here(root, encoder)))
    before = {uid: root["ainerd", encoder.name, uid].metadata_copy()[0] for uid in UIDS}
    rows, pool = points(root, encoder.name), Counted()
    assert [done.written for done in reprocess(root, encoder, pool, here(root, encoder))] == [0, 0, 0]
    assert pool.uids == []
    assert {uid: root["ainerd", encoder.name, uid].metadata_copy()[0] for uid in UIDS} == before
    pd.testing.assert_frame_equal(points(root, encoder.name), rows)
    about = before["early"]
    assert (about["status"], about["sample"], about["note"], about["failures"]) == ("success", "silica", "early", 1)
    assert about["derived_from"]["parameters"] == MODEL.parameters
    assert about["derived_from"]["weights_sha256"] == encoder.weights_sha256


def test_nothing_to_take_up(root: Any, encoder: Encoder) -> None:
    with pytest.raises(CatalogError, match="another name"):
        list(reprocess(root, encoder, Counted(), here(root, encoder), source=encoder.name))


def test_on_a_dask_cluster(root: Any, tmp_path: Path) -> None:
    """By the command line, on a worker in a process of its own, which has the API key from its environment."""
    other = Encoder.load("paper-v1")
    uri = f"{root.tiled.context.api_uri}?api_key={root.tiled.context.api_key}"
    with dask_cluster(tmp_path, TILED_API_KEY=root.tiled.context.api_key) as scheduler:
        said = ainerd("reprocess", "--catalog", uri, "--model", other.name, "--from", MODEL.name, "--dask", scheduler,
                      "--json", cwd=tmp_path)  # fmt: skip
    assert said.returncode == 0, said.stderr
    summary = json.loads(said.stdout.splitlines()[-1])
    assert summary == {"model": other.name, "runs": 3, "measurements_written": 6, "problems": []}
    expected = analyses_here(root, other)
    found = points(root, other.name)
    latents = np.concatenate([a.latents for a in expected])
    np.testing.assert_allclose(found[[f"z{k}" for k in range(64)]], latents, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(found["cluster"], np.concatenate([a.cluster for a in expected]))


def test_a_dask_cluster_that_is_not_there(root: Any, tmp_path: Path) -> None:
    uri, nobody = f"{root.tiled.context.api_uri}?api_key={root.tiled.context.api_key}", f"tcp://127.0.0.1:{free_port()}"
    said = ainerd("reprocess", "--catalog", uri, "--model", "paper-v1", "--dask", nobody, cwd=tmp_path)
    assert said.returncode == 1
    assert f"no Dask scheduler answers at {nobody}" in said.stderr.replace("\n", " ")
    assert "Traceback" not in said.stderr
