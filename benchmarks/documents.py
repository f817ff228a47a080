"""What a document costs: time in the callback with many open runs, and memory over many measurements.

    python benchmarks/documents.py [--runs N] [--measurements N] [--analysis] [--quick] [--json FILE]

Runs are opened side by side, as where many simulated or short scans share a process, and events of all of them come in
turn. The callback here assembles measurements; their analysis is another matter (`latency.py`). Memory is that of the
process, after a garbage collection, while one run goes on and its measurements are let go.

With `--analysis`, memory is also told for the whole `AnalysisCallback` in one long run: small frames are read from a
file, correlated to small maps of two bins, encoded and compared with the atlas, and one measurement in 50 fails, since
its frames are broken. The atlas keeps the latents of what it has seen, up to a limit; their bytes are told apart.
"""

from __future__ import annotations

import ctypes
import gc
import json
import logging
import time
import uuid
from collections import Counter
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import h5py
import numpy as np
import typer
from event_model import compose_run
from measuring import machine, resident
from rich.console import Console
from rich.table import Table

from ainerd_agent.callbacks import AnalysisCallback, Assembler
from ainerd_agent.latent import Analyst, Encoder
from ainerd_agent.records import Analysis, Bins, Fingerprints
from ainerd_agent.records import Run as RunRecord
from ainerd_agent.scattering import TwoTimeOptions
from ainerd_agent.scattering.geometry.partition import Partition
from ainerd_agent.settings import Settings

BROKEN = 50
"""One in so many movies is broken."""

KEYS = {
    "detector": {"source": "d", "dtype": "array", "external": "STREAM:"},
    "stage-x": {"source": "x", "dtype": "number", "shape": [], "units": "mm"},
    "oven-temperature": {"source": "t", "dtype": "number", "shape": [], "units": "degC"},
}
CONFIGURATION = {
    "detector": {
        "data": {"detector-frame_time": 0.001},
        "timestamps": {"detector-frame_time": 0.0},
        "data_keys": {"detector-frame_time": {"source": "d", "dtype": "number", "shape": [], "units": "s"}},
    }
}


class Run:
    """Documents of one run, one measurement after the other."""

    def __init__(
        self, uri: str = "file://localhost/data/scan.h5", shape: tuple[int, int, int] = (100, 512, 512)
    ) -> None:
        keys = KEYS | {"detector": KEYS["detector"] | {"shape": list(shape)}}
        self.bundle = compose_run()
        self.stream = self.bundle.compose_descriptor(name="primary", data_keys=keys, configuration=CONFIGURATION)
        self.resource = self.bundle.compose_stream_resource(
            data_key="detector", mimetype="application/x-hdf5", uri=uri,
            parameters={"dataset": "/entry/data/data"},
        )  # fmt: skip
        self.n = 0

    def beginning(self) -> list[tuple[str, Any]]:
        """Until the first measurement."""
        return [
            ("start", self.bundle.start_doc), ("descriptor", self.stream.descriptor_doc),
            ("stream_resource", self.resource.stream_resource_doc),
        ]  # fmt: skip

    def measurement(self) -> list[tuple[str, Any]]:
        """The documents of the next one."""
        self.n += 1
        rows, numbers = {"start": self.n - 1, "stop": self.n}, {"start": self.n, "stop": self.n + 1}
        now = self.bundle.start_doc["time"] + self.n
        data = {"stage-x": float(self.n), "oven-temperature": 20.0}
        datum = self.resource.compose_stream_datum(
            indices=rows, seq_nums=numbers, descriptor=self.stream.descriptor_doc
        )
        event = {
            "uid": str(uuid.uuid4()), "time": now, "data": data, "timestamps": dict.fromkeys(data, now),
            "seq_num": self.n, "filled": {}, "descriptor": self.stream.descriptor_doc["uid"],
        }  # fmt: skip
        return [("stream_datum", datum), ("event", event)]


def times_with_open_runs(n_runs: int, n_documents: int) -> np.ndarray:
    """Seconds of each document while so many runs are open."""
    assembler = Assembler(Settings())
    runs = [Run() for _ in range(n_runs)]
    for run in runs:
        for name, doc in run.beginning():
            list(assembler.feed(name, doc))
    taken = []
    for k in range(n_documents // 2):
        for name, doc in runs[(k * 7919) % n_runs].measurement():
            start = time.perf_counter()
            list(assembler.feed(name, doc))
            taken.append(time.perf_counter() - start)
    return np.array(taken)


def bytes_each(n_measurements: int) -> float:
    """What a measurement leaves behind in the memory of the assembler."""
    assembler, run = Assembler(Settings()), Run()
    for name, doc in run.beginning():
        list(assembler.feed(name, doc))

    def measure(n: int) -> float:
        for _ in range(n):
            for name, doc in run.measurement():
                list(assembler.feed(name, doc))
        gc.collect()
        return resident()

    before = measure(2_000)
    return (measure(n_measurements) - before) / n_measurements


class Forgetful:
    """Takes results as a catalog does, and keeps nothing."""

    def open_run(self, run: RunRecord) -> None:
        """Nothing is begun."""

    def append(self, raw_uid: str, fingerprints: list[Fingerprints], analyses: list[Analysis]) -> None:
        """Nothing is written."""

    def replace(self, raw_uid: str, fingerprints: list[Fingerprints], analyses: list[Analysis]) -> None:
        """Nothing is written."""

    def record_failure(
        self, raw_uid: str, seq_num: int, message: str, *, stream: str = "primary", last_seq_num: int = 0
    ) -> None:
        """Nothing is noted."""

    def close_run(self, raw_uid: str, status: str) -> None:
        """Nothing is ended."""


def write_movies(path: Path, n: int, shape: tuple[int, int, int]) -> None:
    """Write movies one after the other; of every 50th, one frame is not a number."""
    random = np.random.default_rng(5)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("/entry/data/data", (n * shape[0], *shape[1:]), np.float32, chunks=shape)
        for k in range(n):
            movie = random.poisson(20, shape).astype(np.float32)
            if k % BROKEN == BROKEN - 1:
                movie[7, 3, 4] = np.nan
            data[k * shape[0] : (k + 1) * shape[0]] = movie


def analysis_memory(n_measurements: int) -> dict[str, float]:
    """Bytes that a measurement leaves behind in an AnalysisCallback, after the first fifth of so many."""
    shape = (32, 16, 16)
    labels = np.repeat(np.array([1, 2], np.int32), 8 * 16).reshape(16, 16)
    bins = Bins(q=np.full(2, 0.02), azimuth=np.array([90.0, 270.0]), n_pixels=np.array([128, 128]))
    partition = Partition(labels, labels, bins)
    analyst, told = Analyst(Encoder.load()), Counter[str]()
    callback = AnalysisCallback(
        Assembler(Settings()), lambda _: partition, analyst, Forgetful(), options=TwoTimeOptions(size=64),
        on_outcome=lambda outcome: told.update([type(outcome).__name__]),
    )  # fmt: skip
    with TemporaryDirectory() as folder:
        path = Path(folder) / "scan.h5"
        write_movies(path, n_measurements, shape)
        run = Run(f"file://localhost{path}", shape)
        for name, doc in run.beginning():
            callback(name, doc)
        measured, memory = [], []
        for k in range(1, n_measurements + 1):
            for name, doc in run.measurement():
                callback(name, doc)
            if k % (n_measurements // 10) == 0 and k >= n_measurements // 5:
                measured.append(k)
                memory.append(settled_memory())
    slope = float(np.polyfit(measured, memory, 1)[0])
    return {
        "analysed": told["Analysis"],
        "failed": told["Failure"],
        "memory of the whole analysis (bytes a measurement)": slope,
        "of these latents in the atlas (bytes a measurement)": 4.0 * 64 * len(analyst.atlas) / n_measurements,
        "memory before (MB)": memory[0] / 1e6,
        "memory after (MB)": memory[-1] / 1e6,
    }


def settled_memory() -> int:
    """Memory of the process, when what was let go has been given back to the system."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    return resident()


def main(
    runs: Annotated[int, typer.Option(help="Runs that are open at once.")] = 10_000,
    measurements: Annotated[int, typer.Option(help="Measurements of one run.")] = 10_000,
    analysis: Annotated[bool, typer.Option("--analysis", help="The memory of the whole analysis as well.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="A tenth of both.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to a file.")] = None,
) -> None:
    """Print the figures."""
    logging.disable(logging.WARNING)
    if quick:
        runs, measurements = runs // 10, measurements // 10
    taken = 1e3 * times_with_open_runs(runs, 20_000 if not quick else 4_000)
    figures = {
        "open runs": runs,
        "median (ms a document)": float(np.median(taken)),
        "99 % (ms a document)": float(np.percentile(taken, 99)),
        "worst (ms a document)": float(taken.max()),
        "measurements": measurements,
        "memory (bytes a measurement)": bytes_each(measurements),
    }
    if analysis:
        figures |= analysis_memory(measurements)
    table = Table("figure", "value", title="Documents in the callback")
    for name, value in figures.items():
        table.add_row(name, f"{value:,.3g}" if isinstance(value, float) else f"{value:,}")
    console = Console()
    console.print(table)
    about = machine(1)
    console.print("Measured on: " + ", ".join(f"{name} {value}" for name, value in about.items()))
    if json_file is not None:
        json_file.write_text(json.dumps({"machine": about, **figures}))


if __name__ == "__main__":
    typer.run(main)
