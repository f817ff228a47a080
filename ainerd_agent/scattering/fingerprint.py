"""One measurement's frames to its fingerprints."""

from __future__ import annotations

import numpy as np

from ainerd_agent.records import Fingerprints, FloatArray, MapStack, Measurement
from ainerd_agent.scattering.geometry import Partition
from ainerd_agent.scattering.two_time import TwoTimeStream


def fingerprint(measurement: Measurement, partition: Partition, *, size: int = 256) -> Fingerprints:
    """Compute the C2 maps of a measurement, reading its frames once.

    Counts are divided by the static image, smoothed azimuthally over fine q rings as in the paper.

    Parameters
    ----------
    measurement : Measurement
    partition : Partition
        Bins and rings for the detector's shape.
    size : int
        Side of the maps.

    Raises
    ------
    FrameError
        Frames that cannot be read or trusted (see `TwoTimeStream`).
    """
    n_frames = measurement.frames.shape[0]
    stream = TwoTimeStream(
        partition.labels, n_frames, size=size, static=partition.rings, saturation=measurement.saturation
    )
    for block in measurement.frames.blocks():
        stream.add(block)
    result = stream.result()
    duration = n_frames * measurement.frame_time
    lags = np.arange(size) * duration / size
    g2 = 1 + age_average(result.c2)
    return Fingerprints(
        origin=measurement.origin,
        c2=result.c2,
        bins=partition.bins,
        duration=duration,
        mean_counts=result.mean_counts,
        contrast=result.contrast,
        tau=relaxation_time(g2 - 1, lags),
        g2=g2,
        lags=lags,
    )


def age_average(maps: MapStack) -> MapStack:
    """Mean of C2 over age at each lag (its diagonals), shape (n, size, size) to (n, size).

    The last lags rest on few points each and are noisy.
    """
    n, size, _ = maps.shape
    # With every row i rolled left by i, column k holds C2(i, i + k) for i + k < size: the lags stand in columns.
    age, lag = np.indices((size, size))
    rolled = maps[:, age, (age + lag) % size]
    upper = age + lag < size
    return np.asarray((rolled * upper).sum(axis=1) / upper.sum(axis=0), dtype=np.float32).reshape(n, size)


def relaxation_time(correlation: MapStack, lags: FloatArray) -> FloatArray:
    """Lag at which the correlation has fallen to 1/e of its first value, shape (n_bins,).

    Linear between lags; NaN where it does not fall that far in the first three quarters of the window (later lags are
    too noisy to tell) and where there is no correlation to begin with.

    Parameters
    ----------
    correlation : ndarray, shape (n_bins, n_lags)
        g2 - 1.
    lags : ndarray, shape (n_lags,)
    """
    reach = max(2, 3 * len(lags) // 4)
    tau = np.full(len(correlation), np.nan)
    for number, curve in enumerate(np.asarray(correlation[:, :reach], dtype=np.float64)):
        target = curve[0] / np.e
        below = np.flatnonzero(curve < target)
        if curve[0] > 0 and below.size:
            after = int(below[0])
            share = (curve[after - 1] - target) / (curve[after - 1] - curve[after])
            tau[number] = lags[after - 1] + share * (lags[after] - lags[after - 1])
    return tau
