"""What Tiled's client raises, as errors for people."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ainerd_agent.errors import CatalogError

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
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise CatalogError(f"{address} is not the address of a Tiled server, which starts with http://.") from error
    except httpx.TransportError as error:
        raise ServerUnreachableError(
            f"No Tiled server answers at {address} ({type(error).__name__}): start it, or check the address."
        ) from error
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        if status == 429:
            raise ServerUnreachableError(
                f"The Tiled server at {address} has too much to do (429): try again later.",
                _seconds(error.response.headers.get("retry-after", "")),
            ) from error
        if status in (500, 507):
            raise ServerFailedError(
                f"The Tiled server at {address} failed ({status}): its log says why, and its disk may be full."
            ) from error
        if status in (502, 503, 504):
            raise ServerUnreachableError(f"The Tiled server behind {address} is not available ({status}).") from error
        if status in (401, 403):
            raise CatalogError(f"The Tiled server at {address} refuses the API key: check it.") from error
        raise CatalogError(f"The Tiled server at {address} answered {status}: {error}") from error


def _seconds(retry_after: str) -> float:
    """Seconds of a header Retry-After, which may be a date, too; 0 where it is neither."""
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return 0.0
    return min(max(0.0, seconds), LONGEST_PAUSE) if math.isfinite(seconds) else 0.0
