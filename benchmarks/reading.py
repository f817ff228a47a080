"""How fast frames and photon events come out of a file, alone and with the two-time fold beside it.

    python benchmarks/reading.py [--quick] [--rounds N] [--json FILE] [--markdown FILE]

The files are written to a temporary folder, so they are in the page cache: what is measured is decompression, not the
disk. Every round runs each way once, one after the other; ratios are taken within a round, and medians over the
rounds, so that a machine that is busy now and then matters little. The yardstick is the fastest way that only reads
and decompresses, throwing the frames away: chunks read as they are, and decompressed in one thread per processor by
`dectris-compression` (extra `bench`), which is in C and releases the GIL, or by our own decompression.
"""

from __future__ import annotations

import argparse
import ctypes
import itertools
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
from measuring import machine, n_processors
from movies import LARGE, bins
from numpy.typing import NDArray
from rich.console import Console
from tables import Row, Table, write_figures

from ainerd_agent.scattering import HDF5Events, HDF5Frames, RigakuEvents, TwoTimeStream
from ainerd_agent.scattering.frames._decompress import Workspace
from ainerd_agent.scattering.frames.hdf5_events import write_events
from ainerd_agent.scattering.frames.hdf5_links import OpenFiles
from ainerd_agent.scattering.frames.hdf5_stack import Stack

DATASET = "entry/data/data"
MOVIE = "entry/data"
"""The same frames several times, one after the other, as an Eiger's master file has them."""

DISTINCT = 100
"""Frames that differ; the file repeats them."""

OURS = "ours (numba)"

SLICE = 64
"""Frames that h5py reads at a time."""

Decoder = Callable[[memoryview, NDArray[Any]], object]


def write_frames(path: Path, n_frames: int, mean: float, repeats: int = 1) -> None:
    """Poisson frames of uint16, one a chunk, bitshuffle-LZ4; and a longer movie that repeats them."""
    frames = np.random.default_rng(0).poisson(mean, size=(DISTINCT, *LARGE)).astype(np.uint16)
    with h5py.File(path, "w") as file:
        options = hdf5plugin.Bitshuffle(cname="lz4")
        stack = file.create_dataset(DATASET, (n_frames, *LARGE), "u2", chunks=(1, *LARGE), **options)
        stack[:DISTINCT] = frames
        for k in range(DISTINCT, n_frames):
            stack.id.write_direct_chunk((k, 0, 0), stack.id.read_direct_chunk((k % DISTINCT, 0, 0))[1])
        for number in range(1, repeats + 1):
            file[f"{MOVIE}/data_{number:06d}"] = h5py.SoftLink(f"/{DATASET}")


def ours() -> Decoder:
    """Our decompression, with its memory for one thread."""
    space = Workspace(2 * LARGE[0] * LARGE[1])
    whole = np.array([[0, LARGE[0] * LARGE[1]]])

    def decode(raw: memoryview, out: NDArray[Any]) -> None:
        space.source[: len(raw)] = raw
        assert space.bitshuffle_lz4(len(raw), out.reshape(-1), whole)

    return decode


def dectris() -> Decoder:
    """`dectris-compression`: gives bytes; releases the GIL."""
    from dectris.compression import decompress

    return lambda raw, out: decompress(raw, "bslz4", elem_size=2)


def bitshuffle() -> Decoder:
    """`bitshuffle`: gives a new array; holds the GIL."""
    from bitshuffle import decompress_lz4

    def decode(raw: memoryview, out: NDArray[Any]) -> None:
        block = int.from_bytes(raw[8:12], "big") // 2
        decompress_lz4(np.frombuffer(raw, np.uint8)[12:], LARGE, np.dtype(np.uint16), block)

    return decode


def plugin() -> Decoder:
    """The library that `hdf5plugin` ships, called past HDF5: writes in place, without the GIL, with SSE2 only."""
    library = ctypes.CDLL(hdf5plugin.get_config().registered_filters["bshuf"])
    function = library.bshuf_decompress_lz4
    function.restype, function.argtypes = ctypes.c_int64, [ctypes.c_void_p] * 2 + [ctypes.c_size_t] * 3

    def decode(raw: memoryview, out: NDArray[Any]) -> None:
        block = int.from_bytes(raw[8:12], "big") // 2
        assert function(np.frombuffer(raw, np.uint8).ctypes.data + 12, out.ctypes.data, out.size, 2, block) > 0

    return decode


DECODERS: dict[str, Callable[[], Decoder]] = {
    OURS: ours,
    "dectris-compression": dectris,
    "bitshuffle": bitshuffle,
    "hdf5plugin's library by ctypes": plugin,
}


def available() -> dict[str, Callable[[], Decoder]]:
    """Decoders that are installed."""
    found = {}
    for name, make in DECODERS.items():
        try:
            make()
        except ImportError:
            continue
        found[name] = make
    return found


def in_threads(work: Callable[[int], object]) -> None:
    """Call it in one thread for each processor, with the number of the thread."""
    with ThreadPoolExecutor(n_processors()) as pool:
        list(pool.map(work, range(n_processors())))


def decoding(path: Path, make: Callable[[], Decoder], n: int) -> Iterator[Callable[[], object]]:
    """Decompress `n` frames in one thread, and `n` in each of as many as there are processors."""
    with h5py.File(path) as file:
        raw = [memoryview(file[DATASET].id.read_direct_chunk((k, 0, 0))[1]) for k in range(DISTINCT)]

    def work(_: int = 0) -> None:
        decode, out = make(), np.zeros(LARGE, np.uint16)
        for k in range(n):
            decode(raw[k % DISTINCT], out)

    yield work
    yield lambda: in_threads(work)


def direct(path: Path, make: Callable[[], Decoder]) -> None:
    """Read chunks as they are and decompress them in all processors; throw the frames away."""
    with h5py.File(path) as file:
        stack = file[DATASET]
        numbers = itertools.count()

        def work(_: int) -> None:
            decode, out = make(), np.zeros(LARGE, np.uint16)
            room = bytearray(4 * LARGE[0] * LARGE[1])
            while (k := next(numbers)) < len(stack):
                raw = stack.id.read_direct_chunk((k, 0, 0), out=room)[1]
                decode(raw, out)

        in_threads(work)


def plain(path: Path) -> Iterator[NDArray[Any]]:
    """Blocks by h5py alone."""
    with h5py.File(path) as file:
        for first in range(0, len(file[DATASET]), SLICE):
            yield file[DATASET][first : first + SLICE]


def into_one_buffer(path: Path) -> None:
    """H5py at its best: always into the same memory."""
    with h5py.File(path) as file:
        stack, out = file[DATASET], np.zeros((SLICE, *LARGE), np.uint16)
        for first in range(0, len(stack), SLICE):
            n = min(SLICE, len(stack) - first)
            stack.read_direct(out, np.s_[first : first + n], np.s_[:n])


def drain(blocks: Iterator[Any]) -> None:
    """Take all and throw it away."""
    for _ in blocks:
        pass


def fold(blocks: Iterator[Any], labels: NDArray[Any], n_frames: int, repeats: int = 1) -> TwoTimeStream:
    """Fold a movie, or one that was read `repeats` times."""
    stream = TwoTimeStream(labels, n_frames * repeats)
    for block in blocks:
        stream.add(block)
    return stream


def one_thread(path: Path) -> None:
    """Our reading without read-ahead: what it costs one processor."""
    with closing(OpenFiles()) as files:
        stack = Stack(files, path, DATASET, None)
        out = np.zeros((4, *LARGE), np.uint16)
        for first in range(0, stack.length - 3, 4):
            stack.read(first, first + 4, out)


def rounds(ways: dict[str, Callable[[], object]], n: int) -> dict[str, NDArray[Any]]:
    """Seconds, and seconds of processor time, of each way in each round, shape (n, 2).

    A round more is made before: it compiles, and fills caches.
    """
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(n + 1):
        for name, work in ways.items():
            start, busy = time.perf_counter(), time.process_time()
            work()
            spent[name].append((time.perf_counter() - start, time.process_time() - busy))
    return {name: np.array(each[1:]) for name, each in spent.items()}


def measure_decoders(folder: Path, n: int, n_rounds: int) -> tuple[Table, dict[str, Any]]:
    """Microseconds a frame, by decoder."""
    path = folder / "decoders.h5"
    write_frames(path, DISTINCT, 0.3)
    ways = {}
    for name, make in available().items():
        ways[name, 1], ways[name, n_processors()] = decoding(path, make, n)
    seconds = rounds({f"{name}|{threads}": work for (name, threads), work in ways.items()}, n_rounds)
    table = Table(
        "Decompression of a 512 x 1536 frame of uint16, 0.3 counts a pixel",
        ["decoder", "1 thread (us)", f"{n_processors()} threads (us a frame)"],
    )
    found = {}
    for name in available():
        one = float(np.median(seconds[f"{name}|1"][:, 0])) / n * 1e6
        many = float(np.median(seconds[f"{name}|{n_processors()}"][:, 0])) / n / n_processors() * 1e6
        table.add(Row([name, f"{one:.0f}", f"{many:.0f}"], strong=name.startswith("ours")))
        found[name] = {"one thread (us)": one, "all threads (us)": many}
    return table, found


def measure_frames(
    folder: Path, n_frames: int, repeats: int, mean: float, n_rounds: int
) -> tuple[Table, dict[str, Any]]:
    """Time a frame, by way of reading. Our source reads a movie that is `repeats` times as long."""
    path = folder / f"frames-{mean}.h5"
    write_frames(path, n_frames, mean, repeats)
    labels = bins(LARGE)
    needed = labels > 0
    movie = HDF5Frames(path, MOVIE)

    def maps(wanted: NDArray[np.bool_] | None) -> None:
        fold(movie.blocks(wanted), labels, n_frames, repeats).result()

    yardsticks = {f"only read, {name}": (lambda make=make: direct(path, make)) for name, make in available().items()}
    once: dict[str, Callable[[], object]] = {
        "h5py alone": lambda: drain(plain(path)),
        "h5py alone, into one buffer": lambda: into_one_buffer(path),
        **yardsticks,
        "our source, one thread, no read-ahead": lambda: one_thread(path),
        "h5py + two-time fold": lambda: fold(plain(path), labels, n_frames),
    }
    repeated: dict[str, Callable[[], object]] = {
        "our source": lambda: drain(movie.blocks()),
        "our source, needed pixels": lambda: drain(movie.blocks(needed)),
        "our source + two-time fold": lambda: fold(movie.blocks(), labels, n_frames, repeats),
        "our source, needed pixels + two-time fold": lambda: fold(movie.blocks(needed), labels, n_frames, repeats),
        "our source, needed pixels, to the maps": lambda: maps(needed),
    }
    spent = rounds(once | repeated, n_rounds)
    seconds = {name: each[:, 0] / (repeats if name in repeated else 1) for name, each in spent.items()}
    busy = {name: each[:, 1] / (repeats if name in repeated else 1) for name, each in spent.items()}
    fastest = min(yardsticks, key=lambda name: np.median(seconds[name]))
    others = [name for name in yardsticks if name != f"only read, {OURS}"]
    fastest_other = min(others, key=lambda name: np.median(seconds[name]))
    table = Table(
        f"{n_frames} frames of 512 x 1536, uint16, {mean:g} counts a pixel, bitshuffle-LZ4; our source: "
        f"{n_frames * repeats} frames",
        [
            "way",
            "frames/s",
            "time / fastest reading",
            "time / fastest other reading",
            "speed / h5py alone",
            "processor (us a frame)",
        ],
    )
    found = {}
    for name, each in seconds.items():
        ratio = float(np.median(each / seconds[fastest]))
        other = float(np.median(each / seconds[fastest_other]))
        gain = float(np.median(seconds["h5py alone"] / each))
        rate, cost = n_frames / float(np.median(each)), float(np.median(busy[name])) / n_frames * 1e6
        cells = [name, f"{rate:.0f}", f"{ratio:.2f}", f"{other:.2f}", f"{gain:.1f}", f"{cost:.0f}"]
        table.add(Row(cells, strong=name.startswith("our source")))
        found[name] = {"frames/s": rate, "time / fastest": ratio, "speed / h5py": gain, "processor (us a frame)": cost}
    path.unlink()
    return table, {"fastest reading": fastest, "fastest other reading": fastest_other, "ways": found}


def measure_events(folder: Path, n_events: int, n_rounds: int) -> tuple[Table, dict[str, Any]]:
    """Millions of photon events a second, by kind of file."""
    rng = np.random.default_rng(0)
    shape = (max(1, n_events // 1000), 512, 1024)
    frame = np.sort(rng.integers(0, shape[0], n_events, dtype=np.uint64))
    pixel = rng.integers(0, shape[1] * shape[2], n_events, dtype=np.uint64)
    (frame << np.uint64(40) | pixel << np.uint64(16) | np.uint64(1)).tofile(folder / "events.bin")
    write_events(folder / "events.h5", frame, pixel, np.ones(n_events), shape)
    ways = {
        "Rigaku, 64-bit words": lambda: drain(RigakuEvents(folder / "events.bin").blocks()),
        "HDF5, three columns": lambda: drain(HDF5Events(folder / "events.h5").blocks()),
    }
    table = Table(f"{n_events / 1e6:.0f} million photon events", ["file", "million events/s"])
    found = {}
    for name, each in rounds(ways, n_rounds).items():
        found[name] = n_events / float(np.median(each[:, 0])) / 1e6
        table.add(Row([name, f"{found[name]:.0f}"], strong=True))
    return table, found


def main() -> None:
    """Measure, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer frames, under a minute")
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path, help="write the tables, or put them into a page with a mark for them")
    options = parser.parse_args()
    n_rounds = options.rounds or (3 if options.quick else 7)
    n_frames, repeats = (300, 3) if options.quick else (2000, 5)
    told, tables = machine(n_processors()), []
    found: dict[str, Any] = {"machine": told}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table, found["decoders"] = measure_decoders(folder, 100 if options.quick else 500, n_rounds)
        tables.append(table)
        for mean in (0.3,) if options.quick else (0.1, 1.0):
            table, found[f"frames, {mean:g} counts"] = measure_frames(folder, n_frames, repeats, mean, n_rounds)
            tables.append(table)
        table, found["events"] = measure_events(folder, 5_000_000 if options.quick else 30_000_000, n_rounds)
        tables.append(table)
    for table in tables:
        table.show()
    line = ", ".join(f"{key} {value}" for key, value in told.items())
    Console().print(f"Measured on: {line}", highlight=False)
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1))
    if options.markdown is not None:
        write_figures(options.markdown, [f"Measured on: {line}.", *(table.markdown() for table in tables)])
    assert threading.active_count() == 1  # the sources end their threads


if __name__ == "__main__":
    main()
