"""The catalog as it grows: questions, similar points, and the live append of a measurement.

    python benchmarks/catalog.py [--runs 100 1000 10000] [--postgresql USER@HOST:PORT] [--index N] [--quick]
                                 [--without-points] [--earlier FILE ...] [--json FILE] [--markdown PAGE]

For each number of runs, a catalog is made on SQLite, and on a PostgreSQL server on which a database may be created and
dropped. Runs are put into it by Tiled's own adapters, without a server, because that is faster; their metadata are
those that the writer gives. Then it is served by a process of its own (`ainerd serve`, or `tiled serve config`), and
asked over HTTP from this one. The index of similar points is measured by itself as well, with `--index` points.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from catalogs import BINS, LENGTH, MODEL, START, Size, new_measurement, on_postgresql, on_sqlite, points_of_run, uid_of
from measuring import machine, n_processors, resident, timed
from rich.console import Console
from tables import Row, Table, duration, write_figures
from tables import size as memory

from ainerd_agent.catalog import connect
from ainerd_agent.catalog.read.point_cache import PointFiles
from ainerd_agent.catalog.read.similar import PointIndex, open_index
from ainerd_agent.records import Run

REPEATS = 15
MUST = {"query": 0.2, "latest": 0.2, "similar": 1.0, "append": 0.25}
"""Seconds."""


def index_alone(n: int, folder: Path) -> dict[str, list[float]]:
    """The index of so many points, put into its files as a sync does, and opened by what could be another process."""
    files = PointFiles(folder, ["benchmark"])
    # Latents of 50 runs again and again, each time a little elsewhere: 10,000 tables would take longer to make.
    run = points_of_run(0, 56).to_pandas()
    rng = np.random.default_rng(1)
    latents = [f"z{axis}" for axis in range(LENGTH)]
    with files.alone():
        files.catch_up()
        number = 0
        while len(files) < n:
            tables = []
            for _ in range(200):
                moved = run[latents].to_numpy() + 0.1 * rng.standard_normal((len(run), LENGTH), np.float32)
                tables.append(run.assign(raw_uid=uid_of(number), **dict(zip(latents, moved.T, strict=True))))
                number += 1
            files.add(tables, [], START)
    index = PointIndex(PointFiles(folder, ["benchmark"]))
    files = index._files
    opened = timed(lambda: (files.catch_up(), files.measurements()))
    queries = files.latents(slice(0, None, max(1, len(files) // 50)))[:50]
    first = timed(lambda: index.nearest(queries[0], 20))
    few = run.assign(raw_uid=uid_of(0), seq_num=1000)[:BINS]
    added = [timed(lambda: files.add([few], [], START)) for _ in range(REPEATS)]
    index.nearest(queries[0], 20)
    return {
        "points": [float(len(files))],
        "opening": [opened],
        "first": [first],
        "search": [timed(lambda q=query: index.nearest(q, 20)) for query in queries],
        "add": added,
        "memory": [float(resident())],
    }


def index_table(found: dict[str, list[float]]) -> Table:
    """What a search costs, and what comes before it."""
    table = Table(f"Index of {found['points'][0]:,.0f} points", ["", "median", "worst", "limit"])
    for key, name in {
        "search": "20 similar points",
        "add": "18 points more, on disk",
        "opening": "opening the files",
        "first": "first search: all latents are read",
    }.items():
        limit = f"{duration(MUST['similar'])}: {'met' if max(found[key]) < 1 else 'missed'}" if key == "search" else ""
        table.add(
            Row([name, duration(float(np.median(found[key]))), duration(max(found[key])), limit], key == "search")
        )
    table.add(Row(["memory of the process", memory(found["memory"][0]), "", ""]))
    return table


def repeated(work: Callable[[], Any]) -> list[float]:
    """Seconds of each of `REPEATS` calls, after one that does not count."""
    work()
    return [timed(work) for _ in range(REPEATS)]


def ask(uri: str, size: Size, folder: Path) -> dict[str, Any]:
    """All questions to a catalog that is served."""
    root = connect(uri)
    model = root["ainerd", MODEL.name]
    low = float(min(size.runs, 1000)) / 2
    twenty = {"sample": "sample 3"}
    found = {
        "query": repeated(lambda: model.find(**twenty).to_frame()),
        "range": repeated(lambda: model.find(stress=(low, low + 1)).keys()[:20]),
        "share": repeated(lambda: model.find(cluster=2, share=(0.16, 0.17)).keys()[:20]),
        "latest": repeated(lambda: model.to_frame(latest=100)),
    }
    index, point = open_index(model, folder), (uid_of(size.runs // 2), 1, 1)
    if size.tables:
        found["novel"] = repeated(lambda: model.novel(20))
        found["first sync"] = [timed(lambda: index.sync(model))]
        found["first similar"] = [timed(lambda: index.similar(point, 20, model=model))]
        found["nothing new"] = repeated(lambda: index.sync(model))
    writer = root.writer(MODEL)
    uid = "live"
    writer.open_run(Run(uid=uid, time=START + 1e8, sample="live"))
    appends, syncs = [], []
    for seq_num in range(1, REPEATS + 6):
        fingerprints, analysis = new_measurement(uid, seq_num)
        appends.append(timed(lambda f=fingerprints, a=analysis: writer.append(uid, [f], [a])))
        if size.tables:
            syncs.append(timed(lambda: index.sync(model)))
    found["append"] = appends[5:]  # the first ones create the run
    if size.tables:
        found["sync of one"] = syncs[5:]
        found["similar"] = repeated(lambda: index.similar(point, 20, model=model))
    root.close()
    return {"runs": size.runs, "points": size.runs * size.measurements * BINS * size.tables, **found}


NAMES = {
    "query": "runs of a sample, as a table",
    "range": "20 runs by stress",
    "share": "20 runs by share of a cluster",
    "latest": "latest 100 runs, as a table",
    "novel": "20 most novel points",
    "similar": "20 similar points, with a sync",
    "nothing new": "sync, nothing new",
    "sync of one": "sync, 18 new points",
    "append": "append of 18 rows and C2",
    "first sync": "first sync of all points",
    "first similar": "first search after it",
}
LIMITS = {
    "query": "query",
    "range": "query",
    "share": "query",
    "latest": "latest",
    "similar": "similar",
    "append": "append",
}


def table_of(backend: str, results: list[dict[str, Any]]) -> Table:
    """Medians, and the worst in brackets."""
    sizes = [f"{result['runs']:,} runs, {result['points']:,} points" for result in results]
    table = Table(backend, ["", *sizes, "limit"])
    for key, name in NAMES.items():
        cells = [name]
        for result in results:
            if not (seconds := result.get(key)):
                cells.append("")
                continue
            worst = f" ({duration(max(seconds))})" if len(seconds) > 1 else ""
            cells.append(duration(float(np.median(seconds))) + worst)
        limit = MUST.get(LIMITS.get(key, ""))
        medians = [np.median(result[key]) for result in results if result.get(key)]
        if limit is None or not medians:
            cells.append("")
        else:
            cells.append(f"{duration(limit)}: {'met' if max(medians) < limit else 'missed'}")
        table.add(Row(cells, strong=limit is not None))
    filled = [f"{duration(result['filled'])}" for result in results]
    table.add(Row(["making the catalog", *filled, ""]))
    return table


def main() -> None:
    """Measure, print the tables, write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[100, 1000, 10_000], help="0 for none")
    parser.add_argument("--measurements", type=int, default=56, help="of each run, with 18 points each")
    parser.add_argument("--postgresql", help="user@host:port of a server without password")
    parser.add_argument("--without-points", action="store_true", help="runs with their metadata only")
    parser.add_argument("--index", type=int, help="points of an index without a catalog")
    parser.add_argument("--without-sqlite", action="store_true")
    parser.add_argument("--quick", action="store_true", help="100 runs of 10 measurements")
    parser.add_argument("--earlier", type=Path, nargs="+", default=[], help="--json of earlier times, told as well")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    sizes, measurements = ([100], 10) if options.quick else (options.runs, options.measurements)
    backends = [*([] if options.without_sqlite else ["SQLite"]), *(["PostgreSQL"] if options.postgresql else [])]
    results: dict[str, list[dict[str, Any]]] = {}
    index: dict[str, list[float]] = {}
    for file in options.earlier:
        before = json.loads(file.read_text())
        index = before.pop("index") or index
        del before["machine"]
        for backend, found in before.items():
            results.setdefault(backend, []).extend(found)
    for runs in filter(None, sizes):
        size = Size(runs, measurements, not options.without_points)
        for backend in backends:
            folder = Path(tempfile.mkdtemp(prefix="ainerd-benchmark-"))
            try:
                opening = (
                    on_sqlite(folder, size) if backend == "SQLite" else on_postgresql(options.postgresql, folder, size)
                )
                with opening as (uri, seconds):
                    results.setdefault(backend, []).append({**ask(uri, size, folder / "index"), "filled": seconds})
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            table_of(backend, results[backend]).show()
    if options.index:
        folder = Path(tempfile.mkdtemp(prefix="ainerd-benchmark-"))
        index = index_alone(options.index, folder)
        shutil.rmtree(folder)
        index_table(index).show()
    told = machine(n_processors())
    line = ", ".join(f"{key} {value}" for key, value in told.items())
    Console().print(f"Measured on: {line}", highlight=False)
    tables = [
        table_of(backend, sorted(found, key=lambda result: int(result["runs"]))) for backend, found in results.items()
    ]
    tables += [index_table(index)] if index else []
    if options.json is not None:
        options.json.write_text(json.dumps({"machine": told, "index": index, **results}, indent=1))
    if options.markdown is not None:
        write_figures(options.markdown, [f"Measured on: {line}.", *(table.markdown() for table in tables)])


if __name__ == "__main__":
    main()
