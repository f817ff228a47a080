"""The startup profile, its files run in order in one namespace as IPython and the queueserver do."""

import os
import subprocess
import sys

from tests.integration.conftest import ROOT

PROGRAM = """
import glob, runpy
namespace = {}
for path in sorted(glob.glob("profile/startup/*.py")):
    exec(compile(open(path).read(), path, "exec"), namespace)
RE, explore, detector = namespace["RE"], namespace["explore"], namespace["detector"]
namespace["call"] = None
RE(explore(6))
namespace["analysis"].drain()
namespace["raw_writer"].drain()
points = namespace["read_points"](namespace["catalog"])
print("points", len(points), points["seq_num"].nunique())
namespace["beamline"].close()
"""


def test_a_scan_from_the_profile_is_analysed(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env={**os.environ, "AINERD_SESSION": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert done.returncode == 0, done.stderr
    assert "points 108 6" in done.stdout
