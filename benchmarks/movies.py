"""The movies that the two-time benchmark correlates, always the same for the same arguments.

Speckle whose relaxation time grows from T/50 to T/2 while the movie runs, with one avalanche at 0.6 T, and photons
counted. So the maps have what is hard for methods that average: fast decays, age, and an edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

N_BINS = 18
N_PIXELS = 54_990
"""18 bins of 3,055 pixels each."""

SMALL = (235, 235)
"""A detector of which nearly all pixels are in bins, so that movies of many frames fit into memory."""

LARGE = (512, 1536)
"""A detector of which 7 % of the pixels are in bins."""

STRIPS = 5
"""Parts of the detector that are drawn independently of each other."""


def bins(shape: tuple[int, int]) -> NDArray[np.int64]:
    """Labels of 18 equal sectors of the ring of `N_PIXELS` pixels around the middle."""
    height, width = shape
    y, x = np.mgrid[:height, :width]
    y, x = y.ravel() - (height - 1) / 2, x.ravel() - (width - 1) / 2
    ring = np.argsort(np.abs(np.hypot(y, x) - 0.35 * height), kind="stable")[:N_PIXELS]
    by_azimuth = ring[np.argsort(np.arctan2(y, x)[ring], kind="stable")]
    labels = np.zeros(height * width, dtype=np.int64)
    labels[by_azimuth] = np.arange(N_PIXELS) // (N_PIXELS // N_BINS) + 1
    return labels.reshape(shape)


def write_movie(path: Path, n_frames: int, *, mean: float = 1.0, seed: int = 0) -> None:
    """Write uint16 frames, shape (n_frames, *SMALL), as a .npy file; `mean` photons per pixel and frame."""
    movie = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint16, shape=(n_frames, *SMALL))
    progress = np.arange(n_frames) / n_frames
    keep = np.exp(-1 / (n_frames * (0.02 + 0.48 * progress)))
    keep[int(0.6 * n_frames)] = 0.0
    height = SMALL[0] // STRIPS

    def draw(strip: int) -> None:
        random = np.random.default_rng([seed, strip])
        rows = slice(strip * height, (strip + 1) * height)
        field = random.standard_normal((2, height, SMALL[1]), dtype=np.float32)
        for t in range(n_frames):
            field *= np.float32(keep[t])
            fresh = random.standard_normal(field.shape, dtype=np.float32)
            field += np.float32(np.sqrt(1 - keep[t] ** 2)) * fresh
            movie[t, rows] = random.poisson(mean / 2 * (field**2).sum(axis=0))

    with ThreadPoolExecutor() as pool:
        list(pool.map(draw, range(STRIPS)))
    movie.flush()


def blocks_of(path: Path, n_frames: int, size: int = 256) -> Iterator[NDArray[np.uint16]]:
    """Read blocks of a movie until there are `n_frames`, from the start again when the file is at its end."""
    stored = np.load(path, mmap_mode="r")
    shape, offset, length = stored.shape[1:], stored.offset, stored.shape[0]
    del stored
    given = 0
    while given < n_frames:
        start = given % length
        n = min(size, length - start, n_frames - given)
        count = n * shape[0] * shape[1]
        yield np.fromfile(path, np.uint16, count, offset=offset + start * shape[0] * shape[1] * 2).reshape(n, *shape)
        given += n


def random_events(n_frames: int, labels: NDArray[Any], per_frame: float, seed: int = 0) -> tuple[NDArray[Any], ...]:
    """Frame, pixel and count of photons in random pixels of the bins, in order of frames, then of pixels."""
    random = np.random.default_rng(seed)
    used = np.flatnonzero(labels)
    n_events = random.poisson(n_frames * per_frame)
    key = random.integers(n_frames, size=n_events) * labels.size + random.choice(used, n_events)
    frame, pixel = np.divmod(np.unique(key), labels.size)
    return frame.astype(np.int32), pixel.astype(np.int32), np.ones(len(frame), dtype=np.uint16)
