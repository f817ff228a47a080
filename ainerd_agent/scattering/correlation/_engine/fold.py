"""What a fold of frames does, on whatever device it is: see `NumbaFold` and `TorchFold`."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records import FloatArray, PhotonEvents
from ainerd_agent.records.arrays import IntArray
from ainerd_agent.scattering.correlation._engine.age_lag_sums import AgeLagSums
from ainerd_agent.scattering.correlation._engine.layout import Addresses
from ainerd_agent.scattering.correlation._engine.numba_fold import FrameSums
from ainerd_agent.scattering.correlation.resampling import Band


class Fold(Protocol):
    """Weighted sums of frames, on some device."""

    dtype: np.dtype[Any]

    def add_frames(
        self, frames: NDArray[Any], addresses: Addresses, band: Band, scale: FloatArray, numbers: IntArray
    ) -> FrameSums:
        """Fold frames in."""
        ...

    def add_events(self, events: PhotonEvents, begin: int, keep: IntArray, band: Band, scale: FloatArray) -> FrameSums:
        """Fold photon events in."""
        ...

    def age_lag(self) -> AgeLagSums:
        """The sums of an age-lag map."""
        ...

    def gram(self, pixels: slice, rows: IntArray, weight: FloatArray, mean: FloatArray) -> FloatArray:
        """<D D> of a bin."""
        ...

    def moments(self) -> FloatArray:
        """Sums of the raw counts of each pixel and of their squares."""
        ...

    def silence(self, positions: IntArray) -> FloatArray:
        """Take what was folded of some pixels out; give what that was in all rows together."""
        ...


class MakesFold(Protocol):
    """Makes an empty `Fold` for so many rows a frame."""

    def __call__(self, width: int) -> Fold:
        """Make it."""
        ...
