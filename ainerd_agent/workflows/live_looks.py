"""Looks at the exposure that goes on: their maps, latents and verdicts, served on the live channel."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ainerd_agent.agent.verdicts.judge import Judge
from ainerd_agent.agent.verdicts.until import Until
from ainerd_agent.callbacks import InBackground
from ainerd_agent.callbacks.exposure_follower import Seen
from ainerd_agent.callbacks.live_exposures import LiveExposures
from ainerd_agent.latent import Encoder
from ainerd_agent.records.exposure_events import EXPOSURES
from ainerd_agent.records.look import Look
from ainerd_agent.scattering.fingerprint import TwoTimeOptions
from ainerd_agent.scattering.geometry.partition import Partition
from ainerd_agent.settings import Settings
from ainerd_agent.workflows.live_channel import LiveChannel

_log = logging.getLogger(__name__)

CLOSING = 10.0
"""Seconds that looks get to be judged when this is closed."""

KEPT_JUDGES = 16
"""Of the latest runs."""


class LiveLooks:
    """Judges the looks at running exposures, and serves them.

    Parameters
    ----------
    settings : Settings
    partition : callable
        Gives the bins for a detector shape (H, W).
    encoder : Encoder
        Of the latents that are served with the looks.
    channel : LiveChannel
        What serves them; it stays open when this is closed.

    Examples
    --------
    >>> channel = LiveChannel()  # doctest: +SKIP
    >>> looks = LiveLooks(settings, partition, encoder, channel)  # doctest: +SKIP
    >>> RE.subscribe(looks.in_background())  # doctest: +SKIP
    >>> RE(count_until([detector], LiveVerdicts(channel.address), frames=5000, until=Until(tau=0.05)))  # doctest: +SKIP
    """

    def __init__(
        self,
        settings: Settings,
        partition: Callable[[tuple[int, int]], Partition],
        encoder: Encoder,
        channel: LiveChannel,
    ) -> None:
        self.channel = channel
        self._encoder = encoder
        self._judges: OrderedDict[str, Judge] = OrderedDict()
        self._elsewhere: dict[str, Judge] = {}
        self._waiting: deque[tuple[str, Seen]] = deque()
        self._news = threading.Condition()
        self._closed = False
        self._worker = threading.Thread(target=self._work, name="judging looks", daemon=True)
        self._worker.start()
        options = TwoTimeOptions.from_settings(settings.correlation)
        self.callback = LiveExposures(settings, partition, self._shares_of, self._seen, options=options)

    def in_background(self) -> InBackground:
        """The callback on a thread of its own, for a RunEngine. Keep it: the RunEngine holds callbacks weakly."""
        return InBackground(self.callback)

    def close(self) -> None:
        """Stop following exposures; what was seen is still judged."""
        self.callback.close()
        with self._news:
            self._closed = True
            self._news.notify()
        self._worker.join(CLOSING)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _shares_of(self, start: Mapping[str, Any]) -> Sequence[float]:
        """When the exposures of a run are looked at, by what its plan wrote into the start document."""
        exposures = start.get(EXPOSURES)
        asked = exposures.get("until") if isinstance(exposures, Mapping) else None
        if not isinstance(asked, Mapping):
            return ()
        uid, sample = str(start.get("uid")), str(start.get("sample", ""))
        try:
            until = Until.from_plain(asked)
        except ValueError as error:
            _log.warning("run %s: %s: its exposures go on to their planned count", uid, error)
            return ()
        # How a sample ages by itself is known from the exposures of runs before, too.
        before = self._elsewhere.get(sample)
        judge = Judge(until) if before is None else Judge(until, before.elsewhere)
        self._judges[uid] = self._elsewhere[sample] = judge
        while len(self._judges) > KEPT_JUDGES:
            self._judges.popitem(last=False)
        return until.looks

    def _seen(self, uid: str, seen: Seen) -> None:
        """Have a look judged and served, on a thread of its own: the frames that come meanwhile must not wait."""
        with self._news:
            if self._waiting and not (self._waiting[-1][1].due or self._waiting[-1][1].over):
                self._waiting.pop()  # only the newest running maps are wanted
            self._waiting.append((uid, seen))
            self._news.notify()

    def _work(self) -> None:
        # Its own small matrices are not worth a second thread, which would wait by spinning beside the folding.
        with threadpool_limits(1, user_api="openmp"):
            self._judge_all()

    def _judge_all(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                uid, seen = self._waiting.popleft()
            try:
                self._judge(uid, seen)
            except Exception:
                # Whatever it is, it must not cost the looks after it; the exposure goes on.
                _log.exception("look %d at exposure %d could not be judged", seen.look.number, seen.exposure)

    def _judge(self, uid: str, seen: Seen) -> None:
        judge = self._judges.get(uid)
        if judge is None:
            return
        latents = None
        if seen.due:
            latents = self._latents(seen.look)
            verdict = judge.verdict(seen.exposure, seen.look, seen.correlation)
            self.channel.decide(verdict)
            _log.info("Exposure %d, look %d: %s.", verdict.exposure, verdict.look, verdict.reason)
        self.channel.show(seen.exposure, seen.look, latents)
        if seen.over and seen.over != "damaged":
            judge.learn(seen.correlation)

    def _latents(self, look: Look) -> NDArray[np.float32] | None:
        """Of the maps so far; None where they cannot be encoded."""
        contrast = np.where(look.contrast > 0, look.contrast, np.nan)
        try:
            return self._encoder.encode(look.c2, contrast=contrast)
        except Exception as error:
            _log.info("the maps of look %d cannot be encoded: %s", look.number, error)
            return None
