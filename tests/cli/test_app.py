import os
import subprocess
import sys
import time

import numpy as np
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


REFUSED = {
    "serve nowhere": "nowhere holds no session",
    "ingest missing.npy": "there is no file missing.npy",
    "relate missing.npz missing.csv": "missing.npz",
    "ingest maps.npy --tiled http://127.0.0.1:9/api/v1": "No Tiled server answers",
}
"""Command lines, and what is said about each."""


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    """What each of these command lines writes to its stderr, its status, and the folder they ran in.

    In one process, as most of the seconds of each go to imports.
    """
    folder = tmp_path_factory.mktemp("refused")
    np.save(folder / "maps.npy", np.eye(16))
    code = (
        "import json, sys\n"
        "from ainerd_agent.cli import main\n"
        "for line in sys.argv[1:]:\n"
        "    sys.argv = ['ainerd', *line.split()]\n"
        "    status = 'none'\n"
        "    try:\n"
        "        main()\n"
        "    except SystemExit as end:\n"
        "        status = end.code\n"
        "    print('ended with', status, file=sys.stderr, flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *REFUSED],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "TILED_RETRY_TIMEOUT": "1"},
    )
    assert done.returncode == 0, done.stderr
    said = done.stderr.split("ended with 1\n")
    assert len(said) == len(REFUSED) + 1, done.stderr
    assert said[-1] == "", "nothing is said at the end of the process"
    return dict(zip(REFUSED, said, strict=False)), folder


@pytest.mark.parametrize("line", REFUSED)
def test_errors_are_one_line_without_a_traceback(refused, line):
    said, folder = refused
    assert "Traceback" not in said[line]
    (only,) = [each for each in said[line].splitlines() if each != "Retrying…"]  # which Tiled says
    assert only.startswith("ainerd: ")
    assert REFUSED[line] in only
    assert [path.name for path in folder.iterdir()] == ["maps.npy"]


def test_find_names_every_kind_of_dynamics():
    from ainerd_agent.records.analysis import KINDS, UNKNOWN

    help_text = CliRunner().invoke(app, ["find", "points", "--help"], env={"COLUMNS": "200"}).output
    assert all(kind in help_text for kind in (*KINDS, UNKNOWN))
