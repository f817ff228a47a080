"""How long after the last frame of an exposure its two-time maps are there, while the file is still being written.

    python benchmarks/latency.py [--quick] [--json FILE] [--markdown PAGE]

Two processes, as at a beamline. One writes a SWMR file at the pace of a detector: frames of 512 x 1536 pixels, one a
chunk, bitshuffle-LZ4, compressed beforehand as detectors do it, flushed as they come. The other follows the file with
`TwoTimeStream.follow` and makes the maps with `result`, then fits the relaxations. The clock starts when the last frame
is about to be flushed, and stops when the stack is there; it is `time.monotonic`, which processes of one machine share.
A shorter exposure is made before: it compiles.

With `--looks`, exposures are looked at while they go on, at 5, 10, 20, 40, 70 and 100 % of their frames (see
`look_latency.py`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
from measuring import machine, n_processors
from movies import LARGE, N_BINS, N_PIXELS, bins
from rich.console import Console
from tables import Row, Table, duration, write_figures

from ainerd_agent.scattering import HDF5Frames, Normalisation, TwoTimeStream
from ainerd_agent.scattering.correlation.g2 import smoothing_of
from ainerd_agent.scattering.fits.map_relaxations import fit_maps
from ainerd_agent.scattering.frames.growing import Following

DATASET = "entry/data"

KEPT = 0.9
"""Of the field, from one of the distinct frames to the next."""

DISTINCT = 100
"""Frames that differ; the file repeats them, there and back, so that they correlate throughout."""

FLUSH = 0.02
"""Seconds between two flushes."""

MUST = 1.0
"""Seconds after the last frame within which the maps must be there."""

PATIENCE = 60.0
"""Seconds without a frame, or a word from the other process, after which it is given up."""


def compressed(folder: Path) -> list[bytes]:
    """The chunks of distinct frames, 0.3 counts a pixel, of speckle that relaxes."""
    random = np.random.default_rng(0)
    field = random.standard_normal((2, *LARGE), dtype=np.float32)
    with h5py.File(folder / "chunks.h5", "w") as file:
        options = hdf5plugin.Bitshuffle(cname="lz4")
        stack = file.create_dataset(DATASET, (DISTINCT, *LARGE), "u2", chunks=(1, *LARGE), **options)
        for k in range(DISTINCT):
            field *= np.float32(KEPT)
            field += np.float32((1 - KEPT**2) ** 0.5) * random.standard_normal(field.shape, dtype=np.float32)
            stack[k] = random.poisson(0.15 * (field**2).sum(axis=0))
        return [stack.id.read_direct_chunk((k, 0, 0))[1] for k in range(DISTINCT)]


def write(folder: Path) -> None:
    """Be the detector: for each line of stdin, a path, a number of frames and a rate, write a movie.

    Says "open" when the file can be followed, and at the end, as JSON, when the last frame was flushed and how long
    the exposure took.
    """
    chunks = compressed(folder)
    order = [*range(DISTINCT), *range(DISTINCT - 2, 0, -1)]
    for line in sys.stdin:
        told = json.loads(line)
        n_frames, rate = told["n_frames"], told["rate"]
        with h5py.File(told["path"], "w", libver="latest") as file:
            options = {"maxshape": (None, *LARGE), "chunks": (1, *LARGE), **hdf5plugin.Bitshuffle(cname="lz4")}
            stack = file.create_dataset(DATASET, (0, *LARGE), "u2", **options)
            file.swmr_mode = True
            print("open", flush=True)
            written, start = 0, time.monotonic()
            last, flushed = start, []
            while written < n_frames:
                due = min(n_frames, int((time.monotonic() - start) * rate))
                if due > written:
                    stack.resize(due, axis=0)
                    for k in range(written, due):
                        stack.id.write_direct_chunk((k, 0, 0), chunks[order[k % len(order)]])
                    # Before the flush: a reader may see what it writes while it goes on.
                    last = time.monotonic()
                    stack.flush()
                    written = due
                    flushed.append((written, last))
                time.sleep(FLUSH)  # the pace of the detector
            print(json.dumps({"last": last, "exposure": last - start, "flushed": flushed}), flush=True)


@contextmanager
def detector(folder: Path) -> Any:
    """The writer in a process of its own, ended with the block."""
    command = [sys.executable, __file__, "--write", str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def begin(process: Any, path: Path, n_frames: int, rate: float) -> None:
    """Have the detector write a movie."""
    process.stdin.write(json.dumps({"path": str(path), "n_frames": n_frames, "rate": rate}) + "\n")
    process.stdin.flush()
    if process.stdout.readline().strip() != "open":
        raise RuntimeError("the writer ended")


def exposure(process: Any, path: Path, n_frames: int, rate: float) -> dict[str, float]:
    """Seconds from the last frame to the maps and to the fits, and what the exposure was."""
    begin(process, path, n_frames, rate)
    source = HDF5Frames(path, DATASET, stop=n_frames, following=Following(timeout=PATIENCE))
    stream = TwoTimeStream(bins(LARGE), n_frames, normalisation=Normalisation(bad_frames="detect"))
    stream.read(source)
    folded = time.monotonic()
    maps = stream.result()
    there = time.monotonic()
    fits = fit_maps(maps.c2, n_frames / rate, smoothing=smoothing_of(n_frames, 256, 1 / rate), filled=maps.filled)
    fitted = time.monotonic()
    told = json.loads(process.stdout.readline())
    path.unlink()
    return {
        "folded": folded - told["last"],
        "maps": there - told["last"],
        "maps and fits": fitted - told["last"],
        "fits": fitted - there,
        "frames/s": n_frames / told["exposure"],
        "fitted": float(np.isfinite(fits.tau).sum()),
    }


def measure(n_frames: int, rates: list[float], n: int) -> tuple[Table, dict[str, Any]]:
    """Several exposures at each rate."""
    table = Table(
        f"From the last frame in the file to {N_BINS} x 256 x 256 maps: {n} exposures of {n_frames:,} frames of "
        f"{LARGE[0]} x {LARGE[1]}, {N_PIXELS:,} pixels in bins",
        ["frames/s", "ready", "median", "worst", f"within {MUST:g} s"],
    )
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name, detector(Path(name)) as process:
        path = Path(name) / "movie.h5"
        exposure(process, path, n_frames // 5, rates[0])
        for rate in rates:
            each = [exposure(process, path, n_frames, rate) for _ in range(n)]
            reached = float(np.median([one["frames/s"] for one in each]))
            found[f"{rate:g}"] = each
            names = {"folded": "last frame is folded in", "maps": "maps", "maps and fits": "maps and fits"}
            for key, what in names.items():
                seconds = [one[key] for one in each]
                holds = f"{sum(second <= MUST for second in seconds)} of {n}"
                cells = [f"{reached:,.0f}", what, duration(float(np.median(seconds))), duration(max(seconds)), holds]
                table.add(Row(cells, strong=key != "folded"))
            alone = [one["fits"] for one in each]
            table.add(
                Row([f"{reached:,.0f}", "the fits alone", duration(float(np.median(alone))), duration(max(alone)), ""])
            )
    return table, found


def measure_looks(n_frames: int, rate: float, n: int) -> tuple[Table, dict[str, Any]]:
    """Several exposures that are looked at."""
    from look_latency import look_exposure, table_of

    from ainerd_agent.latent import Encoder
    from ainerd_agent.scattering.fingerprint import LIVE

    LIVE.warm_up()
    encoder = Encoder.load()
    with tempfile.TemporaryDirectory() as name, detector(Path(name)) as process:
        path = Path(name) / "movie.h5"

        def one(n_frames: int, number: int) -> dict[str, Any]:
            found = look_exposure(
                lambda: begin(process, path, n_frames, rate), lambda: json.loads(process.stdout.readline()), path,
                n_frames, rate, encoder, number,
            )  # fmt: skip
            path.unlink()
            return found

        one(max(1000, n_frames // 5), 1)
        each = [one(n_frames, number) for number in range(2, n + 2)]
    return table_of(each, n_frames), {"looks": each}


def main() -> None:
    """Measure, print the table, write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under a minute: 1,000 frames at one rate, 3 exposures")
    parser.add_argument("--frames", type=int, default=None, help="5,000 by default")
    parser.add_argument("--rates", nargs="+", type=float, default=None, help="frames/s, 500 and 1,000 by default")
    parser.add_argument("--exposures", type=int, default=None, help="7 by default")
    parser.add_argument("--looks", action="store_true", help="look at exposures while they go on, at 1,000 frames/s")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path, help="write the table, or put it into a page with a mark for it")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write is not None:
        write(options.write)
        return
    told = machine(n_processors())
    n_frames = options.frames or (1000 if options.quick else 5000)
    n = options.exposures or (3 if options.quick else 7)
    rates = options.rates or ([1000.0] if options.quick or options.looks else [500.0, 1000.0])
    table, found = measure_looks(n_frames, rates[0], n) if options.looks else measure(n_frames, rates, n)
    table.show()
    line = ", ".join(f"{key} {value}" for key, value in told.items())
    Console().print(f"Measured on: {line}", highlight=False)
    if options.json is not None:
        options.json.write_text(json.dumps({"machine": told, "exposures": found}, indent=1))
    if options.markdown is not None:
        write_figures(options.markdown, [f"Measured on: {line}.", table.markdown()])


if __name__ == "__main__":
    main()
