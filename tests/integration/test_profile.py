"""The startup profile, its files run in order in one namespace as IPython and the queueserver do."""

import os
import subprocess
import sys

from tiled.queries import Key

from tests.integration.conftest import ROOT, client_of, serving

PROGRAM = """
import glob
namespace = {}
for path in sorted(glob.glob("profile/startup/*.py")):
    exec(compile(open(path).read(), path, "exec"), namespace)
RE, explore, detector = namespace["RE"], namespace["explore"], namespace["detector"]
RE(explore(3))
namespace["beamline"].close()
"""


def test_a_scan_from_the_profile_is_analysed(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env={
            **os.environ,
            "AINERD_SESSION": str(tmp_path),
            "AINERD_FRAMES": "60",
            "AINERD_AGENT__X": "[1.0, 1.5]",
            "AINERD_AGENT__Y": "[2.0, 2.5]",
        },
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    # The interpreter ended right after the scan; nothing that was queued is lost.
    with serving(tmp_path) as uri, client_of(uri) as client:
        (raw,) = client["raw"].values()
        assert raw.metadata["stop"]["exit_status"] == "success"
        (run,) = client["ainerd"]["ages-v1"].search(Key("status") == "success").values()
        points = run["points"].read()
        assert len(points) == 54
        # The agent is the one of the settings, which the profile passed over.
        assert points["x"].between(1.0, 1.5).all()
        assert points["y"].between(2.0, 2.5).all()
