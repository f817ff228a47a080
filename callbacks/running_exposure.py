"""The exposure that goes on, as a measurement whose frames are still to come."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ainerd_agent.callbacks.movie import MovieReader
from ainerd_agent.callbacks.shots import Described, Shot, Spans, frames_per_row
from ainerd_agent.callbacks.told_exposures import Read, ToldExposure
from ainerd_agent.records import Measurement
from ainerd_agent.scattering.frames.assets import Asset, Part, open_frames
from ainerd_agent.scattering.frames.growing import Following
from ainerd_agent.settings import FileSettings


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """Where the rows of an exposure will stand.

    Attributes
    ----------
    asset : Asset
        The latest file of the detector.
    described : Described
    spans : Spans
        Of the rows that were named.
    before : int or None
        Rows that the file had when the exposure began; None for a file that came later.
    """

    asset: Asset
    described: Described
    spans: Spans
    before: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Exposing:
    """An exposure that goes on.

    Attributes
    ----------
    number : int
        In its run, from 1.
    planned : int
        Frames.
    measurement : callable
        Given a callable that says whether the exposure has ended: gives the measurement of all planned frames, which
        come while they are read.
    """

    number: int
    planned: int
    measurement: Callable[[Callable[[], bool]], Measurement]


def exposing(begun: Read, rows: Expected, movies: MovieReader, files: FileSettings) -> Exposing | None:
    """The exposure of which a beginning is told; None where it is not told how many frames are planned."""
    planned = begun.planned
    if not planned:
        return None
    per_row = frames_per_row(rows.asset, rows.described)
    row = rows.spans.start if rows.before is None else rows.before
    n_rows = -(-planned // per_row)
    part = Part(
        asset=rows.asset,
        start=row,
        stop=row + n_rows,
        frames_per_row=per_row,
        first_frame=rows.spans.frames_before(row),
    )

    def measurement(is_over: Callable[[], bool]) -> Measurement:
        # A detector may take its time to begin; the documents say when it has ended.
        frames = open_frames([part], files, following=Following(timeout=math.inf, ended=is_over))
        shot = Shot(number=row + 1, event=None, described=rows.described, part=part)
        told = ToldExposure(number=begun.number, first=shot.number, last=shot.last, planned=planned, begun=begun)
        return movies.measurement([shot], frames, retake=False, told=told)

    return Exposing(begun.number, planned, measurement)
