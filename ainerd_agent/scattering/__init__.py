"""Detector frames to C2: geometry and bins, two-time correlation, frame sources."""

from ainerd_agent.scattering.correlation.age_lag import age_lag
from ainerd_agent.scattering.correlation.exact_g2 import exact_g2
from ainerd_agent.scattering.correlation.full_resolution import whole_two_time
from ainerd_agent.scattering.correlation.g2 import G2, g2_of_maps
from ainerd_agent.scattering.correlation.multi_tau import MultiTau
from ainerd_agent.scattering.correlation.resampling import resize_matrix
from ainerd_agent.scattering.correlation.two_time import TwoTimeStream, two_time, warm_up
from ainerd_agent.scattering.correlation.two_time_maps import TwoTime
from ainerd_agent.scattering.files.full_resolution_maps import read_whole_maps, save_whole_maps
from ainerd_agent.scattering.fingerprint import TwoTimeOptions, fingerprint
from ainerd_agent.scattering.fits.heterodyne import fit_heterodyne
from ainerd_agent.scattering.fits.relaxation import fit_relaxation
from ainerd_agent.scattering.frames.aps_events import ImmEvents, RigakuEvents
from ainerd_agent.scattering.frames.arrays import ArrayFrames
from ainerd_agent.scattering.frames.growing import Following
from ainerd_agent.scattering.frames.hdf5_events import HDF5Events
from ainerd_agent.scattering.frames.hdf5_frames import HDF5Frames
from ainerd_agent.scattering.frames.tiled_frames import TiledFrames
from ainerd_agent.scattering.geometry.aps_partition import read_partition_map
from ainerd_agent.scattering.geometry.aps_partition_writer import save_partition_map
from ainerd_agent.scattering.geometry.detector import Geometry, PoniGeometry
from ainerd_agent.scattering.geometry.labels import label_bins
from ainerd_agent.scattering.geometry.masks import circle, load_mask, rectangle
from ainerd_agent.scattering.geometry.partition import Partition
from ainerd_agent.scattering.geometry.sectors import azimuthal_bins

__all__ = [
    "G2",
    "ArrayFrames",
    "Following",
    "Geometry",
    "HDF5Events",
    "HDF5Frames",
    "ImmEvents",
    "MultiTau",
    "Partition",
    "PoniGeometry",
    "RigakuEvents",
    "TiledFrames",
    "TwoTime",
    "TwoTimeOptions",
    "TwoTimeStream",
    "age_lag",
    "azimuthal_bins",
    "circle",
    "exact_g2",
    "fingerprint",
    "fit_heterodyne",
    "fit_relaxation",
    "g2_of_maps",
    "label_bins",
    "load_mask",
    "read_partition_map",
    "read_whole_maps",
    "rectangle",
    "resize_matrix",
    "save_partition_map",
    "save_whole_maps",
    "two_time",
    "warm_up",
    "whole_two_time",
]
