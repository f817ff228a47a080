"""Where data comes from: the run, and the place and time of a measurement in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One Bluesky run, or one ingested file: what all its measurements have in common.

    Attributes
    ----------
    uid : str
        The key of the run in `/raw`, `/xpcs` and `/ainerd/<model>`.
    time : float
        Start of the run, seconds since the epoch.
    source : str
        "bluesky", or "ingest" for maps that came from a file.
    access : mapping
        `data_session`, `data_groups` and access tags, copied from the start document.
    metadata : mapping
        Further flat, searchable metadata (for ingested maps: the file and how it was scaled).
    """

    uid: str
    time: float
    source: str = "bluesky"
    scan_id: int | None = None
    plan_name: str = ""
    sample: str = ""
    access: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where and when one measurement was made.

    Attributes
    ----------
    seq_num : int
        Number of the event in its stream, from 1.
    start, stop : float
        First and last moment of the exposure, seconds since the epoch.
    elapsed : float
        Seconds from the start of the run to `start`.
    position : mapping
        Stage position by axis ("x", "y"), in millimetres.
    extra : mapping
        Further scalars of this measurement (ingested maps: their columns of the file).
    """

    raw_uid: str
    seq_num: int
    start: float
    stop: float
    stream: str = "primary"
    elapsed: float = 0.0
    position: Mapping[str, float] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
