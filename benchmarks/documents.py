"""What a document costs: time in the callback with many open runs, and memory over many measurements.

    python benchmarks/documents.py [--runs N] [--measurements N] [--quick] [--json FILE]

Runs are opened side by side, as where many simulated or short scans share a process, and events of all of them come in
turn. The callback here assembles measurements; their analysis is another matter (`latency.py`). Memory is that of the
process, after a garbage collection, while one run goes on and its measurements are let go.
"""

from __future__ import annotations

import gc
import json
import logging
import time
import uuid
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from event_model import compose_run
from measuring import machine, resident
from rich.console import Console
from rich.table import Table

from ainerd_agent.callbacks import Assembler
from ainerd_agent.settings import Settings

KEYS = {
    "detector": {"source": "d", "dtype": "array", "shape": [100, 512, 512], "external": "STREAM:"},
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

    def __init__(self) -> None:
        self.bundle = compose_run()
        self.stream = self.bundle.compose_descriptor(name="primary", data_keys=KEYS, configuration=CONFIGURATION)
        self.resource = self.bundle.compose_stream_resource(
            data_key="detector", mimetype="application/x-hdf5", uri="file://localhost/data/scan.h5",
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


def main(
    runs: Annotated[int, typer.Option(help="Runs that are open at once.")] = 10_000,
    measurements: Annotated[int, typer.Option(help="Measurements of one run.")] = 10_000,
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
