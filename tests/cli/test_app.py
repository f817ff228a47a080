import os
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from ainerd_agent.cli.app import app

runner = CliRunner()


def test_help_names_the_commands():
    result = runner.invoke(app, ["--help"])
    assert result.exit_code == 0
    for command in ("demo", "serve", "ingest", "relate", "train"):
        assert command in result.output


def test_help_is_there_at_once():
    """Nothing heavy is imported for it."""
    code = "import sys; import ainerd_agent.cli.app; print(*sorted(sys.modules))"
    begun = time.perf_counter()
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "umap", "matplotlib", "tiled", "bluesky", "sklearn", "pandas"} & set(modules)
    assert time.perf_counter() - begun < 5


@pytest.mark.parametrize("shape", ["160", "160x", "ax9", "16x16", "0x100"])
def test_a_detector_that_is_no_shape_is_refused(shape, tmp_path):
    result = runner.invoke(app, ["demo", "--detector", shape, "--out", str(tmp_path / "s")])
    assert result.exit_code == 2
    assert "HEIGHTxWIDTH" in result.output
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["serve", "nowhere"], "nowhere holds no session"),
        (["ingest", "missing.npy"], "there is no file missing.npy"),
        (["relate", "missing.npz", "missing.csv"], "missing.npz"),
        (["ingest", "maps.npy", "--tiled", "http://127.0.0.1:9/api/v1"], "No Tiled server answers"),
    ],
)
def test_errors_are_one_line_without_a_traceback(arguments, message, tmp_path):
    import numpy as np

    np.save(tmp_path / "maps.npy", np.eye(16))
    code = "from ainerd_agent.cli import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "TILED_RETRY_TIMEOUT": "1"},
    )
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    (line,) = [line for line in result.stderr.splitlines() if line != "Retrying…"]  # which Tiled says
    assert line.startswith("ainerd: ")
    assert message in line
    assert [path.name for path in tmp_path.iterdir()] == ["maps.npy"]
