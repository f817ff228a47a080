"""Where measurements were made, on axes of any names, and which of these a picture shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ainerd_agent.errors import MapError
from ainerd_agent.figures.data import MissingError
from ainerd_agent.records import FloatArray
from ainerd_agent.records.arrays import IntArray

STILL = 1e-3
"""Range below which an axis did not move, in its unit (1 µm for lengths): motors read back a little of it at rest."""

MOST_ELONGATED = 5.0
"""Ratio of the sides beyond which a map is not drawn to scale: its points would overlap."""

ORDER = "Measurement"
"""Beside the order of the measurements, where there is one axis only."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Places:
    """Measurements in their order: where each was made, and what was found.

    Attributes
    ----------
    positions : mapping of str to ndarray, shape (n,)
        By axis; NaN where a position is not known.
    cluster : ndarray of int, shape (n,)
        That of most of its maps.
    novelty : ndarray, shape (n,)
        Repeatabilities; NaN where it is not known.
    units : mapping of str to str
        By axis; mm where there is none.
    """

    positions: Mapping[str, FloatArray]
    cluster: IntArray
    novelty: FloatArray
    units: Mapping[str, str] = field(default_factory=dict)

    def unit(self, axis: str) -> str:
        """The unit of an axis; empty where it has none."""
        return self.units.get(axis, "mm")

    def extent(self, axis: str) -> tuple[float, float]:
        """The lowest and the highest position on an axis; NaN where none is known."""
        known = self.positions[axis][np.isfinite(self.positions[axis])]
        return (float(known.min()), float(known.max())) if known.size else (np.nan, np.nan)

    def shown(self, wanted: Sequence[str] = ()) -> tuple[str, ...]:
        """The axes to draw, one or two.

        Parameters
        ----------
        wanted : sequence of str
            By default the first two that moved, or the one.

        Raises
        ------
        MapError
            There are no such axes, or not one or two of them.
        MissingError
            No position on one of them is known; or none is wanted, and none moved.
        """
        if unknown := [axis for axis in wanted if axis not in self.positions]:
            there = ", ".join(self.positions) or "none"
            raise MapError(f"there is no axis {' and no axis '.join(unknown)} in this run; its axes: {there}")
        if wanted:
            if len(wanted) > 2 or len(set(wanted)) < len(wanted):
                raise MapError(f"a picture shows one or two different axes, not {', '.join(wanted)}")
            if lost := [axis for axis in wanted if np.isnan(self.extent(axis)[0])]:
                raise MissingError(f"no position on {' and '.join(lost)} is known")
            return tuple(wanted)
        moved = [axis for axis in self.positions if np.ptp(self.extent(axis)) > STILL]
        if not moved:
            stood = self.elsewhere(())
            raise MissingError(f"no axis moved: {stood}" if stood else "no position is known")
        return tuple(moved[:2])

    def label(self, axis: str) -> str:
        """The axis with its unit, as "theta (deg)"."""
        return f"{axis} ({unit})" if (unit := self.unit(axis)) else axis

    def elsewhere(self, shown: Sequence[str]) -> str:
        """Where the other axes were, as "z 1.00 mm, theta 10.0 to 20.0 deg"; empty where there is no other."""
        told = []
        for axis in self.positions:
            low, high = self.extent(axis)
            if axis in shown or np.isnan(low):
                continue
            ends = f"{low:.3g} to {high:.3g}" if high - low > STILL else f"{low:.3g}"
            told.append(f"{axis} {ends} {self.unit(axis)}".rstrip())
        return ", ".join(told)
