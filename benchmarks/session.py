"""How long a live session takes, and how soon after its exposure a measurement is in the catalog.

    python benchmarks/session.py [--quick] [--json FILE] [--repeats N]

Runs `ainerd demo` at its default size in a new folder each time and reads the catalog afterwards. "Analysed after" is
the time from the last frame of an exposure until the agent has learnt from it: C2 of 18 bins, encoding, writing to
Tiled, waiting for its turn. In the space-filling start nobody waits, so only later measurements count.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from ainerd_agent.catalog import TiledServer, connect


def session(folder: Path, *, quick: bool) -> dict[str, float]:
    """Run one session and measure it."""
    size = ["--measurements", "7", "--frames", "100"] if quick else []
    program = [sys.executable, "-c", "from ainerd_agent.cli import main; main()"]
    done = subprocess.run(
        [*program, "demo", "--out", str(folder), "--json", *size], capture_output=True, text=True, check=True
    )
    summary = json.loads(done.stdout.splitlines()[-1])
    with TiledServer(folder) as server:
        results = connect(server.uri)["ainerd"][summary["model"]]
        points = results[summary["raw_uid"]]["points"].read().groupby("seq_num").first()
        events = results["suggestions"].read()
        duration = float(connect(server.uri)["xpcs"][summary["raw_uid"]].metadata["duration"])
    learnt = events[events["event"] == "measured"].set_index("seq_num")["time"]
    waited = (learnt - points["time"] - duration).iloc[5:]
    scanned = points["time"].max() + duration - points["time"].min()
    return {
        "whole session (s)": summary["seconds"],
        "scan (s)": float(scanned),
        "per measurement (s)": float(scanned) / len(points),
        "analysed after, median (s)": float(np.median(waited)),
        "analysed after, longest (s)": float(waited.max()),
    }


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one small session")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = []
    for _ in range(1 if options.quick else options.repeats):
        with tempfile.TemporaryDirectory() as folder:
            found.append(session(Path(folder) / "session", quick=options.quick))
    median = {name: float(np.median([each[name] for each in found])) for name in found[0]}
    table = Table("figure", f"median of {len(found)}")
    for name, value in median.items():
        table.add_row(name, f"{value:.2f}")
    Console().print(table)
    Console().print(f"machine: {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    if options.json is not None:
        options.json.write_text(json.dumps({"median": median, "sessions": found}, indent=1))


if __name__ == "__main__":
    main()
