"""What a plan writes of exposures that may end early: two events each, one at the beginning and one at the end.

The start document names the streams, under the key `EXPOSURES`:

    "exposures": {"stream": "primary", "begun": "exposing", "ended": "exposures"}

Rows of the first stream are grouped to movies by the events of the other two. These names are the one place in which
plans and callbacks agree; docs/reference/exposures.md explains them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

EXPOSURES = "exposures"
"""Key of the start document."""

ROWS_STREAM, BEGUN_STREAM, ENDED_STREAM = "primary", "exposing", "exposures"
"""The streams as our plans name them."""

START: Mapping[str, str] = {"stream": ROWS_STREAM, "begun": BEGUN_STREAM, "ended": ENDED_STREAM}
"""What our plans put under `EXPOSURES`."""

NUMBER = "exposure"
PLANNED = "exposure_planned"
FIRST = "exposure_first"
LAST = "exposure_last"
FRAMES = "exposure_frames"
ENDED = "exposure_ended"
LOOK = "exposure_look"

Ended = Literal["planned", "converged", "recognised", "damaged", "stopped"]
"""Why an exposure ended."""

WAYS_TO_END: tuple[str, ...] = get_args(Ended)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureBegun:
    """An exposure begins.

    Attributes
    ----------
    number : int
        From 1 in the run.
    planned : int
        Frames.
    """

    number: int
    planned: int

    def data(self) -> dict[str, int | str]:
        """The values of its event, by data key."""
        return {NUMBER: self.number, PLANNED: self.planned}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureEnded:
    """An exposure has ended.

    Attributes
    ----------
    number : int
        From 1 in the run.
    planned : int
        Frames.
    first, last : int
        Numbers of its first and last row in the stream of the rows, from 1; `last` < `first` where it has none.
    frames : int
        That the detector says it took; 0 where it does not say.
    ended : str
        "planned", "converged", "recognised", "damaged" or "stopped".
    look : int
        At which look it was ended, from 1; 0 where it came to its end.
    """

    number: int
    planned: int
    first: int
    last: int
    frames: int = 0
    ended: Ended = "planned"
    look: int = 0

    def data(self) -> dict[str, int | str]:
        """The values of its event, by data key."""
        return {
            NUMBER: self.number,
            FIRST: self.first,
            LAST: self.last,
            PLANNED: self.planned,
            FRAMES: self.frames,
            ENDED: self.ended,
            LOOK: self.look,
        }
