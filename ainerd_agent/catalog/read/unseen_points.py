"""What the results of a model hold that a reader has not seen yet.

The metadata of a run says which measurements it has, and is written after their points. So the server is asked for runs
with results since the last time, and a table is read only where measurements are new. Tiled gives no part of a table:
of a run that grew, all rows are read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ainerd_agent.catalog.codec.metadata import events_of, retakes_of
from ainerd_agent.catalog.layout import address_of
from ainerd_agent.catalog.queries import Conditions, between, narrowed
from ainerd_agent.catalog.read.points import tables_of
from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.catalog.tiled_types import Container
from ainerd_agent.records import Events

if TYPE_CHECKING:
    import pandas as pd

CLOCKS = 120.0
"""Seconds by which the clocks of those who write may differ."""


class UnseenPoints:
    """Points that are new since they were last read.

    Parameters
    ----------
    seen : dict of str to set of Events, optional
        The measurements that need not be told, by raw_uid; kept up to date.
    since : float
        When the latest of them was analysed, seconds since the epoch.

    Attributes
    ----------
    retakes : dict of str to dict of Events to float
        Of those that were seen, which had taken the place of earlier ones, and when: of others, the earlier one was
        seen.
    shrunk : bool
        Whether something that was seen is not there any more: deleted, or replaced.
    """

    def __init__(self, seen: dict[str, set[Events]] | None = None, since: float = 0.0) -> None:
        self.seen: dict[str, set[Events]] = {} if seen is None else seen
        self.since = since
        self.retakes: dict[str, dict[Events, float]] = {}
        self.shrunk = False

    def skip(self, model: Container) -> None:
        """Take all that is there for seen."""
        for runs in self._changed(model):
            for run in runs:
                self._note(run, _measurements(run))

    def read(self, model: Container, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """New points of a model, run by run; those of a run count as seen once the next ones are asked for.

        Parameters
        ----------
        model : ModelClient
            Always the same one.
        columns : sequence of str, optional
            As for `ModelClient.points`.
        """
        for runs in self._changed(model):
            there = {run.item["id"]: _measurements(run) for run in runs}
            new = {run.item["id"]: there[run.item["id"]] - self._still_there(run) for run in runs}
            with server_errors(address_of(model)):
                for run, table in tables_of([run for run in runs if new[run.item["id"]]], columns):
                    uid = run.item["id"]
                    yield table[_among(table, new[uid])].assign(model=run.metadata["model"])
                    self._note(run, there[uid])
            for run in runs:
                self._note(run, there[run.item["id"]])

    def _changed(self, model: Container) -> Iterator[list[Any]]:
        """Runs with results that may be new. Only when all were taken, the time of the latest counts."""
        everything = narrowed(model, Conditions().runs())
        latest = self.since
        with server_errors(address_of(model)):
            if self.since:
                recent = list(narrowed(everything, between("analysed", (self.since - CLOCKS, math.inf))).values())
                latest = max(latest, *map(_analysed, recent)) if recent else latest
                yield recent
            # Everything the first time, or where the number is not what it should be: deleted, or written before 1.3.
            if not self.since or len(narrowed(model, Conditions().runs())) != len(self.seen):
                there = list(everything.values())
                self.shrunk |= bool(self.seen.keys() - {run.item["id"] for run in there})
                latest = max(latest, *map(_analysed, there)) if there else latest
                yield there
        self.since = latest

    def _still_there(self, run: Container) -> set[Events]:
        """What was seen of a run, and has not been replaced since."""
        uid = run.item["id"]
        known, retakes = self.retakes.get(uid, {}), retakes_of(run.metadata)
        return {events for events in self.seen.get(uid, ()) if retakes.get(events) == known.get(events)}

    def _note(self, run: Container, there: set[Events]) -> None:
        uid = run.item["id"]
        self.shrunk |= bool(self.seen.get(uid, set()) - (there & self._still_there(run)))
        self.seen[uid] = there
        self.retakes.pop(uid, None)
        if retakes := {events: when for events, when in retakes_of(run.metadata).items() if events in there}:
            self.retakes[uid] = retakes


def _analysed(run: Container) -> float:
    return float(run.metadata.get("analysed") or 0.0)


def _measurements(run: Container) -> set[Events]:
    return set(events_of(run.metadata["derived_from"]))


def _among(table: pd.DataFrame, measurements: set[Events]) -> list[bool]:
    """Which rows are of these measurements."""
    columns = (table[name].tolist() for name in ("stream", "seq_num", "last_seq_num"))
    return [each in measurements for each in zip(*columns, strict=True)]
