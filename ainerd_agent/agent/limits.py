"""What may be measured: hard limits of any axes, forbidden regions, and fresh positions only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from ainerd_agent.agent.regions import Region, as_settings, from_settings
from ainerd_agent.agent.samples import Part, Sample, parts_of
from ainerd_agent.agent.space import Axis, Space
from ainerd_agent.agent.space import LimitError as LimitError
from ainerd_agent.records import FloatArray
from ainerd_agent.units import conversion

EXCLUSION = 0.1
"""Distance between exposed spots where none is given, mm."""

ELSEWHERE_LENGTH, ELSEWHERE_SHARE = 0.01, 0.01
"""A measurement was made elsewhere than suggested beyond so many mm; on other axes, beyond this share of the range."""

FAR = 1e6
"""Distance between two samples, in units of their length: nothing is learnt from one about the other."""


class Limits:
    """Limits of the axes, and regions of the samples that are left alone.

    Parameters
    ----------
    axes : mapping of str to (low, high) or Axis
        The axes that the agent moves, of any names; a pair stands for an axis in mm.
    forbidden : tuple of Disc, Rectangle, Box or Ball
    exclusion : float or mapping of str to float, optional
        No two exposed positions are closer than this (radiation damage); 0 lets a spot be exposed again. A number is a
        distance along the axes of length, or of all axes where these have one unit. A mapping has the distance along
        each axis that counts: two positions must differ by more than an ellipsoid with these half axes. By default
        0.1 mm along the axes of length: the same spot at another temperature is the same spot. Without axes that count,
        no position is measured twice.
    wells : mapping of str to position, optional
        The only positions that may be measured, by name: a position has a value for each axis.
    samples : sequence of Sample
        Several samples on one holder. Nothing is learnt from one about where things are in another.

    Attributes
    ----------
    space : Space
    parts : tuple of Part
        Where each sample lies; one without a name where no samples are given.
    forbidden : tuple
    exclusion : float
        The longest distance of those that count; 0 for none.

    Raises
    ------
    ValueError
        Limits without room; wells or samples that cannot be told apart or lie outside; a region of another axis; an
        exclusion that is not a length.
    """

    def __init__(
        self,
        axes: Mapping[str, tuple[float, float] | Axis] | Space,
        forbidden: tuple[Region, ...] = (),
        exclusion: float | Mapping[str, float] | None = None,
        *,
        wells: Mapping[str, Mapping[str, float]] | None = None,
        samples: Sequence[Sample] = (),
    ) -> None:
        self.space = axes if isinstance(axes, Space) else Space(axes)
        self.forbidden = tuple(forbidden)
        self.parts: tuple[Part, ...] = parts_of(self.space, samples, wells, self.forbidden)
        self._exclusions = _exclusions(self.space, exclusion)
        self.exclusion = float(max(self._exclusions.values(), default=0.0))
        self._counted, self._weights = self._of_exclusion()

    def as_settings(self) -> dict[str, Any]:
        """The limits as plain values; `from_settings` makes them again."""
        told = {
            **self.space.as_settings(),
            "forbidden": [as_settings(each) for each in self.forbidden],
            "exclusion": self._told_exclusion(),
        }
        if self.parts[0].sample is not None:
            told["samples"] = [each.sample.as_settings() for each in self.parts if each.sample is not None]
        elif self.parts[0].wells is not None:
            part = self.parts[0]
            told["wells"] = {
                name: self.space.position(at) for name, at in zip(part.well_names, self.parts[0].wells, strict=True)
            }
        return told

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Limits:
        """Make limits again, those of version 0.1 too.

        Raises
        ------
        ValueError
            They name a kind of region that does not exist, or see the class.
        """
        return cls(
            Space.from_settings(settings),
            tuple(from_settings(each) for each in settings["forbidden"]),
            settings["exclusion"],
            wells=settings.get("wells"),
            samples=tuple(Sample.from_settings(each) for each in settings.get("samples", ())),
        )

    @property
    def low(self) -> FloatArray:
        """The lowest values, shape (n_axes,)."""
        return np.asarray(self.space.low)

    @property
    def high(self) -> FloatArray:
        """The highest values, shape (n_axes,)."""
        return np.asarray(self.space.high)

    @property
    def extent(self) -> float:
        """The longest side of a sample, as `coordinates` has it."""
        return max(part.extent for part in self.parts) or self.space.scaled(self.high - self.low).max().item()

    @property
    def groups(self) -> tuple[int, ...]:
        """For each coordinate, which of them share a length scale of the dynamics."""
        return (*self.space.groups, *((0,) if len(self.parts) > 1 else ()))

    def coordinates(self, positions: FloatArray) -> FloatArray:
        """Positions (n, n_axes) such that distances can be compared, shape (n, n_axes).

        With several samples, (n, n_axes + 1): the last one keeps them far apart from each other.
        """
        scaled = self.space.scaled(positions)
        if len(self.parts) == 1:
            return scaled
        return np.column_stack([scaled, self.sample_numbers(positions) * (FAR * self.extent)])

    def sample_numbers(self, positions: FloatArray) -> NDArray[np.int64]:
        """Which sample each of the positions (n, n_axes) lies on, by its place in `parts`; -1 for none, shape (n,)."""
        numbers = np.full(len(positions), -1)
        for number, part in reversed(list(enumerate(self.parts))):
            numbers[part.contains(positions)] = number
        return numbers

    def sample_and_well(self, position: Mapping[str, float]) -> tuple[str, str]:
        """The names of the sample and of the well at a position; empty where there is none."""
        where = self.space.array(position)
        number = int(self.sample_numbers(where[None])[0])
        return ("", "") if number < 0 else (self.parts[number].name, self.parts[number].well_at(where))

    def allowed(self, positions: FloatArray, exposed: FloatArray | None = None) -> NDArray[np.bool_]:
        """Which of the positions (n, n_axes) may be measured, where `exposed` (m, n_axes) were before."""
        free = np.zeros(len(positions), dtype=np.bool_)
        for part in self.parts:
            free |= part.contains(positions) & ~part.forbids(positions)
        if exposed is not None and len(exposed):
            free &= KDTree(self._dosed(exposed)).query(self._dosed(positions))[0] > self.exclusion
        return np.asarray(free)

    def clear_of(self, positions: FloatArray, spot: FloatArray) -> NDArray[np.bool_]:
        """Which of the positions (n, n_axes) are farther from an exposed one (n_axes,) than the exclusion."""
        return np.asarray(np.linalg.norm(self._dosed(positions) - self._dosed(spot[None])[0], axis=1) > self.exclusion)

    def is_elsewhere(self, measured: Mapping[str, float], suggested: Mapping[str, float]) -> bool:
        """Whether a measurement was made at another position than was suggested.

        Axes on which nothing was read say nothing. It is elsewhere beyond the exclusion, or where that does not count,
        beyond 0.01 mm or 1 % of the range of an axis.
        """
        apart = 0.0
        for name, axis in self.space.axes.items():
            off = abs(measured.get(name, np.nan) - suggested[name])
            least = ELSEWHERE_SHARE * (axis.high - axis.low)
            if name in self.space.lengths:
                least = conversion("mm", axis.unit)(ELSEWHERE_LENGTH)
            apart += 0.0 if np.isnan(off) else (off / max(self._exclusions.get(name, 0.0), least)) ** 2
        return apart > 1

    def check(self, position: Mapping[str, float], exposed: FloatArray | None = None) -> None:
        """Refuse a position outside of the limits or in a forbidden region.

        Parameters
        ----------
        position : mapping of str to float
            A value for each axis, in its unit.
        exposed : ndarray, shape (m, n_axes), optional
            Positions that were exposed before: one within the exclusion of them is refused too.

        Raises
        ------
        LimitError
        """
        values = self.space.array(position)
        where, told = values[None], self.space.in_words(values)
        if not np.isfinite(where).all() or not ((where >= self.low) & (where <= self.high)).all():
            ends = zip(self.space.names, self.low, self.high, strict=True)
            limits = ", ".join(f"{name} {low:g} to {high:g}" for name, low, high in ends)
            raise LimitError(f"{told} is outside of the limits: {limits}")
        number = int(self.sample_numbers(where)[0])
        if number < 0:
            raise LimitError(f"{told} is on no sample: {self._samples_in_words()}")
        for region in self.parts[number].forbidden:
            if region.covers(where, self.space.names)[0]:
                raise LimitError(f"{told} is in a forbidden region: {region}")
        if not self.allowed(where, exposed)[0]:
            near = f"is within {self.exclusion_in_words} of a spot that was" if self._exclusions else "was"
            raise LimitError(f"{told} {near} exposed before")

    @property
    def exclusion_in_words(self) -> str:
        """The exclusion for people, as "0.1 mm"; empty where there is none."""
        alike = {(far, self.space.units[name]) for name, far in self._exclusions.items()}
        if len(alike) == 1:
            return " ".join(f"{far:g} {unit}".rstrip() for far, unit in alike)
        return ", ".join(f"{far:g} {self.space.units[name]} of {name}" for name, far in self._exclusions.items())

    def distance_in_words(self, distance: float) -> str:
        """A distance between coordinates for people, as "0.9 mm" or "12 % of the range"; empty between samples."""
        if distance >= FAR * self.extent / 2:
            return ""
        unit = self.space.unit
        return f"{distance:.2g} of the scales" if unit is None else f"{distance:.1f} {unit}".rstrip()

    def _samples_in_words(self) -> str:
        if len(self.parts) == 1:
            return f"the wells are {', '.join(self.parts[0].well_names)}"
        return f"the samples are {', '.join(part.name for part in self.parts)}"

    def _told_exclusion(self) -> float | dict[str, float]:
        """As version 0.1 had it, where one number says it."""
        alike = len(set(self._exclusions.values())) == 1 and len(set(self.space.units.values())) == 1
        everywhere = not self._exclusions or (alike and set(self._exclusions) == set(self.space.names))
        return self.exclusion if everywhere else dict(self._exclusions)

    def _of_exclusion(self) -> tuple[list[int], FloatArray]:
        """The axes that count for the exclusion, and by what they are multiplied so that the longest one holds."""
        if self.exclusion == 0:
            return list(range(len(self.space.names))), 1 / self.space.scales
        counted = [place for place, name in enumerate(self.space.names) if name in self._exclusions]
        return counted, np.array([self.exclusion / self._exclusions[self.space.names[place]] for place in counted])

    def _dosed(self, positions: FloatArray) -> FloatArray:
        return np.asarray(positions[:, self._counted] * self._weights)


def _exclusions(space: Space, given: float | Mapping[str, float] | None) -> dict[str, float]:
    """The exclusion along each axis that counts."""
    if given is None:
        return {name: conversion("mm", space.units[name])(EXCLUSION) for name in space.lengths}
    if isinstance(given, Mapping):
        if unknown := sorted(set(given) - set(space.names)):
            raise ValueError(
                f"the exclusion is on {', '.join(unknown)}, and the axes are {', '.join(space.names)}: name them as "
                "the limits do"
            )
        found = {str(name): float(far) for name, far in given.items()}
    else:
        units = list(space.units.values())
        counted = list(space.names) if len(set(units)) == 1 else space.lengths
        if given and len({space.units[name] for name in counted}) != 1:
            raise ValueError(
                f"the exclusion is {given}, and the axes are in {', '.join(unit or 'no unit' for unit in units)}: give "
                "it for each axis that counts, as in {'x': 0.1, 'y': 0.1}"
            )
        found = dict.fromkeys(counted, float(given)) if given else {}
    if not all(0 < far < np.inf for far in found.values()):
        raise ValueError(
            f"the exclusion radius is {given}: it must be 0 or a length, in the unit of each axis that counts"
        )
    return found
