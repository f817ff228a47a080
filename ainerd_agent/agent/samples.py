"""Samples on one holder: where each lies on the axes, and how much may be spent on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from ainerd_agent.agent.regions import Region, as_settings, check_region, from_settings
from ainerd_agent.agent.space import LimitError, Space
from ainerd_agent.records import FloatArray

SAME = 1e-9
"""Scaled distance within which two positions are the same: numbers that were written down and read again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One of several samples on a holder.

    Attributes
    ----------
    name : str
    axes : mapping of str to (low, high)
        Where it lies on some of the axes; both values may be equal, such as for a capillary along y at one x. On the
        others it reaches as far as the axes.
    wells : mapping of str to position
        The only positions that may be measured, by name, where it is not measured anywhere within its limits.
    forbidden : tuple of Disc, Rectangle, Box or Ball
        Regions of this sample that are left alone.
    measurements : int, optional
        How often it may be exposed, at most.
    seconds : float, optional
        Beamtime that may be spent on it, at most: travel to its positions, and counting.

    Raises
    ------
    ValueError
        It has no name, or a budget of nothing.
    """

    name: str
    axes: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    wells: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    forbidden: tuple[Region, ...] = ()
    measurements: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a sample on the holder has no name: give it one")
        for what, budget in (("measurements", self.measurements), ("seconds", self.seconds)):
            if budget is not None and not budget > 0:
                raise ValueError(
                    f"sample {self.name} has a budget of {budget} {what}: leave the sample out, or give it more than 0"
                )

    def as_settings(self) -> dict[str, Any]:
        """The sample as plain values; `from_settings` makes it again."""
        return {
            "name": self.name,
            "axes": {name: [float(low), float(high)] for name, (low, high) in self.axes.items()},
            "wells": {name: {axis: float(at) for axis, at in each.items()} for name, each in self.wells.items()},
            "forbidden": [as_settings(each) for each in self.forbidden],
            "measurements": self.measurements,
            "seconds": None if self.seconds is None else float(self.seconds),
        }

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Sample:
        """Make a sample again."""
        given = dict(settings)
        given["axes"] = {name: (low, high) for name, (low, high) in given["axes"].items()}
        given["forbidden"] = tuple(from_settings(each) for each in given["forbidden"])
        return cls(**given)


class Part:
    """Where one sample lies: a box on the axes, or wells in it.

    Parameters
    ----------
    space : Space
    sample : Sample or None
        None for a single sample that is not named, which fills the limits of the axes or has the `wells`.
    wells : mapping of str to position
    forbidden : tuple
        Regions of the whole holder.

    Attributes
    ----------
    low, high : ndarray, shape (n_axes,)
    wells : ndarray, shape (n_wells, n_axes), or None
    well_names : tuple of str

    Raises
    ------
    ValueError
        It does not lie within the limits of the axes; or a well is missing, forbidden, outside, or there twice.
    """

    def __init__(
        self,
        space: Space,
        sample: Sample | None,
        wells: Mapping[str, Mapping[str, float]] | None,
        forbidden: tuple[Region, ...],
    ) -> None:
        self.sample, self.name = sample, "" if sample is None else sample.name
        self.space = space
        self.forbidden = (*forbidden, *(() if sample is None else sample.forbidden))
        for region in self.forbidden:
            check_region(region, space.units)
        self.low, self.high = space.low.copy(), space.high.copy()
        for name, (low, high) in ({} if sample is None else sample.axes).items():
            if name not in space.axes:
                raise ValueError(
                    f"sample {self.name} has limits of {name}, and the axes are {', '.join(space.names)}: name them "
                    "as the limits do"
                )
            at, axis = space.names.index(name), space.axes[name]
            if not axis.low <= low <= high <= axis.high:
                raise ValueError(
                    f"sample {self.name} reaches from {low} to {high} on {name}, and the axis from {axis.low} to "
                    f"{axis.high}: give the lower value first, both within the axis"
                )
            self.low[at], self.high[at] = low, high
        self.well_names: tuple[str, ...] = ()
        self.wells: FloatArray | None = None
        if wells is not None:
            self._place(wells)

    def _place(self, wells: Mapping[str, Mapping[str, float]]) -> None:
        of = f" of sample {self.name}" if self.name else ""
        if not wells:
            raise ValueError(f"there are no wells{of}: give at least one position by its name")
        self.well_names = tuple(str(name) for name in wells)
        places = []
        for name, position in wells.items():
            try:
                places.append(self.space.array(position))
            except LimitError as error:
                raise ValueError(f"well {name}{of}: {error}") from error
        self.wells = np.array(places)
        inside = self.contains_box(self.wells)
        forbidden = self.forbids(self.wells)
        for name, place, there, off in zip(self.well_names, self.wells, inside, forbidden, strict=True):
            if not there:
                raise ValueError(f"well {name}{of} at {self.space.in_words(place)} is outside of the limits")
            if off:
                raise ValueError(
                    f"well {name}{of} at {self.space.in_words(place)} is in a forbidden region: leave out one of both"
                )
        for one, other in sorted(KDTree(self.space.scaled(self.wells)).query_pairs(SAME)):
            raise ValueError(
                f"the wells {self.well_names[one]} and {self.well_names[other]}{of} are at the same position, "
                f"{self.space.in_words(self.wells[one])}: one of them is wrong"
            )

    @property
    def extent(self) -> float:
        """The longest side, scaled."""
        sides = self.high - self.low if self.wells is None else np.ptp(self.wells, axis=0)
        return float(self.space.scaled(sides).max())

    def contains_box(self, positions: FloatArray) -> NDArray[np.bool_]:
        """Which of the positions (n, n_axes) lie within its limits."""
        return np.asarray(((positions >= self.low) & (positions <= self.high)).all(axis=1))

    def contains(self, positions: FloatArray) -> NDArray[np.bool_]:
        """Which of the positions (n, n_axes) belong to this sample, forbidden or not."""
        inside = self.contains_box(positions)
        if self.wells is not None and inside.any():
            inside[inside] = self._nearest(positions[inside])[0] <= SAME
        return inside

    def forbids(self, positions: FloatArray) -> NDArray[np.bool_]:
        """Which of the positions (n, n_axes) lie in a forbidden region."""
        found = np.zeros(len(positions), dtype=np.bool_)
        for region in self.forbidden:
            found |= region.covers(positions, self.space.names)
        return found

    def well_at(self, position: FloatArray) -> str:
        """The well that is the nearest to a position (n_axes,); empty where there are none."""
        return "" if self.wells is None else self.well_names[int(self._nearest(position[None])[1][0])]

    def meets(self, other: Part) -> bool:
        """Whether a position would belong to both."""
        if self.wells is not None:
            return bool(other.contains(self.wells).any())
        if other.wells is not None:
            return other.meets(self)
        low, high = np.maximum(self.low, other.low), np.minimum(self.high, other.high)
        flat = (self.low == self.high) | (other.low == other.high)
        return bool(((low < high) | ((low == high) & flat)).all())

    def _nearest(self, positions: FloatArray) -> tuple[FloatArray, NDArray[np.intp]]:
        assert self.wells is not None  # noqa: S101 (asked of wells only)
        distance, which = KDTree(self.space.scaled(self.wells)).query(self.space.scaled(positions))
        return np.asarray(distance), np.asarray(which)


def parts_of(
    space: Space,
    samples: Sequence[Sample],
    wells: Mapping[str, Mapping[str, float]] | None,
    forbidden: tuple[Region, ...],
) -> tuple[Part, ...]:
    """Where each sample lies; one without a name where there are no others.

    Raises
    ------
    ValueError
        Two have one name or a position in common; wells are given beside samples; or see `Part`.
    """
    if not samples:
        return (Part(space, None, wells, forbidden),)
    if wells is not None:
        raise ValueError("there are wells beside samples: give each sample the wells that are its own")
    names = [each.name for each in samples]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two samples are called {', '.join(twice)}: give each a name of its own")
    parts = tuple(Part(space, each, each.wells or None, forbidden) for each in samples)
    for number, one in enumerate(parts):
        for other in parts[number + 1 :]:
            if one.meets(other):
                raise ValueError(
                    f"the samples {one.name} and {other.name} overlap: a position would belong to both; give each "
                    "limits or wells of its own"
                )
    return parts
