"""Looks: of a movie that goes on, and out of the maps of one that is over."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import MapError
from ainerd_agent.records import AgeLagMap, Bins, Fingerprints, FloatArray, Measurement
from ainerd_agent.records.look import Look
from ainerd_agent.scattering.correlation._engine.age_lag_sections import complete_cells, has_lags
from ainerd_agent.scattering.correlation.g2 import g2_of_maps
from ainerd_agent.scattering.correlation.resampling import resize_band, rows_within
from ainerd_agent.scattering.correlation.two_time_maps import MapsSoFar


def live_look(maps: MapsSoFar, measurement: Measurement, bins: Bins, number: int) -> Look:
    """A look at a running exposure.

    Parameters
    ----------
    maps : MapsSoFar
        What `TwoTimeStream.look` gave.
    measurement : Measurement
        The exposure.
    bins : Bins
        Of its partition.
    number : int
        Of the look, from 1.
    """
    frame_time = measurement.frame_time
    problems = list(measurement.problems)
    if maps.filled.any():
        problems.append(f"{maps.filled.mean():.0%} of the times are interpolated")
    if len(maps.bad_pixels):
        problems.append(maps.bad_pixels.words())
    aged = None if maps.age_lag is None else maps.age_lag.in_seconds(frame_time)
    if aged is not None:
        curve = aged.g2()
        lags, g2, error = curve.lags, curve.g2, curve.error
    else:
        lags, g2, error = _g2_of_map(maps.c2, maps.n_frames * frame_time / maps.size)
    return Look(
        origin=measurement.origin,
        source="live",
        number=number,
        frames=maps.n_so_far,
        planned_frames=maps.n_frames,
        seconds=maps.n_so_far * frame_time,
        planned_seconds=maps.n_frames * frame_time,
        c2=maps.c2,
        plan_rows=maps.size,
        n_complete=maps.n_complete,
        bins=replace(bins, n_pixels=maps.n_pixels.astype(np.int64)),
        mean_counts=maps.mean_counts,
        contrast=maps.contrast,
        lags=lags,
        g2=g2,
        g2_error=error,
        intensity=maps.intensity,
        age_lag=None if aged is None else aged.record(),
        complete=maps.complete_cells,
        problems=tuple(problems),
    )


def cropped_look(fingerprints: Fingerprints, n_frames: int, number: int, *, sigma: float | None = None) -> Look:
    """What a look at the first frames of a stored exposure would have seen.

    The maps are cut, not made anew: <I> is that of the whole exposure. Cells of age and lag with a pair beyond the cut
    are NaN.

    Parameters
    ----------
    fingerprints : Fingerprints
        Of the whole exposure, whose `origin.exposure` knows how many frames it had.
    n_frames : int
        Frames of the look.
    number : int
        Of the look, from 1.
    sigma : float, optional
        Of the anti-aliasing that the maps were made with, as for `two_time`.

    Raises
    ------
    MapError
        The number of frames of the exposure is not known, it has fewer than the look, or less than two rows of the map
        are left.
    """
    whole, size = fingerprints.origin.exposure.frames, fingerprints.c2.shape[-1]
    name, duration = fingerprints.origin.name, fingerprints.duration
    if whole is None or not np.isfinite(duration):
        raise MapError(f"{name} does not say how many frames it had and how long it took: it cannot be cut at a frame")
    if not 0 < n_frames <= whole:
        raise MapError(f"{name} has {whole} frames, and cannot be cut after {n_frames}")
    n_rows = rows_within(n_frames, whole, size)
    if n_rows < 2:
        raise MapError(f"the first {n_frames} of {whole} frames of {name} are less than two rows of its map of {size}")
    c2 = fingerprints.c2[:, :n_rows, :n_rows]
    lags, g2, error = _g2_of_map(c2, duration / size)
    aged = _cropped_cells(fingerprints.age_lag, whole, n_frames, duration / whole)
    return Look(
        origin=fingerprints.origin,
        source="crop",
        number=number,
        frames=n_frames,
        planned_frames=whole,
        seconds=n_frames * duration / whole,
        planned_seconds=duration,
        c2=c2,
        plan_rows=size,
        n_complete=min(n_rows, complete_rows(n_frames, whole, size, sigma)),
        bins=fingerprints.bins,
        mean_counts=fingerprints.mean_counts,
        contrast=_contrast(c2, aged),
        lags=lags,
        g2=g2,
        g2_error=error,
        age_lag=None if aged is None else aged[0],
        complete=None if aged is None else aged[1],
        problems=tuple(dict.fromkeys(filter(None, fingerprints.quality.problems))),
    )


def complete_rows(n_so_far: int, n_frames: int, size: int, sigma: float | None = None) -> int:
    """Rows of a map whose smoothing does not reach over its first frames; the diagonal is taken as replaced."""
    if n_so_far >= n_frames:
        return size
    # The last frame waits for its neighbour, which C(t, t) is taken from.
    beyond = np.flatnonzero(resize_band(n_frames, size, sigma).last_frames(size) > n_so_far - 2)
    return int(beyond[0]) if beyond.size else size


def _g2_of_map(c2: NDArray[np.float32], step: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Lags, g2 and its error from the diagonals of maps."""
    if c2.shape[-1] < 2:
        nothing = np.empty((len(c2), 0))
        return np.empty(0), nothing, nothing
    found = g2_of_maps(c2, step)
    return found.lags, found.g2, found.error


def _contrast(c2: NDArray[np.float32], aged: tuple[AgeLagMap, NDArray[np.bool_]] | None) -> FloatArray:
    """C2 from one frame to the next in the complete sections of age, or from one row to the next."""
    if aged is not None and aged[1][:, 0].any():
        return np.asarray(np.nanmean(aged[0].values[:, aged[1][:, 0], 0], axis=1), dtype=np.float64)
    return np.asarray(np.nanmean(np.diagonal(c2, 1, axis1=1, axis2=2), axis=1), dtype=np.float64)


def _cropped_cells(
    stored: AgeLagMap | None, whole: int, n_frames: int, frame_time: float
) -> tuple[AgeLagMap, NDArray[np.bool_]] | None:
    """The cells that frames beyond the cut take no part in; None where the map is not one of frames."""
    if stored is None or not has_lags(whole, stored.lags / frame_time):
        return None
    complete = complete_cells(whole, len(stored.ages), stored.lags / frame_time, n_frames)
    return replace(
        stored, values=np.where(complete, stored.values, np.nan), errors=np.where(complete, stored.errors, np.nan)
    ), complete
