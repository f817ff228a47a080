"""Pixels that a measurement was analysed without, because their counts cannot be those of the sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.records.arrays import IntArray

KINDS = ("hot", "dead", "flickering", "full")
"""Kinds of bad pixels. Hot: far more counts than the pixels around. Dead: none, among pixels that count. Flickering:
counts that scatter in time as those of no speckle do. Full: at the highest number of some type in every frame."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BadPixels:
    """Where they are, and what is wrong with them; each array of shape (n,), in the order of bins, rows and columns.

    Attributes
    ----------
    rows, columns : ndarray of int
    bins : ndarray of int
        Labels of the bins that they were in, from 1.
    kinds : ndarray of str
        Of `KINDS`.
    in_part : ndarray of bool
        Of which some trace stays, because the frames could not be read again.
    """

    rows: IntArray
    columns: IntArray
    bins: IntArray
    kinds: NDArray[np.str_]
    in_part: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        pixels: ArrayLike,
        width: int,
        *,
        bins: ArrayLike,
        kinds: ArrayLike,
        in_part: ArrayLike | None = None,
    ) -> Self:
        """Sort pixels, given by their addresses row * `width` + column; none is left in part by default."""
        address, of_bin = np.asarray(pixels, dtype=np.int64), np.asarray(bins, dtype=np.int64)
        order = np.lexsort((address, of_bin))
        part = np.zeros(len(address), dtype=bool) if in_part is None else np.asarray(in_part, dtype=bool)
        rows, columns = np.divmod(address[order], width)
        names = np.asarray(kinds, dtype=np.str_)
        return cls(rows=rows, columns=columns, bins=of_bin[order], kinds=names[order], in_part=part[order])

    @classmethod
    def none(cls) -> Self:
        """No pixel."""
        return cls.of([], 1, bins=[], kinds=[])

    def __len__(self) -> int:
        return len(self.rows)

    def counts(self) -> dict[str, int]:
        """How many there are of each kind; kinds that there are none of are left out."""
        return {kind: n for kind in KINDS if (n := int(np.count_nonzero(self.kinds == kind)))}

    def words(self) -> str:
        """As people read it: "12 pixels left out: 3 hot, 8 dead, 1 flickering"; empty where there are none."""
        if len(self) == 0:
            return ""
        kinds = ", ".join(f"{n} {kind}" for kind, n in self.counts().items())
        return f"{len(self)} pixel{'s' if len(self) > 1 else ''} left out: {kinds}"

    def in_bin(self, label: int) -> BadPixels:
        """Those of one bin."""
        chosen = self.bins == label
        return BadPixels(
            rows=self.rows[chosen],
            columns=self.columns[chosen],
            bins=self.bins[chosen],
            kinds=self.kinds[chosen],
            in_part=self.in_part[chosen],
        )
