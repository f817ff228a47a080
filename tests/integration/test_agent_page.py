"""The examples of the page about agents, at the prompt of the profile as a reader has it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ainerd_agent.agent import ShortFirst, SpotAgent
from ainerd_agent.agent.lifecycle.restore import restored
from ainerd_agent.catalog import connect
from tests.integration.conftest import ROOT, serving
from tests.pages import HOW_TO, blocks_of

pytest.importorskip("bluesky_adaptive", reason="the extra adaptive is not installed")

PAGE = HOW_TO / "let-an-agent-measure.md"
PROGRAM = """
import glob, sys
namespace = {}
for path in sorted(glob.glob("profile/startup/*.py")):
    exec(compile(open(path).read(), path, "exec"), namespace)
exec(compile(sys.stdin.read(), "the page", "exec"), namespace)
namespace["beamline"].close()
print("restored:", type(namespace["agent"]).__name__)
"""


@pytest.mark.timeout(600)
def test_the_examples_run(tmp_path):
    examples = "\n".join(block.text for block in blocks_of(PAGE))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=examples,
        cwd=ROOT,
        env={**os.environ, "AINERD_SESSION": str(tmp_path), "AINERD_FRAMES": "50"},
        capture_output=True,
        text=True,
        timeout=590,
    )
    assert done.returncode == 0, done.stderr
    assert "restored: ShortFirst" in done.stdout
    with serving(tmp_path) as uri, connect(uri) as catalog:
        results = catalog.model("ages-v1")
        rows = results.suggestions().set_index("agent")
        assert rows.loc["adaptive", "event"].tolist().count("measured") == 4
        spot = rows.loc["spot"]
        assert set(zip(spot["x"], spot["y"], strict=True)) == {(1.2, 0.8)}
        assert spot["event"].tolist() == ["proposed", "measured"] * 4
        counts = rows.loc["brief"].query("event == 'measured'")["counting"].tolist()
        assert counts[:2] == [0.1, 0.3]
        assert len(counts) == 4
        assert isinstance(restored(results, "spot"), SpotAgent)
        assert isinstance(restored(results, "brief"), ShortFirst)
