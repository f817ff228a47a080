"""Detector frames to C2: bins of pixels, sources of frames, correlations, and what is fitted to them.

Where a bad pixel is decided: `geometry/masks.py` makes masks, `Normalisation` takes masked pixels out of their bins
(`correlation/normalisation.py`), and `correlation/_engine/frame_validation.py` refuses readings that are no counts.
Where a new detector format goes: a module in `frames/`, whose docstring says what it must provide.

    frames/, geometry/ --> correlation/ --> fits/, quality --> fingerprint, files/        simulation/ makes movies

What is named here is public, and imported when it is first used: the compiled kernels take a second.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ainerd_agent.scattering.fingerprint import TwoTimeOptions, fingerprint

if TYPE_CHECKING:
    from ainerd_agent.scattering.correlation.age_lag import age_lag
    from ainerd_agent.scattering.correlation.computation import Computation
    from ainerd_agent.scattering.correlation.exact_g2 import exact_g2
    from ainerd_agent.scattering.correlation.full_resolution import whole_two_time
    from ainerd_agent.scattering.correlation.g2 import G2, g2_of_maps, smoothing_of, subdivide
    from ainerd_agent.scattering.correlation.multi_tau import MultiTau
    from ainerd_agent.scattering.correlation.normalisation import Normalisation
    from ainerd_agent.scattering.correlation.resampling import resize_matrix
    from ainerd_agent.scattering.correlation.two_time import TwoTimeStream, two_time, warm_up
    from ainerd_agent.scattering.correlation.two_time_maps import TwoTime
    from ainerd_agent.scattering.correlation.window_counts import Selection, WindowCounts
    from ainerd_agent.scattering.files.full_resolution_maps import read_whole_maps, save_whole_maps
    from ainerd_agent.scattering.fits.heterodyne import fit_heterodyne
    from ainerd_agent.scattering.fits.relaxation import fit_relaxation
    from ainerd_agent.scattering.frames.aps_events import ImmEvents, RigakuEvents
    from ainerd_agent.scattering.frames.arrays import ArrayFrames
    from ainerd_agent.scattering.frames.growing import Following
    from ainerd_agent.scattering.frames.hdf5_events import HDF5Events, write_events
    from ainerd_agent.scattering.frames.hdf5_frames import HDF5Frames
    from ainerd_agent.scattering.frames.tiled_frames import TiledFrames
    from ainerd_agent.scattering.geometry.aps_partition import read_partition_map
    from ainerd_agent.scattering.geometry.aps_partition_writer import save_partition_map
    from ainerd_agent.scattering.geometry.detector import Geometry, PoniGeometry
    from ainerd_agent.scattering.geometry.from_settings import bins_from_settings
    from ainerd_agent.scattering.geometry.labels import label_bins
    from ainerd_agent.scattering.geometry.masks import circle, load_mask, rectangle
    from ainerd_agent.scattering.geometry.partition import Partition
    from ainerd_agent.scattering.geometry.sectors import azimuthal_bins
    from ainerd_agent.scattering.simulation.dynamics import (
        ageing_glass,
        equilibrium,
        flowing,
        heterodyne,
        intermittent,
    )
    from ainerd_agent.scattering.simulation.speckle import covariance_root, speckle_intensity

_MODULES = {
    "correlation.age_lag": ("age_lag",),
    "correlation.computation": ("Computation",),
    "correlation.exact_g2": ("exact_g2",),
    "correlation.full_resolution": ("whole_two_time",),
    "correlation.g2": ("G2", "g2_of_maps", "smoothing_of", "subdivide"),
    "correlation.multi_tau": ("MultiTau",),
    "correlation.normalisation": ("Normalisation",),
    "correlation.resampling": ("resize_matrix",),
    "correlation.two_time": ("TwoTimeStream", "two_time", "warm_up"),
    "correlation.two_time_maps": ("TwoTime",),
    "correlation.window_counts": ("Selection", "WindowCounts"),
    "files.full_resolution_maps": ("read_whole_maps", "save_whole_maps"),
    "fits.heterodyne": ("fit_heterodyne",),
    "fits.relaxation": ("fit_relaxation",),
    "frames.aps_events": ("ImmEvents", "RigakuEvents"),
    "frames.arrays": ("ArrayFrames",),
    "frames.growing": ("Following",),
    "frames.hdf5_events": ("HDF5Events", "write_events"),
    "frames.hdf5_frames": ("HDF5Frames",),
    "frames.tiled_frames": ("TiledFrames",),
    "geometry.aps_partition": ("read_partition_map",),
    "geometry.aps_partition_writer": ("save_partition_map",),
    "geometry.detector": ("Geometry", "PoniGeometry"),
    "geometry.from_settings": ("bins_from_settings",),
    "geometry.labels": ("label_bins",),
    "geometry.masks": ("circle", "load_mask", "rectangle"),
    "geometry.partition": ("Partition",),
    "geometry.sectors": ("azimuthal_bins",),
    "simulation.dynamics": ("ageing_glass", "equilibrium", "flowing", "heterodyne", "intermittent"),
    "simulation.speckle": ("covariance_root", "speckle_intensity"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "G2",
    "ArrayFrames",
    "Computation",
    "Following",
    "Geometry",
    "HDF5Events",
    "HDF5Frames",
    "ImmEvents",
    "MultiTau",
    "Normalisation",
    "Partition",
    "PoniGeometry",
    "RigakuEvents",
    "Selection",
    "TiledFrames",
    "TwoTime",
    "TwoTimeOptions",
    "TwoTimeStream",
    "WindowCounts",
    "age_lag",
    "ageing_glass",
    "azimuthal_bins",
    "bins_from_settings",
    "circle",
    "covariance_root",
    "equilibrium",
    "exact_g2",
    "fingerprint",
    "fit_heterodyne",
    "fit_relaxation",
    "flowing",
    "g2_of_maps",
    "heterodyne",
    "intermittent",
    "label_bins",
    "load_mask",
    "read_partition_map",
    "read_whole_maps",
    "rectangle",
    "resize_matrix",
    "save_partition_map",
    "save_whole_maps",
    "smoothing_of",
    "speckle_intensity",
    "subdivide",
    "two_time",
    "warm_up",
    "whole_two_time",
    "write_events",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
