"""The atlas of latents: neighbours among a million, labels over seeds, and places in a frozen embedding.

    python benchmarks/atlas.py [ainerd_rheo_latents.npz] [--quick] [--json FILE] [--markdown PAGE]

Neighbours are compared with those of scikit-learn's brute force (`NearestNeighbors(algorithm="brute")`) and with brute
force in float64; places with `umap.UMAP.transform`. Each part runs in a process of its own. Clusters and places need
the latents of a real experiment, an npz with `latents` (n, 64); without it they are left out.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from measuring import in_child, machine, n_processors, timed
from numpy.typing import NDArray
from rich.console import Console
from tables import Row, Table, duration, write_figures

from ainerd_agent.latent import Atlas, Embedding
from ainerd_agent.latent.atlas.embedding import MIN_DISTANCE, N_NEIGHBOURS
from ainerd_agent.latent.stability import METHODS, STABLE, choose, stability, try_numbers

LENGTH = 64
K = 20
BINS = 18
"""Maps of a measurement."""

QUERIES = 100
PEER_QUERIES = 10
CHECKED = 5
SAMPLES = 10
"""Values of the column that is filtered by."""

MUST_SEARCH, MUST_LOAD, MUST_PLACE = 0.05, 10.0, 0.05
"""Seconds (issue 4)."""

Array = NDArray[Any]


def latents_of(kind: str, n: int, real: str | None) -> Array:
    """Latents (n, 64) of a kind that is more or less easy to search."""
    rng = np.random.default_rng(0)
    if kind == "real, repeated with noise":
        known = np.load(str(real))["latents"]
        repeated = known[rng.integers(len(known), size=n)]
        repeated += 0.1 * known.std() * rng.standard_normal((n, LENGTH), dtype=np.float32)
        return np.asarray(repeated)
    directions = {"near 8 directions": 8, "all directions alike": LENGTH}[kind]
    if directions == LENGTH:
        return rng.standard_normal((n, LENGTH), dtype=np.float32)
    inner = rng.standard_normal((n, directions), dtype=np.float32)
    inner @= rng.standard_normal((directions, directions), dtype=np.float32)
    spread = inner @ rng.standard_normal((directions, LENGTH), dtype=np.float32)
    return np.asarray(spread + 0.1 * rng.standard_normal((n, LENGTH), dtype=np.float32))


def search(kind: str, n: int, real: str | None, threads: int) -> dict[str, Any]:
    """Times of the atlas and of scikit-learn, and whether their neighbours are right."""
    from sklearn.neighbors import NearestNeighbors

    latents = latents_of(kind, n + QUERIES, real)
    latents, queries = latents[:n], latents[n:]
    column = np.arange(n) % SAMPLES
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "atlas.npz"
        made = Atlas(1.0)
        made.append(latents, {"sample": column})
        made.save(path)
        del made
        start = time.perf_counter()
        atlas = Atlas.load(path)
        loading = time.perf_counter() - start
    peer = NearestNeighbors(n_neighbors=K, algorithm="brute").fit(latents)
    atlas.nearest(queries[0], K)
    peer.kneighbors(queries[:1])
    return {
        "load": loading,
        "atlas": [timed(lambda q=q: atlas.nearest(q, K)) for q in queries],
        "filtered": [timed(lambda q=q: atlas.nearest(q, K, where={"sample": 3})) for q in queries],
        "peer": [timed(lambda q=q: peer.kneighbors(q[None])) for q in queries[:PEER_QUERIES]],
        "wrong": sum(wrong(latents, q, atlas.nearest(q, K).index[0]) for q in queries[:CHECKED]),
        "peer wrong": sum(wrong(latents, q, peer.kneighbors(q[None])[1][0]) for q in queries[:CHECKED]),
        "first append": timed(lambda: atlas.append(queries[:BINS], {"sample": column[:BINS]})),
        "append": timed(lambda: atlas.append(queries[:BINS], {"sample": column[:BINS]})),
    }


def wrong(latents: Array, query: Array, found: Array) -> int:
    """How many neighbours are not in their place of brute force in float64."""
    squared = [
        np.square(latents[first : first + 100_000].astype(np.float64) - query).sum(axis=1)
        for first in range(0, len(latents), 100_000)
    ]
    return int(np.count_nonzero(np.argsort(np.concatenate(squared), kind="stable")[:K] != found))


def clusters(real: str, largest: int, seeds: int, threads: int) -> dict[str, Any]:
    """The numbers of clusters that were tried, the chosen one, and how stable each method is with it."""
    latents = np.load(real)["latents"]
    trials = try_numbers(latents, range(2, largest + 1), seeds=seeds)
    chosen = choose(trials).n_clusters
    methods = {}
    for name, method in METHODS.items():
        seconds = timed(lambda method=method: method(chosen, 0).fit(latents))
        methods[name] = {"stability": stability(method, latents, chosen, seeds=seeds), "seconds": seconds}
    return {"trials": [asdict(trial) for trial in trials], "chosen": chosen, "methods": methods}


def places(real: str, repeats: int, threads: int) -> dict[str, Any]:
    """How long new points take, and how far they are from where umap puts them."""
    latents = np.load(real)["latents"]
    order = np.random.default_rng(0).permutation(len(latents))
    known, new = latents[order[BINS * 10 :]], latents[order[: BINS * 10]]
    from umap import UMAP

    model = UMAP(n_neighbors=N_NEIGHBOURS, min_dist=MIN_DISTANCE, random_state=0).fit(known)
    embedding = Embedding(known, model.embedding_)
    first = timed(lambda: model.transform(new[:BINS]))
    theirs = [timed(lambda k=k: model.transform(new[k : k + BINS])) for k in range(1, 1 + min(10, repeats))]
    placed, expected = embedding.place(new), model.transform(new)
    model.transform_seed += 1
    again = model.transform(new)
    spread = float(np.linalg.norm(embedding.points - embedding.points.mean(axis=0), axis=1).mean())
    large = latents_of("real, repeated with noise", 100_000, real)
    archive = Embedding(large, large[:, :2])
    return {
        "ours": [timed(lambda: embedding.place(new[:BINS])) for _ in range(repeats)],
        "ours, 100,000": [timed(lambda: archive.place(new[:BINS])) for _ in range(repeats)],
        "umap, first": [first],
        "umap": theirs,
        "apart": (np.linalg.norm(placed - expected, axis=1) / spread).tolist(),
        "umap apart": (np.linalg.norm(again - expected, axis=1) / spread).tolist(),
        "chance": (np.linalg.norm(placed - np.roll(expected, 1, axis=0), axis=1) / spread).tolist(),
        "n": [len(known), len(new)],
    }


def search_tables(found: dict[str, dict[str, Any]], n: int) -> list[Table]:
    """Times of queries; times of the rest."""
    times = Table(
        f"{K} nearest of {n:,} latents, one query", ["latents", "method", "median", "worst", "in wrong place"]
    )
    rest = Table(f"Keeping {n:,} latents", ["latents", "loading", "first append", "later append", "limits"])
    for kind, result in found.items():
        if "failed" in result:
            continue
        share = f"{100 / SAMPLES:.0f} %"
        for name, key in (("atlas", "atlas"), (f"atlas, {share} by a column", "filtered"), ("scikit-learn", "peer")):
            right = {"atlas": "wrong", "peer": "peer wrong"}.get(key)
            cells = [kind, name, *_times(result[key]), f"{result[right]} of {CHECKED * K}" if right else ""]
            times.add(Row(cells, strong=key == "atlas"))
        met = np.median(result["atlas"]) < MUST_SEARCH and result["load"] < MUST_LOAD
        cells = [
            kind,
            *(duration(result[key]) for key in ("load", "first append", "append")),
            "met" if met else "missed",
        ]
        rest.add(Row(cells))
    return [times.with_failures(found.values()), rest]


def cluster_tables(found: dict[str, Any], seeds: int) -> list[Table]:
    """Numbers of clusters, and methods."""
    numbers = Table(f"Numbers of clusters, {seeds} seeds", ["k", "inertia", "silhouette", "mean ARI", "least ARI"])
    methods = Table(f"Methods, {seeds} seeds", ["method", "mean ARI", "least ARI", f"{STABLE}", "one fit"])
    if "failed" not in found:
        for trial in found["trials"]:
            cells = [f"{trial['n_clusters']}", f"{trial['inertia']:.4g}"]
            cells += [f"{trial[key]:.3f}" for key in ("silhouette", "stability", "worst")]
            numbers.add(Row(cells, strong=trial["n_clusters"] == found["chosen"]))
        for name, method in found["methods"].items():
            mean, worst = method["stability"]
            met = "met" if mean >= STABLE else "missed"
            title = name if name == "hdbscan" else f"{name}, k = {found['chosen']}"
            cells = [title, f"{mean:.3f}", f"{worst:.3f}", met, duration(method["seconds"])]
            methods.add(Row(cells, strong=name == "kmeans"))
    return [numbers.with_failures([found]), methods]


def place_tables(found: dict[str, Any]) -> list[Table]:
    """Times, and distances from umap's places."""
    times = Table(f"Time to place {BINS} new points", ["method", "median", "worst", f"{duration(MUST_PLACE)}"])
    apart = Table("Distance from umap's places, in units of the spread", ["of", "median", "95 % below"])
    if "failed" not in found:
        known, new = found["n"]
        names = {
            "ours": f"ours, among {known}",
            "ours, 100,000": "ours, among 100,000",
            "umap, first": f"umap's transform, among {known}, first call",
            "umap": f"umap's transform, among {known}, later calls",
        }
        for key, name in names.items():
            met = "met" if np.median(found[key]) < MUST_PLACE else "missed"
            times.add(Row([name, *_times(found[key]), met], strong=key.startswith("ours")))
        for key, name in {
            "apart": f"our places of {new} points",
            "umap apart": "umap's own with another seed",
            "chance": "another point's place",
        }.items():
            cells = [name, *(f"{np.quantile(found[key], at):.3f}" for at in (0.5, 0.95))]
            apart.add(Row(cells, strong=key == "apart"))
    return [times.with_failures([found]), apart]


def _times(seconds: list[float]) -> list[str]:
    return [duration(float(np.median(seconds))), duration(max(seconds))]


def main() -> None:
    """Measure, print the tables, write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("real", type=Path, nargs="?", help="npz with latents (n, 64) of a real experiment")
    parser.add_argument("--quick", action="store_true", help="100,000 latents, few seeds and numbers of clusters")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    threads = n_processors()
    n, seeds, largest = (100_000, 4, 6) if options.quick else (1_000_000, 20, 12)
    real = None if options.real is None else str(options.real.resolve())
    kinds = [*(["real, repeated with noise"] if real else []), "near 8 directions", "all directions alike"]
    child: Callable[..., dict[str, Any]] = in_child
    searched = {kind: child("atlas", "search", threads=threads, kind=kind, n=n, real=real) for kind in kinds}
    tables, results = search_tables(searched, n), {"search": searched}
    if real is not None:
        results["clusters"] = child("atlas", "clusters", threads=threads, real=real, largest=largest, seeds=seeds)
        results["places"] = child("atlas", "places", threads=threads, real=real, repeats=10 if options.quick else 100)
        tables += cluster_tables(results["clusters"], seeds) + place_tables(results["places"])
    for table in tables:
        table.show()
    told = machine(threads)
    line = ", ".join(f"{key} {value}" for key, value in told.items())
    Console().print(f"Measured on: {line}", highlight=False)
    if options.json is not None:
        options.json.write_text(json.dumps({"machine": told, **results}, indent=1))
    if options.markdown is not None:
        write_figures(options.markdown, [f"Measured on: {line}.", *(table.markdown() for table in tables)])


if __name__ == "__main__":
    main()
