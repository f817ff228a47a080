"""The sample stage: two motorised axes that take their time and know their limits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from ophyd_async.core import (
    MovableLogic,
    SignalR,
    SignalRW,
    StandardMovable,
    StandardReadable,
    TimeoutCalculator,
    soft_signal_r_and_setter,
    soft_signal_rw,
)
from ophyd_async.core import StandardReadableFormat as Format

from ainerd_agent.errors import InstrumentError

UPDATE_PERIOD = 0.05
"""Seconds between two readbacks of a moving axis."""

TRAVEL = {"x": (0.0, 4.0), "y": (0.0, 4.0)}
"""Where the stage may go, by axis, mm: the extent of a sample."""


@dataclass
class AxisMotion(MovableLogic[float]):
    """How an axis moves: at constant speed, inside its limits."""

    set_readback: Callable[[float], None]
    velocity: SignalR[float]
    low_limit: SignalR[float]
    high_limit: SignalR[float]

    async def check_move(self, new_position: float) -> None:
        """Refuse a position outside of the soft limits (NaN is outside of any)."""
        low, high = await asyncio.gather(self.low_limit.get_value(), self.high_limit.get_value())
        if not low <= new_position <= high:
            raise InstrumentError(
                f"{self.readback.name} cannot go to {new_position} mm: its soft limits are {low} to {high} mm. "
                "Choose a position inside them, or move the limits if the hardware allows."
            )

    async def move(self, new_position: float, timeout: TimeoutCalculator) -> None:
        """Travel to `new_position` in the time that the velocity asks for."""
        origin, velocity = await asyncio.gather(self.readback.get_value(), self.velocity.get_value())
        await self.setpoint.set(new_position)
        duration = abs(new_position - origin) / velocity
        departure = time.monotonic()
        while (travelled := time.monotonic() - departure) < duration:
            self.set_readback(origin + (new_position - origin) * travelled / duration)
            await asyncio.sleep(min(UPDATE_PERIOD, duration - travelled))
        self.set_readback(new_position)

    async def stop(self) -> None:
        """Stay where the axis is now."""
        await self.setpoint.set(await self.readback.get_value())


class Axis(StandardReadable, StandardMovable[float]):
    """A motor of the sample stage, in millimetres.

    Parameters
    ----------
    velocity : float
        mm/s.
    limits : tuple of float
        Soft limits, mm: a move outside of them is refused.
    """

    def __init__(self, *, velocity: float, limits: tuple[float, float], name: str = "") -> None:
        _check_velocity(velocity)
        self.setpoint: SignalRW[float] = soft_signal_rw(float, 0.0, units="mm")
        self.readback, self._set_readback = soft_signal_r_and_setter(float, 0.0, units="mm")
        self.velocity: SignalRW[float] = soft_signal_rw(float, velocity, units="mm/s", setter=_check_velocity)
        self.low_limit: SignalRW[float] = soft_signal_rw(float, limits[0], units="mm")
        self.high_limit: SignalRW[float] = soft_signal_rw(float, limits[1], units="mm")
        self.add_readables([self.readback], Format.HINTED_SIGNAL)
        self.add_readables([self.velocity, self.low_limit, self.high_limit], Format.CONFIG_SIGNAL)
        super().__init__(name=name)

    @cached_property
    def movable_logic(self) -> AxisMotion:
        """How this axis moves."""
        return AxisMotion(
            setpoint=self.setpoint,
            readback=self.readback,
            set_readback=self._set_readback,
            velocity=self.velocity,
            low_limit=self.low_limit,
            high_limit=self.high_limit,
        )


class SampleStage(StandardReadable):
    """Two axes, `x` and `y`, that carry the sample through the beam.

    Parameters
    ----------
    velocity : float
        Of both axes, mm/s.
    limits : mapping
        Soft limits by axis ("x", "y"), mm.
    """

    def __init__(
        self, *, velocity: float = 10.0, limits: Mapping[str, tuple[float, float]] = TRAVEL, name: str = "stage"
    ) -> None:
        self.x = Axis(velocity=velocity, limits=limits["x"])
        self.y = Axis(velocity=velocity, limits=limits["y"])
        self.add_readables([self.x, self.y])
        super().__init__(name=name)

    async def position(self) -> tuple[float, float]:
        """Where the stage is now: x and y, mm."""
        x, y = await asyncio.gather(self.x.readback.get_value(), self.y.readback.get_value())
        return x, y


def _check_velocity(velocity: float | None) -> None:
    if velocity is None or not velocity > 0:
        raise InstrumentError(f"The velocity of an axis must be positive, got {velocity} mm/s.")
