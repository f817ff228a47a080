"""The rheometer: three readings of one moment, ten times a second, whether or not anybody listens."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from bluesky.protocols import Reading
from ophyd_async.core import DEFAULT_TIMEOUT, DeviceMock, SignalR, SoftSignalBackend, StandardReadable
from ophyd_async.core import StandardReadableFormat as Format


class MeasuresShear(Protocol):
    """A sample whose flow can be measured."""

    def rheometer(self, elapsed: float) -> tuple[float, float, float]:
        """Shear stress (Pa), shear rate (1/s) and viscosity (Pa s), `elapsed` seconds after cessation."""
        ...


class SampledBackend(SoftSignalBackend[float]):
    """A signal whose readings carry the time of the sample, not the time at which they were passed on."""

    def set_reading(self, value: float, timestamp: float) -> None:
        """Take over a reading and tell those who monitor the signal."""
        self.reading = Reading(value=float(value), timestamp=timestamp, alarm_severity=0)
        if self.callback is not None:
            self.callback(self.reading)


class Rheometer(StandardReadable):
    """Shear stress, shear rate and viscosity, sampled at a fixed rate from `connect` to `disconnect`.

    The three readings of a sample have one timestamp, so monitors of them can be joined by it. A sample for which the
    event loop has no time (callbacks that are slower than the period) is skipped, never delayed.

    Parameters
    ----------
    experiment : MeasuresShear
    t0 : float
        Shear cessation, seconds since the epoch.
    period : float
        Seconds from one sample to the next.
    """

    def __init__(self, experiment: MeasuresShear, *, t0: float, period: float = 0.1, name: str = "rheometer") -> None:
        self._experiment = experiment
        self._t0 = t0
        self._period = period
        self._sampling: asyncio.Task[None] | None = None
        self._backends = [SampledBackend(float, units=units) for units in ("Pa", "1/s", "Pa s")]
        shear_stress, shear_rate, viscosity = self._backends
        self.shear_stress = SignalR(shear_stress)
        self.shear_rate = SignalR(shear_rate)
        self.viscosity = SignalR(viscosity)
        self.add_readables([self.shear_stress, self.shear_rate, self.viscosity], Format.HINTED_SIGNAL)
        super().__init__(name=name)

    async def connect(
        self,
        mock: bool | DeviceMock[Rheometer] = False,
        timeout: float = DEFAULT_TIMEOUT,
        force_reconnect: bool = False,
    ) -> None:
        """Connect, and start to sample (not as a mock)."""
        await super().connect(mock, timeout, force_reconnect)
        if not mock and (self._sampling is None or self._sampling.done()):
            self._take_sample()
            self._sampling = asyncio.create_task(self._sample(), name=f"{self.name} sampling")

    async def disconnect(self) -> None:
        """Stop sampling; the signals keep their last readings."""
        if self._sampling is not None:
            self._sampling.cancel()
            await asyncio.wait([self._sampling])
            self._sampling = None

    async def _sample(self) -> None:
        while True:
            # Ticks are multiples of the period: a late one does not shift those that follow.
            await asyncio.sleep(self._period - time.time() % self._period)
            self._take_sample()

    def _take_sample(self) -> None:
        now = time.time()
        readings = self._experiment.rheometer(now - self._t0)
        for backend, value in zip(self._backends, readings, strict=True):
            try:
                backend.set_reading(value, now)
            except Exception:
                # Whoever monitors the signal runs inside of this call. Their failure must not end the sampling.
                self.log.exception("A reading of %s did not reach everyone who monitors it.", self.name)
