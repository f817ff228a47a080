"""Every line of the page with questions to the catalog, asked of a session and of runs for which there is an answer."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from ainerd_agent.catalog import ModelIdentity, TiledServer, connect
from ainerd_agent.catalog.codec.columns import latent_columns
from ainerd_agent.cli.app import app
from ainerd_agent.errors import ModelError
from tests.integration.derived_runs import N_BINS, START, write_run
from tests.pages import HOW_TO, blocks_of, run_block

PAGE = HOW_TO / "questions-to-ask-your-catalog.md"

WEIGHTS = "ages-v1"
"""The model that the page names."""

pytestmark = [
    # Tiled 0.2.20 calls websockets in a way that version 17 discourages.
    pytest.mark.filterwarnings(r"ignore:connect\(\) must be used:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A session of the simulated beamline, and two runs with results that are chosen."""
    from ainerd_agent.instrument.experiment import simulated_experiment
    from ainerd_agent.latent import Encoder
    from ainerd_agent.settings import Settings
    from ainerd_agent.workflows.session import Listeners, SessionOptions, run_session

    folder = tmp_path_factory.mktemp("session")
    options = SessionOptions(measurements=2, frames=32, folder=folder, seed=0, detector=(96, 96))
    experiment = simulated_experiment(options.detector, frames=options.frames, seed=options.seed)
    with TiledServer(folder) as server:
        root = connect(server.uri, create=True)
        run_session(root, options, experiment, Settings(model=Path(WEIGHTS)), Listeners())
        encoder = Encoder.load(WEIGHTS)
        model = ModelIdentity(name=encoder.name, weights_sha256=encoder.weights_sha256, n_clusters=6)
        latents = np.random.default_rng(0).random((N_BINS, 64), np.float32)
        for name, about in (("glass-1", {}), ("glass-2", {"novelty": 50.0})):
            chosen = {"clusters": (0, 0, 2), "stress": 15.0, "novelty": 8.0, "x": 1.5, "latents": latents, **about}
            write_run(root.writer(model), name, [chosen], sample="simulated glass", start=START)
        root.close()
        yield server.uri


def test_lines_of_python(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("AINERD_MODEL", raising=False)
    names: dict[str, Any] = {}
    n_answers = 0
    for block in blocks_of(PAGE):
        text = block.text.replace("http://127.0.0.1:8000/api/v1?api_key=...", uri)
        for line, answer in run_block(block, names, text):
            if line != "live.close()":
                n_answers += 1
                assert np.size(answer) if isinstance(answer, np.ndarray) else answer is not None, line
                if isinstance(answer, pd.DataFrame | list | dict) or hasattr(answer, "search"):
                    assert len(answer), line
    assert n_answers > 40
    frames = names["model"].run(names["raw"].metadata["start"]["uid"]).explain(1, 1)["frames"]
    assert frames["files"][0]["file"].endswith(".h5")
    names["catalog"].close()


def test_lines_of_the_command_line(uri: str, tmp_path: Path) -> None:
    lines = [line for block in blocks_of(PAGE, "sh") for line in block.text.splitlines()]
    assert len(lines) > 12
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "ainerd"
        result = CliRunner().invoke(
            app, [*arguments, "--catalog", uri], env={"XDG_CACHE_HOME": str(tmp_path), "COLUMNS": "160"}
        )
        assert result.exception is None, (line, result.exception)
        assert "\n0 found" not in f"\n{result.stdout}", line
        assert result.stdout.count("\n") > 1, line


def test_clusters_follow_the_archive(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ainerd_agent.latent import Encoder

    monkeypatch.setenv("AINERD_MODEL", WEIGHTS)
    own = tmp_path / "autumn.safetensors"
    arguments = [
        "clusters",
        "--catalog",
        uri,
        "--model",
        WEIGHTS,
        "--largest",
        "4",
        "--seeds",
        "3",
        "--refit",
        str(own),
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exception is None, result.exception
    assert "chosen:" in result.stdout
    old, new = Encoder.load(WEIGHTS), Encoder.load(own)
    assert new.name == "autumn"
    assert new.clusters.centres.shape == old.clusters.centres.shape
    assert not np.array_equal(new.clusters.centres, old.clusters.centres)
    monkeypatch.setenv("AINERD_MODEL", str(own))
    again = CliRunner().invoke(app, ["reprocess", "--catalog", uri])
    assert again.exception is None, again.exception
    root = connect(uri)
    before, after = (root.points(name) for name in (WEIGHTS, "autumn"))
    order = ["raw_uid", "seq_num", "bin"]
    before = before[before["raw_uid"].isin(after["raw_uid"])].sort_values(order)
    after = after.sort_values(order)
    assert len(after) == len(before) > 0
    np.testing.assert_array_equal(
        after["cluster"], new.clusters.predict(after[latent_columns(after)].to_numpy("float32"))[0]
    )
    root.close()
    taken = CliRunner().invoke(app, [*arguments[:-1], str(tmp_path / f"{WEIGHTS}.safetensors")])
    assert isinstance(taken.exception, ModelError)
