"""The first frames of a movie, held until the pixels are judged by them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records import PhotonEvents
from ainerd_agent.records.arrays import IntArray
from ainerd_agent.scattering.correlation._engine import kernels
from ainerd_agent.scattering.correlation._engine.layout import Addresses, PixelLayout
from ainerd_agent.scattering.correlation._engine.numba_fold import place_of
from ainerd_agent.scattering.correlation._engine.pixel_watch import OPENING, Verdicts, opening_verdicts
from ainerd_agent.scattering.correlation._engine.segment_store import NO_SCALE, Segment
from ainerd_agent.scattering.correlation.normalisation import Normalisation


class Opening:
    """Holds frames or events. The verdict depends on the first frames alone, never on the blocks they come in.

    Attributes
    ----------
    held : list of Segment
        Frames that begin with the used pixels, in their order, or events.
    """

    def __init__(self, layout: PixelLayout, normalisation: Normalisation) -> None:
        self._layout = layout
        self._normalisation = normalisation
        self.held: list[Segment] = []

    @classmethod
    def of_movie(
        cls, layout: PixelLayout, movie: NDArray[Any], addresses: Addresses, normalisation: Normalisation
    ) -> Opening:
        """The first frames of a movie that is in memory, shape (T, H * W)."""
        opening = cls(layout, normalisation)
        first = movie[:OPENING]
        counts = np.zeros((len(first), len(layout) + kernels.RUN), dtype=movie.dtype)
        kernels.gather_frames(
            first,
            layout.slabs,
            addresses.pixels,
            addresses.runs,
            addresses.slab_runs,
            addresses.lines,
            addresses.slab_lines,
            counts,
        )
        opening.add(Segment(np.arange(len(first)), counts, None, None, NO_SCALE))
        return opening

    @property
    def room(self) -> int:
        """Frames that are still wanted."""
        return max(0, OPENING - sum(len(segment.numbers) for segment in self.held))

    def add(self, segment: Segment) -> None:
        """Hold the next ones."""
        self.held.append(segment)

    def verdicts(self) -> Verdicts:
        """Judge the pixels."""
        parts = []
        left = OPENING
        for segment in self.held:
            numbers, data = segment.numbers[:left], segment.data
            left -= len(numbers)
            if isinstance(data, PhotonEvents):
                counts = self._dense(data, numbers)
            else:
                counts = data[: len(numbers), : len(self._layout)]
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
