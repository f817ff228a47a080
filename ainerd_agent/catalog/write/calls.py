"""Calls of a writer as records, so that they can wait in a file and be made later, by this process or another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ainerd_agent.catalog.write.writer import DerivedWriter
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Analysis, Fingerprints, Run, Suggestion
from ainerd_agent.records.analysis import ModelIdentity

_ANALYSE_AGAIN = "The frames are there, and `ainerd analyze` makes again what is missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """A call of `DerivedWriter.append`."""

    run: Run
    fingerprints: Sequence[Fingerprints]
    analyses: Sequence[Analysis]

    def perform(self, writer: DerivedWriter) -> None:
        """Make the call."""
        writer.open_run(self.run)
        writer.append(self.run.uid, self.fingerprints, self.analyses)

    def __str__(self) -> str:
        numbers = ", ".join(str(each.origin.seq_num) for each in self.fingerprints)
        return f"measurement{'s' * (len(self.fingerprints) > 1)} {numbers} of run {self.run.uid}"

    @property
    def remedy(self) -> str:
        """What to do where it is lost."""
        return _ANALYSE_AGAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace:
    """A call of `DerivedWriter.replace`."""

    run: Run
    fingerprints: Sequence[Fingerprints]
    analyses: Sequence[Analysis]

    def perform(self, writer: DerivedWriter) -> None:
        """Make the call."""
        writer.open_run(self.run)
        writer.replace(self.run.uid, self.fingerprints, self.analyses)

    def __str__(self) -> str:
        numbers = ", ".join(str(each.origin.events) for each in self.fingerprints)
        return f"what replaces measurement{'s' * (len(self.fingerprints) > 1)} {numbers} of run {self.run.uid}"

    @property
    def remedy(self) -> str:
        """What to do where it is lost."""
        return _ANALYSE_AGAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFailure:
    """A call of `DerivedWriter.record_failure`."""

    run: Run
    seq_num: int
    message: str
    stream: str = "primary"
    last_seq_num: int = 0

    def perform(self, writer: DerivedWriter) -> None:
        """Make the call."""
        writer.open_run(self.run)
        writer.record_failure(
            self.run.uid, self.seq_num, self.message, stream=self.stream, last_seq_num=self.last_seq_num
        )

    def __str__(self) -> str:
        return f"the failure of measurement {self.seq_num} of run {self.run.uid} ({self.message})"

    @property
    def remedy(self) -> str:
        """What to do where it is lost."""
        return _ANALYSE_AGAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseRun:
    """A call of `DerivedWriter.close_run`."""

    run: Run
    status: str

    def perform(self, writer: DerivedWriter) -> None:
        """Make the call."""
        writer.open_run(self.run)
        writer.close_run(self.run.uid, self.status)

    def __str__(self) -> str:
        return f"the end of run {self.run.uid} ({self.status})"

    @property
    def remedy(self) -> str:
        """What to do where it is lost."""
        return "`ainerd analyze` of this run notes it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSuggestion:
    """A call of `DerivedWriter.record_suggestion`."""

    suggestion: Suggestion
    event: str
    raw_uid: str
    seq_num: int
    novelty: float
    time: float
    note: str
    stream: str = "primary"

    def perform(self, writer: DerivedWriter) -> None:
        """Make the call."""
        writer.record_suggestion(
            self.suggestion,
            self.event,
            raw_uid=self.raw_uid,
            seq_num=self.seq_num,
            stream=self.stream,
            novelty=self.novelty,
            time=self.time,
            note=self.note,
        )

    def __str__(self) -> str:
        measured = f", measurement {self.seq_num} of run {self.raw_uid}" if self.raw_uid else ""
        return (
            f"the event {self.event!r} of suggestion {self.suggestion.id} at {dict(self.suggestion.position)}{measured}"
        )

    @property
    def remedy(self) -> str:
        """What to do where it is lost."""
        return "Nothing else holds it: note it by hand"


_LATER = ("stream", "last_seq_num")
"""Arguments that came after version 0.1."""

Call = Append | Replace | RecordFailure | CloseRun | RecordSuggestion


def stored(call: Call, model: ModelIdentity) -> dict[str, Any]:
    """Give a call in the form of version 0.1, which is method, run and arguments, and the model that it is of."""
    return {**_stored_call(call), "model": model}


def model_of(content: Any) -> ModelIdentity | None:
    """The model that a call given by `stored` is of; None where it was kept before that was noted.

    Raises
    ------
    CatalogError
        What is there is no model.
    """
    match content:
        case {"model": ModelIdentity() as model}:
            return model
        case {"model": other}:
            raise CatalogError(f"A record is of the model {other!r}, in a form that this version does not know.")
    return None


def _stored_call(call: Call) -> dict[str, Any]:
    match call:
        case Append(run=run) | Replace(run=run):
            arguments = {"fingerprints": list(call.fingerprints), "analyses": list(call.analyses)}
            return _stored("append" if isinstance(call, Append) else "replace", run, arguments)
        case RecordFailure(run=run):
            events = {"stream": call.stream, "seq_num": call.seq_num, "last_seq_num": call.last_seq_num}
            return _stored("record_failure", run, {**events, "message": call.message})
        case CloseRun(run=run):
            return _stored("close_run", run, {"status": call.status})
        case RecordSuggestion():
            return {
                "method": "record_suggestion",
                "run": None,
                "arguments": {
                    "suggestion": call.suggestion,
                    "event": call.event,
                    "raw_uid": call.raw_uid,
                    "seq_num": call.seq_num,
                    "stream": call.stream,
                    "novelty": call.novelty,
                    "note": call.note,
                    "time": call.time,
                },
            }


def _stored(method: str, run: Run, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"method": method, "run": run, "arguments": {"raw_uid": run.uid, **arguments}}


def restored(content: Any) -> Call:
    """Give back the call that `stored` gave.

    Raises
    ------
    CatalogError
        It is no call that this version knows.
    """
    match content:
        case {"method": "append", "run": Run() as run, "arguments": {"fingerprints": [*f], "analyses": [*a]}}:
            return Append(run=run, fingerprints=f, analyses=a)
        case {"method": "replace", "run": Run() as run, "arguments": {"fingerprints": [*f], "analyses": [*a]}}:
            return Replace(run=run, fingerprints=f, analyses=a)
        case {"method": "record_failure", "run": Run() as run, "arguments": {"seq_num": n, "message": message}}:
            later = {name: content["arguments"][name] for name in _LATER if name in content["arguments"]}
            return RecordFailure(run=run, seq_num=n, message=message, **later)
        case {"method": "close_run", "run": Run() as run, "arguments": {"status": status}}:
            return CloseRun(run=run, status=status)
        case {
            "method": "record_suggestion",
            "arguments": {
                "suggestion": Suggestion() as suggestion,
                "event": event,
                "raw_uid": raw_uid,
                "seq_num": n,
                "novelty": novelty,
                "note": note,
                "time": time,
            },
        }:
            return RecordSuggestion(
                suggestion=suggestion,
                event=event,
                raw_uid=raw_uid,
                seq_num=n,
                novelty=novelty,
                note=note,
                time=time,
                stream=content["arguments"].get("stream", "primary"),
            )
    method = content.get("method") if isinstance(content, Mapping) else None
    raise CatalogError(f"A record holds the call {method!r} in a form that this version does not know.")
