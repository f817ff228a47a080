"""How fast two-time maps are made, by ours and by every other way that could be found, and how much memory it takes.

    python benchmarks/two_time.py [--section stack|memory|frames|events|finish|cold ...] [--quick] [--frames T ...]
                                  [--only NAME ...] [--threads N] [--limit SECONDS] [--json FILE] [--markdown FILE]

stack   frames in memory to the maps of 18 bins of 3,055 pixels, 18 x 256 x 256, by every method and for every T
memory  the same from a stream of 100,000 frames, of which only one block is ever in memory
frames  dense uint16 frames of 512 x 1536 pixels in memory, on one processor
events  photon events in memory
finish  the part after the last frame
ages    the correlation over age and lag in the same pass, and other ways to many time scales
cold    import and first call in a new process

Every figure is measured in a process of its own. Times are medians; a call that takes more than 30 s is made once. One
that would take longer than `--limit` is left out, and its time extrapolated from the longest movie that it was measured
on. Ratios are to ours in the same run and with the same normalisation (the packages divide each frame by its own mean).
Memory is what a call adds to that of the process, whose frames are in memory already, at most (see `measuring`). The
difference is the largest from the exact maps: by definition (numpy in double precision, scikit-image) up to T = 1,000,
beyond that by ours in double precision, which is held against the definition there.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from math import log
from pathlib import Path
from statistics import median
from typing import Any

from measuring import in_child, machine, n_processors
from peers import METHODS, Method
from rich.console import Console
from tables import Row, Table, duration, size, write_figures

Results = dict[str, Any]

CHECKED = 400
"""Frames of the movie on which every method is held against the definition."""

DEFINED = 1000
"""Frames up to which the exact maps are made by definition."""

LONG = 100_000


def stack(options: argparse.Namespace, folder: Path) -> tuple[Results, list[Table]]:
    """Every method on movies of every length."""
    chosen = [each for each in METHODS if _wanted(each, options)]
    results: Results = {method.name: {} for method in chosen}
    path, exact = str(folder / "movie.npy"), str(folder / "exact.npz")
    for n_frames in options.frames if options.quick else sorted({CHECKED, *options.frames}):
        _prepare("movie", options, path=path, n_frames=n_frames)
        if n_frames <= DEFINED:
            _prepare(
                "exact_by_definition",
                options,
                path=path,
                exact=exact,
                g2=any(method.result == "g2" for method in chosen),
            )
        else:
            _prepare("exact_by_ours", options, path=path, exact=exact)
        for method in chosen:
            found = _measure(method, n_frames, path, exact, results[method.name], options)
            results[method.name][str(n_frames)] = found
            _say(method.name, n_frames, found)
        # Ours again, so that a machine that gets slower or faster meanwhile favours no one.
        for method in () if options.quick else chosen:
            found = results[method.name][str(n_frames)]
            if method.name.startswith("ours") and "seconds" in found:
                again = _measure(method, n_frames, path, exact, {}, options)
                found["seconds"] += again.get("seconds", [])
    tables = [_stack_table(results, chosen, options.frames), _fastest_table(results, chosen, options.frames)]
    return results, [*tables, _check_table(results, chosen, options)]


def _prepare(task: str, options: argparse.Namespace, **arguments: Any) -> None:
    made = in_child("tasks", task, threads=options.threads, **arguments)
    if "failed" in made:
        raise SystemExit(f"{task} failed: {made['failed']}")


def _wanted(method: Method, options: argparse.Namespace) -> bool:
    if options.only:
        return method.name in options.only or method.name in ("ours", "ours, per frame")
    return method.quick or not options.quick


def _measure(
    method: Method, n_frames: int, path: str, exact: str, known: Results, options: argparse.Namespace
) -> Results:
    if (reason := method.missing()) is not None:
        return {"failed": reason}
    before = {int(t): _seconds(found) for t, found in known.items() if "seconds" in found}
    if before and not method.name.startswith("ours"):
        *_, longest = sorted(before)
        expected = before[longest] * (n_frames / longest) ** _power(before, method.power)
        if expected > options.limit:
            return {"failed": "not run", "extrapolated": expected, "from": longest}
    repeats = options.repeats if method.power > 1 else 2 * options.repeats + 1
    return in_child(
        "tasks", "stack", threads=options.threads, limit=2 * options.limit + 60, name=method.name, path=path,
        exact=exact, repeats=repeats,
    )  # fmt: skip


def _power(seconds: dict[int, float], most: int) -> float:
    """With which power of T the time grows, from the two longest movies; `most` where there is one only."""
    if len(seconds) < 2:
        return most
    shorter, longer = sorted(seconds)[-2:]
    return min(most, log(seconds[longer] / seconds[shorter]) / log(longer / shorter))


def _seconds(found: Results) -> float:
    return float(median(found["seconds"]))


def _say(name: str, n_frames: int, found: Results) -> None:
    told = found["failed"] if "failed" in found else duration(_seconds(found))
    Console(stderr=True).print(f"[dim]T = {n_frames:,}: {name}: {told}[/]", highlight=False)


def _stack_table(results: Results, chosen: list[Method], lengths: list[int]) -> Table:
    table = Table(
        "Frames in memory to 18 x 256 x 256 maps",
        ["method", *(f"T = {n:,}" for n in lengths), *(f"memory at {n:,}" for n in lengths), "remark"],
    )
    for method in chosen:
        found = [results[method.name].get(str(n), {}) for n in lengths]
        own = [results[method.same_as_ours].get(str(n), {}) for n in lengths]
        times = [
            _told_time(each, other, not method.name.startswith("ours")) for each, other in zip(found, own, strict=True)
        ]
        memory = [size(each["memory"]) if "memory" in each else "" for each in found]
        remark = [method.note] if method.note else []
        remark += sorted({each["failed"] for each in found if "failed" in each and "extrapolated" not in each})
        table.add(Row([method.title, *times, *memory, "; ".join(remark)], strong=method.name.startswith("ours")))
    return table


def _told_time(found: Results, ours: Results, with_ratio: bool) -> str:
    if "extrapolated" in found:
        return f"not run: about {duration(found['extrapolated'])}, from T = {found['from']:,}"
    if "seconds" not in found:
        return "-"
    told = duration(_seconds(found)) + (" (once)" if len(found["seconds"]) == 1 else "")
    return f"{told}, {_seconds(found) / _seconds(ours):.3g} x" if with_ratio and "seconds" in ours else told


def _fastest_table(results: Results, chosen: list[Method], lengths: list[int]) -> Table:
    table = Table(
        "Ours against the fastest other way to the exact maps",
        ["frames", "counts", "fastest other way", "its time / ours", "its memory / ours"],
    )
    for n_frames in lengths:
        told: set[str] = set()
        for counts in ("any", "below 128"):
            rivals = [
                (_seconds(found), method)
                for method in chosen
                if method.result == "exact" and not method.name.startswith("ours") and method.counts in ("any", counts)
                if "seconds" in (found := results[method.name].get(str(n_frames), {}))
            ]
            seconds, method = min(rivals, key=lambda rival: rival[0], default=(0.0, None))
            if method is not None and method.name not in told:
                told.add(method.name)
                ours, rival = results[method.same_as_ours][str(n_frames)], results[method.name][str(n_frames)]
                if "seconds" not in ours:
                    continue
                ratios = f"{seconds / _seconds(ours):.3g}", f"{rival['memory'] / ours['memory']:.3g}"
                table.add(Row([f"{n_frames:,}", counts, method.title, *ratios]))
    return table


def _check_table(results: Results, chosen: list[Method], options: argparse.Namespace) -> Table:
    lengths = options.frames if options.quick else sorted({CHECKED, *options.frames})
    table = Table(
        "Largest difference from the exact maps",
        ["method", "gives", *(f"T = {n:,}" for n in lengths), "range of the maps"],
    )
    kinds = {"exact": "maps", "averaged": "maps of averages", "g2": "g2 only"}
    norms = {"static": "static image, diagonal replaced", "frame": "frame means, diagonal kept"}
    for method in chosen:
        found = [results[method.name].get(str(n), {}) for n in lengths]
        if any("difference" in each for each in found):
            told = [f"{each['difference']:.1e}" if "difference" in each else "" for each in found]
            spread = next(each["range"] for each in found if "range" in each)
            table.add(
                Row([method.title, f"{kinds[method.result]}; {norms[method.convention]}", *told, f"{spread:.1f}"])
            )
    return table


def long_movie(options: argparse.Namespace, folder: Path) -> tuple[Results, list[Table]]:
    """A stream of 100,000 frames."""
    path, n_frames = str(folder / "movie.npy"), LONG // 10 if options.quick else LONG
    _prepare("movie", options, path=path, n_frames=250 if options.quick else 1000)
    found = in_child("tasks", "long_movie", threads=options.threads, path=path, n_frames=n_frames)
    table = Table(f"Stream of {n_frames:,} frames of 55,225 pixels", ["figure", "value"])
    if "failed" not in found:
        table.add(Row(["correlating", f"{duration(found['add'])}, {n_frames / found['add']:,.0f} frames/s"]))
        table.add(Row(["after the last frame", duration(found["finish"])]))
        table.add(Row(["memory of the whole process, at most", size(found["process"])]))
    return {str(n_frames): found}, [table.with_failures([found])]


def dense_frames(options: argparse.Namespace, folder: Path) -> tuple[Results, list[Table]]:
    """Frames/s of a large detector."""
    table = Table("Dense uint16 frames of 512 x 1536 in memory, 54,990 pixels in bins", ["processors", "frames/s"])
    results = {}
    for threads in [1] if options.quick else sorted({1, options.threads}):
        found = in_child(
            "tasks",
            "dense_frames",
            threads=threads,
            n_frames=2_000 if options.quick else 10_000,
            repeats=options.repeats,
        )
        results[str(threads)] = found
        if "failed" not in found:
            table.add(Row([str(threads), f"{median(found['per_second']):,.0f}"]))
    return results, [table.with_failures(results.values())]


def photon_events(options: argparse.Namespace, folder: Path) -> tuple[Results, list[Table]]:
    """Events/s at several densities."""
    table = Table(
        "Photon events in memory, all in bins", ["processors", "events a frame", "events/s", "after the last frame"]
    )
    results = {}
    for threads in [1] if options.quick else sorted({1, options.threads}):
        for per_frame in (5_000,) if options.quick else (500, 5_000):
            n_frames = int((4e6 if options.quick else 4e7) / per_frame)
            found = in_child(
                "tasks",
                "photon_events",
                threads=threads,
                n_frames=n_frames,
                per_frame=per_frame,
                repeats=options.repeats,
            )
            results[f"{threads} threads, {per_frame} a frame"] = found
            if "failed" not in found:
                rate = f"{median(found['per_second']) / 1e6:,.0f} million"
                table.add(Row([str(threads), f"{per_frame:,}", rate, duration(median(found["finish"]))]))
    return results, [table.with_failures(results.values())]


def after_last_frame(options: argparse.Namespace, folder: Path) -> tuple[Results, list[Table]]:
    """Seconds of `result`."""
    table = Table("After the last frame, 18 bins, once compiled", ["frames", "time"])
    results = {}
    for n_frames in options.frames:
        found = in_child(
            "tasks", "after_last_frame", threads=options.threads, n_frames=n_frames, repeats=options.repeats
        )
        results[str(n_frames)] = found
        if "failed" not in found:
            table.add(Row([f"{n_frames:,}", duration(median(found["seconds"]))]))
    return results, [table.with_failures(results.values())]


def ages(options: argparse.Namespace, folder: Path) -> tuple[Results, list[Table]]:
    """What age and lag cost beside C2."""
    lengths = [1000] if options.quick else [n for n in options.frames if n >= 5000] or options.frames
    results: Results = {}
    table = Table("C2, and the correlation over age and lag in the same pass", ["from", "what", "time", "beside C2"])

    def measured(name: str, task: str, **arguments: Any) -> None:
        found = results[name] = in_child("age_lag_tasks", task, threads=options.threads, **arguments)
        if "failed" in found:
            return
        for what, seconds in found.items():
            ratio = median(each / alone for each, alone in zip(seconds, found["C2"], strict=True))
            table.add(Row([name, what, duration(median(seconds)), f"{ratio:.2f} x"], strong=what.endswith("errors")))

    for n_frames in lengths:
        path = str(folder / "movie.npy")
        _prepare("movie", options, path=path, n_frames=n_frames)
        here = {"path": path, "n_frames": n_frames}
        measured(f"{n_frames:,} frames in memory", "stack", **here, repeats=2 * options.repeats + 1)
        if n_frames <= 5000:
            measured(f"{n_frames:,} frames in memory, other ways", "others", **here, repeats=1)
    frames = str(folder / "frames.h5")
    n_read = 500 if options.quick else 5000
    in_child("age_lag_tasks", "written", threads=options.threads, path=frames, n_frames=n_read)
    measured(f"{n_read:,} frames of 512 x 1536, bitshuffle-LZ4", "file", path=frames, repeats=options.repeats)
    n_events = 20_000 if options.quick else 100_000
    measured(
        f"{n_events:,} frames of photon events, 0.001 counts per pixel", "events", n_frames=n_events, per_pixel=0.001,
        repeats=options.repeats,
    )  # fmt: skip
    long = LONG // 10 if options.quick else LONG
    found = results["state"] = in_child("age_lag_tasks", "state", threads=options.threads, n_frames=long)
    more = Table(f"A stream of {long:,} frames of 55,225 pixels", ["figure", "C2", "with age and lag"])
    if "failed" not in found:
        more.add(Row(["memory", size(found["C2"]), size(found["with age and lag"])]))
        more.add(Row(["of these, sums kept for parts of the movie", "", size(found["kept sums"])]))
        more.add(
            Row(
                [
                    "after the last frame",
                    *(duration(found[f"{n}, after the last frame"]) for n in ("C2", "with age and lag")),
                ]
            )
        )
        more.add(Row(["fits of 16 ages x 18 bins", "", duration(median(found["fits"]))]))
    return results, [table.with_failures(results.values()), more.with_failures([found])]


def first_call(options: argparse.Namespace, folder: Path) -> tuple[Results, list[Table]]:
    """A new process with nothing compiled, and one that finds what was compiled before."""
    table = Table("First call in a new process (T = 300)", ["compiled code", "import", "first call", "second call"])
    results = {}
    for what in ("found in the cache",) if options.quick else ("made now", "found in the cache"):
        variables = {} if options.quick else {"NUMBA_CACHE_DIR": str(folder)}
        found = in_child("first_call", "run", threads=options.threads, variables=variables)
        results[what] = found
        if "failed" not in found:
            table.add(Row([what, *(duration(found[key]) for key in ("import", "first", "second"))]))
    return results, [table.with_failures(results.values())]


Section = Callable[[argparse.Namespace, Path], tuple[Results, list[Table]]]
SECTIONS: dict[str, Section] = {
    "stack": stack,
    "memory": long_movie,
    "frames": dense_frames,
    "events": photon_events,
    "finish": after_last_frame,
    "ages": ages,
    "cold": first_call,
}


def main() -> None:
    """Measure, print the tables, write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--section", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="under a minute: T = 1,000, without the slowest")
    parser.add_argument("--frames", nargs="+", type=int, metavar="T", default=None, help="1000 5000 20000 by default")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[each.name for each in METHODS], default=[])
    parser.add_argument("--threads", type=int, default=n_processors(), help="all processors by default")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--limit", type=float, default=600.0, help="seconds that a method may take; 600 by default")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path, help="write the tables, or put them into a page with a mark for them")
    options = parser.parse_args()
    options.frames = options.frames or ([1000] if options.quick else [1000, 5000, 20_000])

    told, results, tables = machine(options.threads), {}, []
    for name in options.section:
        with tempfile.TemporaryDirectory() as folder:
            results[name], found = SECTIONS[name](options, Path(folder))
        for table in found:
            table.show()
        tables += found
    line = ", ".join(f"{key} {value}" for key, value in told.items())
    Console().print(f"Measured on: {line}", highlight=False)
    if options.json is not None:
        options.json.write_text(json.dumps({"machine": told, "results": results}, indent=1))
    if options.markdown is not None:
        write_figures(options.markdown, [f"Measured on: {line}.", *(table.markdown() for table in tables)])


if __name__ == "__main__":
    main()
