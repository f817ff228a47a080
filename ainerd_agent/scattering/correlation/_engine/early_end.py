"""The maps of a movie that ended before its planned number of frames, without its frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ainerd_agent.records import FloatArray
from ainerd_agent.scattering.correlation._engine.accumulation import Accumulation
from ainerd_agent.scattering.correlation.resampling import crop_matrix
from ainerd_agent.scattering.correlation.two_time_maps import TwoTime


def shortened(state: Accumulation, n_frames: int, intensity: FloatArray) -> TwoTime:
    """Cut the maps of the planned movie after `n_frames` frames, and resample them to as many rows.

    Parameters
    ----------
    state : Accumulation
        Finished.
    n_frames : int
        That came.
    intensity : ndarray, shape (planned frames,)
    """
    whole, size = state.maps(intensity), state.size
    weights = crop_matrix(size, size, 0.0, n_frames * size / state.n_frames).toarray()
    aged = state.age_lag((0, n_frames))
    return replace(
        whole,
        c2=np.asarray(weights @ whole.c2 @ weights.T, dtype=np.float32),
        n_frames=n_frames,
        bad_frames=whole.bad_frames[whole.bad_frames < n_frames],
        filled=weights @ whole.filled > 0.5,
        intensity=intensity[:n_frames],
        age_lag=aged if aged is not None and aged.lags.size else None,
        resampled=True,
    )
