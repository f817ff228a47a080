"""Simulated exposures, and looks at them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ainerd_agent.records import Bins, Exposure, Measurement, Origin
from ainerd_agent.records.look import Look, look_frames
from ainerd_agent.scattering.correlation.age_lag_correlation import AgeLagCorrelation, Ages
from ainerd_agent.scattering.correlation.looks import live_look
from ainerd_agent.scattering.correlation.normalisation import Normalisation
from ainerd_agent.scattering.correlation.two_time_stream import TwoTimeStream
from ainerd_agent.scattering.frames.arrays import ArrayFrames
from ainerd_agent.scattering.simulation.dynamics import Dynamics
from tests.scattering.speckle_movie import speckle_movie

N_BINS, FRAME_TIME = 3, 0.5


def looks_at(
    dynamics: Dynamics,
    n_frames: int = 600,
    *,
    shares: Sequence[float] = (0.2, 0.5, 1.0),
    seed: int = 0,
    brightness: Sequence[float] | None = None,
    counts: float = 1.0,
) -> Iterator[tuple[Look, AgeLagCorrelation]]:
    """Looks at a movie, with its correlation in seconds; `brightness` is a factor for each frame."""
    frames, labels = speckle_movie(dynamics, n_frames, N_BINS, 1200, counts=counts, seed=seed)
    if brightness is not None:
        frames = np.random.default_rng(seed).poisson(frames * np.asarray(brightness)[:, None, None]).astype(np.uint16)
    stream = TwoTimeStream(labels, n_frames, normalisation=Normalisation(static=labels), ages=Ages())
    origin = Origin(raw_uid="run", seq_num=1, start=0.0, stop=1.0, exposure=Exposure(planned=n_frames * FRAME_TIME))
    measurement = Measurement(origin=origin, frames=ArrayFrames(frames), frame_time=FRAME_TIME)
    bins = Bins(q=np.full(N_BINS, 0.02), azimuth=np.arange(N_BINS) * 60.0, n_pixels=np.full(N_BINS, 1200))
    done = 0
    for number, stop in enumerate(look_frames(n_frames, shares), start=1):
        stream.add(frames[done:stop])
        done = stop
        maps = stream.look()
        assert maps.age_lag is not None
        yield live_look(maps, measurement, bins, number), maps.age_lag.in_seconds(FRAME_TIME)
