"""Forbidden regions: parts of a sample, or of any space of axes, that are left alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records import FloatArray

XY = ("x", "y")


@dataclass(frozen=True, slots=True)
class Disc:
    """Everything within `radius` of (x, y), its edge included; in the unit of the axes x and y."""

    x: float
    y: float
    radius: float

    @property
    def names(self) -> tuple[str, ...]:
        """The axes that it bounds."""
        return XY

    def covers(self, positions: FloatArray, axes: Sequence[str] = XY) -> NDArray[np.bool_]:
        """Which of the positions (n, n_axes) on `axes` lie in it, shape (n,)."""
        x, y = (positions[:, axes.index(name)] for name in XY)
        return np.asarray(np.hypot(x - self.x, y - self.y) <= self.radius)


@dataclass(frozen=True, slots=True)
class Rectangle:
    """Everything between two values of x and two of y, its edge included; in the unit of the axes.

    Raises
    ------
    ValueError
        The first of two values is not the smaller one.
    """

    x: tuple[float, float]
    y: tuple[float, float]

    def __post_init__(self) -> None:
        _ordered({"x": self.x, "y": self.y})

    @property
    def names(self) -> tuple[str, ...]:
        """The axes that it bounds."""
        return XY

    def covers(self, positions: FloatArray, axes: Sequence[str] = XY) -> NDArray[np.bool_]:
        """Which of the positions (n, n_axes) on `axes` lie in it, shape (n,)."""
        x, y = (positions[:, axes.index(name)] for name in XY)
        return np.asarray((x >= self.x[0]) & (x <= self.x[1]) & (y >= self.y[0]) & (y <= self.y[1]))


@dataclass(frozen=True, slots=True)
class Box:
    """Everything between two values of each axis, its faces included, wherever the axes that are not named are.

    Parameters
    ----------
    axes : mapping of str to (low, high)
        In the unit of each axis; infinite where one side is open.

    Raises
    ------
    ValueError
        There is no axis, or the first of two values is not the smaller one.
    """

    axes: Mapping[str, tuple[float, float]]

    def __post_init__(self) -> None:
        _ordered(self.axes)

    @property
    def names(self) -> tuple[str, ...]:
        """The axes that it bounds."""
        return tuple(self.axes)

    def covers(self, positions: FloatArray, axes: Sequence[str]) -> NDArray[np.bool_]:
        """Which of the positions (n, n_axes) on `axes` lie in it, shape (n,)."""
        inside = np.ones(len(positions), dtype=np.bool_)
        for name, (low, high) in self.axes.items():
            along = positions[:, axes.index(name)]
            inside &= (along >= low) & (along <= high)
        return inside


@dataclass(frozen=True, slots=True)
class Ball:
    """Everything within a radius of a centre, its surface included, wherever the axes that are not named are.

    Parameters
    ----------
    centre : mapping of str to float
        In the unit of each axis.
    radius : float or mapping of str to float
        One for all of these axes, which have one unit then; or the half axis of an ellipsoid along each of them.

    Raises
    ------
    ValueError
        There is no axis; or a radius is not more than 0, or missing.
    """

    centre: Mapping[str, float]
    radius: float | Mapping[str, float]

    def __post_init__(self) -> None:
        radii = self.radius if isinstance(self.radius, Mapping) else dict.fromkeys(self.centre, self.radius)
        if not self.centre or set(radii) != set(self.centre):
            raise ValueError(f"a ball needs a centre on some axes and a radius for each of them; got {self}")
        if not all(np.isfinite(self.centre[name]) and 0 < radii[name] < np.inf for name in radii):
            raise ValueError(f"a ball needs a centre, and radii of more than 0; got {self}")

    @property
    def names(self) -> tuple[str, ...]:
        """The axes that it bounds."""
        return tuple(self.centre)

    def covers(self, positions: FloatArray, axes: Sequence[str]) -> NDArray[np.bool_]:
        """Which of the positions (n, n_axes) on `axes` lie in it, shape (n,)."""
        apart = np.zeros(len(positions))
        for name, centre in self.centre.items():
            radius = self.radius[name] if isinstance(self.radius, Mapping) else self.radius
            apart += np.square((positions[:, axes.index(name)] - centre) / radius)
        return np.asarray(apart <= 1)


Region = Disc | Rectangle | Box | Ball
REGIONS: Mapping[str, type[Region]] = {"Disc": Disc, "Rectangle": Rectangle, "Box": Box, "Ball": Ball}


def as_settings(region: Region) -> dict[str, Any]:
    """A region as plain values; `from_settings` makes it again."""
    return {"region": type(region).__name__, **_lists(asdict(region))}


def from_settings(settings: Mapping[str, Any]) -> Region:
    """Make a region again.

    Raises
    ------
    ValueError
        There is no such kind of region, or it lacks values.
    """
    given = {name: _tuples(value) for name, value in settings.items()}
    kind = REGIONS.get(str(given.pop("region", "")))
    if kind is None:
        raise ValueError(f"a forbidden region is one of {', '.join(REGIONS)}; got {settings}")
    try:
        return kind(**given)
    except TypeError as error:
        raise ValueError(f"the forbidden region {settings} cannot be made: {error}") from error


def check_region(region: Region, units: Mapping[str, str]) -> None:
    """Refuse a region that the axes, given with their units, do not have room for.

    Raises
    ------
    ValueError
        It is on another axis, or one radius is to hold for axes of several units.
    """
    if unknown := sorted(set(region.names) - set(units)):
        raise ValueError(
            f"the forbidden region {region} is on {', '.join(unknown)}, and the axes are {', '.join(units)}: name the "
            "axes as the limits do"
        )
    several = len({units[name] for name in region.names}) > 1
    if several and (isinstance(region, Disc) or (isinstance(region, Ball) and not isinstance(region.radius, Mapping))):
        raise ValueError(
            f"the forbidden region {region} has one radius for axes in "
            f"{' and '.join(units[name] or 'no unit' for name in region.names)}: give a Ball a radius for each axis"
        )


def _lists(value: Any) -> Any:
    """As JSON gives it back: settings that were read again are compared with those of now."""
    if isinstance(value, Mapping):
        return {name: _lists(each) for name, each in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _tuples(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _tuples(each) for name, each in value.items()}
    return tuple(value) if isinstance(value, list) else value


def _ordered(axes: Mapping[str, tuple[float, float]]) -> None:
    if not axes:
        raise ValueError("a forbidden box needs a lowest and a highest value on at least one axis")
    for name, (low, high) in axes.items():
        if not low <= high:
            raise ValueError(
                f"a forbidden region reaches from {low} to {high} on {name}: the second must be the larger"
            )
