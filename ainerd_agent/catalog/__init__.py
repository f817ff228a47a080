"""The catalog: an embedded Tiled server, what it holds, and how it is written and read.

`connect` or `open_catalog` give a `Catalog`; its `model()` gives `ModelResults`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ainerd_agent.catalog.catalog import Catalog
from ainerd_agent.catalog.codec.point_layout import points_schema
from ainerd_agent.catalog.layout import UnknownModelError
from ainerd_agent.catalog.model_results import ModelResults
from ainerd_agent.catalog.opening import connect, open_catalog
from ainerd_agent.catalog.read.suggestions import UnknownAgentError
from ainerd_agent.catalog.server.embedded import TiledServer
from ainerd_agent.catalog.server_errors import ServerUnreachableError
from ainerd_agent.catalog.write.spool import SpooledWriter
from ainerd_agent.catalog.write.writer import DerivedWriter
from ainerd_agent.records.analysis import ModelIdentity

if TYPE_CHECKING:
    from ainerd_agent.catalog.tiled_clients import analyses_of

__all__ = [
    "Catalog",
    "DerivedWriter",
    "ModelIdentity",
    "ModelResults",
    "ServerUnreachableError",
    "SpooledWriter",
    "TiledServer",
    "UnknownAgentError",
    "UnknownModelError",
    "analyses_of",
    "connect",
    "open_catalog",
    "points_schema",
]


def __getattr__(name: str) -> Any:
    # Tiled's client takes half a second to import.
    if name == "analyses_of":
        from ainerd_agent.catalog.tiled_clients import analyses_of

        return analyses_of
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
