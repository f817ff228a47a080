"""Event documents to measurements."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any, cast

from event_model import unpack_event_page

from ainerd_agent.callbacks.open_run import Assembled, FramesElsewhere, OpenRun
from ainerd_agent.callbacks.outcomes import RunEnd
from ainerd_agent.callbacks.start import UnusableRunError, run_of, scanned_keys
from ainerd_agent.callbacks.told_exposures import ExposureStreams, UntoldError
from ainerd_agent.callbacks.values import in_words, shown
from ainerd_agent.errors import FrameError
from ainerd_agent.settings import Settings

logger = logging.getLogger(__name__)

STATUSES = ("success", "abort", "fail")

MOST_SAID = 1000
"""Different warnings about documents of no run; after that they are repeated."""


class Assembler:
    """Collects the documents of any number of runs and yields measurements as soon as they are complete.

    Whatever a document contains, nothing is raised: what cannot be read costs at most its own measurement, which is
    yielded as a `Failure`, and one warning.

    Parameters
    ----------
    settings : Settings
        `keys`, `movies`, `clocks` and `files` of them.
    frames : callable, optional
        Finds frames elsewhere than in the detector's files (see `ainerd_agent.callbacks.replay.frames_in`).

    Raises
    ------
    FrameError
        The frames are elsewhere, and the settings name timestamps or frame numbers, which stand in the file alone.
    """

    def __init__(self, settings: Settings, frames: FramesElsewhere | None = None) -> None:
        self._settings = settings
        self._elsewhere = frames
        beside = [name for name in ("timestamps", "frame_numbers") if getattr(settings.files, name) is not None]
        if frames is not None and beside:
            raise FrameError(
                f"{' and '.join(beside)} under [files] stand in the detector's files, but the frames come from "
                "elsewhere: dropped frames would not be noticed. Leave them out of the settings to do without."
            )
        self._runs: dict[str, OpenRun] = {}
        self._owners: dict[str, OpenRun] = {}
        self._said: set[str] = set()

    def feed(self, name: str, doc: Any) -> Iterator[Assembled]:
        """Take one document and yield what it completes, in order."""
        if not isinstance(doc, Mapping):
            self._say_once(f"{shown(name)} documents that are no mappings are passed over, as {shown(doc)}")
            return
        try:
            yield from self._feed(name, doc)
        except Exception as error:
            # Nothing that a document can contain may reach the RunEngine.
            self._say_once(f"{shown(name)} documents that cannot be read are passed over: {in_words(error)}")
            logger.debug("a %s document", name, exc_info=True)

    def _feed(self, name: str, doc: Mapping[str, Any]) -> Iterator[Assembled]:
        if name == "start":
            yield from self._start(doc)
        elif name == "stop":
            yield from self._stop(doc)
        elif name == "event_page":
            for event in unpack_event_page(cast(Any, doc)):
                yield from self.feed("event", event)  # one that cannot be read costs itself
        else:
            runs = self._runs_of(name, doc)
            if not runs:
                self._say_once(f"{shown(name)} documents that belong to no run that is open are passed over")
            for run in runs:
                yield from run.feed(name, doc)
                for uid in run.new_owned():
                    if len(runs) == 1:  # else a resource that names no run: its datums go to all of them as well
                        self._owners[uid] = run

    def _start(self, doc: Mapping[str, Any]) -> Iterator[Assembled]:
        try:
            run = run_of(doc)
        except UnusableRunError as error:
            self._say_once(str(error))
            return
        if run.uid in self._runs:
            self._say_once(f"run {run.uid} was started twice: its second start document is passed over")
            return
        try:
            exposures = ExposureStreams.of(doc)
        except UntoldError as error:
            self._say_once(f"run {run.uid}: {error}")
            exposures = None
        self._runs[run.uid] = OpenRun(run, self._settings, self._elsewhere, scanned_keys(doc), exposures)
        yield run

    def run(self, uid: str) -> OpenRun | None:
        """What is known of a run whose stop document has not come; None where there is no such run."""
        return self._runs.get(uid)

    def _stop(self, doc: Mapping[str, Any]) -> Iterator[Assembled]:
        uid = doc.get("run_start")
        found = self._runs.pop(uid, None) if isinstance(uid, str) else None
        if found is None:
            self._say_once("'stop' documents that belong to no run that is open are passed over")
            return
        try:
            yield from found.end(doc)
        except Exception as error:
            logger.warning("run %s: what its end completes is lost: %s", found.run.uid, in_words(error))
            logger.debug("run %s", found.run.uid, exc_info=True)
        finally:
            for owned in found.owned:
                if self._owners.get(owned) is found:
                    del self._owners[owned]
        status = doc.get("exit_status")
        if status not in STATUSES:
            logger.warning("run %s ended as %s, which counts as a failure", found.run.uid, shown(status))
            status = "fail"
        yield RunEnd(found.run.uid, str(status), str(doc.get("reason") or ""))

    def _runs_of(self, name: str, doc: Mapping[str, Any]) -> list[OpenRun]:
        """The run that a document belongs to; all that are open for a resource that names none, as old ones."""
        start = doc.get("run_start")
        if isinstance(start, str):
            return [self._runs[start]] if start in self._runs else []
        for link in ("descriptor", "stream_resource", "resource"):
            if isinstance(uid := doc.get(link), str):
                if uid in self._owners:
                    return [self._owners[uid]]
                if name != "datum":
                    return []
        return list(self._runs.values()) if name in ("resource", "stream_resource", "datum", "datum_page") else []

    def _say_once(self, message: str) -> None:
        """Warn; not again and again, where it happens to all documents."""
        if message in self._said:
            return
        if len(self._said) >= MOST_SAID:
            self._said.clear()
        self._said.add(message)
        logger.warning("%s", message)
