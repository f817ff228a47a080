"""Verdicts on the exposure that goes on, from the analysis that looks at it."""

from __future__ import annotations

import logging
import time
from typing import Protocol
from urllib.parse import urlsplit

import httpx

from ainerd_agent.records.verdict import Verdict

_log = logging.getLogger(__name__)

PATIENCE = 0.5
"""Seconds within which the channel has to answer: an exposure waits for nothing."""


class Verdicts(Protocol):
    """Where a plan asks for verdicts."""

    def latest(self, raw_uid: str, exposure: int, after: int = 0) -> Verdict | None:
        """The newest verdict on an exposure, if it is of a later look than `after`; at once, and never raises."""
        ...


class LiveVerdicts:
    """Asks the live channel of an analysis (`ainerd_agent.workflows.live_channel`).

    Where it does not answer, there is no verdict, and the exposure goes on to its end; the log says so once.

    Parameters
    ----------
    address : str
        As "http://127.0.0.1:8765". It must be on this machine: the channel knows no passwords.

    Raises
    ------
    ValueError
        It is no such address.
    """

    def __init__(self, address: str) -> None:
        found = urlsplit(address)
        if found.scheme != "http" or found.hostname not in ("127.0.0.1", "localhost", "::1"):
            raise ValueError(f"the live channel is at an address as http://127.0.0.1:8765, not {address!r}")
        self._http = httpx.Client(base_url=address, timeout=PATIENCE, trust_env=False)
        self._silent_since: float | None = None

    def latest(self, raw_uid: str, exposure: int, after: int = 0) -> Verdict | None:
        """As `Verdicts.latest`."""
        try:
            answer = self._http.get("/verdict", params={"run": raw_uid, "exposure": exposure, "after": after})
            answer.raise_for_status()
            found = None if answer.status_code == httpx.codes.NO_CONTENT else Verdict.from_plain(answer.json())
        except (httpx.HTTPError, ValueError, TypeError) as error:
            if self._silent_since is None:
                _log.warning(
                    "The live channel at %s gives no verdicts (%s: %s): exposures go on to their planned count.",
                    self._http.base_url, type(error).__name__, error,
                )  # fmt: skip
                self._silent_since = time.monotonic()
            return None
        if self._silent_since is not None:
            _log.info("The live channel answers again, after %.0f s.", time.monotonic() - self._silent_since)
            self._silent_since = None
        if found is not None and (found.raw_uid, found.exposure) != (raw_uid, exposure):
            _log.warning(
                "A verdict for another exposure (%s/%d) came, and was passed over.", found.raw_uid, found.exposure
            )
            return None
        return found

    def close(self) -> None:
        """Close the connection."""
        self._http.close()
