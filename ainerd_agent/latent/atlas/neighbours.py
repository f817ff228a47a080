"""Exact nearest neighbours among a million latents, in milliseconds.

Reading all of them for each query takes the time of the memory. So each is kept a second time, shortened: its first
coordinates along the principal axes, and the length of what they leave over. By the triangle inequality, the distance
between shortened points is never larger than that between the points. Whatever is further away there than the k-th
neighbour can be left out; the few others are compared in float64.

Latents of maps lie near a few directions. Where they do not, more axes are kept, up to all of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.errors import MapError
from ainerd_agent.latent.clusters import Latents, check_latents
from ainerd_agent.records import FloatArray

AXES = (15, 31)
"""Numbers of axes that are tried before all of them; with the length of the rest, 16 float32 fill a cache line."""

FEW = 0.02
"""Share of latents that may be left to compare exactly; with more, the shortened points are too short."""

TRIALS = 16
"""Queries by which that share is found, for `TRIAL_K` neighbours."""

TRIAL_K = 20

ROUNDING = 256 * float(np.finfo(np.float32).eps)
"""Of squared distances from products in float32, relative to the squared lengths, with room to spare."""

SAMPLE = 20_000


class NeighbourIndex:
    """Latents that can be searched and appended to.

    Parameters
    ----------
    latents : array_like, shape (n, length)
    """

    def __init__(self, latents: ArrayLike) -> None:
        first = check_latents(latents)
        if not len(first):
            raise MapError("there are no latents to search")
        self._latents = first.copy()
        self._length = len(first)
        self._arrange()

    def __len__(self) -> int:
        return self._length

    @property
    def latents(self) -> Latents:
        """What is stored, shape (n, length)."""
        return self._latents[: self._length]

    @property
    def n_axes(self) -> int:
        """Axes that are kept of a shortened point."""
        return len(self._axes.T)

    def append(self, latents: ArrayLike) -> None:
        """Store more latents, shape (n, length)."""
        new = check_latents(latents, self._latents.shape[1])
        at = slice(self._length, self._length + len(new))
        if at.stop > len(self._latents):
            # To twice as much as is needed, so that appending stays cheap, as does finding the axes anew.
            grown = np.empty((2 * at.stop, new.shape[1]), dtype=np.float32)
            grown[: at.start] = self.latents
            grown[at] = new
            self._latents, self._length = grown, at.stop
            self._arrange()
        else:
            self._latents[at] = new
            self._length = at.stop
            self._fill(at.start)

    def nearest(
        self, latents: ArrayLike, k: int, *, among: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], FloatArray]:
        """The k nearest stored latents, by euclidean distance; of those at one distance, the earlier first.

        Parameters
        ----------
        latents : array_like, shape (m, length)
        k : int
        among : ndarray of bool, shape (n,), optional
            Which of the stored ones may be found.

        Returns
        -------
        indices : ndarray, shape (m, k)
        distances : ndarray, shape (m, k)

        Raises
        ------
        MapError
            Latents that do not fit, or fewer stored ones than k.
        """
        queries = check_latents(latents, self._latents.shape[1])
        available = self._length if among is None else int(np.count_nonzero(among))
        if not 1 <= k <= available:
            raise MapError(f"cannot give the {k} nearest of {available} latents: ask for 1 to {available}")
        indices = np.empty((len(queries), k), dtype=np.int64)
        distances = np.empty((len(queries), k))
        for row, query in enumerate(queries):
            chosen = self._candidates(query, k, among)
            exact = np.concatenate(
                [self._distance_squared(query, chosen[at : at + SAMPLE]) for at in range(0, len(chosen), SAMPLE)]
            )
            best = np.lexsort((chosen, exact))[:k]
            indices[row], distances[row] = chosen[best], np.sqrt(exact[best])
        return indices, distances

    def _candidates(self, query: Latents, k: int, among: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        """Rising indices, among which are those of the k nearest."""
        short = self._shorten(query[None])[0]
        length = float(short @ short)
        bound = self._short[: self._length] @ (-2 * short)
        bound += self._squared[: self._length]  # the squared length of the query is in the limit instead
        if among is not None:
            bound[~among] = np.inf
        some = _smallest(bound, k)
        limit = float(np.partition(self._distance_squared(query, some), k - 1)[k - 1])
        return np.flatnonzero(bound <= limit * (1 + ROUNDING) - length * (1 - ROUNDING))

    def _distance_squared(self, query: Latents, indices: NDArray[np.int64]) -> FloatArray:
        apart = self._latents[indices].astype(np.float64) - query
        return np.asarray(np.einsum("ij,ij->i", apart, apart))

    def _arrange(self) -> None:
        """Find the axes of what is stored, as many as it needs, and shorten it."""
        sample = self.latents[:: -(-self._length // SAMPLE)]
        self._middle = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
        centred = (sample - self._middle).astype(np.float64)
        axes = _principal_axes(centred).astype(np.float32)
        for n_axes in [number for number in AXES if number < len(axes)]:
            self._axes = axes[:, :n_axes]
            if self._share(sample) <= FEW:
                break
        else:
            self._axes = axes
        self._short = np.empty((len(self._latents), self.n_axes + 1), dtype=np.float32)
        self._squared = np.empty(len(self._latents), dtype=np.float32)
        self._fill(0)

    def _share(self, sample: Latents) -> float:
        """Of a sample (n, length), what is left to compare exactly for one of them with these axes."""
        short = self._shorten(sample)
        k = min(TRIAL_K, len(sample)) - 1
        shares = []
        for number in range(0, len(sample), -(-len(sample) // TRIALS)):
            exact = np.square(sample - sample[number]).sum(axis=1)
            bound = np.square(short - short[number]).sum(axis=1)
            shares.append(np.mean(bound <= np.partition(exact, k)[k]))
        return float(np.mean(shares))

    def _fill(self, first: int) -> None:
        """Shorten what is stored from the first on."""
        for start in range(first, self._length, SAMPLE):
            at = slice(start, min(start + SAMPLE, self._length))
            self._short[at] = short = self._shorten(self._latents[at])
            # Less what its products may be off by, so that a bound is one in spite of rounding.
            self._squared[at] = np.einsum("ij,ij->i", short, short) * (1 - ROUNDING)

    def _shorten(self, latents: Latents) -> Latents:
        """Coordinates along the axes, and the length of the rest: (n, length) to (n, n_axes + 1)."""
        centred = latents - self._middle
        kept = centred @ self._axes
        rest = centred - kept @ self._axes.T
        return np.column_stack([kept, np.linalg.norm(rest, axis=1)])


def _principal_axes(centred: FloatArray) -> FloatArray:
    """Orthonormal columns along which points (n, length) spread, the widest first; no more than there are points."""
    if len(centred) < centred.shape[1]:
        # Few long vectors, such as maps: the products of all their values would take minutes to decompose.
        return np.linalg.svd(centred, full_matrices=False)[2].T
    return np.linalg.eigh(centred.T @ centred)[1][:, ::-1]


def _smallest(values: Latents, k: int) -> NDArray[np.int64]:
    """Indices of at least the k smallest of values (n,), found by the least of each block."""
    block = 256
    whole = len(values) // block
    if whole < 4 * k:
        return np.argpartition(values, k - 1)[:k]
    # The k-th least of the blocks has k values at or below it.
    limit = np.partition(values[: whole * block].reshape(whole, block).min(axis=1), k - 1)[k - 1]
    found = np.flatnonzero(values <= limit)
    return found if np.isfinite(limit) else np.argpartition(values, k - 1)[:k]
