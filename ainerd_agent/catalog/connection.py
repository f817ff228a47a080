"""Connecting to a Tiled server that holds our catalog."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Any

from ainerd_agent.catalog.layout import child, create_layout
from ainerd_agent.catalog.schema import ANALYSES, MAPS, RAW
from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.errors import CatalogError

RETRY_SECONDS = 6.0
"""How long a request to a server that does not answer is repeated."""


_CONNECT_SECONDS = 3.0


def connect(uri: str, *, create: bool = False) -> Any:
    """Connect to a Tiled server that holds our catalog.

    Parameters
    ----------
    uri : str
        As `TiledServer.uri`, with `?api_key=...`, or without it and the key in TILED_API_KEY.
    create : bool
        Create the containers of the catalog where they are missing.

    Returns
    -------
    tiled.client.container.Container
        The root.

    Raises
    ------
    CatalogError
        Nobody answers, the API key is refused, or there is no catalog of ours.
    """
    import httpx
    from tiled.client import from_context
    from tiled.client.context import Context

    limit_retries()
    address = uri.partition("?")[0]
    with server_errors(address), ExitStack() as on_error:
        context, path = Context.from_any_uri(uri, timeout=httpx.Timeout(30.0, connect=_CONNECT_SECONDS))
        on_error.callback(context.http_client.close)
        if context.api_uri.host in ("127.0.0.1", "localhost", "::1"):
            # Between two programs of one machine, compressing takes longer than sending.
            context.http_client.headers["accept-encoding"] = "identity"
        try:
            root = from_context(context, node_path_parts=path)
        except RuntimeError as error:  # what Tiled raises when a key is needed and there is none
            raise CatalogError(f"The Tiled server at {address} needs an API key: add ?api_key=... to it.") from error
        if create:
            create_layout(root)
        if missing := [key for key in (RAW, MAPS, ANALYSES) if child(root, key) is None]:
            raise CatalogError(
                f"The Tiled server at {address} holds no catalog of ours (it lacks /{', /'.join(missing)}): check "
                "the address, or create it with ainerd_agent.catalog.create_layout."
            )
        on_error.pop_all()
    return root


def limit_retries() -> None:
    """Let Tiled's client give up on a dead server after seconds.

    Its own limit is 45 s and 10 attempts a request, read from TILED_RETRY_TIMEOUT when it is imported. That would hold
    up a scan. What the environment says has precedence.
    """
    import tiled.client.utils

    if "TILED_RETRY_TIMEOUT" not in os.environ:
        tiled.client.utils.TILED_RETRY_TIMEOUT = RETRY_SECONDS
