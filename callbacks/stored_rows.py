"""Rows of frames of a run in Tiled, by the events that they belong to.

Tiled keeps how many rows of frames a stream has, not for which events they came, and exports them as those of the
events 1, 2, 3 ... one after the other. After a pause an event comes again with its number and with a row of its own, so
that all rows after it would be taken for those of the next event. The table of the stream still has each event as it
came: row by row it tells whose frames they are.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ainerd_agent.callbacks.shots import UNKNOWN_FRAMES
from ainerd_agent.callbacks.values import as_mapping, in_words, whole_number

logger = logging.getLogger(__name__)

Document = tuple[str, Mapping[str, Any]]

EXPORTED = "sd-"
"""Beginning of the uids of stream datums that Tiled's exporter makes."""

EVENTS = "ainerd_events"
"""Key that such a datum is given: how many events there were, counting those that came again."""


def by_event(documents: Sequence[Document], run: Any) -> list[Document]:
    """Documents that Tiled exported, with a datum for each row where events came again.

    Parameters
    ----------
    documents : sequence of (name, doc)
        Of one run.
    run : BlueskyRun or any
        Whose streams have the column `seq_num` of their table. Documents of anything else stay as they are.
    """
    streams = {doc.get("uid"): str(doc.get("name")) for name, doc in documents if name == "descriptor"}
    told: dict[str, list[int]] = {}
    split: list[Document] = []
    for name, doc in documents:
        stream = streams.get(doc.get("descriptor")) if _is_exported(name, doc) else None
        if stream is None:
            split.append((name, doc))
            continue
        if stream not in told:
            told[stream] = _numbers(run, stream)
        split += _rows_of(doc, told[stream])
    return split


def with_unknown_frames(documents: Sequence[Document]) -> list[Document]:
    """Documents of a run in which descriptors say so where it is not known which frames an event has.

    Rows that Tiled exported, and that `by_event` could not tell apart, are those of the events if they are as many.
    """
    streams = {doc.get("uid"): str(doc.get("name")) for name, doc in documents if name == "descriptor"}
    events: dict[str, set[int | None]] = {}
    rows: dict[str, tuple[int, int]] = {}
    for name, doc in documents:
        stream = streams.get(doc.get("descriptor"), "")
        if name == "event":
            events.setdefault(stream, set()).add(whole_number(doc.get("seq_num")))
        elif _is_exported(name, doc):
            rows[stream] = max(rows.get(stream, (0, 0)), (_n_rows(doc), whole_number(doc.get(EVENTS)) or 0))
    unknown = {
        stream: f"Tiled stored {n_rows} rows of frames for {n_events} events of stream {stream!r}, and not which are "
        "whose: after a pause only documents that were kept elsewhere can tell"
        for stream, (n_rows, came) in rows.items()
        if (n_events := max(came, len(events.get(stream, ())))) not in (0, n_rows)
    }
    return [
        (name, {**doc, UNKNOWN_FRAMES: unknown[str(doc.get("name"))]})
        if name == "descriptor" and str(doc.get("name")) in unknown
        else (name, doc)
        for name, doc in documents
    ]


def _is_exported(name: str, doc: Mapping[str, Any]) -> bool:
    return name == "stream_datum" and str(doc.get("uid", "")).startswith(EXPORTED)


def _n_rows(doc: Mapping[str, Any]) -> int:
    limits = as_mapping(doc.get("indices"))
    return (whole_number(limits.get("stop")) or 0) - (whole_number(limits.get("start")) or 0)


def _numbers(run: Any, stream: str) -> list[int]:
    """Numbers of the events of a stream as they came, with those that came again; empty where they are not known."""
    try:
        columns = run[stream]
        times = np.asarray(columns["time"].read(), dtype=np.float64)
        numbers = np.asarray(columns["seq_num"].read())
    except Exception as error:
        # No table, as of a fly scan, or no Tiled: the count of rows has to do.
        logger.debug("the events of stream %s of %r are not there: %s", stream, run, in_words(error))
        return []
    if len(times) != len(numbers):
        return []
    return [int(number) for number in numbers[np.argsort(times, kind="stable")]]


def _rows_of(doc: Mapping[str, Any], numbers: Sequence[int]) -> Iterator[Document]:
    """A datum for each row, where events came again and each of them has a row; else the one that was exported."""
    if len(set(numbers)) == len(numbers):
        yield "stream_datum", doc
        return
    if len(numbers) != _n_rows(doc):
        yield "stream_datum", {**doc, EVENTS: len(numbers)}
        return
    first = int(doc["indices"]["start"])
    for row, number in enumerate(numbers, first):
        yield (
            "stream_datum",
            {
                **doc,
                "uid": f"row-{row}-{doc['uid']}",
                "indices": {"start": row, "stop": row + 1},
                "seq_nums": {"start": number, "stop": number + 1},
            },
        )
