"""What a plan reads into the streams that tell of exposures (see `ainerd_agent.records.exposure_events`)."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Any

from bluesky.protocols import Reading
from event_model import DataKey

from ainerd_agent.records.exposure_events import ExposureBegun, ExposureEnded

SOURCE = "plan:ainerd_agent"


class ExposureReport:
    """A readable that holds the latest begin, or the latest end, of an exposure.

    Bluesky wants the same objects read for each event of a stream. So a plan makes one report for each of the two
    streams, puts a record in, and reads it together with the axes:

        ended.put(ExposureEnded(number=1, planned=1000, first=1, last=40, ended="converged", look=2))
        yield from bps.create(ENDED_STREAM)
        yield from bps.read(ended)
        yield from bps.save()

    Parameters
    ----------
    record : ExposureBegun or ExposureEnded
        Which of the two it reports; its values are read until others are put.
    name : str
        The data keys are the same for any name.
    """

    parent = None

    def __init__(self, record: ExposureBegun | ExposureEnded, name: str = "exposure_report") -> None:
        self._record = record
        self._moment = time.time()
        self._name = name

    @property
    def name(self) -> str:
        """Of the device, in descriptors."""
        return self._name

    @property
    def hints(self) -> dict[str, Any]:
        """Nothing to plot."""
        return {"fields": []}

    def put(self, record: ExposureBegun | ExposureEnded) -> None:
        """Report this from now on.

        Raises
        ------
        TypeError
            It is the other kind of record, which has other data keys.
        """
        if type(record) is not type(self._record):
            raise TypeError(
                f"{self.name} reports {type(self._record).__name__}, not {type(record).__name__}: "
                "make one report for each stream"
            )
        self._record, self._moment = record, time.time()

    def describe(self) -> OrderedDict[str, DataKey]:
        """The data keys: whole numbers, and why it ended as a text."""
        described: OrderedDict[str, DataKey] = OrderedDict()
        for key, value in self._record.data().items():
            if isinstance(value, str):
                described[key] = {"source": SOURCE, "dtype": "string", "shape": []}
            else:
                described[key] = {"source": SOURCE, "dtype": "integer", "shape": []}
        return described

    def read(self) -> OrderedDict[str, Reading[Any]]:
        """The values that were put last."""
        moment = self._moment
        return OrderedDict((key, Reading(value=value, timestamp=moment)) for key, value in self._record.data().items())
