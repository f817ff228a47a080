"""Live AI analysis and autonomous measurement for rheo-XPCS, on Bluesky and Tiled."""

from ainerd_agent._version import __version__

__all__ = ["__version__"]
