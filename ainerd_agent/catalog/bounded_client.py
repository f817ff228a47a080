"""An HTTP client that bounds how long Tiled's client repeats requests to a server that is away.

Tiled repeats a request that failed for 45 s, which would hold up a scan, and reads that number once for the whole
process. This client belongs to one catalog: a request that has been failing for longer than `seconds` ends with an
error for people, which Tiled does not repeat.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import httpx

from ainerd_agent.catalog.server_errors import error_for_people, retry_after

PAUSE = 6.0
"""Seconds without a failure after which the next one is another story. Tiled's pauses between attempts are shorter."""


class BoundedClient(httpx.Client):
    """See the module.

    Parameters
    ----------
    address : str
        Of the server, without its API key: for messages.
    seconds : float
        How long a request that fails is repeated.
    **options
        Those of `httpx.Client`.
    """

    def __init__(self, address: str, seconds: float, **options: Any) -> None:
        super().__init__(**options)
        self._address = address
        self._seconds = seconds
        self._failures = threading.local()

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Send a request, as `httpx.Client.send`.

        Raises
        ------
        ServerUnreachableError
            This request has been failing for too long.
        """
        begun = time.monotonic()
        try:
            response = super().send(request, **options)
        except httpx.TransportError as error:
            if not isinstance(error, httpx.UnsupportedProtocol) and self._too_long(begun, 0.0):
                raise error_for_people(error, self._address) from error
            raise
        if response.status_code == 429 or response.status_code >= 500:
            if self._too_long(begun, retry_after(response)):
                response.read()
                refused = httpx.HTTPStatusError(response.reason_phrase, request=request, response=response)
                raise error_for_people(refused, self._address) from refused
        else:
            self._failures.since = None
        return response

    def _too_long(self, begun: float, pause: float) -> bool:
        """Note that what was sent at `begun` failed, and may be repeated after `pause` seconds at the earliest."""
        now = time.monotonic()
        since, latest = getattr(self._failures, "since", None), getattr(self._failures, "latest", now)
        if since is None or begun - latest > PAUSE:
            since = begun
        too_long = now - since + pause > self._seconds
        self._failures.since = None if too_long else since
        self._failures.latest = now
        return bool(too_long)
