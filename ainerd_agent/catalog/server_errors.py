"""What Tiled's client raises, as errors for people."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from ainerd_agent.errors import CatalogError

if TYPE_CHECKING:
    import httpx

LONGEST_PAUSE = 300.0
"""Seconds: a server that asks for more peace than that is asked again all the same."""


class ServerUnreachableError(CatalogError):
    """No server answers: the same request may succeed later.

    Attributes
    ----------
    retry_after : float
        Seconds that the server asks to be left alone for.
    """

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ServerFailedError(ServerUnreachableError):
    """The server answered 500: its disk may be full, and the same request succeed later; or it may never."""


@contextmanager
def server_errors(address: str) -> Iterator[None]:
    """Turn what Tiled's client raises into errors for people. `address` must not hold the API key."""
    import httpx

    try:
        yield
    except (httpx.InvalidURL, httpx.TransportError, httpx.HTTPStatusError) as error:
        raise error_for_people(error, address) from error


def error_for_people(
    error: httpx.InvalidURL | httpx.TransportError | httpx.HTTPStatusError, address: str
) -> CatalogError:
    """What went wrong and what to do, in a sentence."""
    import httpx

    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return CatalogError(f"{address} is not the address of a Tiled server, which starts with http://.")
    if isinstance(error, httpx.TransportError):
        return ServerUnreachableError(
            f"No Tiled server answers at {address} ({type(error).__name__}): start it, or check the address."
        )
    status = error.response.status_code
    if status == 429:
        return ServerUnreachableError(
            f"The Tiled server at {address} has too much to do (429): try again later.", retry_after(error.response)
        )
    if status in (500, 507):
        return ServerFailedError(
            f"The Tiled server at {address} failed ({status}): its log says why, and its disk may be full."
        )
    if status in (502, 503, 504):
        return ServerUnreachableError(f"The Tiled server behind {address} is not available ({status}).")
    if status in (401, 403):
        return CatalogError(f"The Tiled server at {address} refuses the API key: check it.")
    return CatalogError(f"The Tiled server at {address} answered {status}: {error}")


def retry_after(response: httpx.Response) -> float:
    """Seconds of its header Retry-After, which may be a date, too; 0 where there is none."""
    header = response.headers.get("retry-after", "")
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return 0.0
    return min(max(0.0, seconds), LONGEST_PAUSE) if math.isfinite(seconds) else 0.0
