"""What the rheometer says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ainerd_agent.records.arrays import FloatArray


@dataclass(frozen=True, slots=True)
class RheometerSamples:
    """Rheometer readings, each array of shape (n,) and in order of time.

    Attributes
    ----------
    time : ndarray
        Seconds since the epoch.
    shear_stress : ndarray
        Pa.
    shear_rate : ndarray
        1/s.
    viscosity : ndarray
        Pa s.
    """

    time: FloatArray
    shear_stress: FloatArray
    shear_rate: FloatArray
    viscosity: FloatArray

    @classmethod
    def empty(cls) -> RheometerSamples:
        """No readings: a run without a rheometer."""
        nothing = np.empty(0)
        return cls(nothing, nothing, nothing, nothing)


@dataclass(frozen=True, slots=True)
class ShearStress:
    """The rheometer over one exposure; NaN where there was no reading.

    Attributes
    ----------
    mean, std : float
        Shear stress, Pa.
    shear_rate : float
        Mean, 1/s.
    viscosity : float
        Mean, Pa s.
    n_samples : int
        Readings inside the exposure; 0 means the nearest reading was used, or there was none at all.
    """

    mean: float = float("nan")
    std: float = float("nan")
    shear_rate: float = float("nan")
    viscosity: float = float("nan")
    n_samples: int = 0
