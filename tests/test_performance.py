"""A gate against slow code: what the hot paths take, against a plain computation of the same kind in the same process.

Seconds mean nothing on a machine that others use, ratios do. Three things keep the noise out: the time of the
processor is counted and not that of the clock, so that waiting for others costs nothing; the two are run in pairs, so
that both meet the same machine; and the median of the pairs counts. On two cores with sixteen processes waiting, it
stayed within a seventh; the minimum of each, by itself, did not. A limit is 1.6 times the usual ratio: beyond the noise
and what another processor makes of it. The last test holds that twice the work is seen as more than that. How fast the
code is, `benchmarks` say.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from ainerd_agent.latent import Encoder
from ainerd_agent.scattering import two_time

Work = Callable[[], object]

ROUNDS = {"two_time": 7, "encode": 25}
"""Pairs. More of what is over within milliseconds."""

TOLERANCE = 1.6
"""Times the usual ratio that is let pass."""

USUAL = {"two_time": 0.45, "encode": 1.45}
"""Ratios to the references below, on two cores of a server with AVX2 or AVX-512."""

BENCHMARK = {"two_time": "two_time", "encode": "latency"}

T, SHAPE, N_BINS, SIZE = 1000, (96, 128), 6, 256


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Threads that wait for each other take time of the processor as well."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def movie():
    rng = np.random.default_rng(0)
    frames = rng.poisson(3.0, (T, *SHAPE)).astype(np.uint16)
    labels = np.zeros(SHAPE, np.int64)
    labels[16:80] = 1 + np.arange(64)[:, None] * N_BINS // 64
    return frames, labels


def reduced_by_numpy(frames, labels):
    """C2 by the definition, reduced by means of neighbours: gather, normalise, and two products of matrices."""
    whole, edges = frames.reshape(len(frames), -1), np.linspace(0, len(frames), SIZE + 1).astype(int)
    reduce = np.zeros((SIZE, len(frames)), np.float32)
    for row, (first, last) in enumerate(pairwise(edges)):
        reduce[row, first:last] = 1 / (last - first)
    maps = []
    for number in range(1, labels.max() + 1):
        counts = whole[:, np.flatnonzero(labels.ravel() == number)].astype(np.float32)
        reduced = reduce @ (counts / counts.mean(axis=0) - 1)
        maps.append(reduced @ reduced.T / counts.shape[1])
    return np.stack(maps)


def summed_by_torch(maps):
    """Two copies into longer rows, sums of them, and means of squares: the memory that reading maps once takes."""
    with torch.inference_mode():
        given = torch.from_numpy(maps)
        once = torch.nn.functional.pad(given, (0, SIZE - 1)).flatten(1)
        again = torch.nn.functional.pad(once, (0, SIZE)).view(len(maps), SIZE, -1)
        return again.sum(dim=1), torch.nn.functional.avg_pool2d(given[:, None], 4)


@pytest.fixture(scope="module")
def hot_paths(movie) -> dict[str, tuple[Work, Work]]:
    """Each with its reference, which is none of our code."""
    frames, labels = movie
    encoder = Encoder.load()
    lag = np.abs(np.subtract.outer(np.arange(SIZE), np.arange(SIZE))) / SIZE
    maps = np.stack([0.2 * np.exp(-lag / tau) for tau in np.geomspace(0.01, 1, 18)]).astype(np.float32)
    return {
        "two_time": (lambda: two_time(frames, labels, threads=1), lambda: reduced_by_numpy(frames, labels)),
        "encode": (lambda: encoder.encode(maps), lambda: summed_by_torch(maps)),
    }


def ratio(work: Work, reference: Work, rounds: int) -> float:
    """Processor time of the work to that of the reference."""
    work(), reference()  # compiles, and fills the caches
    return statistics.median(_seconds(work) / _seconds(reference) for _ in range(rounds))


def _seconds(work: Work) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


@pytest.mark.parametrize("name", USUAL)
def test_hot_paths_are_as_fast_as_they_were(hot_paths, name):
    found, limit = ratio(*hot_paths[name], ROUNDS[name]), TOLERANCE * USUAL[name]
    print(f"{name}: {found:.3f} of the reference, {limit:.3f} at most")
    assert found < limit, f"{name} has become slow: look at it with benchmarks/{BENCHMARK[name]}.py"


@pytest.mark.parametrize("name", USUAL)
def test_twice_the_time_is_seen(hot_paths, name):
    work, _ = hot_paths[name]
    assert ratio(lambda: (work(), work()), work, ROUNDS[name]) > TOLERANCE
