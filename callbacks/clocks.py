"""Clocks of devices against that of the control system, whose time events carry.

A reading is stamped by its device, and its event by the control system a moment later: event time minus stamp is the
delay, plus the difference of the clocks. A delay is short and never negative. So a difference beyond a tolerance is one
of clocks, where the stamps go on with the events; a stamp that stays the same belongs to a value that did not change.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np

LONG_ENOUGH = 0.5
"""Seconds over which stamps must go on with the events, to be those of a running clock."""

KEPT = 200
"""Latest pairs from which a difference is estimated."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What must be added to stamps to have them in the control system's time, seconds, and how sure that is.

    Attributes
    ----------
    seconds : float
    uncertainty : float
        Half of the spread of the estimates, at least the tolerance for a single one; 0 where it was given.
    estimated : bool
        False where the settings give it, or where the clocks agree.
    """

    seconds: float = 0.0
    uncertainty: float = 0.0
    estimated: bool = False


@dataclass(slots=True, eq=False)
class DeviceClock:
    """The clock of one device in one run.

    Parameters
    ----------
    ahead : float or None
        Seconds that it is ahead, where somebody knows.
    tolerance : float
        Seconds below which a difference is taken for delay.
    earliest : float
        Moment before which it cannot have stamped anything: a stamp from before it is proof enough. By default unknown.
    may_be_late : bool
        Events may come any time after their stamp, as those of a detector that is read out slowly. Then a steady delay
        is no proof that the clock is behind.
    """

    ahead: float | None
    tolerance: float
    earliest: float = -math.inf
    may_be_late: bool = False
    _pairs: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=KEPT))

    def add(self, event_time: float, stamp: float) -> None:
        """Take note of a stamp and the time of its event; a stamp that was seen before says nothing."""
        if math.isfinite(event_time) and math.isfinite(stamp) and (not self._pairs or self._pairs[-1][1] != stamp):
            self._pairs.append((event_time, stamp))

    def difference(self) -> Difference:
        """What to add to its stamps, by all that was seen so far."""
        if self.ahead is not None:
            return Difference(-self.ahead)
        if not self._pairs:
            return Difference()
        delays = np.array([event_time - stamp for event_time, stamp in self._pairs])
        # Some events come late, and some stamps are wrong: neither the least nor the largest delay counts.
        least = float(delays.min() if len(delays) < 3 else np.percentile(delays, 25))
        spread = float(np.percentile(delays, 75)) - least
        went_on = self._pairs[-1][0] - self._pairs[0][0] > LONG_ENOUGH
        steady = not self.may_be_late and len(delays) > 1 and went_on and spread <= self.tolerance
        too_early = self._pairs[-1][1] < self.earliest - self.tolerance
        behind = least > self.tolerance and (steady or too_early)
        if not behind and least >= -self.tolerance:
            return Difference()
        return Difference(least, spread / 2 if len(delays) > 1 else self.tolerance, True)


def in_words(device: str, difference: Difference) -> str:
    """One sentence on a difference that was estimated."""
    way = "behind" if difference.seconds > 0 else "ahead"
    return (
        f"the {device}'s clock is {abs(difference.seconds):.1f} +- {difference.uncertainty:.1f} s {way} of the control "
        "system's, and was corrected by that"
    )
