"""The catalog: an embedded Tiled server, what it holds, and how it is written and read."""

from ainerd_agent.catalog.client import (
    ServerUnreachableError,
    connect,
    create_layout,
    limit_retries,
    read_c2,
    read_points,
    runs,
)
from ainerd_agent.catalog.metadata import run_metadata
from ainerd_agent.catalog.schema import ModelIdentity, points_schema, points_table
from ainerd_agent.catalog.server import TiledServer
from ainerd_agent.catalog.spool import SpooledWriter
from ainerd_agent.catalog.writer import DerivedWriter, check_model

__all__ = [
    "DerivedWriter",
    "ModelIdentity",
    "ServerUnreachableError",
    "SpooledWriter",
    "TiledServer",
    "check_model",
    "connect",
    "create_layout",
    "limit_retries",
    "points_schema",
    "points_table",
    "read_c2",
    "read_points",
    "run_metadata",
    "runs",
]
