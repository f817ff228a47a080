"""Connecting to a Tiled server."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, cast

from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.errors import CatalogError

if TYPE_CHECKING:
    import httpx

    from ainerd_agent.catalog.tiled_types import Container, Context

RETRY_SECONDS = 6.0
"""How long a request to a server that does not answer is repeated."""

_CONNECT_SECONDS = 3.0
_PAUSE = 0.1


def connect_tiled(uri: str) -> Container:
    """The root of a Tiled server, whatever it holds.

    Requests to a server that fails are repeated for `RETRY_SECONDS`, or as long as TILED_RETRY_TIMEOUT in the
    environment says; those of other clients in this process as Tiled does.

    Parameters
    ----------
    uri : str
        As `TiledServer.uri`, with `?api_key=...`, or without it and the key in TILED_API_KEY.

    Raises
    ------
    CatalogError
        Nobody answers, or the API key is refused.
    """
    import httpx
    from tiled.client import from_context
    from tiled.client.context import Context as TiledContext

    address = uri.partition("?")[0]
    patience = float(os.environ.get("TILED_RETRY_TIMEOUT", RETRY_SECONDS))
    timeout = httpx.Timeout(30.0, connect=_CONNECT_SECONDS)
    with server_errors(address), ExitStack() as on_error:
        _wait_for_server(address, patience, timeout)
        context, path = TiledContext.from_any_uri(uri, timeout=timeout)
        _bound_retries(context, address, patience)
        on_error.callback(context.http_client.close)
        if context.api_uri.host in ("127.0.0.1", "localhost", "::1"):
            # Between two programs of one machine, compressing takes longer than sending.
            context.http_client.headers["accept-encoding"] = "identity"
        try:
            root = from_context(context, node_path_parts=path)
        except RuntimeError as error:  # what Tiled raises when a key is needed and there is none
            raise CatalogError(f"The Tiled server at {address} needs an API key: add ?api_key=... to it.") from error
        on_error.pop_all()
    return cast("Container", root)


def _wait_for_server(address: str, patience: float, timeout: httpx.Timeout) -> None:
    """Return once a server answers, whatever it says. Until there is a context, Tiled has patience of its own."""
    import httpx

    deadline = time.monotonic() + patience
    with httpx.Client(timeout=timeout) as client:
        while True:
            try:
                client.get(address)
                return
            except httpx.UnsupportedProtocol:
                raise
            except httpx.TransportError:
                if time.monotonic() + _PAUSE > deadline:
                    raise
            time.sleep(_PAUSE)


def _bound_retries(context: Context, address: str, patience: float) -> None:
    """Exchange the HTTP client of a context for one whose patience is its own."""
    from tiled.client.transport import Transport

    from ainerd_agent.catalog.bounded_client import BoundedClient

    tiled = context.http_client
    context.http_client = BoundedClient(
        address,
        patience,
        transport=Transport(),
        headers=tiled.headers,
        cookies=tiled.cookies,
        timeout=tiled.timeout,
        auth=tiled.auth,
        follow_redirects=True,
    )
    tiled.close()
