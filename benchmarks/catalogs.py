"""Catalogs to be measured: made by the adapters of Tiled, on SQLite or PostgreSQL, and served by another process."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from measuring import timed
from numpy.typing import NDArray

from ainerd_agent.catalog import ModelIdentity, points_schema
from ainerd_agent.catalog.codec.columns import column_metadata
from ainerd_agent.catalog.codec.metadata import SUMMARY_COLUMNS, Summary, run_metadata
from ainerd_agent.catalog.provenance import credit
from ainerd_agent.catalog.schema import ANALYSES, ANALYSIS_SPEC, MAPS, MODEL_SPEC, POINTS, RAW
from ainerd_agent.records import Analysis, Bins, Fingerprints, Origin, Quality, Run, ShearStress

BINS, CLUSTERS, SIZE, LENGTH = 18, 6, 256, 64
MODEL = ModelIdentity(name="bench", weights_sha256="00" * 32, n_clusters=CLUSTERS)
START = 1_700_000_000.0
SAMPLES = 500
"""Different samples, so that a sample has a two-hundredth of the runs."""

_rng = np.random.default_rng(0)
_DIRECTIONS = _rng.standard_normal((8, LENGTH)).astype(np.float32)


@dataclass(frozen=True)
class Size:
    """How large a catalog is; without `tables` it has metadata only."""

    runs: int
    measurements: int
    tables: bool


AXES = {"x": "mm", "y": "mm"}


def points_of_run(number: int, measurements: int) -> pa.Table:
    """Points of a run, by chance; latents near eight directions."""
    rng = np.random.default_rng(number)
    n = measurements * BINS
    seq_num = np.repeat(np.arange(1, measurements + 1), BINS)
    latents = rng.standard_normal((n, 8), np.float32) @ _DIRECTIONS
    latents += 0.1 * rng.standard_normal((n, LENGTH), np.float32)
    values: dict[str, Any] = {
        "raw_uid": [uid_of(number)] * n,
        "stream": ["primary"] * n,
        "seq_num": seq_num,
        "last_seq_num": seq_num,
        "bin": np.tile(np.arange(1, BINS + 1), measurements),
        "time": START + 3600 * number + seq_num,
        "x": np.repeat(rng.uniform(0, 10, measurements), BINS),
        "y": np.repeat(rng.uniform(-5, 5, measurements), BINS),
        "cluster": rng.integers(0, CLUSTERS, n),
        "novelty": rng.gamma(2.0, 1.0, n),
        "shear_stress": np.repeat(rng.uniform(0, 5, measurements) + number % 1000, BINS),
        "tau": rng.lognormal(size=n),
        **{f"z{axis}": latents[:, axis] for axis in range(LENGTH)},
    }
    schema = points_schema(LENGTH)
    filler = rng.random(n)

    def column(field: pa.Field) -> pa.Array:
        if field.name in values:
            return pa.array(values[field.name], field.type)
        if pa.types.is_floating(field.type):
            return pa.array(filler, field.type)
        return pa.array([""] * n) if pa.types.is_string(field.type) else pa.nulls(n, field.type)

    return pa.table([column(field) for field in plain(schema)], schema=schema)


def plain(schema: pa.Schema) -> list[pa.Field]:
    """The columns of a schema."""
    return [schema.field(index) for index in range(len(schema))]


def uid_of(number: int) -> str:
    """Name of a run, as long as real ones."""
    return f"{number:08d}-0000-4000-8000-000000000000"


def metadata_of_run(number: int, points: pa.Table) -> dict[str, Any]:
    """As the writer gives them."""
    about = {"scan_id": number, "plan_name": "grid", "sample": f"sample {number % SAMPLES}"}
    run = Run(uid=uid_of(number), time=START + 3600 * number, **about)
    columns = {name: points[name].to_numpy(zero_copy_only=False) for name in (*SUMMARY_COLUMNS, *AXES)}
    made = credit([], len(set(columns["seq_num"])), START + 3600 * number)
    return run_metadata(run, MODEL, Summary(points=columns, status="success", axes=AXES, made=made))


async def fill(database: str, tables: str, folder: Path, size: Size) -> None:
    """Make the catalog."""
    from tiled.catalog import from_uri
    from tiled.structures.core import Spec
    from tiled.structures.data_source import DataSource
    from tiled.structures.table import TableStructure

    catalog = from_uri(
        database,
        writable_storage=[str(folder / "data"), tables],
        init_if_not_exists=True,
        storage_pool_size=1,
        storage_max_overflow=0,
    )
    await catalog.startup()
    for key in (RAW, MAPS, ANALYSES):
        await catalog.create_node(structure_family="container", metadata={}, key=key)
    models = await catalog.lookup_adapter([ANALYSES])
    about = {
        "model": MODEL.name,
        "weights_sha256": MODEL.weights_sha256,
        "n_clusters": CLUSTERS,
        "uid": str(time.time()),
    }
    model = await models.create_node(
        structure_family="container", metadata=about, key=MODEL.name, specs=[Spec(*MODEL_SPEC)]
    )
    structure = TableStructure.from_schema(points_schema(LENGTH))
    for number in range(size.runs):
        points = points_of_run(number, size.measurements)
        run = await model.create_node(
            structure_family="container",
            metadata=metadata_of_run(number, points),
            key=uid_of(number),
            specs=[Spec(*ANALYSIS_SPEC)],
        )
        if not size.tables:
            continue
        source = DataSource(
            structure=structure, structure_family="table", mimetype="application/x-tiled-sql-table", parameters={},
            management="writable",
        )  # fmt: skip
        table = await run.create_node(
            structure_family="table", metadata=column_metadata(points.schema), key=POINTS, data_sources=[source]
        )
        (await table.get_adapter()).append_partition(0, points)
    await catalog.shutdown()


@contextmanager
def served(program: list[str], ready: str) -> Iterator[None]:
    """A server in a process of its own."""
    process = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    host, port = re.findall(r"//([^:/]+):(\d+)", ready)[0]
    try:
        deadline = time.monotonic() + 60
        while True:
            with socket.socket() as probe:
                if probe.connect_ex((host, int(port))) == 0:
                    break
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the server did not start: {' '.join(program)}")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def on_sqlite(folder: Path, size: Size) -> Iterator[tuple[str, float]]:
    """A catalog on SQLite: its address, and how long it took to make."""
    database, tables = f"sqlite+aiosqlite:///{folder / 'catalog.db'}", f"sqlite:///{folder / 'tables.db'}"
    seconds = timed(lambda: asyncio.run(fill(database, tables, folder, size)))
    port = free_port()
    uri = f"http://127.0.0.1:{port}/api/v1?api_key=bench"
    command = "from ainerd_agent.cli import main; main()"
    with served([sys.executable, "-c", command, "serve", str(folder), "--port", str(port), "--api-key", "bench"], uri):
        yield uri, seconds


@contextmanager
def on_postgresql(address: str, folder: Path, size: Size) -> Iterator[tuple[str, float]]:
    """A catalog on PostgreSQL."""
    name = f"ainerd_benchmark_{size.runs}"
    database, tables = f"postgresql+asyncpg://{address}/{name}", f"postgresql://{address}/{name}"
    execute(address, f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}")
    try:
        seconds = timed(lambda: asyncio.run(fill(database, tables, folder, size)))
        execute(f"{address}/{name}", "ANALYZE")
        port = free_port()
        uri = f"http://127.0.0.1:{port}/api/v1?api_key=bench"
        arguments = {"uri": database, "writable_storage": [str(folder / "data"), tables]}
        config = {
            "authentication": {"single_user_api_key": "bench"},
            "trees": [{"path": "/", "tree": "catalog", "args": arguments}],
            "streaming_cache": {"uri": "memory"},
        }
        (folder / "config.yml").write_text(json.dumps(config))
        program = [sys.executable, "-m", "tiled", "serve", "config", str(folder / "config.yml"), "--port", str(port)]
        with served(program, uri):
            yield uri, seconds
    finally:
        execute(address, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def execute(address: str, *statements: str) -> None:
    """Statements of SQL, one by one and without a transaction."""
    import asyncpg

    async def run() -> None:
        user, host = address.split("@")
        place, _, database = host.partition("/")
        connection = await asyncpg.connect(
            user=user, host=place.split(":")[0], port=int(place.split(":")[1]), database=database or "postgres"
        )
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    asyncio.run(run())


def free_port() -> int:
    """A port that nobody uses."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def new_measurement(uid: str, seq_num: int) -> tuple[Fingerprints, Analysis]:
    """One measurement with its C2 stack."""
    rng = np.random.default_rng(seq_num)
    origin = Origin(raw_uid=uid, seq_num=seq_num, start=START + seq_num, stop=START + seq_num + 1, position={"x": 1.0})
    ones: NDArray[np.float64] = np.ones(BINS)
    fingerprints = Fingerprints(
        origin=origin,
        c2=rng.random((BINS, SIZE, SIZE), np.float32),
        bins=Bins(q=0.05 * ones, azimuth=np.arange(BINS) * 20.0, n_pixels=np.full(BINS, 3000)),
        duration=1.0,
        mean_counts=ones,
        contrast=ones,
        tau=ones,
        quality=Quality(snr=ones, bad_share=0.0, drift=0.0, problems=("",) * BINS),
        g2=rng.random((BINS, 50), np.float32),
        lags=np.arange(50.0),
    )
    latents = (rng.standard_normal((BINS, 8)) @ _DIRECTIONS).astype(np.float32)
    analysis = Analysis(
        origin=origin, latents=latents, cluster=rng.integers(0, CLUSTERS, BINS), centre_distance=ones, novelty=ones,
        reconstruction_error=ones, stress=ShearStress(5.0, 0.1, 0.0, 1.0, 10),
    )  # fmt: skip
    return fingerprints, analysis
