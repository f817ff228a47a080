"""The axes that an agent moves: their units, and how far and how long it is from one position to another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ainerd_agent.errors import AinerdError
from ainerd_agent.records import FloatArray
from ainerd_agent.units import UnitError, conversion

RESERVED = frozenset({"score", "cost", "expected_novelty", "counting", "md", "sample", "well"})
"""Names that stand beside those of the axes in suggestions and in the arguments of plans."""


class LimitError(AinerdError):
    """A position that must not be measured."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: a motor, a temperature, a shear rate, or any other that a plan can set.

    Attributes
    ----------
    low, high : float
        The lowest and the highest value that may be set.
    unit : str
        In which all values of this axis are given.
    scale : float, optional
        What counts as a distance of 1 along it, in its unit. By default axes of one unit are compared as they are;
        where there are several units, those of a unit are taken in units of the widest range among them.
    speed : float, optional
        In its unit per second; by default that of the agent's cost.
    settle : float
        Seconds that every move of it takes on top, such as a temperature until it is stable.
    one_way : bool
        It cannot be driven back, such as time or a reaction. No suggestion goes back on it.

    Raises
    ------
    ValueError
        Values that leave no room, or make no sense.
    """

    low: float
    high: float
    unit: str = "mm"
    scale: float | None = None
    speed: float | None = None
    settle: float = 0.0
    one_way: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(
                f"limits {(self.low, self.high)} leave no room: the second of each pair must be the larger"
            )
        for what, value in (("scale", self.scale), ("speed", self.speed)):
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"the {what} of an axis is more than 0; got {value}")
        if not 0 <= self.settle < math.inf:
            raise ValueError(f"an axis settles within 0 or more seconds; got {self.settle}")


class Space:
    """Axes of any names and units.

    Parameters
    ----------
    axes : mapping of str to Axis or (low, high)
        A pair stands for an axis in mm.

    Attributes
    ----------
    names : tuple of str
    units : dict of str to str
        By axis.
    low, high, scales : ndarray, shape (n_axes,)
        In the order of the names; what counts as a distance of 1.
    groups : tuple of int
        For each axis, which axes it shares a length scale of the dynamics with: those of its unit, unless it has a
        scale of its own.

    Raises
    ------
    ValueError
        There is no axis, or one that cannot be used.
    """

    def __init__(self, axes: Mapping[str, Axis | tuple[float, float]]) -> None:
        if not axes:
            raise ValueError("there is no axis: give the lowest and the highest position of at least one")
        if taken := sorted(RESERVED & set(axes)):
            raise ValueError(f"an axis cannot be called {', '.join(taken)}: suggestions use that name; choose another")
        self.axes = {str(name): _axis(name, given) for name, given in axes.items()}
        if "time" in self.axes and not self.axes["time"].one_way:
            raise ValueError(
                "the axis time cannot be driven back: give it one_way=True, or leave it out: the agent takes the time "
                "of each measurement into account anyhow"
            )
        self.names = tuple(self.axes)
        given = tuple(self.axes.values())
        self.units = {name: axis.unit for name, axis in self.axes.items()}
        self.low, self.high = np.array([[axis.low, axis.high] for axis in given], dtype=np.float64).T
        self._keys = [axis.unit if axis.scale is None else (name,) for name, axis in self.axes.items()]
        order = list(dict.fromkeys(self._keys))
        self.groups = tuple(order.index(key) for key in self._keys)
        self.scales = self._scales()
        self._speeds = np.array([math.nan if axis.speed is None else axis.speed for axis in given])
        self._settle = np.array([axis.settle for axis in given], dtype=np.float64)
        self.one_way = np.array([axis.one_way for axis in given])

    def _scales(self) -> FloatArray:
        """With one unit, distances are in it; with several, in units of the widest range of each."""
        if len(set(self.groups)) == 1 and all(axis.scale is None for axis in self.axes.values()):
            return np.ones(len(self.names))
        widest: dict[object, float] = {}
        for key, axis in zip(self._keys, self.axes.values(), strict=True):
            widest[key] = max(widest.get(key, 0.0), axis.high - axis.low)
        keyed = zip(self._keys, self.axes.values(), strict=True)
        return np.array([axis.scale or widest[key] for key, axis in keyed], dtype=np.float64)

    @property
    def unit(self) -> str | None:
        """The unit of distances: that of all axes; None where they are in units of scales."""
        return next(iter(self.units.values())) if (self.scales == 1).all() and len(set(self._keys)) == 1 else None

    @property
    def units_told(self) -> dict[str, str]:
        """Units of the axes that are not in mm, as suggestions have them."""
        return {name: unit for name, unit in self.units.items() if unit != "mm"}

    @property
    def lengths(self) -> list[str]:
        """The axes along which the sample is moved: those whose unit is one of length."""
        return [name for name, unit in self.units.items() if _is_length(unit)]

    def array(self, position: Mapping[str, float]) -> FloatArray:
        """A position as numbers in the order of the axes, shape (n_axes,).

        Raises
        ------
        LimitError
            It lacks an axis, or has another one.
        """
        if missing := [name for name in self.names if name not in position]:
            raise LimitError(f"the position {dict(position)} lacks {', '.join(missing)}: give a value for each axis")
        if unknown := [name for name in position if name not in self.axes]:
            raise LimitError(
                f"the position {dict(position)} is on {', '.join(unknown)} too, and the axes are "
                f"{', '.join(self.names)}: leave out what the agent does not move"
            )
        return np.array([position[name] for name in self.names], dtype=np.float64)

    def arrays(self, positions: Iterable[Mapping[str, float]]) -> FloatArray:
        """Positions as numbers, shape (n, n_axes). As `array`."""
        return np.array([self.array(each) for each in positions]).reshape(-1, len(self.names))

    def position(self, values: FloatArray) -> dict[str, float]:
        """Numbers in the order of the axes as a position by axis."""
        return {name: float(value) for name, value in zip(self.names, values, strict=True)}

    def scaled(self, positions: FloatArray) -> FloatArray:
        """Positions (n, n_axes) such that distances between them can be compared."""
        return positions / self.scales

    def travel(self, here: FloatArray, there: FloatArray, speed: float) -> FloatArray:
        """Seconds from `here` (n_axes,) to each of `there` (n, n_axes); infinite where an axis cannot go back.

        All axes move at once, so the slowest one counts. `speed` holds for axes without one of their own.
        """
        way = there - here
        speeds = np.where(np.isnan(self._speeds), speed, self._speeds)
        seconds = (np.abs(way) / speeds + np.where(way != 0, self._settle, 0.0)).max(axis=1)
        return np.where((way[:, self.one_way] < 0).any(axis=1), np.inf, seconds)

    def in_words(self, values: FloatArray) -> str:
        """A position for people, as "(1.2, 0.5) mm" or "temperature 300 K, rate 2 1/s"."""
        if self.names == ("x", "y") and self.unit == "mm":
            return f"({values[0]:g}, {values[1]:g}) mm"
        told = zip(self.names, values, self.units.values(), strict=True)
        return ", ".join(f"{name} {value:g} {unit}".rstrip() for name, value, unit in told)

    def as_settings(self) -> dict[str, Any]:
        """The axes as plain values: their limits, and what is not as with two axes x and y in mm."""
        told: dict[str, Any] = {"axes": {name: [float(axis.low), float(axis.high)] for name, axis in self.axes.items()}}
        usual = {"unit": "mm", "scale": None, "speed": None, "settle": 0.0, "one_way": False}
        for what, value in usual.items():
            others = {name: getattr(axis, what) for name, axis in self.axes.items() if getattr(axis, what) != value}
            if others:
                told[f"{what}s" if what != "one_way" else what] = others
        return told

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Space:
        """Make the axes again; those of version 0.1 have limits alone."""
        axes = {}
        for name, (low, high) in settings["axes"].items():
            more = {
                what: settings[key][name]
                for what, key in (
                    ("unit", "units"), ("scale", "scales"), ("speed", "speeds"), ("settle", "settles"),
                    ("one_way", "one_way"),
                )
                if name in settings.get(key, {})
            }  # fmt: skip
            axes[name] = Axis(low, high, **more)
        return cls(axes)


def _axis(name: str, given: Axis | tuple[float, float]) -> Axis:
    if isinstance(given, Axis):
        return given
    try:
        low, high = given
        return Axis(float(low), float(high))
    except (TypeError, ValueError) as error:
        raise ValueError(f"axis {name}: {error}") from error


def _is_length(unit: str) -> bool:
    try:
        conversion(unit, "mm")
    except UnitError:
        return False
    return bool(unit)
