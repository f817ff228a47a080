"""The command line, and the one place where the rooms of the library are put together."""

from ainerd_agent.cli.app import main

__all__ = ["main"]
