"""The start document of a run as a record."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ainerd_agent.callbacks.values import LONGEST_TEXT, as_number, shown, whole_number
from ainerd_agent.errors import AinerdError
from ainerd_agent.records import Run
from ainerd_agent.records.exposure_events import EXPOSURES

logger = logging.getLogger(__name__)

ACCESS_KEYS = ("data_session", "data_groups", "tiled_access_tags", "access_tags")

LONGEST_UID = 200
"""Characters of a uid, which becomes a key of the catalog and part of an address."""

DEEPEST = 2
"""Mappings within mappings that become searchable."""

MOST_METADATA = 200
"""Keys of a start document that become searchable."""

_OWN = {"uid", "time", "scan_id", "plan_name", "sample", *ACCESS_KEYS}
"""Keys that a record has fields for."""

_OF_THE_PLAN = {"hints", "plan_args", "plan_pattern_args", "versions"}
"""Keys that Bluesky adds, and nobody searches by."""


class UnusableRunError(AinerdError):
    """A start document of which no run can be made."""


def run_of(doc: Mapping[str, Any]) -> Run:
    """The run that a start document begins.

    What facilities and people add becomes searchable metadata: scalars, lists of them, and mappings with these in them.
    What `sample` holds beside its name becomes `sample_...`, and dots in names become underscores, since a search takes
    them for nesting. What the plan was called with stays in the raw run only.

    Raises
    ------
    UnusableRunError
        It has no uid that can be a key, or no time.
    """
    uid = doc.get("uid")
    if not isinstance(uid, str) or not uid.strip() or len(uid) > LONGEST_UID or "/" in uid or uid in (".", ".."):
        raise UnusableRunError(
            f"a run with the uid {shown(uid)} is not analysed: a uid is a text of 1 to {LONGEST_UID} characters "
            "without a slash"
        )
    time = as_number(doc.get("time"))
    if math.isnan(time):
        raise UnusableRunError(f"run {uid} is not analysed: its start document has the time {shown(doc.get('time'))}")
    sample = doc.get("sample")
    return Run(
        uid=uid,
        time=time,
        scan_id=whole_number(doc.get("scan_id")),
        plan_name=_text(doc.get("plan_name")),
        sample=_text(sample.get("name")) if isinstance(sample, Mapping) else _text(sample),
        access={key: doc[key] for key in ACCESS_KEYS if key in doc},
        metadata=_metadata(uid, doc),
    )


def scanned_keys(doc: Mapping[str, Any]) -> list[str]:
    """What the plan scans, by the hints of its start document: keys of events, the time apart."""
    hints = doc.get("hints")
    dimensions = hints.get("dimensions") if isinstance(hints, Mapping) else None
    found: list[str] = []
    for dimension in dimensions if isinstance(dimensions, list | tuple) else ():
        fields = dimension[0] if isinstance(dimension, list | tuple) and dimension else ()
        found += [each for each in fields if isinstance(each, str)] if isinstance(fields, list | tuple) else []
    return [key for key in found if key != "time"]


def _metadata(uid: str, doc: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in doc.items() if isinstance(key, str) and key not in _OWN | _OF_THE_PLAN}
    if isinstance(found.get(EXPOSURES), Mapping):
        del found[EXPOSURES]  # names of streams
    if isinstance(sample := doc.get("sample"), Mapping):
        found |= {f"sample_{key}": value for key, value in sample.items() if isinstance(key, str) and key != "name"}
    plain = dict(_all_plain(found))
    if len(plain) > MOST_METADATA:
        logger.warning("run %s: only the first %d keys of its start become searchable", uid, MOST_METADATA)
    return dict(list(plain.items())[:MOST_METADATA])


def _all_plain(found: Mapping[Any, Any], depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Names and values that can be searched by, one after the other."""
    for key, value in found.items():
        if isinstance(value, Mapping) and depth < DEEPEST:
            plain: Any = dict(list(_all_plain(value, depth + 1))[:MOST_METADATA])
        else:
            plain = _plain(value)
        if isinstance(key, str) and plain not in (None, {}):
            yield key.replace(".", "_"), plain


def _plain(value: Any) -> Any:
    """A scalar, or a list of scalars; None for anything else, and for texts that are too long to search by."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value if len(value) <= 5 * LONGEST_TEXT else None
    if isinstance(value, list | tuple) and len(value) <= 100:
        items = [_plain(each) for each in value if not isinstance(each, list | tuple)]
        return items if len(items) == len(value) and None not in items else None
    return None


def _text(value: Any) -> str:
    return "" if value is None else str(value)[: 5 * LONGEST_TEXT]
