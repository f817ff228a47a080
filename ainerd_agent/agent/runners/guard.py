"""What the plan of a queue server checks by itself, before anything moves: limits, dose, exclusion, and approval.

Any client of a queue server may put an item into its queue, so what only an agent checks is not kept. The plan runs
where the devices are, and nobody comes around it.
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ainerd_agent.agent.limits import Limits
from ainerd_agent.agent.protocol import Record
from ainerd_agent.agent.runners.queue_server import SUGGESTION_KEY
from ainerd_agent.agent.runners.threads import Plan, in_thread
from ainerd_agent.catalog import ModelResults
from ainerd_agent.errors import AinerdError, CatalogError
from ainerd_agent.records import FloatArray, Suggestion

SAME = 1e-6
"""Difference that does not count: of a position, as a share of the range of its axis; of an exposure, in s."""


class NotAllowedError(AinerdError):
    """An exposure that the plan refuses: its dose is spent, or it is not approved."""


@dataclass(frozen=True, slots=True)
class Exposed:
    """A spot that was exposed, or was about to be.

    Attributes
    ----------
    position : mapping
        By axis, in the units of the limits.
    seconds : float
        Of exposure.
    sample : str
        What was exposed.
    suggestion : str
        By which agent's suggestion; empty where there was none.
    time : float
        Seconds since the epoch.
    """

    position: Mapping[str, float]
    seconds: float
    sample: str = ""
    suggestion: str = ""
    time: float = field(default_factory=time.time)


class ExposureLedger:
    """What was exposed, in a file beside the session, so that a new process of the queue server knows it.

    A line of JSON for each exposure, on the disk before the exposure begins. One that then fails counts all the same.

    Parameters
    ----------
    file : Path
        Created where it does not exist.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()

    def exposed(self, sample: str) -> list[Exposed]:
        """What was exposed of a sample.

        Raises
        ------
        NotAllowedError
            The file cannot be read, so nobody knows.
        """
        try:
            text = self._file.read_text() if self._file.exists() else ""
            # A last line that is not whole was cut off by a crash: its exposure never began.
            found = [Exposed(**json.loads(line)) for line in text.split("\n")[:-1] if line]
        except (OSError, ValueError, TypeError) as error:
            raise NotAllowedError(
                f"What was exposed before cannot be read from {self._file} ({error}): repair the file, or move it away "
                "where the sample is a new one."
            ) from error
        return [each for each in found if each.sample == sample]

    def add(self, exposed: Exposed) -> None:
        """Write down an exposure, and return once it is on the disk.

        Raises
        ------
        NotAllowedError
            It cannot be written.
        """
        line = json.dumps(
            {
                "position": dict(exposed.position),
                "seconds": exposed.seconds,
                "sample": exposed.sample,
                "suggestion": exposed.suggestion,
                "time": exposed.time,
            }
        )
        try:
            with self._lock, self._file.open("a+b") as file:
                whole = file.seek(0, os.SEEK_END)
                while whole and self._byte_before(file, whole) != b"\n":
                    whole -= 1
                file.truncate(whole)
                file.write(f"{line}\n".encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise NotAllowedError(
                f"The exposure cannot be written down in {self._file} ({error.strerror}): make room, or change the "
                "permissions of its folder."
            ) from error

    @staticmethod
    def _byte_before(file: Any, place: int) -> bytes:
        file.seek(place - 1)
        return bytes(file.read(1))


class PlanGuard:
    """Lets a plan expose what it may, and refuses the rest before anything moves.

    Parameters
    ----------
    limits : Limits
        Their exclusion holds between all spots in the ledger. A suggestion that the catalog has for this position is
        let through: its agent kept the exclusion, or means the same spot again.
    ledger : ExposureLedger
    results : callable
        Gives what the catalog holds of the agent's model. Asked for suggestions and decisions, on a thread.
    dose_budget : float
        Seconds of exposure of a sample in all.
    exclusion : bool
        Whether the exclusion is kept here.
    approval : bool
        Whether only suggestions are measured that people approved or edited in the catalog, once each.
    """

    def __init__(
        self,
        limits: Limits,
        ledger: ExposureLedger,
        results: Callable[[], ModelResults],
        *,
        dose_budget: float = math.inf,
        exclusion: bool = True,
        approval: bool = False,
    ) -> None:
        self._limits, self._ledger, self._results = limits, ledger, results
        self._dose_budget, self._exclusion, self._approval = dose_budget, exclusion, approval

    def admit(
        self, position: Mapping[str, float], seconds: float, *, sample: str = "", md: Mapping[str, Any] | None = None
    ) -> Plan[None]:
        """Check an exposure and write it down: the first message of a plan, before any device is asked for anything.

        Parameters
        ----------
        position : mapping
            By axis, in the units of the limits.
        seconds : float
            Of exposure.
        sample : str
            Whose dose it is.
        md : mapping, optional
            Metadata of the run: which suggestion it is.

        Raises
        ------
        LimitError
            The position is outside of the limits, forbidden, or was exposed before.
        NotAllowedError
            The dose is spent, or it is not approved.
        CatalogError
            The catalog cannot be asked.
        """
        self._limits.check(position)
        suggestion_id = str((md or {}).get(SUGGESTION_KEY, ""))
        yield from in_thread(partial(self.check, position, seconds, sample=sample, suggestion_id=suggestion_id))

    def check(self, position: Mapping[str, float], seconds: float, *, sample: str, suggestion_id: str) -> None:
        """As `admit`, without a plan."""
        self._limits.check(position)
        before = self._ledger.exposed(sample)
        spent = sum(each.seconds for each in before)
        if spent + seconds > self._dose_budget + SAME:
            raise NotAllowedError(
                f"The dose of the sample {sample or 'without a name'} does not allow {seconds:g} s more: {spent:g} s "
                f"of {self._dose_budget:g} s are spent. Change the sample (RE.md['sample']), or dose_budget in [agent]."
            )
        self._check_sample(position, seconds, before)
        if self._approval:
            self._check_approval(position, seconds, suggestion_id, before)
        elif self._exclusion and not (suggestion_id and self._is_suggested(suggestion_id, position)):
            self._limits.check(position, self._spots(before))
        self._ledger.add(Exposed(dict(position), seconds, sample, suggestion_id))

    def check_scan(self) -> None:
        """Refuse a plan that measures what nobody saw before, where approval is required.

        Raises
        ------
        NotAllowedError
            It is.
        """
        if self._approval:
            raise NotAllowedError(
                "Each measurement must be approved here, and a scan chooses by itself: run an agent through the queue "
                "(`ainerd agent run`), or set approval = false under [agent]."
            )

    def noting(self, record: Record, seconds: float, *, sample: str = "") -> Record:
        """`record`, which writes what a scan is about to expose into the ledger, too."""

        def recorded(suggestion: Suggestion, event: str, **more: Any) -> None:
            if event == "proposed":
                self._ledger.add(Exposed(dict(suggestion.position), seconds, sample, suggestion.id))
            record(suggestion, event, **more)

        return recorded

    def _check_sample(self, position: Mapping[str, float], seconds: float, before: list[Exposed]) -> None:
        """Keep the budgets of the samples of a holder; of its seconds, travel is the agent's to count."""
        space = self._limits.space
        number = self._limits.sample_numbers(space.array(position)[None])[0]
        sample = self._limits.parts[number].sample
        if sample is None or (sample.measurements is None and sample.seconds is None):
            return
        there = self._limits.sample_numbers(self._spots(before)) == number
        spent = sum(each.seconds for each, is_there in zip(before, there, strict=True) if is_there)
        for name, done, more, allowed in (
            ("measurements", int(there.sum()), 1, sample.measurements),
            ("seconds", spent, seconds, sample.seconds),
        ):
            if allowed is not None and done + more > allowed + SAME:
                raise NotAllowedError(
                    f"The budget of the sample {sample.name} does not allow this exposure: {done:g} of {allowed:g} "
                    f"{name} are spent. Change {name} of {sample.name} in the samples of [agent], or give what is on "
                    "the holder now a new name (RE.md['sample'])."
                )

    def _check_approval(
        self, position: Mapping[str, float], seconds: float, suggestion_id: str, before: list[Exposed]
    ) -> None:
        if not suggestion_id:
            raise NotAllowedError(
                f"Each measurement must be approved here, and this one is no agent's suggestion (no {SUGGESTION_KEY} "
                "in its metadata): it is refused."
            )
        results = self._results()
        decision = results.decision(suggestion_id)
        if decision is None or decision.decision not in ("approved", "edited"):
            raise NotAllowedError(
                f"Suggestion {suggestion_id} is {'not approved' if decision is None else decision}, so it is not "
                f"measured: `ainerd agent approve {suggestion_id}` lets it be."
            )
        suggestion, _ = results.suggestion(suggestion_id)
        allowed = decision.position or suggestion.position
        if not self._is_at(position, allowed):
            units = self._limits.space.units
            raise NotAllowedError(
                f"Suggestion {suggestion_id} was approved at {_place(allowed, units)}, not at "
                f"{_place(position, units)}: it is refused."
            )
        # NaN: the plan's usual exposure is meant.
        if math.isfinite(suggestion.counting) and seconds > suggestion.counting * (1 + 1e-3) + SAME:
            raise NotAllowedError(
                f"Suggestion {suggestion_id} was approved for {suggestion.counting:g} s of exposure, not for "
                f"{seconds:g} s: it is refused."
            )
        if any(each.suggestion == suggestion_id for each in before):
            raise NotAllowedError(
                f"Suggestion {suggestion_id} was exposed already, and it was approved for once: it is refused."
            )

    def _is_suggested(self, suggestion_id: str, position: Mapping[str, float]) -> bool:
        """Whether an agent suggests this position, or people edited it to there."""
        try:
            suggestion, events = self._results().suggestion(suggestion_id)
        except CatalogError:
            return False  # there is none, or nobody knows: the exclusion holds
        if suggestion.id != suggestion_id:
            return False
        edited = [each.position for each in events if each.event == "edited"]
        return any(self._is_at(position, each) for each in (suggestion.position, *edited))

    def _is_at(self, position: Mapping[str, float], wanted: Mapping[str, float]) -> bool:
        """Whether a position within the limits is the one that is wanted."""
        return {*position} == {*wanted} and all(
            abs(position[name] - wanted[name]) <= SAME * (axis.high - axis.low)
            for name, axis in self._limits.space.axes.items()
        )

    def _spots(self, before: list[Exposed]) -> FloatArray:
        """Where it was exposed before, shape (n, n_axes)."""
        space = self._limits.space
        for each in before:
            if {*each.position} != {*space.names}:
                raise NotAllowedError(
                    f"The sample {each.sample or 'without a name'} was exposed at {_place(each.position)} before, and "
                    f"the axes are {', '.join(space.names)} now, so nobody can say how far that is: name them as "
                    "before in [agent], or give a new sample a new name (RE.md['sample'])."
                )
        return space.arrays(each.position for each in before)


def _place(position: Mapping[str, float], units: Mapping[str, str] | None = None) -> str:
    """A position with all its digits that matter, for people who compare two of them."""
    return ", ".join(f"{axis} {value:g} {(units or {}).get(axis, '')}".rstrip() for axis, value in position.items())
