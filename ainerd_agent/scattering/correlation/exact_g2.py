"""g2 at every lag of a window, without its T x T matrix.

The mean of C2 over age at one lag is the autocorrelation in time of the fluctuations of each pixel, averaged over the
pixels: a Fourier transform of each pixel gives all lags at once (Wiener-Khinchin).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ainerd_agent.records import FloatArray
from ainerd_agent.scattering.correlation.g2 import G2, N_GROUPS, subdivide
from ainerd_agent.scattering.correlation.normalisation import PLAIN, Normalisation
from ainerd_agent.scattering.correlation.window_counts import EVERYTHING, MEMORY, Selection, WindowCounts

NUMBERS_AT_ONCE = 4_000_000
"""That are transformed together."""


def exact_g2(
    frames: Any,
    labels: ArrayLike,
    selection: Selection = EVERYTHING,
    *,
    normalisation: Normalisation = PLAIN,
    frame_time: float = 1.0,
    n_groups: int = N_GROUPS,
    max_bytes: int = MEMORY,
) -> G2:
    """g2 of chosen bins at every lag of a window: exactly the mean of 1 + C2 over age, with errors.

    Parameters
    ----------
    frames, labels, selection, normalisation
        As for `WindowCounts`.
    frame_time : float
        Seconds; lags are in frames by default.
    n_groups : int
        Groups of pixels for the errors (see `g2`); no more than the smallest bin has pixels.
    max_bytes : int
        Memory that the counts and their transforms may use.

    Returns
    -------
    G2
        One row for each chosen bin, in the order of the labels. Lags without a pair of good frames are NaN.

    Raises
    ------
    BinError, FrameError
        As `whole_two_time`.
    """
    counts = WindowCounts(frames, labels, selection, normalisation)
    n_groups = min(n_groups, int(np.bincount(counts.labels.ravel())[1:].min()))
    power, size, length = _power_spectra(counts, n_groups, max_bytes)
    n_frames = len(counts.good)
    total = _autocorrelation(power, length)[..., 1:n_frames]
    n_pairs = np.rint(_autocorrelation(_power(counts.good.astype(np.float64), length), length)[1:n_frames])
    with np.errstate(invalid="ignore", divide="ignore"):
        groups = 1 + np.where(n_pairs > 0, total / (size[..., None] * n_pairs), np.nan)
    return G2.of_groups(np.arange(1, n_frames) * frame_time, groups, n_pairs=n_pairs.astype(np.int64), weights=size)


def _power_spectra(counts: WindowCounts, n_groups: int, max_bytes: int) -> tuple[FloatArray, FloatArray, int]:
    """Power spectrum in time of the fluctuations, added up over the pixels of each group.

    Returns
    -------
    power : ndarray, shape (n_chosen, n_groups, length // 2 + 1)
    size : ndarray, shape (n_chosen, n_groups)
        Pixels of each group.
    length : int
        Of the transforms: long enough that the ends of the window do not meet.
    """
    from scipy import fft

    group_of = (subdivide(counts.labels, n_groups).ravel() - 1) % n_groups
    length: int = fft.next_fast_len(2 * len(counts.good), real=True)
    power = np.zeros((len(counts.bins), n_groups, length // 2 + 1))
    size = np.zeros((len(counts.bins), n_groups))
    for piece in counts.pieces(max_bytes // 2, most=max(1, min(NUMBERS_AT_ONCE, max_bytes // 32) // length)):
        row = counts.bins.index(piece.bin)
        group = group_of[piece.pixels]
        order = np.argsort(group, kind="stable")
        present, starts = np.unique(group[order], return_index=True)
        spectra = _power(np.ascontiguousarray(piece.fluctuation(np.float64).T[order]), length)
        power[row, present] += np.add.reduceat(spectra, starts, axis=0)
        size[row, present] += np.diff(np.append(starts, len(group)))
    return power, size, length


def _power(series: FloatArray, length: int) -> FloatArray:
    """Power spectrum along the last axis, padded with zeros to `length`."""
    from scipy import fft

    spectrum = fft.rfft(series, n=length, axis=-1)
    return np.asarray(spectrum.real**2 + spectrum.imag**2)


def _autocorrelation(power: FloatArray, length: int) -> FloatArray:
    """Sum over time of the products at each lag, shape (..., length)."""
    from scipy import fft

    return np.asarray(fft.irfft(power, n=length, axis=-1))
