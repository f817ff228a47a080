"""How long a look at a running exposure takes, at each of the usual shares of its planned count.

    python benchmarks/looks.py [--quick] [--json FILE]

The movie of `benchmarks/two_time.py`: 18 bins of 3,055 pixels, 5,000 frames, one photon a pixel, in memory. The stream
is that of a live analysis: rings a pixel wide, bad frames and pixels detected, sixteen ages in eight groups. It takes
250 frames at a time. `look` is `TwoTimeStream.look` and the record made of it; the peer is `result`, which makes the
maps of the whole movie, by the same sums. Looks are repeated between two blocks, as a look changes nothing; `process`
is the time of the processors, of all threads together, which tells how busy the machine was.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measuring import machine, n_processors
from movies import SMALL, bins, write_movie
from numpy.typing import NDArray
from tables import Row, Table, duration

from ainerd_agent.records import Bins, Measurement, Origin, look_frames
from ainerd_agent.scattering import ArrayFrames, TwoTimeStream, live_look
from ainerd_agent.scattering.fingerprint import LIVE
from ainerd_agent.scattering.geometry.partition import Partition

MUST = 0.040
"""Seconds that 95 % of the looks must take at most."""

BLOCK = 250
"""Frames that are added at a time."""


def partition() -> Partition:
    """The bins, and rings that are a pixel wide."""
    labels = bins(SMALL)
    y, x = np.indices(SMALL)
    rings = np.hypot(y - (SMALL[0] - 1) / 2, x - (SMALL[1] - 1) / 2).astype(np.int64)
    n_pixels = np.bincount(labels.ravel())[1:]
    known = Bins(q=np.full(len(n_pixels), np.nan), azimuth=np.arange(0.0, 360.0, 20.0), n_pixels=n_pixels)
    return Partition(labels, rings, known)


def measured(work: Callable[[], object], repeats: int) -> dict[str, Any]:
    """Seconds of each call, by the clock and of the processors."""
    wall, process = [], []
    for _ in range(repeats):
        begun, used = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - begun)
        process.append(time.process_time() - used)
    return {"wall": wall, "process": process}


def run(frames: NDArray[np.uint16], repeats: int) -> dict[str, dict[str, Any]]:
    """Look at each of the usual shares of a movie, then make its result, which can be had only once a movie."""
    parts = partition()
    exposure = Measurement(
        origin=Origin(raw_uid="benchmark", seq_num=1, start=0.0, stop=5.0), frames=ArrayFrames(frames), frame_time=0.001
    )
    found: dict[str, dict[str, Any]] = {}
    stream = new_stream(parts, len(frames))
    for number, stop in enumerate(look_frames(len(frames)), 1):
        for start in range(stream.n_added, stop, BLOCK):
            stream.add(frames[start : min(start + BLOCK, stop)])

        def look(number: int = number, stream: TwoTimeStream = stream) -> object:
            return live_look(stream.look(), exposure, parts.bins, number)

        look()
        found[f"look at {stop / len(frames):.0%}"] = measured(look, repeats)
    results = [measured(stream.result, 1)]
    for _ in range(max(1, repeats // 10)):
        stream = new_stream(parts, len(frames))
        for start in range(0, len(frames), BLOCK):
            stream.add(frames[start : start + BLOCK])
        results.append(measured(stream.result, 1))
    found["result"] = {key: [each[key][0] for each in results] for key in ("wall", "process")}
    return found


def new_stream(parts: Partition, n_frames: int) -> TwoTimeStream:
    """The stream of a live analysis."""
    return LIVE.stream(parts, n_frames, None)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="20 looks at each share, not 100")
    parser.add_argument("--json", type=Path, help="write the seconds of each call there")
    arguments = parser.parse_args()
    LIVE.warm_up()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "movie.npy"
        write_movie(path, 5000)
        found = run(np.load(path), 20 if arguments.quick else 100)
    table = Table(
        f"18 bins, 54,990 pixels, 5,000 frames; looks must take {duration(MUST)} at most (p95)",
        ["what", "median", "p95", "process, median", "beside result", "held"],
    )
    reference = float(np.median(found["result"]["wall"]))
    for name, seconds in found.items():
        median, p95 = np.median(seconds["wall"]), np.quantile(seconds["wall"], 0.95)
        held = "" if name == "result" else "yes" if p95 <= MUST else "no"
        used = duration(float(np.median(seconds["process"])))
        table.add(Row([name, duration(median), duration(p95), used, f"{median / reference:.2f} x", held]))
    table.show()
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({"machine": machine(n_processors()), "seconds": found}, indent=1))


if __name__ == "__main__":
    main()
