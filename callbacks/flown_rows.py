"""Rows of a fly scan that has no events: each number once, and what is missing between them.

Nothing but the documents' counts says which frames follow one another: the rows of the file, and the numbers that
events would have. Where they contradict one another it is not known, and the movie is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from ainerd_agent.callbacks.shots import Rows, Shot
from ainerd_agent.errors import FrameError


def settled(rows: Sequence[Rows]) -> list[Rows]:
    """Rows in the order of their numbers, each number once.

    Of numbers that were named again with later rows of the same file, as after a pause, the later rows count.

    Raises
    ------
    FrameError
        Numbers have rows in two files, or rows that are not in their order.
    """
    kept: list[Rows] = []
    for each in sorted(rows, key=lambda rows: (rows.first, rows.index)):
        rest: Rows | None = each
        while rest is not None and kept and kept[-1].last >= rest.first:
            kept[-1:], rest = _without_overlap(kept[-1], rest)
        if rest is not None:
            kept.append(rest)
    for one, other in pairwise(kept):
        if one.asset == other.asset and other.index <= one.row_of(one.last):
            raise FrameError(
                f"rows {other.index} to {one.row_of(one.last)} of {one.asset.uri} are named for events {one.first} to "
                f"{one.last} and again for {other.first} to {other.last}: it is not known which frames are whose"
            )
    return kept


def _without_overlap(before: Rows, rows: Rows) -> tuple[list[Rows], Rows | None]:
    """What stays of rows, and what of others that begin no earlier and within them."""
    if before.asset != rows.asset:
        raise FrameError(
            f"events {rows.first} to {min(before.last, rows.last)} are named in two files, {before.asset.uri} and "
            f"{rows.asset.uri}: it is not known which frames are theirs"
        )
    if rows.index == before.row_of(rows.first):  # the same rows, named twice
        return [before], rows.between(before.last + 1, rows.last) if rows.last > before.last else None
    if rows.index <= before.row_of(before.last) or rows.last < before.last:
        raise FrameError(
            f"events {rows.first} to {rows.last} have the rows from {before.row_of(rows.first)} on, and again those "
            f"from {rows.index} on of {rows.asset.uri}: it is not known which frames are theirs"
        )
    return [before.between(before.first, rows.first - 1)] if before.first < rows.first else [], rows


def with_gaps(shots: Sequence[Shot]) -> list[Shot]:
    """Shots of one movie, told how many frames are missing before each.

    Raises
    ------
    FrameError
        Rows and numbers tell of gaps of different length.
    """
    return [*shots[:1], *(_after(one, other) for one, other in pairwise(shots))]


def _after(one: Shot, other: Shot) -> Shot:
    if one.part is None or other.part is None:
        return other
    by_number = other.number - one.last - 1
    by_rows = other.part.start - one.part.stop if one.part.asset == other.part.asset else 0
    if by_rows > 0 < by_number != by_rows:
        raise FrameError(
            f"between the events {one.last} and {other.number} of a fly scan {by_rows} rows of the file are missing, "
            f"by the events' numbers {by_number}: it is not known how long the gap is"
        )
    missing = max(by_rows, by_number, 0) * other.part.frames_per_row
    return replace(other, part=replace(other.part, missing=missing))
