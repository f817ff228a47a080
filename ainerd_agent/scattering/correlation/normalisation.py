"""What counts are divided by and which of them count: the rules that every correlation obeys, in one record.

Bad pixels that are known beforehand are left out of the bins where these are made (`geometry.partition.usable_pixels`);
a mask that is given here takes further ones out. A pixel whose flat field or mean image is not positive is refused.
Counts at `saturation` mean a full pixel. Bad frames are given by number, or recognised by their counts (`bad_frames`).
How readings are checked as they come: `_engine/frame_validation`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.errors import BinError, FrameError
from ainerd_agent.records import FloatArray
from ainerd_agent.records.arrays import IntArray
from ainerd_agent.scattering.correlation.beam_loss import LOSS, BeamWatch

Normalise = Literal["static", "frame", "both"]

MAX_SATURATED = 1e-3
"""Share of saturated pixel readings above which a movie is refused."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Normalisation:
    """How raw counts I become I / <I>, and which pixels, readings and frames are left out.

    Parameters
    ----------
    static : array_like, shape (H, W), optional
        What <I> is: integer labels of finer rings, over whose pixels and all good frames counts are averaged; or a
        float image of mean counts. By default each bin is its own ring. Not used where `normalise` is "frame".
    normalise : {"static", "frame", "both"}
        Divide counts by the static image, each frame by its own mean in the bin, or first the latter, then the former.
        Frames without any counts in a bin cannot be divided and are left out.
    mask : array_like of bool, shape (H, W), optional
        True where a pixel must not be used.
    flat_field : array_like, shape (H, W), optional
        Relative sensitivity of each pixel, which counts are divided by.
    dead_time : float
        Of a pixel, in units of the frame time (not paralysable): n counts become n / (1 - n * dead_time). Photon events
        are not corrected, but refused.
    saturation : float, optional
        Count at which a pixel is full; for unsigned integers the largest number by default, which many detectors also
        write for a pixel that does not work. More than 0.1 % of such readings are refused.
    bad_frames : iterable of int or "detect", optional
        Numbers of frames that are left out, from 0; or, for `two_time` and its stream, frames without beam are found by
        their counts (see `beam_loss`).
    bad_pixels : "detect", optional
        For `two_time` and its stream: hot, dead, flickering and full pixels are found by their counts and left out (see
        `bad_pixels`).
    loss : float
        Share of the usual counts below which "detect" takes a frame as lost.

    Raises
    ------
    ValueError
        A word or number that means nothing here. Arrays are checked against the labels that they are used with.
    """

    static: ArrayLike | None = None
    normalise: Normalise = "static"
    mask: ArrayLike | None = None
    flat_field: ArrayLike | None = None
    dead_time: float = 0.0
    saturation: float | None = None
    bad_frames: Literal["detect"] | Iterable[int] | None = None
    bad_pixels: Literal["detect"] | None = None
    loss: float = LOSS

    def __post_init__(self) -> None:
        if self.normalise not in ("static", "frame", "both"):
            raise ValueError(f'normalise must be "static", "frame" or "both", not {self.normalise!r}')
        if not 0 <= self.dead_time < 1:
            raise ValueError(f"dead_time is in units of the frame time and must lie in [0, 1), got {self.dead_time}")
        if not 0 < self.loss < 1:
            raise ValueError(
                f"loss, the share of counts below which a frame is lost, must lie between 0 and 1, got {self.loss}"
            )
        if self.bad_pixels not in (None, "detect"):
            raise ValueError(
                f'bad_pixels must be "detect" or None, not {self.bad_pixels!r}: known ones go into the mask'
            )
        if self.bad_frames is not None and not isinstance(self.bad_frames, str):
            object.__setattr__(self, "bad_frames", _frame_numbers(self.bad_frames))
        elif self.bad_frames not in (None, "detect"):
            raise ValueError(f'bad_frames must be frame numbers or "detect", not {self.bad_frames!r}')

    @property
    def per_frame(self) -> bool:
        """Whether each frame is divided by its own mean in the bin."""
        return self.normalise != "static"

    @property
    def excluded(self) -> frozenset[int]:
        """Numbers of the frames that are left out beforehand."""
        return self.bad_frames if isinstance(self.bad_frames, frozenset) else frozenset()

    def good(self, numbers: IntArray) -> NDArray[np.bool_]:
        """Which of the frames with these numbers are not among them."""
        excluded = self.excluded
        return np.array([int(number) not in excluded for number in numbers], dtype=bool)

    @property
    def detects(self) -> bool:
        """Whether frames without beam are found by their counts."""
        return self.bad_frames == "detect"

    @property
    def detects_pixels(self) -> bool:
        """Whether bad pixels are found by their counts."""
        return self.bad_pixels == "detect"

    def watch(self) -> BeamWatch | None:
        """What judges frames by their counts, where they are to be judged."""
        return BeamWatch(self.loss) if self.detects else None

    def require_numbers(self, what: str) -> None:
        """Refuse to detect bad frames and bad pixels where that is not done."""
        if self.detects_pixels:
            raise ValueError(
                f"{what} does not detect bad pixels: put them into the mask, as `TwoTime.bad_pixels` of the reduced "
                "maps has them"
            )
        if self.detects:
            raise ValueError(
                f"{what} does not detect bad frames: bad_frames must be their numbers, as `TwoTime.bad_frames` of "
                "the reduced maps has them"
            )

    def ceiling(self, dtype: np.dtype[Any]) -> float:
        """Counts at which a pixel of this type is full."""
        if self.saturation is not None:
            return float(self.saturation)  # settings may hold an integer, for which kernels would be compiled once more
        return float(np.iinfo(dtype).max) if np.issubdtype(dtype, np.unsignedinteger) else np.inf

    def refuse_saturated(self, n_saturated: int, n_readings: int) -> None:
        """Refuse a movie too many of whose readings are at the ceiling."""
        share = n_saturated / max(1, n_readings)
        if share > MAX_SATURATED:
            ceiling = "" if self.saturation is None else f" of {self.saturation:g} counts"
            raise FrameError(
                f"{share:.1%} of the readings in the bins are at the detector's ceiling{ceiling}: attenuate the beam, "
                "shorten the exposure, or mask the pixels that do not work"
            )

    def pixels(self, labels: ArrayLike) -> BinnedPixels:
        """The pixels of a detector that are used.

        Parameters
        ----------
        labels : array_like of int, shape (H, W)
            Bin of each pixel from 1 to n; 0 is ignored.

        Raises
        ------
        BinError
            Labels that are negative, not integer, or skip a bin; a mask or static image that does not fit them.
        """
        label_map = check_labels(_masked(labels, self.mask))
        rings, image = _static_rings(None if self.normalise == "frame" else self.static, label_map)
        return BinnedPixels(label_map, rings, image, self)


PLAIN = Normalisation()
"""Each bin is its own ring of the static image; nothing is corrected or left out."""


@dataclass(frozen=True, slots=True, eq=False)
class BinnedPixels:
    """The pixels of a detector in their bins, and what their counts are divided by.

    Attributes
    ----------
    labels : ndarray of int64, shape (H, W)
        0 where a pixel is not used.
    rings : ndarray of int64, shape (H, W)
        Pixels with the same <I>, where there is no image of it.
    image : ndarray, shape (H, W), or None
        Mean counts.
    normalisation : Normalisation
        Which made them.
    """

    labels: IntArray
    rings: IntArray
    image: FloatArray | None
    normalisation: Normalisation

    def factor(self, pixels: NDArray[np.int32]) -> FloatArray:
        """What the counts of pixels are multiplied by: flat field, and the inverse of a mean image.

        Parameters
        ----------
        pixels : ndarray of int, shape (N,)
            Addresses row * W + column.

        Returns
        -------
        ndarray, shape (N,), or (0,) where all are one

        Raises
        ------
        BinError
            A flat field of another shape, or that is not positive in one of them.
        """
        flat_field = self.normalisation.flat_field
        if self.image is None and flat_field is None:
            return np.empty(0)
        factor = np.ones(len(pixels))
        if self.image is not None:
            factor /= self.image.ravel()[pixels]
        if flat_field is not None:
            flat = np.asarray(flat_field, dtype=np.float64)
            if flat.shape != self.labels.shape:
                raise BinError(f"the flat field has the shape {flat.shape}, the labels have {self.labels.shape}")
            used = flat.ravel()[pixels]
            if not (np.isfinite(used).all() and (used > 0).all()):
                raise BinError("the flat field must be positive in every pixel of a bin: mask the others")
            factor /= used
        return factor


def check_labels(labels: ArrayLike) -> IntArray:
    """Labels as integers, shape (H, W), with bins from 1 to n and 0 for pixels that are not used.

    Raises
    ------
    BinError
        Labels that are negative, not integer, not two-dimensional, or that skip a bin.
    """
    label_map = np.asarray(labels)
    if label_map.ndim != 2 or not np.issubdtype(label_map.dtype, np.integer):
        raise BinError(f"labels must be integers of shape (H, W), got {label_map.dtype} of shape {label_map.shape}")
    if label_map.size == 0 or label_map.min() < 0 or label_map.max() < 1:
        raise BinError("labels must hold 0 for ignored pixels and 1 to n for the bins; none is above 0 or one is below")
    if label_map.max() > label_map.size:
        raise BinError(f"labels go up to {label_map.max()} for {label_map.size} pixels: number the bins without gaps")
    n_pixels = np.bincount(label_map.ravel())[1:]
    if (empty := np.flatnonzero(n_pixels == 0) + 1).size:
        raise BinError(f"bin {', '.join(map(str, empty))} of {len(n_pixels)} is empty: number the bins without gaps")
    return label_map.astype(np.int64)


def _masked(labels: ArrayLike, mask: ArrayLike | None) -> ArrayLike:
    """Labels that are 0 where `mask` is True; no bin may lose all its pixels."""
    if mask is None:
        return labels
    given, label_map = np.asarray(mask), np.asarray(labels)
    if given.dtype != np.bool_ or given.shape != label_map.shape:
        raise BinError(
            f"the mask must be boolean of the labels' shape {label_map.shape}, got {given.dtype} of shape {given.shape}"
        )
    left = np.where(given, 0, label_map)
    gone = np.setdiff1d(label_map[label_map > 0], left)
    if gone.size:
        raise BinError(f"the mask leaves no pixel in bin {', '.join(map(str, gone))}: use larger bins, or leave it out")
    return left


def _static_rings(static: ArrayLike | None, labels: IntArray) -> tuple[IntArray, FloatArray | None]:
    """Ring of each pixel and, where a mean image is given, that image."""
    if static is None:
        return labels, None
    given = np.asarray(static)
    if given.shape != labels.shape:
        raise BinError(f"static has the shape {given.shape}, the labels have {labels.shape}")
    if np.issubdtype(given.dtype, np.integer):
        if given[labels > 0].min() < 0:
            raise BinError("static ring labels must not be negative")
        return given.astype(np.int64), None
    if not (np.isfinite(given[labels > 0]).all() and (given[labels > 0] > 0).all()):
        raise BinError("the static image must be positive in every pixel of a bin: mask the others")
    return labels, given.astype(np.float64)


def _frame_numbers(given: Iterable[int]) -> frozenset[int]:
    numbers = np.asarray(list(given))
    if numbers.size and (numbers.ndim != 1 or numbers.dtype.kind not in "iu" or numbers.min() < 0):
        raise ValueError(f"bad_frames must be the numbers of frames, integers from 0, not {numbers.tolist()[:8]}")
    return frozenset(numbers.tolist())
