"""Detector frames to C2: geometry and bins, two-time correlation, frame sources."""

from ainerd_agent.scattering.fingerprint import fingerprint
from ainerd_agent.scattering.geometry import Geometry, Partition, azimuthal_bins
from ainerd_agent.scattering.resampling import resize_matrix
from ainerd_agent.scattering.sources import ArrayFrames, HDF5Frames
from ainerd_agent.scattering.two_time import TwoTime, TwoTimeStream, two_time

__all__ = [
    "ArrayFrames",
    "Geometry",
    "HDF5Frames",
    "Partition",
    "TwoTime",
    "TwoTimeStream",
    "azimuthal_bins",
    "fingerprint",
    "resize_matrix",
    "two_time",
]
