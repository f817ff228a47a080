"""Everything the simulated beamline is about to find out: sample, rheology and detector of one session."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.instrument.camera import PEAK_Q, SpeckleCamera
from ainerd_agent.instrument.sample import Sample
from ainerd_agent.instrument.stress_relaxation import StressRelaxation
from ainerd_agent.scattering import Geometry

FRAME_TIME = 0.002
"""Seconds between the frames of the simulated detector, where nothing else is said."""

RING_RADIUS = 0.39
"""Radius of the structure-factor peak on the detector, in units of its shorter side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """The truth behind a simulated session. Devices ask it; the analysis never does.

    Attributes
    ----------
    seed : int
        Every movie follows from it, its position, its time and its number.
    """

    sample: Sample
    relaxation: StressRelaxation
    camera: SpeckleCamera
    seed: int = 0

    @property
    def shape(self) -> tuple[int, int]:
        """Detector rows and columns."""
        return self.camera.shape

    @property
    def saturation(self) -> int:
        """Counts at which a pixel is full."""
        return self.camera.saturation

    def expose(
        self, x: float, y: float, elapsed: float, n_frames: int, frame_time: float, exposure: int
    ) -> NDArray[np.uint16]:
        """Record a movie.

        Parameters
        ----------
        x, y : float
            Sample position, mm.
        elapsed : float
            Seconds since cessation at the first frame.
        frame_time : float
            Seconds.
        exposure : int
            Number of the exposure, so that a repeat sees other speckles.

        Returns
        -------
        ndarray of uint16, shape (n_frames, H, W)
        """
        times = max(elapsed, 0.0) + np.arange(n_frames, dtype=np.float64) * frame_time
        return self.camera.movie(self.sample.dynamics_at(x, y), times, np.random.default_rng([self.seed, exposure]))

    def rheometer(self, elapsed: float) -> tuple[float, float, float]:
        """Shear stress (Pa), shear rate (1/s) and viscosity (Pa s), `elapsed` seconds after cessation."""
        relaxation = self.relaxation
        return relaxation.stress(elapsed), relaxation.shear_rate(elapsed), relaxation.viscosity(elapsed)

    def write_truth(self, path: Path) -> None:
        """Keep the ground truth aside, as JSON, for tests and benchmarks."""
        truth = {
            "seed": self.seed,
            "contrast": self.camera.contrast,
            "sample": asdict(self.sample),
            "relaxation": asdict(self.relaxation),
            "kind_map": self.sample.kind_map().tolist(),
        }
        path.write_text(json.dumps(truth, indent=1))

    @classmethod
    def random(cls, seed: int, camera: SpeckleCamera, *, duration: float) -> Experiment:
        """A session's truth from a seed; `duration` is the length of an exposure in seconds."""
        rng = np.random.default_rng(seed)
        relaxation = StressRelaxation.random(rng)
        sample = Sample.random(rng, duration=duration, avalanches=relaxation.avalanches)
        return cls(sample=sample, relaxation=relaxation, camera=camera, seed=seed)


def simulated_experiment(detector: tuple[int, int], *, frames: int, seed: int) -> Experiment:
    """The truth that a session is to find out, with the structure-factor ring fitted to the detector.

    Parameters
    ----------
    detector : tuple of int
        Rows and columns.
    frames : int
        Of an exposure, each `FRAME_TIME` long.
    """
    rows, columns = detector
    radius = RING_RADIUS * min(rows, columns)  # pixels
    unit = Geometry(centre=((rows - 1) / 2, (columns - 1) / 2), distance=1.0)
    geometry = replace(unit, distance=2 * math.pi * radius * unit.pixel_size / (PEAK_Q * unit.wavelength))
    return Experiment.random(seed, SpeckleCamera(shape=detector, geometry=geometry), duration=frames * FRAME_TIME)
