"""The first frames of a movie, held until the pixels are judged by them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records import PhotonEvents
from ainerd_agent.records.arrays import IntArray
from ainerd_agent.scattering.correlation._engine.layout import PixelLayout
from ainerd_agent.scattering.correlation._engine.numba_fold import place_of
from ainerd_agent.scattering.correlation._engine.pixel_watch import OPENING, Verdicts, opening_verdicts
from ainerd_agent.scattering.correlation.normalisation import Normalisation


class Opening:
    """Holds frames or events. The verdict depends on the first frames alone, never on the blocks they come in.

    Attributes
    ----------
    held : list of (numbers, data)
        Frames of the used pixels alone, shape (n, N), or events, in the order they came.
    """

    def __init__(self, layout: PixelLayout, normalisation: Normalisation) -> None:
        self._layout = layout
        self._normalisation = normalisation
        self.held: list[tuple[IntArray, NDArray[Any] | PhotonEvents]] = []

    @property
    def room(self) -> int:
        """Frames that are still wanted."""
        return max(0, OPENING - sum(len(numbers) for numbers, _ in self.held))

    def add(self, numbers: IntArray, data: NDArray[Any] | PhotonEvents) -> None:
        """Hold the next ones."""
        self.held.append((numbers, data))

    def verdicts(self) -> Verdicts:
        """Judge the pixels."""
        parts = []
        left = OPENING
        for numbers, data in self.held:
            numbers = numbers[:left]
            left -= len(numbers)
            counts = self._dense(data, numbers) if isinstance(data, PhotonEvents) else data[: len(numbers)]
            good = self._normalisation.good(numbers) if self._normalisation.excluded else np.ones(len(numbers), bool)
            parts.append(counts if good.all() else counts[good])
        return opening_verdicts(self._layout, parts, self._normalisation)

    def _dense(self, events: PhotonEvents, numbers: IntArray) -> NDArray[Any]:
        """The frames `numbers` of a block of events."""
        frames = np.zeros((len(numbers), len(self._layout)))
        if len(numbers):
            stop = np.searchsorted(events.frame, numbers[-1], side="right")
            place = place_of(self._layout)[events.pixel[:stop]]
            used = place >= 0
            at = np.asarray(events.frame[:stop], dtype=np.int64)[used] - numbers[0]
            np.add.at(frames, (at, place[used]), events.count[:stop][used])
        return frames
