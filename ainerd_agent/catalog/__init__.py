"""The catalog: an embedded Tiled server, what it holds, and how it is written and read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ainerd_agent.catalog.codec.metadata import run_metadata
from ainerd_agent.catalog.codec.points import points_table
from ainerd_agent.catalog.connection import connect, limit_retries
from ainerd_agent.catalog.layout import create_layout, model_names, model_of
from ainerd_agent.catalog.read.live_points import follow
from ainerd_agent.catalog.read.maps import read_c2
from ainerd_agent.catalog.read.points import read_points
from ainerd_agent.catalog.read.runs import runs
from ainerd_agent.catalog.schema import points_schema
from ainerd_agent.catalog.server.embedded import TiledServer
from ainerd_agent.catalog.server_errors import ServerUnreachableError
from ainerd_agent.catalog.write.spool import SpooledWriter
from ainerd_agent.catalog.write.writer import DerivedWriter, check_model
from ainerd_agent.records.analysis import ModelIdentity

if TYPE_CHECKING:
    from ainerd_agent.catalog.tiled_clients import analyses_of

__all__ = [
    "DerivedWriter",
    "ModelIdentity",
    "ServerUnreachableError",
    "SpooledWriter",
    "TiledServer",
    "analyses_of",
    "check_model",
    "connect",
    "create_layout",
    "follow",
    "limit_retries",
    "model_names",
    "model_of",
    "points_schema",
    "points_table",
    "read_c2",
    "read_points",
    "run_metadata",
    "runs",
]


def __getattr__(name: str) -> Any:
    # Tiled's client takes half a second to import.
    if name == "analyses_of":
        from ainerd_agent.catalog.tiled_clients import analyses_of

        return analyses_of
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
