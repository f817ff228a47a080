"""The version of the package, for records of what made them."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("ainerd-agent")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
