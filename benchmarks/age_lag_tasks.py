"""What the processes of the section `ages` of `benchmarks/two_time.py` do, each function in a process of its own.

All give plain numbers; `threads` is the number of processors that the process may use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from measuring import timed
from movies import LARGE, SMALL, bins, random_events
from numpy.typing import NDArray

from ainerd_agent.records import PhotonEvents
from ainerd_agent.scattering import Ages, Computation, HDF5Frames, TwoTimeStream, fit_ages

Result = dict[str, Any]

BLOCK = 1024
"""Frames that are added at a time."""

GROUPED, PLAIN = Ages(), Ages(n_groups=1)


def stream_of(labels: NDArray[Any], n_frames: int, threads: int, ages: Ages | None) -> TwoTimeStream:
    """A stream on so many threads."""
    return TwoTimeStream(labels, n_frames, computation=Computation(threads=threads), ages=ages)


def correlate(frames: NDArray[Any], labels: NDArray[Any], threads: int, ages: Ages | None) -> TwoTimeStream:
    """Frames in memory, to the result."""
    stream = stream_of(labels, len(frames), threads, ages)
    for start in range(0, len(frames), BLOCK):
        stream.add(frames[start : start + BLOCK])
    stream.result()
    return stream


def in_turns(ways: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each way, one after the other in every round, so that all meet the same machine."""
    for way in ways.values():
        way()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            seconds[name].append(timed(way))
    return seconds


def stack(threads: int, path: str, n_frames: int, repeats: int) -> Result:
    """A movie in memory: C2 alone, and with age and lag."""
    from ainerd_agent.scattering import two_time

    frames, labels = np.load(path)[:n_frames], bins(SMALL)
    ways: dict[str, Callable[[], object]] = {
        "C2": lambda: two_time(frames, labels, threads=threads),
        "C2 and age-lag map": lambda: correlate(frames, labels, threads, PLAIN),
        "C2 and age-lag map with errors": lambda: correlate(frames, labels, threads, GROUPED),
    }
    return in_turns(ways, repeats)


def others(threads: int, path: str, n_frames: int, repeats: int) -> Result:
    """C2 alone, beside other ways to many time scales: the multi-tau correlator of earlier versions, and MT-2TC."""
    from peers.multi_tau import MultiTau
    from peers.multi_tau_two_time import multi_tau_two_time

    from ainerd_agent.scattering import two_time

    frames, labels = np.load(path)[:n_frames], bins(SMALL)

    def multi_tau() -> object:
        correlator = MultiTau(labels, threads=threads)
        correlator.add(frames)
        return correlator.result()

    ways: dict[str, Callable[[], object]] = {
        "C2": lambda: two_time(frames, labels, threads=threads),
        "multi-tau g2 with errors (earlier versions)": multi_tau,
        "multi-tau two-time (numpy)": lambda: multi_tau_two_time(frames, labels),
    }
    return in_turns(ways, repeats)


def file(threads: int, path: str, repeats: int) -> Result:
    """A movie in a file of chunks of bitshuffle-LZ4."""
    labels = bins(LARGE)

    def run(ages: Ages | None) -> None:
        source = HDF5Frames(path, "entry/data/data")
        n_frames = source.shape[0]
        stream = stream_of(labels, n_frames, threads, ages)
        stream.read(source)
        stream.result()

    return in_turns({"C2": lambda: run(None), "C2 and age-lag map with errors": lambda: run(GROUPED)}, repeats)


def events(threads: int, n_frames: int, per_pixel: float, repeats: int) -> Result:
    """Photon events in memory, so many counts per pixel and frame."""
    labels = bins(LARGE)
    per_frame = per_pixel * np.count_nonzero(labels)
    n_block = min(n_frames, max(1, int(4e6 / per_frame)))
    frame, pixel, count = random_events(n_block, labels, per_frame)

    def blocks() -> Iterator[PhotonEvents]:
        for start in range(0, n_frames, n_block):
            stop = min(n_frames, start + n_block)
            last = np.searchsorted(frame, stop - start)
            yield PhotonEvents(frame[:last] + start, pixel[:last], count[:last], stop)

    def run(ages: Ages | None) -> None:
        stream = stream_of(labels, n_frames, threads, ages)
        for block in blocks():
            stream.add(block)
        stream.result()

    return in_turns({"C2": lambda: run(None), "C2 and age-lag map with errors": lambda: run(GROUPED)}, repeats)


def state(threads: int, n_frames: int) -> Result:
    """Bytes that a long movie needs more, and seconds after its last frame."""
    from measuring import resident

    labels = bins(SMALL)
    frames = np.random.default_rng(0).poisson(1.0, (BLOCK, *SMALL)).astype(np.uint16)
    correlate(frames[:64], labels, threads, GROUPED)
    found: Result = {}
    for name, ages in (("C2", None), ("with age and lag", GROUPED)):
        before = resident()
        stream = stream_of(labels, n_frames, threads, ages)
        for start in range(0, n_frames, BLOCK):
            stream.add(frames[: n_frames - start])
        found[name] = resident() - before
        found[f"{name}, after the last frame"] = timed(stream.result)
    aged = stream.result().age_lag
    assert aged is not None
    found["fits"] = [timed(lambda: fit_ages(aged)) for _ in range(3)]
    fold = stream._final._fold._ages
    found["kept sums"] = fold.sums.products.nbytes + fold.sums.linear.nbytes
    return found


def written(threads: int, path: str, n_frames: int) -> Result:
    """Write the file for `file`."""
    from reading import write_frames

    write_frames(Path(path), n_frames, 1.0)
    return {}
