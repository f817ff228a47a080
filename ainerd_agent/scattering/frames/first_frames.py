"""The first frames of any source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import FrameTimeoutError
from ainerd_agent.records import FrameSource, NumberedFrames, PhotonEvents

Block = NDArray[Any] | NumberedFrames | PhotonEvents


@dataclass(frozen=True, slots=True)
class FirstFrames:
    """The first frames of a source, whether more follow or it breaks off after them.

    Parameters
    ----------
    source : FrameSource
    n_frames : int
        Which must have come.
    """

    source: FrameSource
    n_frames: int

    @property
    def shape(self) -> tuple[int | None, int, int]:
        """Shape (n_frames, H, W)."""
        return self.n_frames, *self.source.shape[1:]

    def blocks(self, needed: NDArray[np.bool_] | None = None) -> Iterator[Block]:
        """The frames, block by block, as the source gives them."""
        done = 0
        try:
            for block in self.source.blocks(needed):
                stop = _stop(block, done)
                yield block if stop <= self.n_frames else _cut(block, done, self.n_frames)
                done = stop
                if done >= self.n_frames:
                    return
        except FrameTimeoutError:
            return


def _stop(block: Block, start: int) -> int:
    """The frame after the last one of a block."""
    if isinstance(block, PhotonEvents):
        return block.stop
    if isinstance(block, NumberedFrames):
        return int(block.numbers[-1]) + 1 if len(block.numbers) else start
    return start + len(block)


def _cut(block: Block, start: int, n_frames: int) -> Block:
    """A block, of which the frames from `n_frames` on are left out."""
    if isinstance(block, PhotonEvents):
        last = int(np.searchsorted(block.frame, n_frames))
        return replace(
            block, frame=block.frame[:last], pixel=block.pixel[:last], count=block.count[:last], stop=n_frames
        )
    if isinstance(block, NumberedFrames):
        last = int(np.searchsorted(block.numbers, n_frames))
        times = None if block.times is None else block.times[:last]
        return NumberedFrames(block.frames[:last], block.numbers[:last], times)
    return block[: n_frames - start]
