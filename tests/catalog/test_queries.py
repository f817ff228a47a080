from __future__ import annotations

import math
from datetime import UTC, datetime

import pandas as pd
import pytest

from ainerd_agent.catalog.queries import LARGEST, Conditions, between
from ainerd_agent.errors import CatalogError

POINTS = pd.DataFrame(
    {"cluster": [0, 0, 1], "shear_stress": [5.0, 15.0, math.nan], "time": [0.0, 10.0, 20.0], "novelty": [1.0, 2.0, 3.0]}
)


def told(queries: list[object]) -> list[tuple[str, object]]:
    """The keys and values of queries, but that for the spec."""
    return [(query.key, query.value) for query in queries[1:]]  # type: ignore[attr-defined]


def test_ranges_always_have_a_lower_end_and_are_floats() -> None:
    ((key, least),) = told([None, *between("novelty_max", (-math.inf, math.inf))])
    assert (key, least) == ("novelty_max", -LARGEST)
    ends = told([None, *between("tau_median", (-math.inf, 3))])
    assert [value for _, value in ends] == [-LARGEST, 3.0]
    assert all(isinstance(value, float) for _, value in ends)


def test_queries_for_runs_and_for_runs_with_such_rows() -> None:
    given = Conditions.of({"cluster": 2, "stress": (1, 2), "tau": (None, 9), "sample": "PEO", "scan_id": None})
    runs = told(given.runs())
    assert ("dominant_cluster", 2) in runs
    assert ("sample", "PEO") in runs
    assert ("shear_stress_max", 1.0) in runs
    assert ("shear_stress_min", 2.0) in runs
    assert ("tau_median", 9.0) in runs
    with_rows = told(given.runs_with_rows())
    assert ("cluster_fraction_2", 0.0) in with_rows
    assert not {"tau_median", "dominant_cluster"} & {key for key, _ in with_rows}
    shared = told(Conditions.of({"cluster": 2, "share": 0.5}).runs())
    assert shared == [("cluster_fraction_2", 0.5)]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, [True, True, True]),
        ({"cluster": 0}, [True, True, False]),
        ({"stress": (None, None)}, [True, True, False]),
        ({"stress": (5, 15)}, [True, True, False]),
        ({"cluster": 0, "novelty": 2}, [False, True, False]),
        ({"time": (5, 10)}, [False, True, False]),
    ],
)
def test_rows(conditions: dict[str, object], expected: list[bool]) -> None:
    given = Conditions.of(conditions)
    assert given.rows(POINTS).tolist() == expected
    assert set(given.columns()) <= set(POINTS)


@pytest.mark.parametrize(
    "moment",
    ["2026-11-25 15:00", "2026-11-25T16:00+01:00", datetime(2026, 11, 25, 15, tzinfo=UTC), datetime(2026, 11, 25, 15)],
)
def test_times_are_utc_where_no_zone_is_named(moment: object) -> None:
    assert Conditions.of({"time": moment}).ranges["time"] == (1795618800.0, math.inf)


def test_what_makes_no_sense_is_refused() -> None:
    for conditions, reason in (
        ({"share": 0.5}, "say which cluster"),
        ({"cluster": 1.5}, "a number from 0"),
        ({"cluster": True}, "a number from 0"),
        ({"stress": (2, 1)}, "nothing lies between"),
        ({"stress": math.nan}, "nothing lies between"),
        ({"novelty": "5"}, "is a range"),
        ({"time": "soon"}, "is a range"),
        ({"x": ()}, "is a range"),
    ):
        with pytest.raises(CatalogError, match=reason):
            Conditions.of(conditions)


def test_kinds_are_asked_for_like_clusters() -> None:
    assert told(Conditions.of({"kind": "intermittent"}).runs()) == [("dominant_kind", "intermittent")]
    assert told(Conditions.of({"kind": "ageing", "share": 0.1}).runs()) == [("kind_fraction_ageing", 0.1)]
    both = told(Conditions.of({"kind": "ageing", "cluster": 1}).runs_with_rows())
    assert both == [("cluster_fraction_1", 0.0), ("kind_fraction_ageing", 0.0)]
    points = POINTS.assign(kind=["ageing", "unknown", None])
    assert Conditions.of({"kind": "ageing"}).rows(points).tolist() == [True, False, False]
    assert Conditions.of({"kind": "ageing"}).rows(POINTS).tolist() == [False] * 3  # of an older version


def test_what_is_no_repeat_is_asked_for_by_its_probability() -> None:
    given = Conditions.of({"repeat_probability": (None, 0.01)})
    assert ("repeat_probability_min", 0.01) in told(given.runs())
    points = POINTS.assign(repeat_probability=[0.5, 0.001, math.nan])
    assert given.rows(points).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"kind": "boiling"}, "kind is one of equilibrium"),
        ({"share": 0.5}, "say which cluster or kind"),
        ({"share": 0.5, "kind": "ageing", "cluster": 1}, "say which cluster or kind"),
    ],
)
def test_kinds_and_shares_that_are_none(conditions: dict[str, object], message: str) -> None:
    with pytest.raises(CatalogError, match=message):
        Conditions.of(conditions)


def test_why_exposures_ended():
    given = Conditions.of({"ended": "converged", "counted": (2, 5)})
    assert ("ended_fraction_converged", 0.0) in told(given.runs())
    assert ("seconds_counted_max", 2.0) in told(given.runs())
    assert given.columns() == ["ended", "seconds_counted"]
    points = pd.DataFrame({"ended": ["converged", "planned", "converged"], "seconds_counted": [3.0, 3.0, 9.0]})
    assert given.rows(points).tolist() == [True, False, False]
    with pytest.raises(CatalogError, match="ended is one of planned, converged"):
        Conditions.of({"ended": "bored"})
