"""Whether blocks of frames and photon events can be trusted, checked once for every correlation.

What is refused while frames come: another shape or type than the labels are for, numbers that do not rise, readings
that are no counts, events out of order or outside of the detector. What the movie as a whole must have (counts in each
bin, few full pixels) is known in the end: see `mean_counts` and `Normalisation.refuse_saturated`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.errors import FrameError
from ainerd_agent.records import PhotonEvents
from ainerd_agent.records.arrays import IntArray
from ainerd_agent.scattering.correlation._engine.event_kernels import first_wrong

NATIVE = (np.uint8, np.uint16, np.uint32, np.float32, np.float64)
"""Types of counts that the kernels are compiled for; others are converted."""


def checked_frames(frames: ArrayLike, shape: tuple[int, int]) -> NDArray[Any]:
    """Frames as an array (t, H * W) of a type that the kernels are compiled for, read-only.

    Parameters
    ----------
    frames : array_like, shape (t, H, W) or (H, W)
    shape : tuple of int
        (H, W) of the labels.

    Raises
    ------
    FrameError
        Frames of another shape, masked, or not of real numbers.
    """
    if isinstance(frames, np.ma.MaskedArray):
        raise FrameError("masked arrays would lose their mask: set the labels of masked pixels to 0 instead")
    block = np.asarray(frames)
    if block.ndim == 2:
        block = block[None]
    if block.ndim != 3 or block.shape[1:] != shape:
        raise FrameError(
            f"frames of shape {block.shape} do not fit the bins, which are for {shape[0]} x {shape[1]} pixels: the "
            "geometry or the labels belong to another detector"
        )
    if block.dtype.kind not in "biuf":
        raise FrameError(f"counts must be real numbers, got {block.dtype}")
    if block.dtype not in NATIVE or not block.dtype.isnative:
        block = block.astype(np.float64)
    return only_read(np.ascontiguousarray(block).reshape(len(block), shape[0] * shape[1]))


def only_read(frames: NDArray[Any]) -> NDArray[Any]:
    """The same frames, read-only, as all kernels get them: for others each kernel would be compiled once more."""
    frames = frames.view()
    frames.setflags(write=False)
    return frames


def checked_numbers(n_frames: int, numbers: Iterable[int] | None, n_seen: int) -> IntArray:
    """Places in the movie of the next frames, shape (n_frames,).

    Parameters
    ----------
    numbers : iterable of int, optional
        By default the frames follow on each other.
    n_seen : int
        Frames before them.

    Raises
    ------
    FrameError
        Another number of numbers than of frames; numbers that do not rise.
    """
    if numbers is None:
        return np.arange(n_seen, n_seen + n_frames)
    given = np.asarray(list(numbers), dtype=np.int64)
    if len(given) != n_frames:
        raise FrameError(f"{n_frames} frames came with {len(given)} frame numbers")
    if (np.diff(given, prepend=n_seen - 1) < 1).any():
        raise FrameError(f"frame numbers must rise; after frame {n_seen - 1} came {', '.join(map(str, given[:8]))}")
    return given


def check_events(events: PhotonEvents, begin: int, shape: tuple[int, int], dead_time: float) -> None:
    """Refuse photon events that do not continue a movie after `begin` frames.

    Raises
    ------
    FrameError
        Events out of order, of other frames, outside of the detector, or negative; a dead time, which is not corrected.
    """
    if dead_time > 0:
        raise FrameError("the dead time of photon events is not corrected here: set it to 0")
    if not len(events.frame) == len(events.pixel) == len(events.count):
        raise FrameError("photon events need as many frames as pixels and counts")
    if events.stop <= begin and len(events.frame):
        raise FrameError(f"photon events of frame {events.frame[0]} came after frame {begin - 1}")
    n_frames, n_pixels = max(0, events.stop - begin), shape[0] * shape[1]
    wrong = first_wrong(events.frame, events.pixel, events.count, begin, n_frames, n_pixels)
    if wrong >= 0:
        raise _bad_event(events, wrong, begin, shape)


def check_counts(
    counts: NDArray[Any], numbers: IntArray, *, excluded: frozenset[int] = frozenset(), dead_time: float = 0.0
) -> None:
    """Refuse readings that are no counts, but in frames that are left out anyway.

    Parameters
    ----------
    counts : ndarray, shape (t, n)
        Used pixels of the frames `numbers`.
    excluded : set of int
        Numbers of frames that are left out.
    dead_time : float
        In units of the frame time.

    Raises
    ------
    FrameError
        Which names the first such frame.
    """
    unsigned = counts.dtype.kind in "bu"
    if unsigned and dead_time == 0:
        return
    right = counts * dead_time < 1 if dead_time > 0 else counts < np.inf
    wrong = np.count_nonzero(~(right if unsigned else right & (counts >= 0)), axis=1)
    for at in np.flatnonzero(wrong):
        if int(numbers[at]) not in excluded:
            raise invalid_readings(int(numbers[at]), int(wrong[at]))


def invalid_readings(frame: int, count: int) -> FrameError:
    """What is said of readings that are no counts."""
    return FrameError(
        f"frame {frame} holds {count} readings that are negative, not a number, infinite, or more than the dead time "
        "allows: counts must be finite and not negative; mask the pixels, or leave the frame out"
    )


def _bad_event(events: PhotonEvents, at: int, begin: int, shape: tuple[int, int]) -> FrameError:
    frame, pixel, count = int(events.frame[at]), int(events.pixel[at]), events.count[at]
    if not 0 <= pixel < shape[0] * shape[1]:
        return FrameError(
            f"event {at} of frame {frame} is in pixel {pixel} of a detector of {shape[0]} x {shape[1]}: the events "
            "belong to another detector"
        )
    if count < 0:
        return FrameError(f"event {at} of frame {frame} has {count} counts: counts must not be negative")
    return FrameError(
        f"event {at} of a block that covers the frames {begin} to {events.stop - 1} is of frame {frame}, after later "
        "ones or outside of the block: sort the events by frame"
    )
