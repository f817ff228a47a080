"""Two-time correlation without the T x T matrix.

The paper (Horwath et al., Nat. Commun. 15, 5945, 2024, Methods) computes C2(t1, t2) = <D(t1) D(t2)> over the pixels
of a bin with D = I/<I> - 1, and resizes it to 256 x 256 with scikit-image. That resize is C' = R C R^T with a banded
matrix R whose rows add up to one (see `resampling`), so that

    C' = (R D)(R D)^T / N,        R D = (R I)/<I> - 1.

Frames are therefore folded into R I as they come, and only `size` x N numbers are kept. The shot noise on the diagonal
of C is replaced exactly: the correction is diagonal, needs sums of I(t), I(t)^2 and I(t) I(t+1) alone, and passes
through the same R.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.errors import BinError, FrameError
from ainerd_agent.records import FloatArray, MapStack
from ainerd_agent.scattering.resampling import resize_matrix

Diagonal = Literal["neighbours", "keep"]

BLOCK = 64
"""Frames that are folded in at a time: enough for a matrix product, few enough to stay in the cache."""

MAX_SATURATED = 1e-3
"""Share of saturated pixel readings above which a movie is refused."""


@dataclass(frozen=True, slots=True, eq=False)
class TwoTime:
    """What `TwoTimeStream` gives.

    Attributes
    ----------
    c2 : ndarray of float32, shape (n_bins, size, size)
        Neither rescaled nor offset.
    mean_counts : ndarray, shape (n_bins,)
        Counts per pixel and frame.
    contrast : ndarray, shape (n_bins,)
        Mean of C2(t, t + 1) over the frames.
    """

    c2: MapStack
    mean_counts: FloatArray
    contrast: FloatArray


class TwoTimeStream:
    """C2 maps of a movie whose frames come in blocks.

    Parameters
    ----------
    labels : ndarray of int, shape (H, W)
        Bin of each pixel from 1 to n; 0 is ignored.
    n_frames : int
        T, at least 2.
    size : int
        Side of the maps.
    sigma : float, optional
        Anti-aliasing in frames; scikit-image's default, with which all frames contribute. The paper's is 2.
    static : ndarray, shape (H, W), optional
        What <I> is: integer labels of finer rings, over whose pixels and all frames counts are averaged; or a float
        image of mean counts. By default each bin is its own ring.
    diagonal : {"neighbours", "keep"}
        Replace C(t, t), which holds the shot noise, by the mean of C(t, t - 1) and C(t, t + 1), or leave it.
    saturation : float, optional
        Count at which a pixel is full; for unsigned integers the largest number by default, which many detectors also
        write for a pixel that does not work. More than 0.1 % of such readings are refused.

    Raises
    ------
    BinError
        Labels that are negative, not integer, or skip a bin.
    FrameError
        From `add`: frames of another shape, NaN, infinite or negative counts. From `result`: frames missing, a bin
        without counts, saturation.

    Notes
    -----
    Memory is `size` x N doubles for N used pixels, and three numbers per frame and ring of a bin.
    """

    def __init__(
        self,
        labels: ArrayLike,
        n_frames: int,
        *,
        size: int = 256,
        sigma: float | None = None,
        static: ArrayLike | None = None,
        diagonal: Diagonal = "neighbours",
        saturation: float | None = None,
    ) -> None:
        if size < 1 or (sigma is not None and not sigma >= 0):
            raise ValueError(f"size must be positive and sigma not negative, got {size} and {sigma}")
        if n_frames < 2:
            raise FrameError(f"a two-time map needs at least 2 frames, got {n_frames}")
        if diagonal not in ("neighbours", "keep"):
            raise ValueError(f'diagonal must be "neighbours" or "keep", not {diagonal!r}')
        label_map = _checked_labels(labels)
        self.shape = label_map.shape
        self.n_frames = n_frames
        self.n_bins = int(label_map.max())
        self._diagonal = diagonal
        self._saturation = saturation
        self._n_saturated = 0
        self._n_added = 0

        ring, self._image = _static_rings(static, label_map)
        # Pixels are sorted by bin and, within a bin, by ring: each (bin, ring) is one slice, a cell, with one <I>.
        used = np.flatnonzero(label_map)
        order = np.lexsort((ring.ravel()[used], label_map.ravel()[used]))
        self._pixels = used[order]
        if self._image is not None:
            self._image = self._image.ravel()[self._pixels]
        bin_of_pixel, ring_of_pixel = label_map.ravel()[self._pixels], ring.ravel()[self._pixels]
        changes = (np.diff(bin_of_pixel) != 0) | (np.diff(ring_of_pixel) != 0)
        self._cells = np.concatenate([[0], np.flatnonzero(changes) + 1])
        self._cell_bin = bin_of_pixel[self._cells] - 1
        self._cell_ring = ring_of_pixel[self._cells]
        self._cell_size = np.diff(np.append(self._cells, len(self._pixels)))
        self._bin_size = np.bincount(self._cell_bin, weights=self._cell_size)

        self._resize = resize_matrix(n_frames, size, sigma)
        self._by_frame = self._resize.tocsc()
        # In double precision, because the self-correlation of sparse counts is large and is subtracted in the end.
        self._folded = np.zeros((size, len(self._pixels)))
        # Sums over the pixels of a cell, per frame: of I, I^2, and I(t) I(t + 1).
        self._sum, self._square, self._product = np.zeros((3, n_frames, len(self._cells)))
        self._total = np.zeros(len(self._cells))
        self._last: NDArray[np.float64] | None = None

    @property
    def n_added(self) -> int:
        """Frames taken so far."""
        return self._n_added

    def add(self, frames: ArrayLike) -> None:
        """Fold in the next frames, shape (t, H, W) or (H, W), of any real type."""
        if isinstance(frames, np.ma.MaskedArray):
            raise FrameError("masked arrays would lose their mask: set the labels of masked pixels to 0 instead")
        block = np.asarray(frames)
        if block.ndim == 2:
            block = block[None]
        if block.ndim != 3 or block.shape[1:] != self.shape:
            raise FrameError(
                f"frames of shape {block.shape} do not fit the bins, which are for {self.shape[0]} x {self.shape[1]} "
                "pixels: the geometry or the labels belong to another detector"
            )
        if self._n_added + len(block) > self.n_frames:
            raise FrameError(f"{self._n_added + len(block)} frames came where {self.n_frames} were announced")
        for start in range(0, len(block), BLOCK):
            self._fold(block[start : start + BLOCK])

    def _fold(self, block: NDArray[Any]) -> None:
        first, last = self._n_added, self._n_added + len(block)
        counts = block.reshape(len(block), -1)[:, self._pixels]
        _check_counts(counts, first)
        if self._saturation is None and np.issubdtype(counts.dtype, np.unsignedinteger):
            self._saturation = float(np.iinfo(counts.dtype).max)
        if self._saturation is not None:
            self._n_saturated += int(np.count_nonzero(counts >= self._saturation))
        counts = counts.astype(np.float64)
        self._total += np.add.reduceat(counts, self._cells, axis=1).sum(axis=0)
        if self._image is not None:
            counts /= self._image

        weights = self._by_frame[:, first:last].tocsr()
        rows = np.flatnonzero(np.diff(weights.indptr))
        if rows.size:  # with a narrow gaussian some frames weigh nothing
            touched = slice(rows[0], rows[-1] + 1)
            self._folded[touched] += weights[touched].toarray() @ counts

        self._sum[first:last] = np.add.reduceat(counts, self._cells, axis=1)
        self._square[first:last] = np.add.reduceat(counts * counts, self._cells, axis=1)
        pairs = counts if self._last is None else np.concatenate([self._last[None], counts])
        start = first if self._last is None else first - 1
        self._product[start : last - 1] = np.add.reduceat(pairs[:-1] * pairs[1:], self._cells, axis=1)
        self._last = counts[-1]
        self._n_added = last

    def result(self) -> TwoTime:
        """The maps, once all frames are in."""
        if self._n_added < self.n_frames:
            raise FrameError(
                f"the movie ends after {self._n_added} of {self.n_frames} frames: the file is truncated, or the "
                "exposure was cut short"
            )
        saturated = self._n_saturated / (self.n_frames * len(self._pixels))
        if saturated > MAX_SATURATED:
            raise FrameError(
                f"{saturated:.1%} of the readings in the bins are at the detector's ceiling of {self._saturation:g} "
                "counts: attenuate the beam, shorten the exposure, or mask the pixels that do not work"
            )
        mean = self._cell_mean()
        by_pixel = np.repeat(mean, self._cell_size)
        fluctuation = self._folded / by_pixel - 1  # R D
        neighbours = self._correlation(self._product[:-1], self._sum[:-1], self._sum[1:], mean)  # C(t, t + 1)
        correction = None
        if self._diagonal == "neighbours":
            own = self._correlation(self._square, self._sum, self._sum, mean)
            correction = _mean_of_neighbours(neighbours) - own

        edges = np.concatenate([[0], np.cumsum(self._bin_size).astype(np.int64)])
        c2 = np.empty((self.n_bins, len(self._folded), len(self._folded)), dtype=np.float32)
        for number in range(self.n_bins):
            part = fluctuation[:, edges[number] : edges[number + 1]]
            resized = part @ part.T / part.shape[1]
            if correction is not None:
                resized += ((self._resize * correction[:, number]) @ self._resize.T).toarray()
            c2[number] = resized
        counts = np.bincount(self._cell_bin, weights=self._total) / (self.n_frames * self._bin_size)
        return TwoTime(c2, counts, neighbours.mean(axis=0))

    def _cell_mean(self) -> FloatArray:
        """<I> of each cell: of its ring, over all frames (1 where counts were divided by an image already)."""
        in_bin = np.bincount(self._cell_bin, weights=self._total)
        if (dark := np.flatnonzero(in_bin == 0) + 1).size:
            raise FrameError(
                f"no photon was counted in bin {', '.join(map(str, dark))} in {self.n_frames} frames: "
                "check the shutter, the beam stop and the mask"
            )
        if self._image is not None:
            return np.ones(len(self._cells))
        total = np.bincount(self._cell_ring, weights=self._sum.sum(axis=0))
        pixels = np.bincount(self._cell_ring, weights=self._cell_size)
        mean = total[self._cell_ring] / pixels[self._cell_ring]
        # A ring without a single count has no mean of its own; its bin's is the best there is.
        mean = np.where(mean > 0, mean, (in_bin / self._bin_size)[self._cell_bin])
        return np.asarray(mean / self.n_frames)

    def _correlation(self, product: FloatArray, first: FloatArray, second: FloatArray, mean: FloatArray) -> FloatArray:
        """<D D> over the pixels of each bin from sums per cell, shape (frames, n_bins)."""
        per_cell = product / mean**2 - (first + second) / mean + self._cell_size
        starts = np.searchsorted(self._cell_bin, np.arange(self.n_bins))
        return np.asarray(np.add.reduceat(per_cell, starts, axis=1) / self._bin_size)


def two_time(
    frames: ArrayLike,
    labels: ArrayLike,
    *,
    size: int = 256,
    sigma: float | None = None,
    static: ArrayLike | None = None,
    diagonal: Diagonal = "neighbours",
) -> MapStack:
    """C2 maps of a movie, one per bin, resized to `size` x `size`.

    Parameters
    ----------
    frames : array_like, shape (T, H, W)
        Counts of any real type. An object with `shape` that is sliced along its first axis (an HDF5 dataset) is read
        block by block.
    labels, size, sigma, static, diagonal
        As for `TwoTimeStream`.

    Returns
    -------
    ndarray of float32, shape (n_bins, size, size)
        <D(t1) D(t2)> with D = I/<I> - 1: zero where nothing correlates, the contrast where everything does.

    Examples
    --------
    >>> import numpy as np
    >>> frames = np.random.default_rng(0).poisson(2.0, size=(300, 8, 8))
    >>> two_time(frames, np.ones((8, 8), dtype=int), size=64).shape
    (1, 64, 64)
    """
    movie: Any = frames if hasattr(frames, "shape") else np.asarray(frames)
    if len(movie.shape) != 3:
        raise FrameError(f"frames must have the shape (T, H, W), got {tuple(movie.shape)}")
    stream = TwoTimeStream(labels, movie.shape[0], size=size, sigma=sigma, static=static, diagonal=diagonal)
    for start in range(0, movie.shape[0], BLOCK):
        stream.add(movie[start : start + BLOCK])
    return stream.result().c2


def _checked_labels(labels: ArrayLike) -> NDArray[np.int64]:
    label_map = np.asarray(labels)
    if label_map.ndim != 2 or not np.issubdtype(label_map.dtype, np.integer):
        raise BinError(f"labels must be integers of shape (H, W), got {label_map.dtype} of shape {label_map.shape}")
    if label_map.size == 0 or label_map.min() < 0 or label_map.max() < 1:
        raise BinError("labels must hold 0 for ignored pixels and 1 to n for the bins; none is above 0 or one is below")
    n_pixels = np.bincount(label_map.ravel())[1:]
    if (empty := np.flatnonzero(n_pixels == 0) + 1).size:
        raise BinError(f"bin {', '.join(map(str, empty))} of {len(n_pixels)} is empty: number the bins without gaps")
    return label_map.astype(np.int64)


def _static_rings(
    static: ArrayLike | None, labels: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32] | None]:
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
    if not np.all(given[labels > 0] > 0):
        raise BinError("the static image must be positive in every pixel of a bin: mask the others")
    return labels, given.astype(np.float32)


def _check_counts(counts: NDArray[Any], first_frame: int) -> None:
    if np.issubdtype(counts.dtype, np.unsignedinteger):
        return
    if np.issubdtype(counts.dtype, np.complexfloating) or not np.issubdtype(counts.dtype, np.number):
        raise FrameError(f"counts must be real numbers, got {counts.dtype}")
    bad = ~np.isfinite(counts) | (counts < 0)
    if bad.any():
        frame = first_frame + int(np.flatnonzero(bad.any(axis=1))[0])
        value = counts[bad][0]
        raise FrameError(
            f"frame {frame} holds {np.count_nonzero(bad[frame - first_frame])} readings like {value}: counts must be "
            "finite and not negative; mask the pixels or drop the frame"
        )


def _mean_of_neighbours(next_frame: FloatArray) -> FloatArray:
    """Mean of C(t, t - 1) and C(t, t + 1), the one there is at the ends; (T - 1, n) becomes (T, n)."""
    inner = (next_frame[:-1] + next_frame[1:]) / 2
    return np.concatenate([next_frame[:1], inner, next_frame[-1:]])
