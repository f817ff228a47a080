"""Where the beam may go: hard limits, forbidden regions, and fresh spots only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from ainerd_agent.errors import AinerdError
from ainerd_agent.records import FloatArray

EXCLUSION = 0.1
"""Distance between exposed spots where none is given, mm."""


class LimitError(AinerdError):
    """A position that the beam must not go to."""


@dataclass(frozen=True, slots=True)
class Disc:
    """A forbidden region: everything within `radius` (mm) of (x, y), its edge included."""

    x: float
    y: float
    radius: float

    def covers(self, positions: FloatArray) -> NDArray[np.bool_]:
        """Which of the positions (n, 2) lie in it."""
        return np.asarray(np.hypot(positions[:, 0] - self.x, positions[:, 1] - self.y) <= self.radius)


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A forbidden region: x and y between these (mm), its edge included."""

    x: tuple[float, float]
    y: tuple[float, float]

    def covers(self, positions: FloatArray) -> NDArray[np.bool_]:
        """Which of the positions (n, 2) lie in it."""
        x, y = positions.T
        return np.asarray((x >= self.x[0]) & (x <= self.x[1]) & (y >= self.y[0]) & (y <= self.y[1]))


REGIONS: Mapping[str, type[Disc] | type[Rectangle]] = {"Disc": Disc, "Rectangle": Rectangle}


class Limits:
    """Limits of the stage, and regions of the sample that are left alone.

    Parameters
    ----------
    axes : mapping
        Lowest and highest position of "x" and "y", mm.
    forbidden : tuple of Disc or Rectangle
    exclusion : float
        No two exposed spots are closer than this, mm (radiation damage); 0 lets a spot be exposed again.

    Raises
    ------
    ValueError
        Limits without room, limits of another axis, or an exclusion that is not a length.
    """

    def __init__(
        self,
        axes: Mapping[str, tuple[float, float]],
        forbidden: tuple[Disc | Rectangle, ...] = (),
        exclusion: float = EXCLUSION,
    ) -> None:
        if missing := {"x", "y"} - set(axes):
            raise ValueError(f"limits of {' and '.join(sorted(missing))} are missing: give the lowest and the highest")
        if unknown := sorted(set(axes) - {"x", "y"}):
            raise ValueError(
                f"limits of {', '.join(map(str, unknown))} cannot be kept: the agent moves x and y only. Leave them "
                "out, and let the plan hold that axis"
            )
        self.low, self.high = np.array([axes["x"], axes["y"]], dtype=np.float64).T
        if not np.isfinite([self.low, self.high]).all() or not np.all(self.high > self.low):
            raise ValueError(f"limits {dict(axes)} leave no room: the second of each pair must be the larger")
        if not 0 <= exclusion < np.inf:
            raise ValueError(f"the exclusion radius is {exclusion}: it must be 0 or a length in mm")
        self.forbidden = forbidden
        self.exclusion = exclusion

    def as_settings(self) -> dict[str, Any]:
        """The limits as plain values; `from_settings` makes them again."""
        return {
            "axes": {axis: [float(self.low[place]), float(self.high[place])] for place, axis in enumerate("xy")},
            "forbidden": [{"region": type(each).__name__, **asdict(each)} for each in self.forbidden],
            "exclusion": float(self.exclusion),
        }

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Limits:
        """Make limits again.

        Raises
        ------
        ValueError
            They name a kind of region that does not exist.
        """
        regions: list[Disc | Rectangle] = []
        for each in settings["forbidden"]:
            given: dict[str, Any] = {
                key: tuple(value) if isinstance(value, list) else value for key, value in each.items()
            }
            kind = REGIONS.get(str(given.pop("region", "")))
            if kind is None:
                raise ValueError(f"a forbidden region is one of {', '.join(REGIONS)}; got {each}")
            regions.append(kind(**given))
        axes = {axis: (low, high) for axis, (low, high) in settings["axes"].items()}
        return cls(axes, tuple(regions), settings["exclusion"])

    @property
    def extent(self) -> float:
        """The longer side, mm."""
        return float((self.high - self.low).max())

    def allowed(self, positions: FloatArray, exposed: FloatArray | None = None) -> NDArray[np.bool_]:
        """Which of the positions (n, 2) the beam may go to, where the spots `exposed` (m, 2) were before."""
        inside: NDArray[np.bool_] = ((positions >= self.low) & (positions <= self.high)).all(axis=1)
        for region in self.forbidden:
            inside &= ~region.covers(positions)
        if exposed is not None and len(exposed):
            inside &= KDTree(exposed).query(positions)[0] > self.exclusion
        return np.asarray(inside)

    def check(self, x: float, y: float, exposed: FloatArray | None = None) -> None:
        """Refuse a position outside of the limits or in a forbidden region.

        Parameters
        ----------
        x, y : float
            mm.
        exposed : ndarray, shape (m, 2), optional
            Spots that were exposed before: a position within the exclusion of one is refused too.

        Raises
        ------
        LimitError
        """
        position = np.array([[x, y]])
        if not np.isfinite(position).all() or not ((position >= self.low) & (position <= self.high)).all():
            raise LimitError(
                f"({x:g}, {y:g}) mm is outside of the limits: x {self.low[0]:g} to {self.high[0]:g}, "
                f"y {self.low[1]:g} to {self.high[1]:g}"
            )
        for region in self.forbidden:
            if region.covers(position)[0]:
                raise LimitError(f"({x:g}, {y:g}) mm is in a forbidden region: {region}")
        if not self.allowed(position, exposed)[0]:
            raise LimitError(f"({x:g}, {y:g}) mm is within {self.exclusion:g} mm of a spot that was exposed before")
