"""Live AI analysis and autonomous measurement for rheo-XPCS, on Bluesky and Tiled."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("ainerd-agent")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
