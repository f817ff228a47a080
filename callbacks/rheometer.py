"""Readings of the rheometer in one run, as its exposures need them."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ainerd_agent.callbacks.clocks import DeviceClock, Difference
from ainerd_agent.callbacks.values import Values, as_mapping, as_number
from ainerd_agent.records import RheometerSamples
from ainerd_agent.settings import DataKeys

KEPT = 3600.0
"""Seconds for which readings are kept: a run may last for days."""

UNITS = {"shear_stress": "Pa", "shear_rate": "1/s", "viscosity": "Pa s"}


@dataclass(slots=True, eq=False)
class Readings:
    """One quantity by the device's time stamps."""

    times: list[float] = field(default_factory=list)
    by_time: dict[float, float] = field(default_factory=dict)

    def add(self, time: float, value: float) -> None:
        """Add a reading. A pause makes a monitor read again: the same stamp is the same reading."""
        if time not in self.by_time:
            insort(self.times, time)
        self.by_time[time] = value
        if len(self.times) > 1 and self.times[-1] - self.times[0] > 2 * KEPT:
            self._forget(self.times[-1] - KEPT)

    def _forget(self, before: float) -> None:
        at = bisect_left(self.times, before)
        for time in self.times[:at]:
            del self.by_time[time]
        del self.times[:at]


@dataclass(slots=True, eq=False)
class Rheometer:
    """What the rheometer read in one run.

    Parameters
    ----------
    keys : DataKeys
    values : Values
    clock : DeviceClock
    """

    keys: DataKeys
    values: Values
    clock: DeviceClock
    _readings: dict[str, Readings] = field(default_factory=lambda: {name: Readings() for name in UNITS})

    def event(self, doc: Mapping[str, Any], data_keys: Mapping[str, Any]) -> None:
        """Keep the readings of an event, of any stream."""
        data, stamps = as_mapping(doc.get("data")), as_mapping(doc.get("timestamps"))
        for name, unit in UNITS.items():
            key = getattr(self.keys, name)
            if key not in data:
                continue
            stamp, moment = as_number(stamps.get(key)), as_number(doc.get("time"))
            if math.isnan(stamp):
                stamp = moment
            if math.isnan(stamp):
                continue
            if name == "shear_stress" or self.keys.shear_stress not in data:
                self.clock.add(moment, stamp)
            if abs(stamp + self.clock.difference().seconds - moment) > KEPT:
                self.values.say(f"{key} has a time stamp that is hours from its event: such readings are left out")
                continue
            self._readings[name].add(stamp, self.values.number(key, data, data_keys, unit))

    def during(self, start: float, stop: float, margin: float) -> tuple[RheometerSamples, Difference]:
        """Readings between two times and a margin around them, in the control system's time.

        Rate and viscosity are joined to the stress by their stamps.

        Returns
        -------
        samples, difference
            The second says how the rheometer's clock was corrected.
        """
        difference = self.clock.difference()
        stress = self._readings["shear_stress"]
        first = bisect_left(stress.times, start - margin - difference.seconds)
        last = bisect_right(stress.times, stop + margin - difference.seconds)
        stamps = stress.times[first:last]
        return RheometerSamples(
            time=np.array(stamps, float) + difference.seconds,
            **{name: np.array([each.by_time.get(time, math.nan) for time in stamps]) for name, each in self._all()},
        ), difference

    def _all(self) -> list[tuple[str, Readings]]:
        return list(self._readings.items())

    @property
    def empty(self) -> bool:
        """Whether it read no stress so far."""
        return not self._readings["shear_stress"].times
