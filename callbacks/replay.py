"""Past runs as documents, for the same callbacks as a live one."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from event_model import unpack_event_page

from ainerd_agent.callbacks.open_run import FramesElsewhere
from ainerd_agent.callbacks.stored_rows import by_event, with_unknown_frames
from ainerd_agent.callbacks.values import as_mapping, as_number, in_words, whole_number
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import FrameSource
from ainerd_agent.scattering.frames.tiled_frames import CountedOn, TiledFrames

logger = logging.getLogger(__name__)

Document = tuple[str, Mapping[str, Any]]
NAMES = (
    "start", "descriptor", "event", "event_page", "stream_resource", "stream_datum", "resource", "datum", "datum_page",
    "stop",
)  # fmt: skip


class Documented(Protocol):
    """A run that gives its documents: a BlueskyRun in Tiled, or a header of databroker."""

    def documents(self) -> Iterable[Document]:
        """All of them, from start to stop."""
        ...


class Runs(Protocol):
    """A container in Tiled with the raw runs by uid."""

    def __getitem__(self, uid: str) -> Any:
        """The run; below it streams, and in them arrays."""
        ...


def documents_in(path: Path) -> Iterator[Document]:
    """Read documents from a file with one JSON text a line: `[name, doc]`, or `{"name": name, "doc": doc}`.

    Also what Tiled exports as application/json-seq, and what suitcase.jsonl writes.

    Raises
    ------
    CatalogError
        No such file, or a line that is no document. A last line that was cut off ends the file, with a warning.
    """
    try:
        with path.open(encoding="utf-8") as file:
            broken: str | None = None
            for number, line in enumerate(file, 1):
                text = line.strip("\x1e \t\r\n")
                if not text:
                    continue
                if broken is not None:
                    raise CatalogError(broken)
                try:
                    yield _document(json.loads(text))
                except (ValueError, KeyError, TypeError):
                    broken = (
                        f'Line {number} of {path} is no document: write [name, doc] or {{"name": ..., "doc": ...}}, '
                        "one a line."
                    )
            if broken is not None:
                if number == 1:
                    raise CatalogError(broken)
                logger.warning("%s It is the last one, and left out.", broken)
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _document(found: Any) -> Document:
    name, doc = (found["name"], found["doc"]) if isinstance(found, dict) else found
    if name not in NAMES or not isinstance(doc, dict):
        raise ValueError(name)
    return name, doc


def documents_of(run: Documented) -> Iterator[Document]:
    """Give the documents of a BlueskyRun in Tiled, or of a header of databroker.

    Rows of frames that Tiled exports are told apart by the events that they came for (see `stored_rows`).

    Raises
    ------
    CatalogError
        The server does not export documents.
    """
    try:
        documents = list(run.documents())
    except Exception as error:
        raise CatalogError(
            f"The documents of run {run!r} cannot be had ({type(error).__name__}: {error}): the server needs the "
            "exporter bluesky_tiled_plugins.exporters:json_seq_exporter for BlueskyRun."
        ) from error
    yield from by_event(documents, run)


def whole_runs(documents: Iterable[Document], frames: str) -> Iterator[list[Document]]:
    """Sort documents into runs, each in the order that an analysis wants.

    A catalog gives stream after stream. Here events come by their time, as live, after what names their frames; of
    events that came again, the last one alone.

    Parameters
    ----------
    documents : iterable
    frames : str
        The detector's key.

    Yields
    ------
    list of (name, doc)
        As soon as its stop document came. A run without one is yielded last, and has none.
    """
    runs: dict[str, list[Document]] = {}
    owner: dict[str, str] = {}
    n_strays = 0
    for name, doc in documents:
        uids = _runs_of(name, doc, owner, list(runs))
        if name == "start" and uids:
            runs.setdefault(uids[0], [])
        uids = [uid for uid in uids if uid in runs]
        n_strays += not uids
        for uid in uids:
            runs[uid].append((name, doc))
        if name == "stop" and uids:
            yield _ordered(runs.pop(uids[0]), frames)
    if n_strays:
        logger.warning("%d documents belong to no run that began before them, and are passed over", n_strays)
    for incomplete in runs.values():
        yield _ordered(incomplete, frames)


def _runs_of(name: str, doc: Mapping[str, Any], owner: dict[str, str], open_runs: list[str]) -> list[str]:
    """Uids of the run that a document belongs to: all that are open, for a resource that names none.

    Descriptors and resources are noted in `owner` for the documents of theirs.
    """
    if name == "start":
        return [doc["uid"]] if isinstance(doc.get("uid"), str) else []
    if isinstance(start := doc.get("run_start"), str):
        if isinstance(uid := doc.get("uid"), str):
            owner[uid] = start
        return [start]
    for link in ("descriptor", "stream_resource", "resource"):
        if isinstance(uid := doc.get(link), str) and uid in owner:
            return [owner[uid]]
    return open_runs if name in ("resource", "stream_resource", "datum", "datum_page") else []


def _ordered(documents: list[Document], frames: str) -> list[Document]:
    """In the order of a live run: what names frames first, then events as their times are."""
    streams = {
        doc["uid"]: str(doc.get("name"))
        for name, doc in documents
        if name == "descriptor" and isinstance(doc.get("uid"), str) and frames in as_mapping(doc.get("data_keys"))
    }
    ranks = {"start": 0, "descriptor": 1, "stream_resource": 2, "resource": 2, "event": 4, "stop": 5}
    events = [each for name, doc in documents for each in _events_in(name, doc)]
    others = [each for each in documents if each[0] not in ("event", "event_page")]
    events = _last_takes(events, streams)
    others = with_unknown_frames([*others, *events])[: len(others)]
    events.sort(key=lambda event: _or_last(as_number(event[1].get("time"))))
    return sorted([*others, *events], key=lambda document: ranks.get(document[0], 3))


def _events_in(name: str, doc: Mapping[str, Any]) -> list[Document]:
    """The events of a document: itself, those of a page, or none."""
    if name != "event_page":
        return [(name, doc)] if name == "event" else []
    try:
        return [("event", event) for event in unpack_event_page(cast(Any, doc))]
    except Exception as error:
        logger.warning("a page of events cannot be read, and is passed over: %s", in_words(error))
        return []


def _last_takes(events: list[Document], streams: Mapping[str, str]) -> list[Document]:
    """The events without those that came again later, in streams with the detector: the last ones count."""
    names = [_name_of(doc, streams) for _, doc in events]
    last = {name: at for at, name in enumerate(names)}
    return [each for at, (each, name) in enumerate(zip(events, names, strict=True)) if name is None or last[name] == at]


def _name_of(doc: Mapping[str, Any], streams: Mapping[str, str]) -> tuple[str, int] | None:
    """Stream and number of an event of the detector; None for another one."""
    descriptor, number = doc.get("descriptor"), whole_number(doc.get("seq_num"))
    if not isinstance(descriptor, str) or descriptor not in streams or not number:
        return None
    return streams[descriptor], number


def _or_last(time: float) -> float:
    return math.inf if math.isnan(time) else time


def frames_in(raw: Runs) -> FramesElsewhere:
    """Give what finds the frames of a measurement as an array in Tiled, where their files are out of reach.

    Parameters
    ----------
    raw : Runs
    """

    def find(raw_uid: str, stream: str, key: str, first: int, n_rows: int, frames_per_row: int) -> FrameSource:
        array = raw[raw_uid][stream][key]
        if len(array.shape) == 4 and n_rows == 1:
            return TiledFrames(array, event=first)
        if len(array.shape) == 4:
            array = CountedOn(array)
        return TiledFrames(array, start=first * frames_per_row, stop=(first + n_rows) * frames_per_row)

    return find
