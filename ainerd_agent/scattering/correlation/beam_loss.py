"""Frames without beam, told by their counts while they come.

A frame is lost where its counts, over all used pixels, fall below a share of the usual ones by more than chance does.
The usual is the median of the last frames that were good, so that a beam that decays slowly is no loss. Nothing is
known before `SETTLING` frames have come, nor after a jump upwards: then frames wait until so many are there. If the
jump lasts, the beam was not there before, and everything up to it is lost.

The verdict on a frame depends on the frames alone, never on the blocks that they come in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ainerd_agent.records import FloatArray

SETTLING = 64
"""Frames from which the usual counts are known."""

LOSS = 0.5
"""Share of the usual counts below which a frame is lost."""

CHANCE = 6.0
"""Standard deviations (Poisson) that a loss must go beyond."""


class BeamWatch:
    """Judges frames in their order.

    Attributes
    ----------
    good : list of bool
        The verdicts so far; frames beyond still wait.
    restart : int
        Frames before this one were before the beam: lost, whatever the verdict on them was at first.
    """

    def __init__(self, loss: float = LOSS) -> None:
        self._loss = loss
        self.good: list[bool] = []
        self.restart = 0
        self._usual: float | None = None
        self._recent: list[float] = []
        self._waiting: list[float] = []

    def add(self, totals: FloatArray | Sequence[float]) -> None:
        """Take the total counts of the next frames."""
        for total in totals:
            number = float(total)
            if self._waiting or self._usual is None or self._jumps(number, self._usual):
                self._waiting.append(number)
                if len(self._waiting) == SETTLING:
                    self._settle()
            else:
                self._judge(number)

    def finish(self) -> None:
        """Judge the frames that wait: no more will come."""
        if len(self._waiting) < SETTLING // 2 and self._usual is not None:
            waiting, self._waiting = self._waiting, []
            for total in waiting:
                self._judge(total)
        elif self._waiting:
            self._settle()

    def _judge(self, total: float) -> None:
        if self._usual is None:
            raise AssertionError("a frame was judged before the usual counts were known")
        good = not self._jumps(self._usual, total)
        self.good.append(good)
        if good:
            self._recent.append(total)
            if len(self._recent) == SETTLING:
                self._usual = float(np.median(self._recent))
                self._recent = []

    def _settle(self) -> None:
        waiting, self._waiting = self._waiting, []
        usual = float(np.median(waiting))
        if self._usual is not None and self._jumps(usual, self._usual):
            self.restart = len(self.good)
        self._usual, self._recent = usual, []
        for total in waiting:
            self._judge(total)

    def _jumps(self, high: float, low: float) -> bool:
        """Whether `low` is less than the share of `high` that chance allows."""
        return low < self._loss * high - CHANCE * math.sqrt(max(self._loss * high, 0.0))
