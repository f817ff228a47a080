"""g2 at every lag of a window, without its T x T matrix.

The mean of C2 over age at one lag is the autocorrelation in time of the fluctuations of each pixel, averaged over the
pixels: a Fourier transform of each pixel gives all lags at once (Wiener-Khinchin).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ainerd_agent.scattering.correlation.g2 import G2, N_GROUPS, subdivide
from ainerd_agent.scattering.correlation.normalisation import Normalise, check_labels, masked
from ainerd_agent.scattering.correlation.window_counts import WindowCounts

MEMORY = 2 * 1024**3
"""Bytes used at most, where nothing else is asked for."""

NUMBERS = 4_000_000
"""Numbers that are transformed at a time."""


def exact_g2(
    frames: Any,
    labels: ArrayLike,
    *,
    frame_time: float = 1.0,
    bins: Sequence[int] | None = None,
    window: tuple[int, int] | None = None,
    static: ArrayLike | None = None,
    normalise: Normalise = "static",
    mask: ArrayLike | None = None,
    bad_frames: Iterable[int] | None = None,
    flat_field: ArrayLike | None = None,
    saturation: float | None = None,
    n_groups: int = N_GROUPS,
    max_bytes: int = MEMORY,
) -> G2:
    """g2 of chosen bins at every lag of a window: exactly the mean of 1 + C2 over age, with errors.

    Parameters
    ----------
    frame_time : float
        Seconds; lags are in frames by default.
    n_groups : int
        Groups of pixels for the errors (see `g2`); no more than the smallest bin has pixels.
    frames, labels, bins, window, static, normalise, mask, bad_frames, flat_field, saturation, max_bytes
        As for `whole_two_time`.

    Returns
    -------
    G2
        One row for each chosen bin, in the order of the labels. Lags without a pair of good frames are NaN.

    Raises
    ------
    BinError, FrameError
        As `whole_two_time`.
    """
    from scipy import fft

    label_map = check_labels(masked(labels, mask))
    counts = WindowCounts(
        frames,
        label_map,
        bins=bins,
        window=window,
        static=static,
        normalise=normalise,
        bad_frames=bad_frames,
        flat_field=flat_field,
        saturation=saturation,
    )
    n_groups = min(n_groups, int(np.bincount(label_map.ravel())[1:].min()))
    group_of = (subdivide(label_map, n_groups).ravel() - 1) % n_groups
    n_frames = len(counts.good)
    length = fft.next_fast_len(2 * n_frames, real=True)
    power = np.zeros((len(counts.bins), n_groups, length // 2 + 1))
    size = np.zeros((len(counts.bins), n_groups))
    for piece in counts.pieces(max_bytes // 2, most=max(1, min(NUMBERS, max_bytes // 32) // length)):
        row = counts.bins.index(piece.bin)
        group = group_of[piece.pixels]
        order = np.argsort(group, kind="stable")
        present, starts = np.unique(group[order], return_index=True)
        spectrum = fft.rfft(np.ascontiguousarray(piece.fluctuation(np.float64).T[order]), n=length, axis=1)
        power[row, present] += np.add.reduceat(spectrum.real**2 + spectrum.imag**2, starts, axis=0)
        size[row, present] += np.diff(np.append(starts, len(group)))
    total = fft.irfft(power, n=length, axis=-1)[..., 1:n_frames]
    good = fft.rfft(counts.good.astype(np.float64), n=length)
    n_pairs = np.rint(fft.irfft(good.real**2 + good.imag**2, n=length)[1:n_frames]).astype(np.int64)
    with np.errstate(invalid="ignore", divide="ignore"):
        groups = 1 + np.where(n_pairs > 0, total / (size[..., None] * n_pairs), np.nan)
    return G2.of_groups(np.arange(1, n_frames) * frame_time, groups, n_pairs=n_pairs, weights=size)
