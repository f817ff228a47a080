"""What was encoded is decoded to the same, whatever it holds."""

from __future__ import annotations

from typing import Any

import pandas as pd
from hypothesis import HealthCheck, given, settings

from ainerd_agent.catalog.codec.columns import column_metadata
from ainerd_agent.catalog.codec.measured_points import Maps, measured
from ainerd_agent.catalog.codec.notes import annotation_table, annotations_of, stress_table, stress_versions_of
from ainerd_agent.catalog.codec.point_layout import PointsLayout, normalised
from ainerd_agent.catalog.codec.points import points_table
from ainerd_agent.catalog.codec.suggestions import event_of, request_of, request_table, suggestion_of, suggestion_table
from ainerd_agent.catalog.codec.suggestions import normalised as normalised_suggestions
from ainerd_agent.records import (
    AgentRequest,
    Analysis,
    Annotation,
    Fingerprints,
    StressVersion,
    Suggestion,
    SuggestionEvent,
)
from tests.catalog.codec import records


def as_stored(table: Any) -> pd.DataFrame:
    """As SQLite gives it back: truth values as text, nulls in numbers as NaN."""
    rows = table.to_pandas()
    for name in rows:
        if rows[name].dtype == bool or set(rows[name].map(type)) & {bool}:
            rows[name] = [None if value is None else str(bool(value)) for value in rows[name]]
    return rows


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(records.tables())
def test_points(pairs: list[tuple[Fingerprints, Analysis]]) -> None:
    table = points_table([f for f, _ in pairs], [a for _, a in pairs])
    layout = PointsLayout.of_table(column_metadata(table.schema), table.schema)
    assert not layout.old
    rows = as_stored(table)
    n_bins = len(pairs[0][0].bins)
    for number, (f, a) in enumerate(pairs):
        group = normalised(rows.iloc[number * n_bins : (number + 1) * n_bins], layout)
        found = measured(group, layout, Maps(n_pixels=f.bins.n_pixels, lags=f.lags))
        assert records.same(found.fingerprints, f)
        assert records.same(found.analysis, a)


@settings(deadline=None)
@given(records.SUGGESTIONS)
def test_suggestions(suggestion: Suggestion) -> None:
    event = SuggestionEvent(time=1.5, suggestion_id=suggestion.id, event="proposed", position=suggestion.position)
    rows = normalised_suggestions(as_stored(suggestion_table(suggestion, event)))
    assert records.same(suggestion_of(rows.iloc[0].to_dict()), suggestion)
    assert records.same(event_of(rows.iloc[0].to_dict()), event)


@settings(deadline=None)
@given(records.SUGGESTIONS, records.EVENTS)
def test_events(suggestion: Suggestion, event: SuggestionEvent) -> None:
    rows = normalised_suggestions(as_stored(suggestion_table(suggestion, event)))
    assert records.same(event_of(rows.iloc[0].to_dict()), event)


@settings(deadline=None)
@given(records.REQUESTS)
def test_requests(request: AgentRequest) -> None:
    rows = normalised_suggestions(as_stored(request_table(request, "lag-v1")))
    assert records.same(request_of(rows.iloc[0].to_dict()), request)


@settings(deadline=None)
@given(records.ANNOTATIONS)
def test_annotations(annotation: Annotation) -> None:
    (found,) = annotations_of(as_stored(annotation_table([annotation])))
    assert records.same(found, annotation)


@settings(deadline=None)
@given(records.STRESS_VERSIONS)
def test_versions_of_stress(version: StressVersion) -> None:
    (found,) = stress_versions_of(as_stored(stress_table([version])))
    assert records.same(found, version)
