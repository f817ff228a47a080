"""Points as they are written.

Tiled's websocket only rings a bell; the points are read from the catalog. For the websocket also streams rows of a
write that failed afterwards, forgets what is old, and counts anew when the server starts again. The catalog does none
of that, so nothing is missed and nothing comes twice: not by a reader who comes late, nor while the server was away.
Without a websocket, it is asked every few seconds.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from ainerd_agent.catalog.layout import address_of
from ainerd_agent.catalog.read.unseen_points import UnseenPoints
from ainerd_agent.catalog.server_errors import ServerUnreachableError
from ainerd_agent.catalog.tiled_types import Container
from ainerd_agent.records import Events

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

MESSAGE_BYTES = 64 * 2**20
"""Of an update at most; beyond Tiled's default of 1 MB the subscription would end for good."""


def follow(
    model: Container,
    *,
    start: Literal["now", "beginning"] = "now",
    seen: Mapping[str, Iterable[Events | int]] | None = None,
    columns: Sequence[str] | None = None,
    every: float = 5.0,
    stop: threading.Event | None = None,
) -> Generator[pd.DataFrame, None, None]:
    """Points of a model as they are written: each table has those of one run that are new, whole measurements.

    A measurement that takes the place of an earlier one of the same events comes as a new one.

    Parameters
    ----------
    model : ModelClient
    start : {"now", "beginning"}
        Whether the points that the catalog already holds come first.
    seen : mapping of str to iterable of Events, optional
        Instead, to go on after an interruption: the measurements given before, by raw_uid; a number alone is that of
        an event of the stream "primary". Those that took the place of earlier ones are reported again: nobody knows
        which of the two was seen.
    columns : sequence of str, optional
        As for `ModelClient.points`.
    every : float
        Seconds after which the catalog is asked even if no bell rang.
    stop : Event, optional
        Ends the iteration once it is set, at the next bell or after `every` seconds.

    Raises
    ------
    CatalogError
        By `next`, where the server refuses. While it is away, this waits for it.
    """
    known = {} if seen is None else {uid: {_events(each) for each in told} for uid, told in seen.items()}
    unseen = UnseenPoints(known)
    if seen is None and start == "now":
        unseen.skip(model)
    return _told(model, unseen, columns, every, threading.Event() if stop is None else stop)


def _events(told: Events | int) -> Events:
    return told if isinstance(told, Events) else Events("primary", told, told)


def _told(
    model: Container, unseen: UnseenPoints, columns: Sequence[str] | None, every: float, stop: threading.Event
) -> Generator[pd.DataFrame, None, None]:
    reachable = True
    with _bell(model, every) as bell:
        while not stop.is_set():
            bell.clear()  # before reading: what comes meanwhile rings again
            try:
                yield from unseen.read(model, columns)
                reachable = True
            except ServerUnreachableError as error:
                if reachable:
                    logger.warning("%s Waiting for it.", error)
                reachable = False
            if not stop.is_set():
                bell.wait(every)


@contextmanager
def _bell(model: Container, every: float) -> Iterator[threading.Event]:
    """An event that is set whenever a run of the model changes, and once where the server refuses to tell of that."""
    bell, done, refused = threading.Event(), threading.Event(), threading.Event()
    current: list[Any] = []

    def ring(_: Any) -> None:
        bell.set()

    def listen() -> None:
        while not done.is_set():
            subscription = model.subscribe()
            current[:] = [subscription]
            for happening in (subscription.child_created, subscription.child_metadata_updated):
                happening.add_callback(ring)  # held weakly
            try:
                # From as far back as there is: what happened since the catalog was read must ring as well.
                subscription.start(0, max_size=MESSAGE_BYTES)
            except Exception as error:
                if _is_refusal(error) and not refused.is_set():
                    refused.set()
                    logger.warning(
                        "The Tiled server at %s refuses the API key for a subscription: check it, and that it may read "
                        "data. Without a subscription, the catalog is asked every %g s.",
                        address_of(model), every,
                    )  # fmt: skip
                    ring(None)  # if the key is refused altogether, the next look at the catalog fails, and not later
                # A server without websockets, or one that is away: the catalog is asked every few seconds.
                logger.debug("no subscription to %s: %s", model.uri, error)
            done.wait(every)

    listener = threading.Thread(target=listen, name="tiled-bell", daemon=True)
    listener.start()
    try:
        yield bell
    finally:
        done.set()
        for subscription in current:
            subscription.disconnect()
        listener.join(timeout=1.0)


def _is_refusal(error: Exception) -> bool:
    """Whether the server answered that the API key is wrong, or not good for this."""
    response = getattr(error, "response", None)  # of httpx and of websockets alike
    return getattr(response, "status_code", None) in (401, 403)
