"""Where frames come from. A source is opened when it is read, and gives blocks of frames or events in order."""

from ainerd_agent.errors import FrameTimeoutError
from ainerd_agent.scattering.sources.aps import ImmEvents, RigakuEvents
from ainerd_agent.scattering.sources.arrays import ArrayFrames
from ainerd_agent.scattering.sources.events import HDF5Events, write_events
from ainerd_agent.scattering.sources.following import Following
from ainerd_agent.scattering.sources.hdf5 import HDF5Frames
from ainerd_agent.scattering.sources.tiled_frames import TiledFrames

__all__ = [
    "ArrayFrames",
    "Following",
    "FrameTimeoutError",
    "HDF5Events",
    "HDF5Frames",
    "ImmEvents",
    "RigakuEvents",
    "TiledFrames",
    "write_events",
]
