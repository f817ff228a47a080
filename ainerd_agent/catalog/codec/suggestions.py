"""Suggestions and what became of them as rows, and back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ainerd_agent.catalog.schema import REQUESTS, SUGGESTION_EVENTS, SUGGESTIONS_SCHEMA
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Suggestion


def suggestion_table(
    suggestion: Suggestion,
    event: str,
    *,
    time: float,
    raw_uid: str = "",
    seq_num: int = 0,
    novelty: float = math.nan,
    note: str = "",
) -> pa.Table:
    """One row: one event in the life of a suggestion, or a request to an agent.

    Why it was made is told once, with "proposed".
    """
    if event not in SUGGESTION_EVENTS + REQUESTS:
        raise ValueError(f"event is {event!r}, not one of {', '.join(SUGGESTION_EVENTS + REQUESTS)}")
    first = event == SUGGESTION_EVENTS[0]
    predicted = None if suggestion.predicted is None else [_rounded(each) for each in suggestion.predicted]
    row = {
        "time": time,
        "suggestion_id": suggestion.id,
        "event": event,
        "raw_uid": raw_uid,
        "seq_num": seq_num,
        "x": suggestion.position.get("x", math.nan),
        "y": suggestion.position.get("y", math.nan),
        "expected_novelty": suggestion.expected_novelty,
        "uncertainty": suggestion.uncertainty,
        "cost": suggestion.cost,
        "score": suggestion.score,
        "novelty": novelty,
        "reason": suggestion.reason,
        "inputs": " ".join(suggestion.inputs),
        "model": suggestion.model,
        "seed": suggestion.seed,
        "agent": suggestion.agent,
        "counting": suggestion.counting,
        "wait": suggestion.wait,
        "predicted_std": suggestion.predicted_std,
        "predicted": json.dumps(predicted) if first and predicted is not None else "",
        "terms": json.dumps(dict(suggestion.terms)) if first else "",
        "alternatives": json.dumps([dict(each) for each in suggestion.alternatives]) if first else "",
        "settings": json.dumps(dict(suggestion.settings)) if first else "",
        "note": note,
    }
    return pa.Table.from_pylist([row], schema=SUGGESTIONS_SCHEMA)


def suggestion_of(row: Mapping[Any, Any]) -> Suggestion:
    """The suggestion that a row of the table tells of: the inverse of `suggestion_table`.

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
    predicted = json.loads(row["predicted"]) if row["predicted"] else None
    return Suggestion(
        id=str(row["suggestion_id"]),
        position={axis: float(row[axis]) for axis in ("x", "y")},
        predicted=None if predicted is None else np.array(predicted, dtype=np.float32),
        inputs=tuple(str(row["inputs"]).split()),
        terms=json.loads(row["terms"]),
        alternatives=tuple(json.loads(row["alternatives"])),
        settings=json.loads(row["settings"]),
        seed=int(row["seed"]),
        reason=str(row["reason"]),
        model=str(row["model"]),
        agent=str(row["agent"]),
        expected_novelty=float(row["expected_novelty"]),
        uncertainty=float(row["uncertainty"]),
        cost=float(row["cost"]),
        score=float(row["score"]),
        counting=float(row["counting"]),
        wait=float(row["wait"]),
        predicted_std=float(row["predicted_std"]),
    )


def _rounded(latents: NDArray[np.float32]) -> list[float]:
    """Four digits: more than any prediction has."""
    return [float(f"{value:.4g}") for value in latents]
