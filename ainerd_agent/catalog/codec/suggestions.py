"""Suggestions, what became of them, and requests to agents as rows of the table `suggestions`, and back."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from ainerd_agent.catalog.codec.columns import INTEGER, NUMBER, TEXT, TRUTH, Column, named_columns
from ainerd_agent.catalog.codec.point_layout import truths
from ainerd_agent.catalog.schema import REQUESTS, SUGGESTION_EVENTS
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import AgentRequest, Suggestion, SuggestionEvent

if TYPE_CHECKING:
    import pandas as pd


def _column(name: str, meaning: str, field: str, kind: pa.DataType = NUMBER, **more: Any) -> Column:
    return Column(name=name, kind=kind, meaning=meaning, field=field, **more)


SUGGESTION_COLUMNS = (
    _column("time", "of the event, since 1970-01-01 UTC", "event.time", units="s"),
    _column("suggestion_id", "the same in all events of a suggestion; an agent's name in requests",
            "event.suggestion_id", TEXT),
    _column("event", "proposed, approved, rejected, measured, ... or a request", "event.event", TEXT),
    _column("raw_uid", "run that measured it; empty where there is none", "event.raw_uid", TEXT),
    _column("stream", "stream of the measurement in that run", "event.stream", TEXT, default="primary", since="2.0"),
    _column("seq_num", "number of its first event; 0 where it is not known", "event.seq_num", INTEGER),
    _column("last_seq_num", "number of its last event", "event.last_seq_num", INTEGER, since="2.0"),
    _column("position", "JSON: where to measure, by axis", "event.position", TEXT, since="2.0"),
    _column("position_units", "JSON: units of axes that are not in mm", "suggestion.units", TEXT, since="2.0"),
    _column("sample", "which of several on a holder; empty where there is one", "suggestion.sample", TEXT, since="2.0"),
    _column("well", "name of the position; empty where it has none", "suggestion.well", TEXT, since="2.0"),
    _column("expected_novelty", "mean that the surrogate predicts", "suggestion.expected_novelty"),
    _column("uncertainty", "standard deviation that the surrogate predicts", "suggestion.uncertainty"),
    _column("cost", "travel and counting", "suggestion.cost", units="s"),
    _column("score", "what was maximised", "suggestion.score"),
    _column("novelty", "what was found; NaN until it is measured", "event.novelty"),
    _column("reason", "one sentence for people", "suggestion.reason", TEXT),
    _column("inputs", "JSON: measurements it was inferred from, as uid/stream/events", "suggestion.inputs", TEXT),
    _column("model", "latent model", "suggestion.model", TEXT),
    _column("seed", "of this choice", "suggestion.seed", INTEGER),
    _column("agent", "whose suggestion it is", "suggestion.agent", TEXT, since="1.1"),
    _column("counting", "exposure; NaN for the plan's usual one", "suggestion.counting", units="s", since="1.1"),
    _column("wait", "to let pass before the exposure", "suggestion.wait", units="s", default=0.0, since="1.1"),
    _column("predicted_std", "standard deviation of the distance of latents from those predicted",
            "suggestion.predicted_std", since="1.1"),
    _column("predicted", "JSON: latents that are expected, a list for each bin; empty if unknown",
            "suggestion.predicted", TEXT, since="1.1"),
    _column("terms", "JSON: what the score was made of", "suggestion.terms", TEXT, since="1.1"),
    _column("alternatives", "JSON: the best positions that were not taken", "suggestion.alternatives", TEXT,
            since="1.1"),
    _column("settings", "JSON: how the agent was made", "suggestion.settings", TEXT, since="1.1"),
    _column("note", "who decided and why; why it failed; the item in the queue", "event.note", TEXT, since="1.1"),
    _column("by", "who decided or asked; empty where nobody is named", "event.by", TEXT, since="2.0"),
    _column("verified", "whether the server vouches for that; null where nobody is named", "event.verified", TRUTH,
            optional=True, since="2.0"),
)  # fmt: skip

SUGGESTIONS_SCHEMA = pa.schema([column.arrow() for column in SUGGESTION_COLUMNS])

REASONS = frozenset({"predicted", "terms", "alternatives", "settings"})
"""Told once, with "proposed": they are long."""


class _Row(NamedTuple):
    suggestion: Suggestion
    event: SuggestionEvent


def suggestion_table(suggestion: Suggestion, event: SuggestionEvent) -> pa.Table:
    """One row: one event in the life of a suggestion.

    The reasons are written once, with "proposed".
    """
    if event.event not in SUGGESTION_EVENTS:
        raise ValueError(f"event is {event.event!r}, not one of {', '.join(SUGGESTION_EVENTS)}")
    return _table(suggestion, event, () if event.event == SUGGESTION_EVENTS[0] else REASONS)


def request_table(request: AgentRequest, model: str) -> pa.Table:
    """One row: something that is asked of an agent."""
    if request.what not in REQUESTS:
        raise ValueError(f"what is {request.what!r}, not one of {', '.join(REQUESTS)}")
    asked = SuggestionEvent(
        time=request.time,
        suggestion_id=request.agent,
        event=request.what,
        note=request.note,
        by=request.by,
        verified=request.verified,
    )
    return _table(
        Suggestion(id=request.agent, position={}, reason="", model=model, agent=request.agent), asked, REASONS
    )


def _table(suggestion: Suggestion, event: SuggestionEvent, untold: Any) -> pa.Table:
    row: dict[str, Any] = {}
    for column in SUGGESTION_COLUMNS:
        record, _, name = column.field.partition(".")
        value = getattr(getattr(_Row(suggestion, event), record), name)
        as_json = _JSON.get(column.name)
        row[column.name] = "" if column.name in untold else value if as_json is None else as_json[0](value)
    return pa.Table.from_pylist([row], schema=SUGGESTIONS_SCHEMA)


def suggestion_of(row: Mapping[Any, Any]) -> Suggestion:
    """The suggestion that a "proposed" row tells of, from `normalised` rows.

    Raises
    ------
    CatalogError
        The row has no reasons: it is no "proposed" one, or older than version 1.1 of the table.
    """
    if not row.get("settings"):
        raise CatalogError(
            f"Suggestion {row['suggestion_id']} was written before suggestions told how they were made (version 1.1 of "
            "their table): it can be read in the table, but not be gone on from."
        )
    told = _fields(row, "suggestion")
    return Suggestion(id=str(row["suggestion_id"]), position=_JSON["position"][1](row["position"]), **told)


def event_of(row: Mapping[Any, Any]) -> SuggestionEvent:
    """The event that a row tells of, from `normalised` rows."""
    return SuggestionEvent(**_fields(row, "event"))


def request_of(row: Mapping[Any, Any]) -> AgentRequest:
    """The request that a row tells of, from `normalised` rows; what is asked may be anything."""
    told = event_of(row)
    return AgentRequest(
        time=told.time, agent=told.suggestion_id, what=told.event, note=told.note, by=told.by, verified=told.verified
    )


def events_of(rows: pd.DataFrame) -> Iterator[SuggestionEvent]:
    """`normalised` rows as events, in their order."""
    return map(event_of, rows.to_dict("records"))


def _fields(row: Mapping[Any, Any], record: str) -> dict[str, Any]:
    found = {}
    for column in SUGGESTION_COLUMNS:
        of, _, name = column.field.partition(".")
        if of == record and column.name in row:
            found[name] = _value(column, row[column.name])
    return found


def _value(column: Column, value: Any) -> Any:
    if column.name in _JSON:
        return _JSON[column.name][1](value)
    if column.kind == TEXT:
        return str(value)
    if column.kind == TRUTH:
        return value
    return int(value) if column.kind == INTEGER else float(value)


def stored_columns(wanted: Sequence[str] | None, there: Sequence[str]) -> list[str] | None:
    """The columns of a stored table from which `normalised` makes those that are wanted."""
    if wanted is None:
        return None
    needed = {"time", *wanted}
    if needed - {column.name for column in SUGGESTION_COLUMNS} or "position" in needed:
        needed |= {"position", "x", "y"}
    return [name for name in there if name in needed]


def normalised(rows: pd.DataFrame, wanted: Sequence[str] | None = None) -> pd.DataFrame:
    """Rows as this version writes them, in order of time, with a column for each axis.

    Parameters
    ----------
    rows : DataFrame
        Of a stored table, of any version: all columns of it, or `stored_columns`.
    wanted : sequence of str, optional
        Columns to be there; by default all.
    """
    found = rows.copy()
    if "position" not in found and {"x", "y"} <= {*found}:
        known = ({"x": x, "y": y} for x, y in zip(found["x"], found["y"], strict=True))
        found["position"] = [_dumped({a: v for a, v in each.items() if not math.isnan(v)}) for each in known]
    for column in SUGGESTION_COLUMNS:
        if wanted is not None and column.name not in wanted:
            continue
        if column.name not in found:
            found[column.name] = _missing(column, found)
        elif column.kind == TEXT:
            found[column.name] = found[column.name].astype(object).where(found[column.name].notna(), "")
        elif column.kind == TRUTH:
            found[column.name] = truths(found[column.name])
    if "position" in found:
        positions = [_loaded_numbers(text) for text in found["position"]]
        for axis, name in axis_columns(found).items():
            found[name] = [each.get(axis, math.nan) for each in positions]
    found = found.sort_values("time", kind="stable", ignore_index=True)
    return found if wanted is None else found.reindex(columns=list(wanted))


def axis_columns(rows: pd.DataFrame) -> dict[str, str]:
    """Column by axis, of all axes of the positions in `normalised` rows; those of x and y where there are none."""
    axes = list(dict.fromkeys(axis for text in rows["position"] for axis in _loaded_numbers(text))) or ["x", "y"]
    return named_columns(axes, "axis", [column.name for column in SUGGESTION_COLUMNS])


def as_stored(rows: pd.DataFrame) -> pd.DataFrame:
    """`normalised` rows with what version 0.1 wrote in another form as this one writes it."""
    found = rows.copy()
    for name in ("position_units", "inputs"):
        dumped, loaded = _JSON[name]
        found[name] = [dumped(loaded(text)) for text in found[name]]
    for name in ("position", "terms", "alternatives", "predicted"):
        dumped, loaded = _JSON[name]
        found[name] = [dumped(loaded(text)) if text else "" for text in found[name]]
    return found


def _missing(column: Column, rows: pd.DataFrame) -> Any:
    if column.name == "last_seq_num":
        return rows.get("seq_num", 0)
    if column.default is not None:
        return column.default
    return "" if column.kind == TEXT else None if column.kind == TRUTH else math.nan


def _dumped(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


def _dumped_numbers(numbers: Mapping[str, float]) -> str:
    """NaN as null: it is no JSON."""
    return _dumped({name: _number(value) for name, value in numbers.items()})


def _number(value: float) -> float | str | None:
    number = float(value)
    return number if math.isfinite(number) else None if math.isnan(number) else str(number)


def _loaded_numbers(text: str) -> dict[str, float]:
    return _numbers(json.loads(text)) if text else {}


def _numbers(found: Mapping[str, Any]) -> dict[str, float]:
    return {name: math.nan if value is None else float(value) for name, value in found.items()}


def _loaded_inputs(text: str) -> tuple[str, ...]:
    """Version 0.1 separated them by spaces."""
    return tuple(json.loads(text)) if text.startswith("[") else tuple(text.split())


def _dumped_latents(predicted: Any) -> str:
    if predicted is None:
        return ""
    # The shortest text from which float32 comes back.
    return _dumped([[_number(float(str(value))) for value in each] for each in np.asarray(predicted, np.float32)])


def _loaded_latents(text: str) -> Any:
    return np.array(json.loads(text), np.float64).astype(np.float32) if text else None


def _dumped_settings(settings: Mapping[str, Any]) -> str:
    return json.dumps(dict(settings))


_JSON: Mapping[str, tuple[Callable[[Any], str], Callable[[str], Any]]] = {
    "position": (_dumped_numbers, _loaded_numbers),
    "position_units": (lambda units: _dumped(dict(units)), lambda text: json.loads(text) if text else {}),
    "inputs": (lambda inputs: _dumped(list(inputs)), _loaded_inputs),
    "predicted": (_dumped_latents, _loaded_latents),
    "terms": (_dumped_numbers, _loaded_numbers),
    "alternatives": (
        lambda others: _dumped([{name: _number(value) for name, value in each.items()} for each in others]),
        lambda text: tuple(_numbers(each) for each in json.loads(text)) if text else (),
    ),
    "settings": (_dumped_settings, lambda text: json.loads(text) if text else {}),
}
"""Columns that hold JSON: how it is written, and read."""
