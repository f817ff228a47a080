"""What the processes of `benchmarks/two_time.py` do, each function in a process of its own.

All give plain numbers; `threads` is the number of processors that the process may use.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from measuring import limit_memory, measure, resident, timed
from movies import LARGE, SMALL, bins, blocks_of, random_events, write_movie
from peers import AS_PACKAGES, METHODS
from peers.full_matrix import definition
from peers.packages import g2_of_counts

Result = dict[str, Any]

WARM_UP = 64
"""Frames that a method sees before it is measured: what is compiled, loaded or set up once is done then."""


def movie(threads: int, path: str, n_frames: int) -> Result:
    """Write the frames."""
    write_movie(Path(path), n_frames)
    return {}


def exact_by_definition(threads: int, path: str, exact: str, g2: bool) -> Result:
    """Write the maps of a short movie by definition, in both conventions, and its g2 where it is wanted."""
    frames, labels = np.load(path), bins(SMALL)
    conventions = {name: definition(frames, labels, name) for name in ("static", "frame")}
    np.savez(exact, **conventions, **({"g2": g2_of_counts(frames, labels)} if g2 else {}))
    return {}


def exact_by_ours(threads: int, path: str, exact: str) -> Result:
    """Write the maps of a long movie by `two_time` in double precision, in both conventions."""
    from ainerd_agent.scattering import two_time

    frames, labels = np.load(path), bins(SMALL)
    static = two_time(frames, labels, precision="double")
    np.savez(exact, static=static, frame=two_time(frames, labels, precision="double", **AS_PACKAGES))
    return {}


def stack(threads: int, name: str, path: str, exact: str, repeats: int) -> Result:
    """Measure one method on a movie in memory, and its largest difference from the exact maps (or g2)."""
    method = next(each for each in METHODS if each.name == name)
    if not method.needs_gpu:  # whose address space is far larger than its memory
        limit_memory()
    correlate = method.prepare(threads)
    frames, labels = np.load(path), bins(SMALL)
    correlate(frames[:WARM_UP], labels)
    found, measured = measure(lambda: correlate(frames, labels), repeats)
    expected = np.load(exact)
    reference = "g2" if method.result == "g2" else method.convention
    if reference in expected:
        measured["difference"] = float(np.max(np.abs(found - expected[reference])))
        measured["range"] = float(np.ptp(expected[reference]))
    measured["process"] -= frames.nbytes
    if method.needs_gpu:
        import torch

        measured["gpu_memory"] = torch.cuda.max_memory_allocated()
    return measured


def long_movie(threads: int, path: str, n_frames: int) -> Result:
    """Stream frames from a file, so that memory holds one block at a time, and time only what is done to them."""
    from ainerd_agent.scattering import Computation, TwoTimeStream, two_time

    labels = bins(SMALL)
    two_time(next(blocks_of(Path(path), WARM_UP)), labels, threads=threads)
    stream = TwoTimeStream(labels, n_frames, computation=Computation(threads=threads))
    adding = sum(timed(lambda block=block: stream.add(block)) for block in blocks_of(Path(path), n_frames))
    finishing = timed(stream.result)
    return {"add": adding, "finish": finishing, "process": resident("VmHWM")}


def dense_frames(threads: int, n_frames: int, repeats: int) -> Result:
    """Stream uint16 frames of a large detector that are in memory: frames/s.

    512 frames (0.8 GB, far more than a processor's cache holds) come again and again.
    """
    from ainerd_agent.scattering import Computation, TwoTimeStream

    labels, random = bins(LARGE), np.random.default_rng(0)
    frames = np.tile(random.poisson(1.0, (16, *LARGE)).astype(np.uint16), (32, 1, 1))

    def run() -> float:
        stream = TwoTimeStream(labels, n_frames, computation=Computation(threads=threads))
        parts = (frames[: min(512, n_frames - start)] for start in range(0, n_frames, 512))
        seconds = sum(timed(lambda part=part: stream.add(part)) for part in parts)
        stream.result()
        return seconds

    run()
    return {"per_second": [n_frames / run() for _ in range(repeats)]}


def photon_events(threads: int, n_frames: int, per_frame: float, repeats: int) -> Result:
    """Stream photon events that are in memory, all of them in bins: events/s, and seconds of `result`."""
    from ainerd_agent.records import PhotonEvents
    from ainerd_agent.scattering import Computation, TwoTimeStream

    labels = bins(LARGE)
    n_block = min(n_frames, max(1, int(8e6 / per_frame)))
    frame, pixel, count = random_events(n_block, labels, per_frame)

    def blocks() -> Iterator[PhotonEvents]:
        for start in range(0, n_frames, n_block):
            stop = min(n_frames, start + n_block)
            last = np.searchsorted(frame, stop - start)
            yield PhotonEvents(frame[:last] + start, pixel[:last], count[:last], stop)

    def run() -> tuple[float, float]:
        stream = TwoTimeStream(labels, n_frames, computation=Computation(threads=threads))
        n_events, seconds = 0, 0.0
        for block in blocks():
            seconds += timed(lambda block=block: stream.add(block))
            n_events += len(block.frame)
        return n_events / seconds, timed(stream.result)

    run()
    rates, finishing = zip(*(run() for _ in range(repeats)), strict=True)
    return {"per_second": rates, "finish": finishing}


def after_last_frame(threads: int, n_frames: int, repeats: int) -> Result:
    """Seconds of `result` once everything is compiled."""
    from ainerd_agent.scattering import Computation, TwoTimeStream

    labels = bins(SMALL)
    frames = np.random.default_rng(0).poisson(1.0, (500, *SMALL)).astype(np.uint16)

    def run() -> float:
        stream = TwoTimeStream(labels, n_frames, computation=Computation(threads=threads))
        for start in range(0, n_frames, len(frames)):
            stream.add(frames[: n_frames - start])
        return timed(stream.result)

    run()
    return {"seconds": [run() for _ in range(repeats)]}
