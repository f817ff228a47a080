"""Event documents to looks at the exposure that goes on.

Looks are a matter of their own beside the analysis of whole exposures: they must be quick, and nothing waits for them.
So this callback has its own place in the queue of documents, and follows the detector's file by itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from ainerd_agent.callbacks.assemble import Assembler
from ainerd_agent.callbacks.exposure_follower import ExposureFollower, Seen
from ainerd_agent.scattering.fingerprint import LIVE, TwoTimeOptions
from ainerd_agent.scattering.geometry.partition import Partition
from ainerd_agent.settings import Settings

logger = logging.getLogger(__name__)

ASIDE = 2.0
"""Seconds that the end of the callback waits for looks that are under way."""


class LiveExposures:
    """Follows the exposures of runs that want looks.

    Parameters
    ----------
    settings : Settings
    partition : callable
        Gives the bins for a detector shape (H, W).
    shares_of : callable
        Given a start document: the shares of the planned frames at which its exposures are looked at; empty where
        none are wanted.
    on_seen : callable
        Given the uid of the run and each `Seen`, on a thread of the exposure.
    options : TwoTimeOptions
    """

    def __init__(
        self,
        settings: Settings,
        partition: Callable[[tuple[int, int]], Partition],
        shares_of: Callable[[Mapping[str, Any]], Sequence[float]],
        on_seen: Callable[[str, Seen], object],
        *,
        options: TwoTimeOptions = LIVE,
    ) -> None:
        self._assembler = Assembler(settings)
        self._partition = partition
        self._shares_of = shares_of
        self._on_seen = on_seen
        self._options = options
        self._shares: dict[str, tuple[float, ...]] = {}
        self._followed: dict[str, ExposureFollower] = {}

    def __call__(self, name: str, doc: Mapping[str, Any]) -> None:
        """Take one document. Never raises: an exception here would stop a scan."""
        try:
            self._take(name, doc)
        except Exception:
            logger.exception("a %s document could not be followed: exposures go on to their planned count", name)

    def close(self) -> None:
        """Stop following."""
        for followed in self._followed.values():
            followed.cancel()
        for followed in self._followed.values():
            followed.join(ASIDE)
        self._followed.clear()

    def _take(self, name: str, doc: Mapping[str, Any]) -> None:
        if name == "start" and (shares := tuple(self._shares_of(doc))):
            self._shares[str(doc.get("uid"))] = shares
        if not self._shares:
            return
        for _ in self._assembler.feed(name, doc):
            pass  # whole exposures are the analysis's
        if name == "stop":
            uid = str(doc.get("run_start"))
            self._shares.pop(uid, None)
            if (followed := self._followed.pop(uid, None)) is not None:
                followed.end("stopped")
            return
        for uid, shares in self._shares.items():
            self._follow(uid, shares)

    def _follow(self, uid: str, shares: tuple[float, ...]) -> None:
        """Begin or end to follow, as the documents say by now."""
        run = self._assembler.run(uid)
        if run is None:
            return
        followed = self._followed.get(uid)
        if followed is not None and (why := run.ended(followed.exposure)) is not None:
            followed.end(why)
            del self._followed[uid]
            followed = None
        if followed is None and (running := run.exposing()) is not None:
            self._followed[uid] = new = ExposureFollower(
                exposure=running.number,
                measurement=running.measurement,
                planned=running.planned,
                partition=self._partition,
                options=self._options,
                on_seen=partial(self._on_seen, uid),
                shares=shares,
            )
            new.start()
