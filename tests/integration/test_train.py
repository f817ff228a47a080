import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from ainerd_agent.cli.app import app
from ainerd_agent.errors import ModelError
from ainerd_agent.latent import Encoder
from tests.integration.conftest import ainerd


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Noisy maps of ten experiments."""
    rng = np.random.default_rng(0)
    lag = np.abs(np.subtract.outer(np.arange(20), np.arange(20)))
    clean = np.stack([1 + np.exp(-lag / tau) for tau in np.repeat(np.geomspace(1, 20, 10), 5)])
    path = tmp_path_factory.mktemp("real") / "real.npz"
    is_mean = np.tile([False] * 4 + [True], 10)
    noise = rng.normal(0, 0.1, clean.shape) * ~is_mean[:, None, None]
    np.savez(path, c2=clean + noise, series=np.repeat(np.arange(10), 5), roi=np.zeros(50), is_mean=is_mean,
             window=np.tile([0, 1, 2, 3, -1], 10))  # fmt: skip
    return path


def run(*arguments):
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output


def test_a_model_is_trained_refined_and_evaluated(real, tmp_path, monkeypatch):
    # A small set is learnt in fewer steps; what the usual number comes to is on the card of the shipped model.
    monkeypatch.setattr("ainerd_agent.workflows.train.CONTRAST_STEPS", 300)
    monkeypatch.setattr("ainerd_agent.workflows.train.CONTRAST_STEPS_TO_REFINE", 60)
    out = tmp_path / "small.safetensors"
    run("train", str(out), "--architecture", "lag", "--simulated", "20", "--clusters", "3", "--real", str(real),
        "--contrast", "1")  # fmt: skip
    card = json.loads(out.with_suffix(".json").read_text())
    assert card["n_real"] == 36  # one of the ten experiments is kept apart, means are not learnt from
    encoder = Encoder.load(out)
    assert (encoder.name, encoder.architecture, len(encoder.clusters)) == ("small", "lag", 3)
    assert encoder.familiarity is not None
    assert card["weights_sha256"] == encoder.weights_sha256

    refined = tmp_path / "refined.safetensors"
    run("train", str(refined), "--from", str(out), "--simulated", "5", "--clusters", "3", "--real", str(real),
        "--contrast", "1")  # fmt: skip
    assert json.loads(refined.with_suffix(".json").read_text())["from"] == str(out)

    run("evaluate", str(refined), "--real", str(real), "--every-series", "--contrast", "1", "--simulated", "40",
        "--pairs", "1", "--write", "--json", str(tmp_path / "figures.json"))  # fmt: skip
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["retrieval_groups"] == 10
    assert figures["retrieval"] > 0.2
    assert 0 <= figures["false_alarms_real"] <= 1
    assert json.loads(refined.with_suffix(".json").read_text())["figures"]["retrieval_groups"] == 10


def test_the_papers_architecture_goes_on_after_a_kill(tmp_path):
    out = tmp_path / "paper.safetensors"
    arguments = ["train", str(out), "--architecture", "paper", "--simulated", "40", "--epochs", "2", "--clusters", "3"]
    program = [sys.executable, "-u", "-c", "from ainerd_agent.cli import main; main()"]
    with subprocess.Popen([*program, *arguments], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = next((line for line in process.stderr if "epoch 1/2" in line), "")
        os.kill(process.pid, signal.SIGKILL)
    assert said
    assert not out.exists()
    done = ainerd(*arguments, "--resume")
    assert done.returncode == 0, done.stderr
    assert "epoch 1/2" not in done.stderr
    epochs = json.loads(out.with_suffix(".json").read_text())["epochs"]
    assert [epoch["number"] for epoch in epochs] == [1, 2]
    assert Encoder.load(out).architecture == "paper"


def test_what_cannot_be_trained_is_said(real, tmp_path):
    out = tmp_path / "model.safetensors"
    cases = [
        (["--resume"], "no checkpoint"),
        (["--from", "nobody"], "no model at nobody"),
        (["--architecture", "lag", "--simulated", "0"], "nothing to learn from"),
    ]
    for options, message in cases:
        with pytest.raises(ModelError, match=message):
            CliRunner().invoke(app, ["train", str(out), *options], catch_exceptions=False)
