"""Other packages, each through its own interface, brought to the same stack of maps.

Each function imports its package and gives what correlates a movie. All of the packages divide each frame by its mean
in the bin, keep the diagonal, and give <I I'> / (<I> <I'>), which is one more than ours. They are called bin by bin
where that takes less memory, and their T x T maps are resized by the sparse matrix that ours uses, which is faster than
scikit-image.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.scattering.correlation.resampling import resize_matrix
from peers.full_matrix import SIZE, pixels_of_bins

Array = NDArray[Any]
Correlate = Callable[[Array, Array], Array]


def resized(matrix: Array) -> Array:
    """R C R^T - 1 of a T x T matrix."""
    resizer = resize_matrix(len(matrix), SIZE).astype(matrix.dtype)
    return np.asarray(resizer @ (resizer @ matrix).T) - 1


def resized_upper(upper: Array) -> Array:
    """R C R^T - 1 of a symmetric matrix of which only the upper triangle is filled; changes its argument."""
    np.fill_diagonal(upper, upper.diagonal() / 2)
    half = resized(upper) + 1
    return half + half.T - 1


def dynamix(threads: int) -> Correlate:
    """`MatMulCorrelator`: it computes I I^T of a bin, but sums up the diagonals at once, and gives g2 only."""
    from dynamix.correlator.dense import MatMulCorrelator

    def correlate(frames: Array, labels: Array) -> Array:
        correlator = MatMulCorrelator(labels.shape, len(frames), qmask=labels)
        return np.asarray(correlator.correlate(frames))

    return correlate


def scikit_beam(threads: int) -> Correlate:
    """`two_time_corr` with one level and as many buffers as frames, which is its way to say "all pairs"."""
    from skbeam.core.correlation import two_time_corr

    def correlate(frames: Array, labels: Array) -> Array:
        n_buffers = len(frames) + len(frames) % 2
        found = two_time_corr(labels, frames, len(frames), n_buffers, num_levels=1)
        return np.stack([resized(matrix) for matrix in found.g2])

    return correlate


def pychx(threads: int) -> Correlate:
    """`auto_two_Arrayc` of pixels in single precision; pyCHX's own reader gives doubles, which take twice as long."""
    with _silent():
        from pyCHX.chx_correlationc import auto_two_Arrayc

    def correlate(frames: Array, labels: Array) -> Array:
        maps = []
        for pixels in pixels_of_bins(labels):
            counts = frames.reshape(len(frames), -1)[:, pixels].astype(np.float32)
            with _silent():
                matrix = auto_two_Arrayc(counts, _one_bin(labels, pixels))
            maps.append(resized(matrix[:, :, 0]))
        return np.stack(maps)

    return correlate


def boost_corr(threads: int, device: str = "cpu", average: bool = False) -> Correlate:
    """`TwotimeCorrelator` as its command line calls it; `average` averages T / 256 frames first (`avg_frame`)."""
    import torch
    from boost_corr import TwotimeCorrelator

    torch.set_num_threads(threads)

    def correlate(frames: Array, labels: Array) -> Array:
        pixels = pixels_of_bins(labels)
        order = np.concatenate(pixels)
        edges = np.cumsum([0, *map(len, pixels)])
        slices = [slice(int(start), int(stop)) for start, stop in pairwise(edges)]
        numbers = np.arange(1, len(pixels) + 1)
        together = max(1, round(len(frames) / SIZE)) if average else 1
        n_averaged = len(frames) // together
        correlator = TwotimeCorrelator(
            {"dq_idx": numbers, "dq_slc": slices, "sq_idx": numbers, "sq_slc": slices},
            frame_num=n_averaged,
            det_size=labels.shape,
            mask_crop=torch.from_numpy(order).to(device),
            device=device,
        )
        batch = 128 * together
        for start in range(0, n_averaged * together, batch):
            stop = min(start + batch, n_averaged * together)
            counts = frames[start:stop].reshape(stop - start, -1).take(order, axis=1).view(np.int16)
            tensor = torch.from_numpy(counts).to(device)
            if together > 1:
                tensor = tensor.reshape(-1, together, len(order)).float().mean(dim=1)
            correlator.process(tensor)
        correlator.post_processing(smooth_method="sqmap")
        found = correlator.get_twotime_generator()
        return np.stack([resized_upper(next(iter(next(found).values()))) for _ in pixels])

    return correlate


def xpcs_correlator(threads: int, binned: bool = False) -> Correlate:
    """`correlator_dense_chunked` in this process; `binned` lets it bin its T x T map to 256 x 256 itself."""
    import xpcscorr

    def correlate(frames: Array, labels: Array) -> Array:
        maps = []
        for pixels in pixels_of_bins(labels):
            found = xpcscorr.correlator_dense_chunked(
                frames,
                _one_bin(labels, pixels),
                ttcf_format="t1,t2",
                t1_t2_binning=min(SIZE, len(frames)) if binned else None,
                extra_options={"dask_cluster_type": None, "chunks_N": 1, "chunks_dtype": np.float32},
            )
            maps.append(_mirrored(np.triu(found.ttcf[0])) - 1 if binned else resized_upper(found.ttcf[0]))
        return np.stack(maps)

    return correlate


def g2_of_counts(frames: Array, labels: Array) -> Array:
    """What dynamix gives, in double precision: sums along the diagonals of <I I'> over those of <I> <I'>."""
    found = []
    for pixels in pixels_of_bins(labels):
        counts = frames.reshape(len(frames), -1)[:, pixels].astype(np.float64)
        mean = counts.mean(axis=1)
        product = counts @ counts.T / len(pixels)
        lags = range(len(frames))
        found.append([product.trace(lag) / (mean[: len(mean) - lag] @ mean[lag:]) for lag in lags])
    return np.array(found)


def _mirrored(upper: Array) -> Array:
    return upper + np.triu(upper, 1).T


def _one_bin(labels: Array, pixels: Array) -> Array:
    only = np.zeros(labels.size, dtype=np.int64)
    only[pixels] = 1
    return only.reshape(labels.shape)


@contextlib.contextmanager
def _silent() -> Any:
    """Keep progress bars out of the way."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere), contextlib.redirect_stdout(nowhere):
        yield
