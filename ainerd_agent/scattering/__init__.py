"""Detector frames to C2: geometry and bins, two-time correlation, frame sources."""

from ainerd_agent.scattering.accumulation import TwoTime
from ainerd_agent.scattering.aps_map_writer import save_partition_map
from ainerd_agent.scattering.aps_maps import read_partition_map
from ainerd_agent.scattering.fingerprint import TwoTimeOptions, fingerprint
from ainerd_agent.scattering.geometry import Geometry, PoniGeometry
from ainerd_agent.scattering.labels import label_bins
from ainerd_agent.scattering.masks import circle, load_mask, rectangle
from ainerd_agent.scattering.partition import Partition
from ainerd_agent.scattering.resampling import resize_matrix
from ainerd_agent.scattering.sectors import azimuthal_bins
from ainerd_agent.scattering.sources import (
    ArrayFrames,
    Following,
    HDF5Events,
    HDF5Frames,
    ImmEvents,
    RigakuEvents,
    TiledFrames,
)
from ainerd_agent.scattering.two_time import TwoTimeStream, two_time, warm_up

__all__ = [
    "ArrayFrames",
    "Following",
    "Geometry",
    "HDF5Events",
    "HDF5Frames",
    "ImmEvents",
    "Partition",
    "PoniGeometry",
    "RigakuEvents",
    "TiledFrames",
    "TwoTime",
    "TwoTimeOptions",
    "TwoTimeStream",
    "azimuthal_bins",
    "circle",
    "fingerprint",
    "label_bins",
    "load_mask",
    "read_partition_map",
    "rectangle",
    "resize_matrix",
    "save_partition_map",
    "two_time",
    "warm_up",
]
