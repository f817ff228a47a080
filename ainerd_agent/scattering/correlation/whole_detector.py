"""Bad pixels of a whole detector, not only of its bins."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import BinError, FrameError
from ainerd_agent.records import BadPixels, FloatArray, NumberedFrames, PhotonEvents
from ainerd_agent.records.arrays import IntArray
from ainerd_agent.scattering.correlation.bad_pixels import FEWEST, FULL, GOOD, PixelSums, judge, kind_names

TILE = 64
"""Side of the squares whose pixels are compared with each other."""


class DetectorWatch:
    """Adds up the frames of one movie, and tells which pixels are bad.

    Parameters
    ----------
    shape : tuple of int
        (H, W) of the detector.
    mask : ndarray of bool, shape (H, W), optional
        Pixels that are known to be bad: they are not looked at, and no other one is compared with them.
    saturation : float, optional
        Counts at which a pixel is full.

    Raises
    ------
    BinError
        A mask of another shape, or that leaves no pixel.
    """

    def __init__(
        self, shape: tuple[int, int], *, mask: NDArray[np.bool_] | None = None, saturation: float | None = None
    ) -> None:
        if mask is not None and (mask.shape != shape or mask.all()):
            raise BinError(f"the mask of shape {mask.shape} does not fit frames of shape {shape}, or leaves no pixel")
        self.shape = shape
        self.n_frames = 0
        self._mask = np.zeros(shape[0] * shape[1], dtype=bool) if mask is None else mask.ravel()
        self._saturation = saturation
        self._total, self._squares = np.zeros(self._mask.size), np.zeros(self._mask.size)
        self._counted = np.zeros(self._mask.size, dtype=bool)

    def add(self, block: NDArray[Any] | NumberedFrames | PhotonEvents) -> None:
        """Take the next frames."""
        if isinstance(block, PhotonEvents):
            self._add_events(block)
            return
        frames = np.asarray(block.frames if isinstance(block, NumberedFrames) else block)
        if frames.ndim != 3 or frames.shape[1:] != self.shape:
            raise FrameError(f"frames of shape {frames.shape} came after frames of {self.shape[0]} x {self.shape[1]}")
        for frame in frames.reshape(len(frames), -1):
            counts = frame.astype(np.float64)
            good = (counts >= 0) & (counts < np.inf)
            self._counted |= good
            counts[~good] = 0
            self._total += counts
            self._squares += counts * counts
        self.n_frames += len(frames)

    def _add_events(self, events: PhotonEvents) -> None:
        place = np.asarray(events.frame, dtype=np.int64) * self._mask.size + np.asarray(events.pixel)
        # the same pixel may come several times in a frame
        each, inverse = np.unique(place, return_inverse=True)
        counts = np.bincount(inverse, weights=np.asarray(events.count, dtype=np.float64), minlength=len(each))
        pixel = each % self._mask.size
        self._total += np.bincount(pixel, weights=counts, minlength=self._mask.size)
        self._squares += np.bincount(pixel, weights=counts**2, minlength=self._mask.size)
        self._counted[:] = True
        self.n_frames = max(self.n_frames, events.stop)

    def mean_image(self) -> FloatArray:
        """Counts per frame, shape (H, W)."""
        return (self._total / max(1, self.n_frames)).reshape(self.shape)

    def bad_pixels(self) -> BadPixels:
        """The pixels that are bad; their `bins` are 0.

        Raises
        ------
        FrameError
            Too few frames to tell.
        """
        if self.n_frames < FEWEST:
            raise FrameError(f"pixels are judged by {FEWEST} frames at least, and there are {self.n_frames}")
        height, width = self.shape
        verdicts = np.where(self._counted, np.int8(GOOD), np.int8(FULL))
        address = np.arange(height * width).reshape(self.shape)
        for top in range(0, height, TILE):
            for left in range(0, width, TILE):
                tile = address[top : top + TILE, left : left + TILE].ravel()
                tile = tile[~self._mask[tile] & self._counted[tile]]
                if len(tile):
                    verdicts[tile] = self._judged(tile)
        at = np.flatnonzero((verdicts != GOOD) & ~self._mask)
        return BadPixels.of(at, width, bins=np.zeros(len(at)), kinds=kind_names(verdicts[at]))

    def _judged(self, tile: IntArray) -> NDArray[np.int8]:
        sums = PixelSums(self.n_frames, self._total[tile], self._squares[tile])
        rows, columns = np.divmod(tile, self.shape[1])
        ceiling = np.inf if self._saturation is None else self._saturation
        return judge(sums, rows, columns, ceiling=ceiling)


def united(found: Iterable[BadPixels], width: int) -> BadPixels:
    """The pixels that any of several movies shows; the first one says what is wrong."""
    kind_of: dict[int, str] = {}
    for bad in found:
        for address, kind in zip((bad.rows * width + bad.columns).tolist(), bad.kinds.tolist(), strict=True):
            kind_of.setdefault(address, kind)
    return BadPixels.of(list(kind_of), width, bins=np.zeros(len(kind_of)), kinds=list(kind_of.values()))
