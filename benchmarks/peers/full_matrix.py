"""The two-time map the long way: every element of the T x T matrix is computed, then it is resized.

`definition` is what all others are held against, `whole_matrix` what one writes with numpy. `tiles` and `byte_rows` are
the best that was found: the first holds two tiles of frames and one of the matrix at a time, the second multiplies
integers of eight bits, and so is for counts below 128 only.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import threadpool_limits

from ainerd_agent.scattering.correlation.resampling import resize_matrix

Array = NDArray[Any]
Convention = Literal["static", "frame"]
"""What is divided by: the mean of a bin over pixels and frames, the diagonal being replaced by its neighbours; or the
mean of each frame in the bin, the diagonal being kept."""

SIZE = 256


def definition(frames: Array, labels: Array, convention: Convention = "static") -> Array:
    """By numpy in double precision, then scikit-image's resize."""
    from skimage.transform import resize

    maps = []
    for pixels in pixels_of_bins(labels):
        counts = frames.reshape(len(frames), -1)[:, pixels].astype(np.float64)
        fluctuation = counts / (counts.mean(axis=1, keepdims=True) if convention == "frame" else counts.mean()) - 1
        matrix = fluctuation @ fluctuation.T / len(pixels)
        if convention == "static":
            beside = matrix.diagonal(1)
            both = np.concatenate([beside[:1], (beside[1:] + beside[:-1]) / 2, beside[-1:]])
            np.fill_diagonal(matrix, both)
        maps.append(resize(matrix, (SIZE, SIZE), order=1, anti_aliasing=True))
    return np.stack(maps)


def whole_matrix(frames: Array, labels: Array, threads: int) -> Array:
    """Single precision, one symmetric product (SYRK) a bin, sparse resize."""
    resizer = resize_matrix(len(frames), SIZE).astype(np.float32)

    def of_bin(pixels: Array) -> Array:
        counts = frames.reshape(len(frames), -1).take(pixels, axis=1).astype(np.float32)
        counts *= np.float32(1 / counts.mean(dtype=np.float64))
        counts -= 1
        matrix = counts @ counts.T
        np.fill_diagonal(matrix, from_neighbours(np.einsum("ij,ij->i", counts[:-1], counts[1:])))
        return np.asarray(resizer @ (resizer @ matrix).T) / len(pixels)

    return bins_in_threads(of_bin, labels, threads)


def tiles(frames: Array, labels: Array, threads: int, tile: int = 512) -> Array:
    """Single precision, tile by tile of the upper triangle; frames are fetched again for each tile."""
    n_frames = len(frames)
    resizer = resize_matrix(n_frames, SIZE).astype(np.float32)
    starts = range(0, n_frames, tile)
    parts = [trimmed(resizer[:, start : start + tile]) for start in starts]

    def of_bin(pixels: Array) -> Array:
        flat = frames.reshape(n_frames, -1)
        scale = (
            n_frames * len(pixels) / sum(flat[s : s + tile].take(pixels, axis=1).sum(dtype=np.int64) for s in starts)
        )

        def fluctuation(start: int, stop: int) -> Array:
            counts = flat[start:stop].take(pixels, axis=1).astype(np.float32)
            counts *= np.float32(scale)
            counts -= 1
            return counts

        beside = np.empty(n_frames - 1, dtype=np.float32)
        for start in starts:
            both = fluctuation(start, start + tile + 1)
            beside[start : start + len(both) - 1] = np.einsum("ij,ij->i", both[:-1], both[1:])
        diagonal = from_neighbours(beside)

        half = np.zeros((SIZE, SIZE), dtype=np.float32)
        for i, start in enumerate(starts):
            first = fluctuation(start, start + tile)
            resized = np.zeros((len(first), SIZE), dtype=np.float32)
            for j in range(i, len(starts)):
                matrix = first @ (first if j == i else fluctuation(starts[j], starts[j] + tile)).T
                if j == i:
                    np.fill_diagonal(matrix, diagonal[start : start + tile])
                    matrix *= 0.5
                rows, part = parts[j]
                resized[:, rows] += (part @ matrix.T).T
            rows, part = parts[i]
            half[rows] += part @ resized
        return (half + half.T) / len(pixels)

    return bins_in_threads(of_bin, labels, threads)


def byte_rows(frames: Array, labels: Array, threads: int, tile: int = 256) -> Array:
    """Products of 8-bit integers (torch's private `_int_mm`), rows of the upper triangle; counts below 128 only."""
    import torch

    n_frames = len(frames)
    if frames.max() > np.iinfo(np.int8).max:
        raise ValueError("counts above 127 do not fit into 8 bits")
    resizer = resize_matrix(n_frames, SIZE).astype(np.float32)
    starts = range(0, n_frames, tile)
    parts = [trimmed(resizer[:, start : start + tile]) for start in starts]

    def of_bin(pixels: Array) -> Array:
        n = len(pixels)
        counts = np.zeros((n_frames, 64 * -(-n // 64)), dtype=np.int8)
        total = np.empty(n_frames)
        beside = np.empty(n_frames - 1)
        for start in starts:
            part = frames[start : start + tile].reshape(-1, frames[0].size).take(pixels, axis=1)
            counts[start : start + tile, :n] = part
            total[start : start + tile] = part.sum(axis=1, dtype=np.int64)
        for start in range(0, n_frames - 1, tile):
            both = counts[start : start + tile + 1].astype(np.float32)
            beside[start : start + len(both) - 1] = np.einsum("ij,ij->i", both[:-1], both[1:])
        mean = total.sum() / (n_frames * n)

        # D D^T = I I^T / <I>^2 - (S + S^T) / <I> + N, and rows of R add up to one.
        diagonal = from_neighbours(beside) + mean * (total - from_neighbours((total[1:] + total[:-1]) / 2)) * 2
        tensor = torch.from_numpy(counts)
        resized = np.zeros((SIZE, n_frames), dtype=np.float32)
        for start, (rows, part) in zip(starts, parts, strict=True):
            matrix = torch._int_mm(tensor[start : start + tile], tensor[start:].T).numpy().astype(np.float32)
            square = matrix[:, : len(matrix)]
            np.fill_diagonal(square, diagonal[start : start + tile])
            square *= 0.5
            resized[rows, start:] += part @ matrix
        half = (resizer @ resized.T).astype(np.float64)
        sums = resizer.astype(np.float64) @ total
        return (half + half.T) / (n * mean**2) - (sums[:, None] + sums) / (n * mean) + 1

    return bins_in_threads(of_bin, labels, threads, prepare=partial(torch.set_num_threads, 1))


def pixels_of_bins(labels: Array) -> list[Array]:
    """Flat addresses of the pixels of each bin."""
    return [np.flatnonzero(labels.ravel() == label) for label in range(1, labels.max() + 1)]


def from_neighbours(beside: Array) -> Array:
    """What replaces the diagonal: the mean of the elements (t, t - 1) and (t, t + 1), given all (t, t + 1)."""
    return np.concatenate([beside[:1], (beside[1:] + beside[:-1]) / 2, beside[-1:]])


def trimmed(part: sparse.csr_array) -> tuple[slice, sparse.csr_array]:
    """The rows of a part of the resize matrix that are not empty, and where they are."""
    rows = np.flatnonzero(np.diff(part.indptr))
    where = slice(int(rows[0]), int(rows[-1]) + 1)
    return where, part[where]


def bins_in_threads(
    of_bin: Callable[[Array], Array], labels: Array, threads: int, prepare: Callable[[], None] | None = None
) -> Array:
    """One bin on each thread: so the gather and the resize, which BLAS does not do, run on all processors too."""
    if prepare is not None:
        prepare()
    with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:
        return np.stack(list(pool.map(of_bin, pixels_of_bins(labels))))
